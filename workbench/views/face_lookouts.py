"""Lookouts for a face on the pages: who asked and approved, and candidates for two readers.

Shown on *Canh* and on *Khuôn mặt*. Nothing rings, no name stands on a face; a reader sees the
photographs beside a candidate with what speaks for and against its picture, and no score.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import partial
from html import escape

import panel as pn

from workbench.cases.face_lookouts import LOOKOUT_WORDS
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import (
    AskedLookout,
    LookoutResult,
    LookoutSheet,
    approve_face_lookout,
    could,
    end_face_lookout,
    face_calibration,
    face_lookouts_mark,
    face_lookouts_on,
    list_face_lookouts,
    lookout_candidates,
    lookout_photographs,
    lookout_results,
    read_lookout_candidate,
    refuse_face_lookout,
)
from workbench.recognition.faces.watching import operating_score
from workbench.store.faces import VERDICT_WORDS
from workbench.timeline import SECOND_NS
from workbench.views.face_words import GATE_WORDS, strength_text
from workbench.views.page import Visit, html, refusal
from workbench.views.text import clock

MOST_SHOWN = 40


class FaceLookouts:
    """The lookouts for a face of a case: ``lookouts`` lists them, ``queue`` what they found."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, self.purpose = visit, visit.tr, visit.selection.purpose
        self.told, self.state = html(""), html("")
        self.lookouts = pn.Column(sizing_mode="stretch_width", margin=0)
        self.queue = pn.Column(sizing_mode="stretch_width", margin=0)
        self.found: list[AskedLookout] = []
        self._seen = 0
        self._picks: dict[str, pn.widgets.Select] = {}
        self.refresh()

    def look_again(self) -> None:
        """List anew where something has come or gone, unless a verdict is being chosen."""
        now = face_lookouts_mark(self.visit.wb, self.purpose.case_id)
        if now != self._seen and not any(one.value for one in self._picks.values()):
            self.safely(self.refresh)

    def refresh(self) -> None:
        """List the lookouts and their queue, which the log keeps."""
        wb, tr = self.visit.wb, self.tr
        self._say_state()
        self.found = list_face_lookouts(wb, self.purpose)
        self._seen = face_lookouts_mark(wb, self.purpose.case_id)
        none = html(f'<p class="muted">{escape(tr("None."))}</p>')
        self.lookouts.objects = [self._lookout(one) for one in self.found] or [none]
        self._picks = {}
        self.queue.objects = [none]
        if self.found and could(wb, "lookout.face.view"):
            self.safely(self._list_queue)

    def _list_queue(self) -> None:
        wb, tr = self.visit.wb, self.tr
        sheets = lookout_candidates(wb, self.purpose)
        results = lookout_results(wb, self.purpose) if any(one.readings for one in sheets) else {}
        sheets.sort(key=lambda one: (not one.open, -one.utc_ns))
        asked = {one.lookout_id: "" for one in sheets[:MOST_SHOWN] if one.open}
        for lookout_id in asked:
            given = lookout_photographs(wb, lookout_id, self.purpose)
            asked[lookout_id] = "".join(_picture(data, tr("asked with")) for data in given)
        self.queue.objects = [
            self._candidate(one, asked.get(one.lookout_id, ""), results.get(one.candidate_id))
            for one in sheets[:MOST_SHOWN]
        ] or self.queue.objects

    def safely(self, act: Callable[[], object]) -> None:
        """Do something, or say why it cannot be done."""
        self.told.object = ""
        try:
            act()
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)

    def _then_list(self, act: Callable[[], object]) -> None:
        def both() -> None:
            act()
            self.refresh()

        self.safely(both)

    def _say_state(self) -> None:
        tr, wb = self.tr, self.visit.wb
        said = face_lookouts_on(wb)
        if not said.on:
            text = tr("Lookouts for faces are off here until an approver or operator allows them.")
        else:
            made = face_calibration(wb)
            score = operating_score(None if made is None else made.fit)
            text = tr(
                "Candidates are passes from score {score} on; of a thousand other people as high: "
                "{others}."
            ).format(score=f"{score:.2f}", others=_others(made, score, tr))
        self.state.object = f'<p class="small" data-allowed="{said.on}">{escape(text)}</p>'

    def _lookout(self, one: AskedLookout) -> pn.Row:
        tr, wb, lookout, now = self.tr, self.visit.wb, one.lookout, one.standing
        state = tr(LOOKOUT_WORDS[now.state]) + (f" ({now.approver})" if now.approver else "")
        lines = [
            tr("asked by {name}, {state}; until {until}").format(
                name=lookout.requester, state=state, until=clock(now.until_ns, date=True)
            ),
            lookout.purpose,
            tr("{count} candidates kept").format(count=len(now.candidates) - len(now.gone)),
        ]
        if now.over:
            lines.append(tr("its photographs are deleted"))
        urgent = ""
        if lookout.urgent:
            urgent = f'<b class="stop">{escape(tr("Urgent"))}: {escape(lookout.urgent)}</b> · '
        text = html(
            f'<p data-lookout="{escape(lookout.lookout_id)}">{urgent}'
            f'<b class="mono">{escape(lookout.lookout_id)}</b> · '
            f"{escape(', '.join(lookout.cameras))}<br>"
            f'<span class="small">{"<br>".join(map(escape, lines))}</span></p>'
        )
        pressed = partial(self._button, lookout.lookout_id)
        buttons = []
        if (
            now.state == "asked"
            and lookout.requester != wb.actor
            and could(wb, "lookout.face.approve")
        ):
            buttons.append(pressed(tr("Approve"), approve_face_lookout, "primary"))
            buttons.append(pressed(tr("Refuse"), refuse_face_lookout))
        if not now.over:
            buttons.append(pressed(tr("End and delete"), end_face_lookout))
        return pn.Row(text, pn.Row(*buttons), sizing_mode="stretch_width")

    def _button(
        self, lookout_id: str, name: str, act: Callable[..., object], kind: str = "default"
    ) -> pn.widgets.Button:
        button = pn.widgets.Button(name=name, button_type=kind, width=140)
        button.on_click(
            lambda _event: self._then_list(partial(act, self.visit.wb, lookout_id, self.purpose))
        )
        return button

    def _candidate(self, one: LookoutSheet, asked: str, result: LookoutResult | None) -> pn.Row:
        tr, wb = self.tr, self.visit.wb
        at = f"{clock(one.utc_ns, date=True)} ± {one.sigma_ns / SECOND_NS:.1f} s"
        said = self._evidence(one)
        if result is not None:
            said += self._read(result)
        elif one.mine:
            said.append(tr("You have read; scores are shown once a second person has."))
        said.append(tr("read by {count} of 2").format(count=one.readings))
        items = "".join(f"<li>{escape(line)}</li>" for line in said)
        text = html(
            f'<div class="frame" data-candidate="{escape(one.candidate_id)}">'
            f'<div style="display:flex;flex-wrap:wrap;gap:8px">{asked}'
            f"{_picture(one.picture, tr('candidate'))}</div>"
            f'<p class="small"><b class="mono">{escape(one.lookout_id)}</b> · '
            f"{escape(one.camera_id)} · {escape(at)}</p>"
            f'<ul class="small">{items}</ul></div>'
        )
        if not one.open:
            return pn.Row(text, sizing_mode="stretch_width")
        words = {tr("Choose a verdict…"): ""} | {
            tr(text): str(verdict) for verdict, text in VERDICT_WORDS.items()
        }
        pick = pn.widgets.Select(name=tr("Verdict"), options=words, value="", width=380)
        self._picks[one.candidate_id] = pick

        def keep() -> None:
            if not pick.value:
                raise BadInput(
                    N_("the candidate has no verdict yet"),
                    N_("choose one, 'not suitable' where nothing can be said"),
                )
            read_lookout_candidate(wb, one.candidate_id, pick.value, self.purpose)

        save = pn.widgets.Button(
            name=tr("Keep my verdict: it is never changed"), button_type="primary",
            margin=(5, 10, 5, 10),
        )  # fmt: skip
        save.on_click(lambda _event: self._then_list(keep))
        return pn.Row(text, pn.Column(pick, save), sizing_mode="stretch_width")

    def _evidence(self, one: LookoutSheet) -> list[str]:
        tr = self.tr
        quality = tr("{size} px across, {quality}, {count} pictures of the pass").format(
            size=f"{one.size_px:.0f}", quality=tr(GATE_WORDS[one.quality]), count=one.frames
        )
        said = [
            (tr("for: {what}") if one.quality == "usable" else tr("against: {what}")).format(
                what=quality
            )
        ]
        said += [tr("against: {what}").format(what=why.sentence(tr)) for why in one.reasons]
        if one.mixed:
            mixed = tr("its pictures differ among themselves: it may show two people")
            said.append(tr("against: {what}").format(what=mixed))
        return said

    def _read(self, one: LookoutResult) -> list[str]:
        tr = self.tr
        said = [
            tr(
                "score {score}, operating score {operating}: it orders and is no probability"
            ).format(score=f"{min(one.score, 0.99):.2f}", operating=f"{one.operating:.2f}"),
            f"{tr('Likelihood ratio')}: {strength_text(one.strength, tr)}",
        ]
        said += [
            tr("{name} says: {verdict}").format(
                name=each.reader, verdict=tr(VERDICT_WORDS[each.verdict])
            )
            for each in one.readings
        ]
        if one.disagree:
            said.append(f"{tr('Readers')}: {tr('disagree')}")
        return said


def _others(made: object, score: float, tr: Callable[[str], str]) -> str:
    fit = getattr(made, "fit", None)
    if fit is None:
        return tr("not calibrated here")
    expected, most = fit.false_positives(score, 1000)
    return tr("{expected}, at most {most}").format(expected=f"{expected:.1f}", most=f"{most:.1f}")


def _picture(data: bytes, caption: str) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    uri = f"data:image/{kind};base64,{b64encode(data).decode()}"
    return (
        f'<figure style="margin:0"><img alt="" style="width:auto;height:180px" src="{uri}">'
        f'<figcaption class="small muted">{escape(caption)}</figcaption></figure>'
    )
