"""*Canh trực tiếp*: lookouts of a case, who asked and approved, and what waits for a person.

Nothing rings here. A hit says that a plate was read, with what speaks for and against it, and leads
to *Truy vết*; candidates for a face stand beside them, for two readers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

import panel as pn

from workbench.cases.lookouts import evidence
from workbench.errors import N_, WorkbenchError
from workbench.investigation import (
    approve_lookout,
    ask_lookout,
    decide_hit,
    end_lookout,
    list_lookouts,
    lookout_switch,
    lookouts_mark,
    seen_by,
)
from workbench.store.lookouts import VERDICTS, Lookout, LookoutHit
from workbench.timeline import SECOND_NS
from workbench.views.face_lookouts import FaceLookouts
from workbench.views.following import LOOK_MS, rows_of
from workbench.views.page import Body, Visit, html, refusal
from workbench.views.text import local

HOURS = (1, 4, 12, 24, 72, 168)
MOST_SHOWN = 50
_WORDS = {
    "concerns the case": N_("concerns the case"),
    "does not": N_("does not concern it"),
    "cannot tell": N_("cannot tell"),
}


class LookoutPage:
    """One person's view of the lookouts of a case."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, self.purpose = visit, visit.tr, visit.selection.purpose
        tr, wb = visit.tr, visit.wb
        self._seen = -1
        self.told, self.state = html(""), html("")
        # asked for at once: without a case the page is refused before it is drawn
        self.found = list_lookouts(wb, self.purpose)
        case = next(one for one in wb.cases() if one.case_id == self.purpose.case_id)
        cameras = list(seen_by(wb, tuple(case.cameras or wb.ward.cameras)))
        self.plate = pn.widgets.TextInput(name=tr("Plate: ? stands for one sign"), width=220)
        self.cameras = pn.widgets.MultiChoice(name=tr("Cameras"), options=cameras, width=420)
        self.hours = pn.widgets.Select(
            name=tr("Ends after"),
            options={tr("{hours} hours").format(hours=hours): hours for hours in HOURS},
            value=4, width=120,
        )  # fmt: skip
        self.ask = pn.widgets.Button(
            name=tr("Ask for it"), button_type="primary", width=120, margin=(26, 10, 5, 10)
        )
        self.ask.on_click(lambda _event: self.safely(self._ask))
        self.lookouts = pn.Column(sizing_mode="stretch_width", margin=0)
        self.queue = pn.Column(sizing_mode="stretch_width", margin=0)
        self.faces = FaceLookouts(visit)
        self._draw()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.look_again, period=LOOK_MS)

    def look_again(self) -> None:
        """List anew where the queue has grown, or a lookout has come or gone."""
        self.faces.look_again()
        now = lookouts_mark(self.visit.wb, self.purpose.case_id)
        if now != self._seen:
            self.safely(self.list)
        else:
            self._say_state()

    def list(self) -> None:
        """List the lookouts of the case, which the log keeps."""
        self.found = list_lookouts(self.visit.wb, self.purpose)
        self._draw()

    def safely(self, act: Callable[[], object]) -> None:
        """Do something, or say why it cannot be done."""
        self.told.object = ""
        try:
            act()
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)

    def _ask(self) -> None:
        until_ns = self.visit.wb.now() + self.hours.value * 3600 * SECOND_NS
        chosen = list(self.cameras.value)
        ask_lookout(self.visit.wb, self.plate.value_input, chosen, until_ns, self.purpose)
        self.list()

    def _then_list(self, act: Callable[[], object]) -> None:
        def both() -> None:
            act()
            self.list()

        self.safely(both)

    def _draw(self) -> None:
        self._seen = lookouts_mark(self.visit.wb, self.purpose.case_id)
        self._say_state()
        none = html(f'<p class="muted">{escape(self.tr("None."))}</p>')
        self.lookouts.objects = [self._lookout(one) for one in self.found] or [none]
        hits = [(one, hit) for one in self.found for hit in one.hits]
        # what nobody has looked at comes first, the newest on top
        hits.sort(key=lambda pair: (bool(pair[1].verdict), -pair[1].utc_ns))
        self.queue.objects = [self._hit(*pair) for pair in hits[:MOST_SHOWN]] or [none]

    def _say_state(self) -> None:
        tr, wb = self.tr, self.visit.wb
        switch = lookout_switch(wb)
        rows = rows_of(wb.following(), self.purpose.case_id, wb.now())
        if not switch.on:
            said = tr("Lookouts are switched off: {reason} ({name}).").format(
                reason=switch.reason, name=switch.by
            )
        elif rows is None:
            said = tr("The case is not followed now: nothing is looked out for.")
        else:
            said = tr("The case is followed: each new sighting is compared.")
        shown = f'<p class="small" role="status">{escape(said)}</p>'
        if self.state.object != shown:
            self.state.object = shown

    def _lookout(self, one: Lookout) -> pn.Row:
        tr, wb = self.tr, self.visit.wb
        state = (
            tr("approved by {name}").format(name=one.approved_by)
            if one.approved_by
            else tr("waits for somebody else to approve it")
        )
        said = tr("asked by {name}, {state}; until {until}").format(
            name=one.asked_by, state=state, until=f"{local(one.until_ns):%H:%M %d/%m/%Y}"
        )
        text = html(
            f'<p><b class="mono">{escape(one.plate)}</b> · {escape(", ".join(one.cameras))}<br>'
            f'<span class="small">{escape(said)}<br>{escape(one.reason)}</span></p>'
        )
        buttons = []
        if not one.approved_by and one.asked_by != wb.actor:
            approve = pn.widgets.Button(name=tr("Approve"), button_type="primary", width=110)
            approve.on_click(
                lambda _event: self._then_list(
                    partial(approve_lookout, wb, one.lookout_id, self.purpose)
                )
            )
            buttons.append(approve)
        end = pn.widgets.Button(name=tr("End and delete"), width=130)
        end.on_click(
            lambda _event: self._then_list(partial(end_lookout, wb, one.lookout_id, self.purpose))
        )
        return pn.Row(text, pn.Row(*buttons, end), sizing_mode="stretch_width")

    def _hit(self, one: Lookout, hit: LookoutHit) -> pn.Row:
        tr, wb = self.tr, self.visit.wb
        said = [tr(text).format(**values) for text, values in evidence(hit)]
        if hit.verdict:
            said.append(
                tr("{name} says: {verdict}").format(
                    name=hit.decided_by, verdict=tr(_WORDS[hit.verdict])
                )
            )
        items = "".join(f"<li>{escape(line)}</li>" for line in said)
        link = escape(self.visit.link("truy-vet", plate=hit.read), quote=True)
        text = html(
            f'<p><span class="mono">{escape(one.plate)}</span> → '
            f'<b class="mono">{escape(hit.read)}</b> · {escape(hit.camera_id)} · '
            f"{local(hit.utc_ns):%H:%M:%S %d/%m/%Y} ± {hit.sigma_s:.1f} s · "
            f'{escape(tr(hit.kind))} · <a href="{link}">{escape(tr("Trace"))}</a></p>'
            f'<ul class="small">{items}</ul>'
        )
        buttons = []
        for verdict in VERDICTS:
            button = pn.widgets.Button(
                name=tr(_WORDS[verdict]), width=160,
                button_type="primary" if verdict == hit.verdict else "default",
            )  # fmt: skip
            button.on_click(
                lambda _event, verdict=verdict: self._then_list(
                    partial(decide_hit, wb, hit.hit_id, verdict, self.purpose)
                )
            )
            buttons.append(button)
        return pn.Row(text, pn.Row(*buttons), sizing_mode="stretch_width")


def lookouts_page(visit: Visit) -> Body:
    """Return the page of a case's lookouts; refused without a case."""
    one, tr = LookoutPage(visit), visit.tr
    form = pn.Row(one.plate, one.cameras, one.hours, one.ask, sizing_mode="stretch_width")
    return Body(
        "lookouts.html",
        {
            "ask": tr("Look out for a plate"),
            "lookouts": tr("Lookouts of this case"),
            "queue": tr("Read plates that wait for a person"),
            "faces": tr("Candidates for a face that wait for two readers"),
            "face_lookouts": tr("Lookouts for a face of this case"),
        },
        {
            "ask": pn.Column(one.state, form, one.told),
            "lookouts": one.lookouts,
            "queue": one.queue,
            "faces": pn.Column(one.faces.told, one.faces.queue, sizing_mode="stretch_width"),
            "face_lookouts": pn.Column(
                one.faces.state, one.faces.lookouts, sizing_mode="stretch_width"
            ),
        },
    )
