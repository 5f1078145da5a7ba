"""*Khuôn mặt*: face search under leave, from the request over approval and run to two readers.

What each person may do is the facade's to say; the page offers what a role could do and shows the
sentence of a refusal. Readers see no score, and the second nothing of the first.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from typing import Any

import cv2
import numpy as np
import panel as pn

from workbench.cases.asking import READERS, one_name
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import (
    Asked,
    approve_faces,
    ask_face_lookout,
    ask_faces,
    could,
    end_faces,
    face_calibration,
    face_candidates,
    face_cost,
    face_crop,
    face_photographs,
    face_results,
    face_running,
    faces_mark,
    faces_off,
    foretell_faces,
    judge_photographs,
    list_faces,
    read_faces,
    refuse_faces,
    run_calibration,
    seen_by,
    start_faces,
)
from workbench.store.faces import VERDICT_WORDS
from workbench.timeline import SECOND_NS, Span
from workbench.views.face_lookouts import FaceLookouts
from workbench.views.face_words import (
    calibration_html,
    cost_html,
    photograph_html,
    progress_html,
    request_html,
    results_html,
    sheet_html,
)
from workbench.views.footage import jpeg, shrink
from workbench.views.lookouts import HOURS
from workbench.views.page import Body, Visit, html, refusal
from workbench.views.photograph_input import photograph_input, words
from workbench.views.text import local, written_instant

LOOK_MS = 1_000
DAYS = (1, 3, 7, 14, 30)
CROP_PX = 220
_pool = ThreadPoolExecutor(2, thread_name_prefix="faces")


class FacesPage:
    """One person's view of the face searches of a case."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, self.purpose = visit, visit.tr, visit.selection.purpose
        self.worth = html(calibration_html(face_calibration(visit.wb), visit.tr))
        self.told, self.form, self.requests, self.opened = html(""), _column(), _column(), _column()
        self.photographs: list[tuple[str, bytes]] = []
        self.chosen, self.reading = "", False
        self._doing: tuple[Future[Any], Callable[[Any], object]] | None = None
        self.running = html("")
        # asked for at once: without a case, or a role for it, the page is refused
        self.found = list_faces(visit.wb, self.purpose)
        self.live = FaceLookouts(visit)
        if could(visit.wb, "faces.ask"):
            self._make_form()
        self._draw()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self.look_again, period=LOOK_MS)

    def look_again(self) -> None:
        """Show what has ended or changed; a reading under way is left alone."""
        if self._doing is not None and self._doing[0].done():
            (future, then), self._doing = self._doing, None
            self.told.object = ""
            self._safely(lambda: then(future.result()))
        self.live.look_again()
        if faces_mark(self.visit.wb, self.purpose.case_id) != self._mark:
            self._safely(self._list)
        self._say_running()

    # -- asking ------------------------------------------------------------------------------

    def _make_form(self) -> None:
        tr, wb = self.tr, self.visit.wb
        case = next(one for one in wb.cases() if one.case_id == self.purpose.case_id)
        cameras = list(seen_by(wb, tuple(case.cameras or wb.ward.cameras)))
        start, stop = (local(ns).isoformat() for ns in (case.period.start_ns, case.period.stop_ns))
        self.file = photograph_input(tr)
        self.gate = html("")
        self.cameras = pn.widgets.MultiChoice(name=tr("Cameras"), options=cameras, width=420)
        self.start = pn.widgets.TextInput(name=tr("From"), value=start, width=220)
        self.stop = pn.widgets.TextInput(name=tr("To"), value=stop, width=220)
        self.days = pn.widgets.Select(
            name=tr("Days of leave"), options=list(DAYS), value=7, width=110
        )
        self.urgent = pn.widgets.TextInput(
            name=tr("Urgent, and why it cannot wait: runs at once, deleted after 48 hours"),
            width=420,
        )
        self.despite = pn.widgets.TextInput(
            name=tr("Why a photograph below the gate must do"), width=420
        )
        self.hours = pn.widgets.Select(
            name=tr("Live lookout ends after"),
            options={tr("{hours} hours").format(hours=hours): hours for hours in HOURS},
            value=4, width=160,
        )  # fmt: skip
        self.foretold = html("")
        live = _button(tr("Ask for a live lookout"), lambda: self._safely(self._ask_live))
        live_hint = tr(
            "A live lookout compares who passes these cameras from its approval on, while the case "
            "is followed; from and to do not count."
        )
        clear = _button(tr("Leave the photographs out"), self._clear)
        cost = _button(tr("What it will come to"), lambda: self._safely(self._foretell))
        ask = _button(tr("Ask for leave"), lambda: self._safely(self._ask), "primary")
        self.file.param.watch(lambda _event: self._add_photograph(), "value")
        hint = tr("Photographs of the one person, one after the other: JPEG or PNG, up to 20 MB")
        self.form.objects = [
            html(f'<p class="small">{escape(hint)}</p>'),
            pn.Row(self.file, clear), self.gate,
            pn.Row(self.cameras, self.start, self.stop, self.days),
            pn.Row(self.urgent, self.despite), pn.Row(cost, ask), self.foretold,
            pn.Row(self.hours, live), html(f'<p class="small">{escape(live_hint)}</p>'),
        ]  # fmt: skip

    def _add_photograph(self) -> None:
        if not self.file.value:
            return
        given = [*self.photographs, (str(self.file.filename), bytes(self.file.value))]
        wb, purpose = self.visit.wb, self.purpose

        def judged(found: Sequence[Any]) -> None:
            self.photographs = given
            self.gate.object = "".join(
                photograph_html(one, picture_uri(data), self.tr)
                for one, (_, data) in zip(found, given, strict=True)
            )

        self._do(lambda: judge_photographs(wb, purpose, given), judged)

    def _clear(self) -> None:
        self.photographs, self.gate.object = [], ""

    def _bounds(self) -> tuple[list[str], Span]:
        start, stop = (
            written_instant(one.value_input.strip() or one.value.strip(), where=one.name)
            for one in (self.start, self.stop)
        )
        if stop <= start:
            raise BadInput(N_("the end is not after the start"), N_("give a later end"))
        return list(self.cameras.value), Span(start, stop)

    def _foretell(self) -> None:
        cameras, span = self._bounds()
        cost = foretell_faces(self.visit.wb, self.purpose, cameras=cameras, span=span)
        self.foretold.object = cost_html(cost, self.tr)

    def _ask(self) -> None:
        cameras, span = self._bounds()
        if not self.photographs:
            raise BadInput(N_("no photograph is given"), N_("give one or more of one person"))
        wb, purpose, given = self.visit.wb, self.purpose, list(self.photographs)
        days, urgent, despite = self.days.value, self.urgent.value_input, self.despite.value_input

        def asked_for(request: Any) -> None:
            self._clear()
            self.foretold.object, self.chosen = "", request.request_id
            self._list()

        self._do(
            lambda: ask_faces(
                wb, purpose, given, cameras=cameras, span=span, days=days, urgent=urgent or "",
                despite=despite or "",
            ),
            asked_for,
        )  # fmt: skip

    def _ask_live(self) -> None:
        if not self.photographs:
            raise BadInput(N_("no photograph is given"), N_("give one or more of one person"))
        wb, purpose, given = self.visit.wb, self.purpose, list(self.photographs)
        until_ns = wb.now() + self.hours.value * 3600 * SECOND_NS
        cameras = list(self.cameras.value)
        urgent, despite = self.urgent.value_input or "", self.despite.value_input or ""

        def asked_for(_lookout: Any) -> None:
            self._clear()
            self.live.refresh()

        self._do(
            lambda: ask_face_lookout(
                wb, purpose, given, cameras=cameras, until_ns=until_ns, urgent=urgent,
                despite=despite,
            ),
            asked_for,
        )  # fmt: skip

    # -- requests ----------------------------------------------------------------------------

    def _list(self) -> None:
        self.found = list_faces(self.visit.wb, self.purpose)
        self._draw()

    def _draw(self) -> None:
        self._mark = faces_mark(self.visit.wb, self.purpose.case_id)
        none = html(f'<p class="muted">{escape(self.tr("None."))}</p>')
        self.requests.objects = [self._card(one) for one in self.found] or [none]
        if not self.reading:  # what a reader has chosen by now must not be lost
            self._safely(self._open)

    def _card(self, one: Asked) -> pn.Row:
        def show() -> None:
            self.chosen, self.reading = one.request.request_id, False
            self._open()

        open_it = _button(self.tr("Open"), lambda: self._safely(show))
        return pn.Row(html(request_html(one, self.tr)), open_it, sizing_mode="stretch_width")

    def _open(self) -> None:
        one = next((one for one in self.found if one.request.request_id == self.chosen), None)
        if one is None:
            self.opened.objects = []
            return
        tr, wb, request, now = self.tr, self.visit.wb, one.request, one.standing
        self.running = html("")
        parts: list[Any] = [html(request_html(one, tr, whole=True)), self._shown_photographs(one)]
        if not now.ran and now.state in ("asked", "approved"):
            parts.append(html(cost_html(face_cost(wb, request.request_id), tr)))
        mine = one_name(wb.actor) == one_name(request.requester)
        if now.state == "asked" and not mine and could(wb, "faces.approve"):
            parts.append(self._decision(request.request_id))
        if (
            not now.ran
            and mine
            and (now.state == "approved" or (now.state == "asked" and request.urgent))
        ):
            parts.append(self._run_row(request.request_id))
        gone = now.deleted or now.state in ("refused", "lapsed")
        if now.ran and not gone and could(wb, "faces.read"):
            parts.append(self._reading_row(one))
        self.opened.objects = [*parts, self.running]
        self._say_running()

    def _shown_photographs(self, one: Asked) -> Any:
        datas = face_photographs(self.visit.wb, one.request.request_id, self.purpose)
        return html("".join(
            photograph_html(each, picture_uri(data), self.tr)
            for each, data in zip(one.request.photographs, datas, strict=True)
        ))  # fmt: skip

    def _decision(self, request_id: str) -> pn.Row:
        wb, why = (
            self.visit.wb,
            pn.widgets.TextInput(name=self.tr("Reason of the decision"), width=420),
        )

        def decide(act: Callable[..., Any]) -> None:
            act(wb, request_id, why.value_input or "")
            self._list()

        return pn.Row(
            why,
            _button(
                self.tr("Approve"), lambda: self._safely(lambda: decide(approve_faces)), "primary"
            ),
            _button(self.tr("Refuse"), lambda: self._safely(lambda: decide(refuse_faces))),
        )

    def _run_row(self, request_id: str) -> pn.Row:
        wb = self.visit.wb

        def start() -> None:
            start_faces(wb, request_id)
            self._say_running()

        return pn.Row(
            _button(self.tr("Run the search"), lambda: self._safely(start), "primary"),
            _button(self.tr("End it"), lambda: self._safely(lambda: end_faces(wb, request_id))),
        )

    def _say_running(self) -> None:
        if not self.chosen:
            return
        state = face_running(self.visit.wb, self.chosen)
        said = refusal(state.error, self.tr) if state.error else progress_html(state, self.tr)
        if self.running.object != said:
            self.running.object = said

    # -- reading -----------------------------------------------------------------------------

    def _reading_row(self, one: Asked) -> pn.Row:
        tr, now = self.tr, one.standing
        if now.read:
            return pn.Row(_button(tr("Show scores and verdicts"), lambda: self._results(one)))
        if any(one_name(each.reader) == one_name(self.visit.wb.actor) for each in now.readings):
            said = tr("You have read; scores are shown once a second person has.")
            return pn.Row(html(f'<p class="small">{escape(said)}</p>'))
        return pn.Row(_button(tr("Read the candidates"), lambda: self._read(one), "primary"))

    def _read(self, one: Asked) -> None:
        wb, purpose, request_id = self.visit.wb, self.purpose, one.request.request_id

        def load() -> list[tuple[Any, str]]:
            sheets = face_candidates(wb, request_id, purpose)
            return [(sheet, crop_uri(face_crop(wb, sheet, purpose))) for sheet in sheets]

        self._do(load, lambda shown: self._sheet(request_id, shown))

    def _sheet(self, request_id: str, shown: Sequence[tuple[Any, str]]) -> None:
        tr, wb = self.tr, self.visit.wb
        words = {tr("Choose a verdict…"): ""} | {
            tr(text): str(verdict) for verdict, text in VERDICT_WORDS.items()
        }
        picks = {
            sheet.number: pn.widgets.Select(name=tr("Verdict"), options=words, value="", width=380)
            for sheet, _ in shown
        }
        note = pn.widgets.TextAreaInput(
            name=tr("What speaks for it, in words"), max_length=500, width=620
        )

        def save() -> None:
            left = [str(number) for number, pick in picks.items() if not pick.value]
            if left:
                raise BadInput(
                    N_("candidates {numbers} have no verdict yet"),
                    N_("say something of each, 'not suitable' where nothing can be said"),
                    numbers=", ".join(left),
                )
            given = {number: pick.value for number, pick in picks.items()}
            read_faces(wb, request_id, self.purpose, given, note=note.value_input or "")
            self.reading = False
            self._list()

        self.reading = True
        rows = [
            pn.Row(html(sheet_html(sheet, uri, self.visit), sizing_mode=None), picks[sheet.number])
            for sheet, uri in shown
        ]
        said = tr("Each on its own, against the photographs above; the order tells nothing.")
        keep = _button(
            tr("Keep my verdicts: they are never changed"), lambda: self._safely(save), "primary"
        )
        head = [*self.opened.objects[:2], html(f'<p class="small">{escape(said)}</p>')]
        self.opened.objects = [*head, *rows, note, keep]

    def _results(self, one: Asked) -> None:
        wb, purpose = self.visit.wb, self.purpose

        def load() -> tuple[list[Any], dict[int, str]]:
            results = face_results(wb, one.request.request_id, purpose)
            sheets = face_candidates(wb, one.request.request_id, purpose)
            return results, {s.number: crop_uri(face_crop(wb, s, purpose)) for s in sheets}

        def show(got: tuple[list[Any], dict[int, str]]) -> None:
            made = run_calibration(wb, one.request.request_id)
            read = one.standing.readings[:READERS]
            table = html(results_html(*got, read, made, self.visit))
            self.opened.objects = [*self.opened.objects[:2], table]

        self._do(load, show)

    # -- doing -------------------------------------------------------------------------------

    def _do(self, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Do something that takes seconds beside the page, and go on with what it came to."""
        if pn.state.curdoc is None:
            self._safely(lambda: then(work()))
        elif self._doing is None:
            self.told.object = f'<p role="status">{escape(self.tr("One moment…"))}</p>'
            self._doing = (_pool.submit(work), then)

    def _safely(self, act: Callable[[], object]) -> None:
        try:
            act()
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)


def picture_uri(data: bytes) -> str:
    """Return an image file small, as an address that holds it; empty where it is none."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return "" if bgr is None else crop_uri(np.ascontiguousarray(bgr[:, :, ::-1]))


def crop_uri(rgb: Any) -> str:
    """Return a picture, uint8 (y, x, 3), as an address that holds it."""
    coded = jpeg(shrink(np.ascontiguousarray(rgb), CROP_PX), 92)
    return f"data:image/jpeg;base64,{b64encode(coded).decode()}"


def faces_page(visit: Visit) -> Body:
    """Return the page of a case's face searches; refused without a case, or a role for it."""
    one, tr = FacesPage(visit), visit.tr
    off, said = faces_off(visit.wb), ""
    if off is not None:
        text = tr("Face search is switched off: {reason} ({name}).")
        said = text.format(name=off[0], reason=off[1])
    nobody = tr("Your role asks for no face search; you see what others asked.")
    if not one.form.objects:
        one.form.objects = [html(f'<p class="muted">{escape(nobody)}</p>')]
    link = escape(visit.link("canh-bien-so"), quote=True)
    queue = html(f'<p class="small"><a href="{link}">{escape(tr("What they found"))}</a></p>')
    state = html(f'<p class="small" role="status">{escape(said)}</p>' if said else "")
    return Body(
        "faces.html",
        {
            "ask": tr("Ask for leave to look for a person"),
            "requests": tr("Face requests of this case"),
            "opened": tr("The request that is open"),
            "live": tr("Lookouts for a face of this case"),
            **words(tr),
        },
        {
            "said": pn.Column(state, one.worth, one.told, sizing_mode="stretch_width"),
            "ask": one.form, "requests": one.requests, "opened": one.opened,
            "live": pn.Column(
                one.live.state, one.live.told, one.live.lookouts, queue,
                sizing_mode="stretch_width",
            ),
        },
    )  # fmt: skip


def _column() -> pn.Column:
    return pn.Column(sizing_mode="stretch_width", margin=0)


def _button(name: str, press: Callable[[], object], kind: str = "default") -> pn.widgets.Button:
    button = pn.widgets.Button(name=name, button_type=kind, margin=(26, 10, 5, 10))
    button.on_click(lambda _event: press())
    return button
