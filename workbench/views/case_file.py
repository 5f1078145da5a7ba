"""*Hồ sơ*: a case, what it is about, and what is written down in it.

Subjects have plates and photographs; tasks, notes and kept tracks of vehicles stand beside.
Nothing is searched here: a plate leads to *Truy vết*, and a photograph is looked for only under
leave (*Khuôn mặt*). What is written is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import panel as pn

from workbench.cases.files import CaseSubject, CaseTask, CaseTrack, ProbePhotograph
from workbench.errors import WorkbenchError
from workbench.investigation import (
    add_note,
    add_probes,
    add_subject,
    add_task,
    case_file,
    could,
    end_task,
    subject_photographs,
    words_of_track,
)
from workbench.views.case_particulars import NewCase, Particulars
from workbench.views.face_words import GATE_WORDS
from workbench.views.faces import picture_uri
from workbench.views.page import Body, Visit, html, refusal
from workbench.views.photograph_input import photograph_input, words
from workbench.views.text import clock


class CaseFilePage:
    """One person's view of what is written down in a case."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, self.purpose = visit, visit.tr, visit.selection.purpose
        self.told = html("")
        self.subjects, self.tasks, self.notes = _column(), _column(), _column()
        self.tracks = _column()
        self.new_subject, self.new_task, self.new_note = _column(), _column(), _column()
        # asked for at once: without a case, or a role for it, the page is refused
        self.file = case_file(visit.wb, self.purpose)
        self.particulars = Particulars(visit, self.safely)
        self.writes = could(visit.wb, "case.write")
        if self.writes:
            self._make_forms()
        self._draw()

    def safely(self, act: Callable[[], object]) -> None:
        """Write something and show the file anew, or say why it cannot be written."""
        self.told.object = ""
        try:
            act()
            self.file = case_file(self.visit.wb, self.purpose)
            self._draw()
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)

    # -- writing -----------------------------------------------------------------------------

    def _make_forms(self) -> None:
        tr, wb, purpose = self.tr, self.visit.wb, self.purpose
        what = _text(tr("Whom or what it is about, in words"), 420)
        plates = _text(tr("Plates, comma-separated"), 260)
        task = _text(tr("What is to be done"), 420)
        whose, due = _text(tr("Who does it"), 160), _text(tr("Until, like 2026-11-20"), 160)
        note = _text(tr("Note"), 640)

        def subject() -> None:
            add_subject(wb, purpose, _value(what), plates=_parts(_value(plates)))
            _clear(what, plates)

        def do() -> None:
            add_task(wb, purpose, _value(task), whose=_value(whose), due=_value(due))
            _clear(task, whose, due)

        def write() -> None:
            add_note(wb, purpose, _value(note))
            _clear(note)

        self.new_subject.objects = [
            pn.Row(what, plates, self._button(tr("Write the subject down"), subject))
        ]
        self.new_task.objects = [
            pn.Row(task, whose, due, self._button(tr("Write the task down"), do))
        ]
        self.new_note.objects = [pn.Row(note, self._button(tr("Write the note down"), write))]

    def _button(self, name: str, act: Callable[[], object]) -> pn.widgets.Button:
        button = pn.widgets.Button(name=name, width=190, margin=(24, 6, 4, 6))
        button.on_click(lambda _event: self.safely(act))
        return button

    # -- showing -----------------------------------------------------------------------------

    def _draw(self) -> None:
        none = html(f'<p class="muted">{escape(self.tr("None."))}</p>')
        self.subjects.objects = [self._subject(one) for one in self.file.subjects] or [none]
        self.tasks.objects = [self._task(one) for one in self.file.tasks] or [none]
        told = [
            f'<p data-note><span class="small muted">{escape(clock(one.at_ns, date=True))} · '
            f"{escape(one.written_by)}</span><br>{escape(one.text)}</p>"
            for one in self.file.notes
        ]
        self.notes.objects = [html("".join(told))] if told else [none]
        self.tracks.objects = [html(self._track(one)) for one in self.file.tracks] or [none]

    def _track(self, one: CaseTrack) -> str:
        """Return a kept track and each correction of it, taken back or not."""
        tr, found = self.tr, one.found
        told = " · ".join(
            escape(str(part))
            for part in (
                found["name"] or tr("track"), found["camera_id"],
                tr("{count} frames").format(count=len(found["pts"])),
                tr("found by the computer") if found["by_computer"] else tr("picked by hand"),
            )
        )  # fmt: skip
        steps = "".join(f"<li>{escape(w.sentence(tr))}</li>" for w in words_of_track(one))
        return (
            f'<div data-track="{escape(one.track_id)}"><p><b class="mono">{escape(one.track_id)}'
            f'</b> {told} <span class="small muted">{escape(clock(one.at_ns, date=True))} · '
            f"{escape(one.written_by)}</span></p>{f'<ul>{steps}</ul>' if steps else ''}</div>"
        )

    def _subject(self, one: CaseSubject) -> pn.Column:
        tr, wb = self.tr, self.visit.wb
        links = {plate: self.visit.link("truy-vet", plate=plate) for plate in one.plates}
        plates = " ".join(
            f'<a class="plate" href="{escape(link, quote=True)}">{escape(plate)}</a>'
            for plate, link in links.items()
        )
        head = (
            f'<p data-subject="{escape(one.subject_id)}"><b class="mono">{escape(one.subject_id)}'
            f'</b> {escape(one.what)} <span class="small muted">{escape(one.written_by)}</span> '
            f"{plates}</p>"
        )
        shown = "".join(
            f'<div class="frame"><img style="width:auto;max-height:120px" alt="" '
            f'src="{picture_uri(data)}"><p class="small">'
            f'<span class="tag">{escape(tr(GATE_WORDS[photograph.quality]))}</span> '
            f"{escape(_said(photograph))}"
            "</p></div>"
            for photograph, (_, data) in zip(one.photographs, self._photographs(one), strict=True)
        )
        parts: list[object] = [html(head + shown)]
        if self.writes:
            field = photograph_input(tr)
            despite = _text(tr("Why a photograph below the gate must do"), 300)
            plate = _text(tr("Plates, comma-separated"), 200)

            def photograph(_event: object) -> None:
                if field.value:
                    given = [(str(field.filename), bytes(field.value))]
                    self.safely(
                        lambda: add_probes(
                            wb, self.purpose, one.subject_id, photographs=given,
                            despite=_value(despite),
                        )
                    )  # fmt: skip

            def more() -> None:
                add_probes(wb, self.purpose, one.subject_id, plates=_parts(_value(plate)))

            field.param.watch(photograph, "value")
            parts.append(
                pn.Row(plate, self._button(tr("Add the plates"), more), despite,
                       pn.Column(field, margin=(20, 6, 4, 6)))
            )  # fmt: skip
        return pn.Column(*parts, sizing_mode="stretch_width", margin=0)

    def _photographs(self, one: CaseSubject) -> list[tuple[str, bytes]]:
        if not one.photographs:
            return []
        return subject_photographs(self.visit.wb, self.purpose, one.subject_id)

    def _task(self, one: CaseTask) -> pn.Row:
        tr, wb = self.tr, self.visit.wb
        due = tr("until {time}").format(time=one.due) if one.due else ""
        if one.is_open:
            state = f'<span class="tag doubtful">{escape(tr("open"))}</span>'
        else:
            said = tr("done by {name}: {outcome}").format(name=one.done_by, outcome=one.outcome)
            state = f'<span class="tag plausible">{escape(said)}</span>'
        line = " · ".join(filter(None, (one.what, one.whose, due)))
        shown = html(
            f'<p data-task="{escape(one.task_id)}"><b class="mono">{escape(one.task_id)}</b> '
            f"{escape(line)} {state}</p>"
        )
        if not (one.is_open and self.writes):
            return pn.Row(shown, sizing_mode="stretch_width")
        outcome = _text(tr("What came of it"), 300)
        done = self._button(
            tr("It is done"), lambda: end_task(wb, self.purpose, one.task_id, _value(outcome))
        )
        return pn.Row(shown, outcome, done, sizing_mode="stretch_width")


def case_file_page(visit: Visit) -> Body:
    """Return the page of a case and what is written down in it; refused without, or a role for it.

    Whoever may open cases can open one here: without a case the refusal stands above that form.
    """
    tr = visit.tr
    if not visit.selection.case_id and could(visit.wb, "case.open"):
        return _new_case_page(visit)
    one = CaseFilePage(visit)
    another = f"/ho-so?lang={visit.lang}" if could(visit.wb, "case.open") else ""
    return Body(
        "case_file.html",
        {
            "particulars": tr("The case"), "another": another, "open": tr("Open another case"),
            "subjects": tr("Subjects of the case"), "tasks": tr("Tasks"), "notes": tr("Notes"),
            "tracks": tr("Tracks kept in the case"),
            **words(tr),
        },
        {
            "said": pn.Column(one.told, sizing_mode="stretch_width"),
            "particulars": one.particulars.shown, "change": one.particulars.form,
            "subjects": one.subjects, "new_subject": one.new_subject, "tasks": one.tasks,
            "new_task": one.new_task, "notes": one.notes, "new_note": one.new_note,
            "tracks": one.tracks,
        },
    )  # fmt: skip


def _new_case_page(visit: Visit) -> Body:
    try:
        case_file(visit.wb, visit.selection.purpose)
    except WorkbenchError as error:
        told = html(refusal(error, visit.tr), sizing_mode=None)
    return Body(
        "case_new.html",
        {"new": visit.tr("Open a case")},
        {"refusal": told, "form": NewCase(visit).column},
    )


def _said(one: ProbePhotograph) -> str:
    return " · ".join(filter(None, (one.file, *one.remarks, one.despite)))


def _column() -> pn.Column:
    return pn.Column(sizing_mode="stretch_width", margin=0)


def _text(name: str, width: int) -> pn.widgets.TextInput:
    return pn.widgets.TextInput(name=name, width=width, max_length=500)


def _value(field: pn.widgets.TextInput) -> str:
    return field.value_input or ""


def _parts(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _clear(*fields: pn.widgets.TextInput) -> None:
    for one in fields:
        one.param.update(value="", value_input="")
