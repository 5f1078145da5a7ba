"""What a case is about and who works on it: shown, given at its opening, changed with a reason.

Part of *Hồ sơ*. Offences are offered by category and may be written in other words; how long the
footage of the case will be held once it is closed stands beside its category.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import panel as pn

from workbench.cases.particulars import with_particulars
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import case_history, change_case, could
from workbench.investigation.opening import Turn
from workbench.records import Case
from workbench.store.categories import CATEGORIES, DAYS, OFFENCES, read_case_days
from workbench.timeline import Span, local_text
from workbench.views.page import Visit, html, refusal
from workbench.views.text import Translate, clock, written_instant

ACT_WORDS = {
    "case.open": N_("opened"), "case.change": N_("changed"), "case.close": N_("closed"),
}  # fmt: skip


class Particulars:
    """The particulars of a case on one person's page: ``shown``, and ``form`` to change them."""

    def __init__(self, visit: Visit, safely: Callable[[Callable[[], object]], None]) -> None:
        self.visit, self.tr, self._safely = visit, visit.tr, safely
        self.shown = html("")
        self.form = pn.Column(sizing_mode="stretch_width", margin=0)
        self._fields = Fields(self.tr, self._case())
        if could(visit.wb, "case.change"):
            self._make_form()
        self.draw()

    def _case(self) -> Case:
        purpose = self.visit.selection.purpose
        return next(one for one in self.visit.wb.cases() if one.case_id == purpose.case_id)

    def _make_form(self) -> None:
        tr, fields = self.tr, self._fields
        why = _text(tr("Why it is changed"), 300)
        button = pn.widgets.Button(name=tr("Change the case"), width=150, margin=(24, 6, 4, 6))

        def change() -> None:
            change_case(
                self.visit.wb, self.visit.selection.case_id, _value(why),
                offence=fields.said, category=fields.category.value, people=fields.named,
            )  # fmt: skip
            why.param.update(value="", value_input="")
            self.draw()

        button.on_click(lambda _event: self._safely(change))
        self.form.objects = [*fields.rows, pn.Row(why, button)]

    def draw(self) -> None:
        """Show the case as it is now."""
        tr, wb = self.tr, self.visit.wb
        case = self._case()
        turns = case_history(wb, self.visit.selection.purpose)
        rows = [
            (tr("Case"), f"{case.case_id} · {case.title}"),
            (tr("Legal basis"), case.legal_basis),
            (tr("Offence or act"), case.offence or tr("not said")),
            (tr("Category"), category_text(case, held_days(self.visit), tr)),
            (
                tr("Period"),
                " – ".join(map(local_text, (case.period.start_ns, case.period.stop_ns))),
            ),
            (tr("Cameras"), ", ".join(case.cameras) or tr("all cameras")),
            (tr("Who works on it"), ", ".join(case.people) or tr("whoever may work on cases")),
        ]
        told = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows
        )
        self.shown.object = (
            f'<table class="rows particulars">{told}</table>'
            f'<p class="small muted" data-turns>{"<br>".join(_turn(one, tr) for one in turns)}</p>'
        )


class Fields:
    """Offence with its list by category, category, people: the fields of two forms."""

    def __init__(self, tr: Translate, case: Case | None = None) -> None:
        self.tr = tr
        names = {tr("no category"): ""} | {tr(one.name): key for key, one in CATEGORIES.items()}
        self.category = pn.widgets.Select(
            name=tr("Category"), options=names, value=case.category if case else "", width=200
        )
        self.offence = _text(tr("Offence or act"), 360, case.offence if case else "")
        self.offered = pn.widgets.Select(name=tr("Choose from the list"), width=360)
        self.people = _text(
            tr("Who works on it, comma-separated"), 260, ", ".join(case.people) if case else ""
        )
        self.category.param.watch(lambda _event: self._offer(), "value")
        self.offered.param.watch(self._take, "value")
        self._offer()

    @property
    def said(self) -> str:
        """The offence as it stands in its field."""
        return _value(self.offence)

    @property
    def named(self) -> list[str]:
        """The people as they stand in their field."""
        return [one.strip() for one in _value(self.people).split(",") if one.strip()]

    @property
    def rows(self) -> list[pn.Row]:
        """The fields in two rows."""
        return [pn.Row(self.category, self.people), pn.Row(self.offered, self.offence)]

    def _offer(self) -> None:
        chosen = self.category.value
        listed = OFFENCES[chosen] if chosen else [one for some in OFFENCES.values() for one in some]
        self.offered.param.update(
            options={"…": "", **{self.tr(one): self.tr(one) for one in listed}}, value=""
        )

    def _take(self, event: object) -> None:
        if self.offered.value:
            self.offence.param.update(value=self.offered.value, value_input=self.offered.value)


class NewCase:
    """The form that opens a case; ``told`` says what came of it."""

    def __init__(self, visit: Visit) -> None:
        self.visit, tr = visit, visit.tr
        self.told = html("")
        self.fields = Fields(tr)
        self.number, self.title = _text(tr("Number of the case"), 160), _text(tr("Title"), 400)
        self.basis = _text(tr("Legal basis"), 300)
        self.reason = _text(tr("Why footage is needed"), 400)
        self.start = _text(tr("From, like 20/11/2026 07:00"), 200)
        self.stop = _text(tr("Until, like 20/11/2026 09:00"), 200)
        self.cameras = _text(tr("Cameras, comma-separated; empty: all"), 400)
        self.button = pn.widgets.Button(name=tr("Open the case"), width=160, margin=(10, 6, 4, 6))
        self.button.on_click(lambda _event: self.open())
        self.column = pn.Column(
            pn.Row(self.number, self.title), pn.Row(self.basis, self.reason),
            pn.Row(self.start, self.stop, self.cameras), *self.fields.rows, self.button, self.told,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def open(self) -> None:
        """Open the case, or say why it cannot be."""
        tr, wb = self.visit.tr, self.visit.wb
        try:
            cameras = [one.strip() for one in _value(self.cameras).split(",") if one.strip()]
            start_ns, stop_ns = (
                written_instant(_value(one), where=one.name) for one in (self.start, self.stop)
            )
            case = Case(
                _value(self.number).strip(), _value(self.title).strip(), _value(self.basis).strip(),
                _value(self.reason).strip(),
                Span(start_ns, stop_ns), tuple(cameras),
            )  # fmt: skip
            made = wb.open_case(
                with_particulars(
                    case,
                    offence=self.fields.said,
                    category=self.fields.category.value,
                    people=self.fields.named,
                )
            )
        except WorkbenchError as error:
            self.told.object = refusal(error, tr)
            return
        self.visit.selection.param.update(case_id=made.case_id, reason=made.reason)
        link = escape(self.visit.link("ho-so"), quote=True)
        said = escape(tr("Case {case} is open.").format(case=made.case_id))
        self.told.object = (
            f'<p data-opened>{said} <a href="{link}">{escape(tr("Go to it"))}</a></p>'
        )


def held_days(visit: Visit) -> dict[str, int]:
    """Return how long closed cases hold footage, by category; the defaults where nobody can say."""
    try:
        return dict(read_case_days(visit.wb.root / "retention.toml"))
    except BadInput:
        return dict(DAYS)


def category_text(case: Case, days: dict[str, int], tr: Translate) -> str:
    """Return a case's category, how long its footage is held, and on what that rests."""
    one = CATEGORIES.get(case.category)
    if one is None:
        return tr("none: once it is closed, nothing is held for it")
    held = tr("footage is held {days} days after it is closed").format(days=days[case.category])
    basis = one.basis if days[case.category] == one.days else N_("set by this ward")
    return f"{tr(one.name)} · {held} ({tr(basis)})"


def _turn(one: Turn, tr: Translate) -> str:
    changed = [
        f"{tr(_NAMES[name])}: {_shown(said[0])} → {_shown(said[1])}"
        for name, said in one.details.items()
        if one.act == "case.change" and name in _NAMES
    ]
    said = (
        clock(one.at_ns, date=True),
        one.actor,
        tr(ACT_WORDS[one.act]),
        one.reason,
        "; ".join(changed),
    )
    return " · ".join(escape(part) for part in said if part)


_NAMES = {
    "offence": N_("Offence or act"), "category": N_("Category"), "people": N_("Who works on it"),
}  # fmt: skip


def _shown(value: object) -> str:
    return (", ".join(map(str, value)) if isinstance(value, list) else str(value)) or "–"


def _text(name: str, width: int, value: str = "") -> pn.widgets.TextInput:
    return pn.widgets.TextInput(name=name, width=width, max_length=500, value=value,
                                value_input=value)  # fmt: skip


def _value(field: pn.widgets.TextInput) -> str:
    return field.value_input or ""
