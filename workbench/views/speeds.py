"""Under the tiles of *Tai nạn*: passes of calibrated cameras, one of them measured, candidates.

A speed never stands alone: beside it are its 95 % interval, the class of the calibration, the time
base, the clock, how far the view is off the calibrated one, and the fixed sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import panel as pn

from workbench.collisions import CANDIDATE_NOTE
from workbench.collisions.onset import WITHIN_S
from workbench.collisions.wording import ONSET_NOTE
from workbench.errors import N_, WorkbenchError
from workbench.investigation import (
    Conflicts,
    Measurable,
    Measured,
    Onsets,
    Track,
    find_conflicts,
    find_onsets,
    kept_track,
    kept_tracks,
    measurable,
    measure,
    statements_of,
    track_of_sighting,
)
from workbench.investigation.measured_paper import chart_of
from workbench.timeline import SECOND_NS, Span
from workbench.views.by_hand import ByHand, Frame
from workbench.views.page import Visit, html, refusal
from workbench.views.rows import Cell, Rows, marked
from workbench.views.text import clock

MOST_PASSES = 200
"""Of a span: more are told as a number."""
WHAT = {
    "collision": N_("collision?"),
    "near miss": N_("near miss?"),
    "weaving": N_("weaving?"),
    "speed": N_("far too fast?"),
    "wrong way": N_("wrong way?"),
}
"""Candidates as they are listed: questions to a person."""
MEANS = {
    "boxes": N_("told from boxes of passes"),
    "points": N_("told from points followed in the pictures"),
    "both": N_("told from boxes of passes, and from points followed in the pictures"),
}
LOOK_MS = 500
_pool = ThreadPoolExecutor(1, thread_name_prefix="moments")
_CANDIDATE, _KEPT, _ONSET = "candidate:", "kept:", "onset:"
_CHART_MM = (88.0, 56.0)
"""Small, and shown as wide as its panel is: its words can be read there."""
_CLIP = ("clip_start", "clip_stop")


class Speeds:
    """The passes of the cameras shown, and what the chosen one measures.

    `seek` makes the tiles stand at an instant (UTC, ns): the middle of a pass that was chosen;
    `draw` and `frame_of` are those of :class:`ByHand`; `changed` hears that kept tracks did.
    """

    def __init__(
        self,
        visit: Visit,
        seek: Callable[[int], None],
        draw: Callable[[dict[str, Any]], None],
        frame_of: Callable[[str], Frame | None],
        changed: Callable[[], None],
    ) -> None:
        self.visit, self.tr, self._seek, self._changed = visit, visit.tr, seek, changed
        tr = visit.tr
        self.passes = Rows(
            on_choose=self._choose,
            columns=[{"title": tr("Instant")}, {"title": tr("Kind")}, {"title": "km/h"}],
        )
        self.told = html("")
        self.search = pn.widgets.Button(
            label=tr("Look for collisions and near misses in this span"), visible=False,
            margin=(5, 10),
        )  # fmt: skip
        self.search.on_click(lambda _event: self._search())
        self.by_hand = ByHand(visit, draw, frame_of, self._corrected, self._taken_back)
        self._kept: list[Track] = []
        self.moment = pn.widgets.Button(
            label=tr("Look for the moment of a collision, without metres"), visible=False,
            margin=(5, 10),
        )  # fmt: skip
        self.moment.on_click(lambda _event: self._look())
        self._looking: tuple[Future[Onsets], Event] | None = None
        self._idle = self.moment.label
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self._look_again, period=LOOK_MS)
            pn.state.on_session_destroyed(lambda _context: self._leave())
        self._onsets: Onsets | None = None
        self._found: Conflicts | None = None
        self._known: Measurable | None = None
        self._asked: tuple[tuple[str, ...], Span] | None = None
        self._done: dict[str, Measured] = {}
        self._found_as: dict[str, Track] = {}
        self._shown: Measured | None = None
        self._at_ns = 0

    def show(self, cameras: Sequence[str], span: Span, at_ns: int) -> None:
        """List the passes of some cameras in a span; asked, and logged, once for each."""
        self._at_ns = at_ns
        if self._asked == (tuple(cameras), span):
            return
        self._asked, self._found, self._kept = (tuple(cameras), span), None, []
        self._onsets = None
        self._leave()
        self._hold(None)
        self.search.visible = self.moment.visible = False
        try:
            self._kept = kept_tracks(self.visit.wb, cameras, span, self.visit.selection.purpose)
            self._known = measurable(self.visit.wb, cameras, span, self.visit.selection.purpose)
        except WorkbenchError as error:
            self._known = None
            self.passes.param.update(rows=[], chosen="", empty="–")
            self.told.object = refusal(error, self.tr)
            return
        self.search.visible = bool(len(self._known.passes))
        self.moment.visible = bool(self._known.without)
        self._list(chosen="")
        self.told.object = self._nothing(self._known)

    def stand(self, at_ns: int) -> None:
        """Take note of the instant at which the tiles stand."""
        self._at_ns = at_ns
        self.by_hand.stand()
        if self._shown is not None:
            self.told.object = self._page(self._shown)

    def _list(self, chosen: str) -> None:
        known, tr = self._known, self.tr
        if known is None:
            return
        rows = self._candidates()
        for track in self._kept:
            key = f"{_KEPT}{track.kept}"
            done = self._done.get(key)
            start_ns = self.visit.wb.utc(track.segment, int(track.pts[0]))[0]
            said = tr("{id}, corrections by hand: {count}").format(
                id=track.kept, count=len(track.steps)
            )
            named = (track.segment.camera_id, track.name)
            rows.append({
                "key": key,
                "cells": [
                    clock(start_ns, millis=True),
                    marked(said, sub=" · ".join(filter(None, named))),
                    "" if done is None else _cell(done.motion.mean_speed_km_h),
                ],
            })  # fmt: skip
        for row in known.passes.head(MOST_PASSES).to_dict("records"):
            done = self._done.get(row["sighting_id"])
            plate = "" if pd.isna(row["plate"]) else f" · {row['plate']}"
            rows.append({
                "key": row["sighting_id"],
                "cells": [
                    clock(int(pd.Timestamp(row["utc"]).value), millis=True),
                    marked(tr(row["kind"]), sub=f"{row['camera_id']}{plate}"),
                    "" if done is None else _cell(done.motion.mean_speed_km_h),
                ],
            })  # fmt: skip
        empty = tr("Nothing was recognised here") if known.calibrated else tr("No metres here")
        self.passes.param.update(rows=rows, chosen=chosen, empty=empty)

    def _candidates(self) -> list[dict[str, Any]]:
        """Return the rows of what was looked for and found, before the passes."""
        moments = self._onsets.moments if self._onsets is not None else ()
        rows = [
            {
                "key": f"{_ONSET}{number}",
                "cells": [
                    clock(one.at_ns, millis=True),
                    marked(self.tr("collision begins?"), sub=one.camera_id),
                    f"{one.score:.2f}",
                ],
            }
            for number, one in enumerate(moments)
        ]
        if self._found is None:
            return rows
        return rows + [
            {
                "key": f"{_CANDIDATE}{number}",
                "cells": [
                    clock(int(row["utc"].value), millis=True),
                    marked(self.tr(WHAT[row["what"]]), sub=row["camera_id"]),
                    f"{row['score']:.2f}",
                ],
            }
            for number, row in enumerate(self._found.table.to_dict("records"))
        ]

    def _search(self) -> None:
        """Look for conflicts among the passes listed; a person's own act, and logged."""
        if self._known is None or self._asked is None:
            return
        wb, purpose = self.visit.wb, self.visit.selection.purpose
        try:
            self._found = find_conflicts(
                wb, purpose, None, self._known.calibrated, self._asked[1], workers=0
            )
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)
            return
        self._hold(None)
        self._list(chosen="")
        found, tr = self._found, self.tr
        lines = [
            tr("{count} candidates in {passes} passes, {tracks} of them on calibrated ground")
            .format(count=len(found.table), passes=found.passes, tracks=found.tracks),
            tr("What lies outside the calibrated ground, is hidden, or was not recognised is not "
               "found: no candidate does not mean no collision."),
            *found.failed, *found.unchecked,
        ]  # fmt: skip
        self.told.object = self._lines(tr(CANDIDATE_NOTE), lines)

    def _look(self) -> None:
        """Look for the moment on cameras without metres; a person's own act, and logged.

        Pictures are followed beside the page; pressed once more, the button ends it.
        """
        if self._looking is not None:
            self._looking[1].set()
            return
        if self._known is None or self._asked is None:
            return
        wb, purpose, cameras = self.visit.wb, self.visit.selection.purpose, self._known.without
        span, stop, tr = self._asked[1], Event(), self.tr

        def work() -> Onsets:
            return find_onsets(wb, cameras, span, purpose, cancelled=stop.is_set)

        if pn.state.curdoc is None:
            self._tell(work)
            return
        self._looking = _pool.submit(work), stop
        self.moment.label = tr("Stop looking for the moment")
        said = tr(
            "Looking through the pictures of {cameras}: about a quarter of the time they last, "
            "more on a busy machine…"
        ).format(cameras=", ".join(cameras))
        self.told.object = f'<p role="status">{escape(said)}</p>'

    def _look_again(self) -> None:
        """Show what was looked for beside the page, once it is there."""
        if self._looking is not None and self._looking[0].done():
            future = self._looking[0]
            self._leave()
            self._tell(future.result)

    def _leave(self) -> None:
        """End what is looked for beside the page, if anything is."""
        if self._looking is not None:
            self._looking[1].set()
            self._looking = None
            self.moment.label = self._idle

    def _tell(self, work: Callable[[], Onsets]) -> None:
        """List the moments that were found, and say among what they were looked for."""
        if self._known is None:
            return
        tr, cameras = self.tr, self._known.without
        try:
            found = work()
        except WorkbenchError as error:
            self.told.object = refusal(error, self.tr)
            return
        self._onsets = found
        self._hold(None)
        self._list(chosen="")
        lines = [
            tr("{count} moments among {passes} passes and {pictures} pictures of {cameras}").format(
                count=len(found.moments), passes=found.passes, pictures=found.pictures,
                cameras=", ".join(cameras),
            ),
            *(one.sentence(tr) for one in found.unsure),
            tr(ONSET_NOTE),
        ]  # fmt: skip
        if not found.moments and not found.cancelled:
            lines.insert(
                1,
                tr("No moment stands out: no computer can say here when a collision began. Step "
                   "through the frames and mark it."),
            )  # fmt: skip
        if found.cancelled:
            lines.insert(1, tr("It was stopped: not all pictures were looked at."))
        self.told.object = self._lines(tr(CANDIDATE_NOTE), lines)

    def _moment(self, number: int) -> None:
        """Go to a moment, and say why it is one."""
        assert self._onsets is not None
        one, tr = self._onsets.moments[number], self.tr
        head = tr("{at} ± {within:g} s on {camera}, score {score}, not calibrated").format(
            at=clock(one.at_ns, millis=True), within=WITHIN_S, camera=one.camera_id,
            score=f"{one.score:.2f}",
        )  # fmt: skip
        self._hold(None)
        self.passes.chosen = f"{_ONSET}{number}"
        lines = [head, tr(MEANS[one.means]), one.words.sentence(tr), tr(ONSET_NOTE)]
        self.told.object = self._lines(tr(CANDIDATE_NOTE), lines)
        self._seek(one.at_ns)

    def _lines(self, note: str, lines: Sequence[str]) -> str:
        told = "".join(f"<p>{escape(one)}</p>" for one in lines)
        return f'<div class="speed"><p class="note">{escape(note)}</p>{told}</div>'

    def _candidate(self, number: int) -> None:
        """Go to a candidate's moment, and say why it is one."""
        assert self._found is not None
        row, tr = self._found.table.iloc[number], self.tr
        values = {
            name: tr(value) if isinstance(value, str) else value
            for name, value in row["values"].items()
        }
        clip = " – ".join(clock(int(row[one].value), millis=True) for one in _CLIP)
        lines = [
            f"{tr(WHAT[row['what']])} {row['score']:.2f} · {row['camera_id']} · {clip}",
            tr(row["template"]).format(**values),
        ]
        self._hold(None)
        self.passes.chosen = f"{_CANDIDATE}{number}"
        self.told.object = self._lines(tr(CANDIDATE_NOTE), lines)
        self._seek(int(row["utc"].value))

    def _nothing(self, known: Measurable) -> str:
        """Return what stands there before a pass is chosen: what can be measured, what cannot."""
        tr, said = self.tr, []
        if known.calibrated and len(known.passes):
            said.append(tr("Choose a pass to measure it. Each measurement is logged."))
        elif known.calibrated:
            said.append(
                tr("No pass is known in this span: have the footage recognised, or pick a track by "
                   "hand (workbench speed --track).")
            )  # fmt: skip
        if known.without:
            said.append(
                tr(
                    "Not calibrated: {cameras}. There are no metres and no speeds. A computer can "
                    "look for the moment a collision began, and often cannot say: step through the "
                    "frames and mark it."
                ).format(cameras=", ".join(known.without))
            )
        more = len(known.passes) - MOST_PASSES
        if more > 0:
            said.append(tr("{count} more passes: choose a shorter span.").format(count=more))
        return f'<div class="speed">{"".join(f"<p>{escape(one)}</p>" for one in said)}</div>'

    def _choose(self, key: str) -> None:
        if key.startswith(_CANDIDATE):
            self._candidate(int(key.removeprefix(_CANDIDATE)))
            return
        if key.startswith(_ONSET):
            self._moment(int(key.removeprefix(_ONSET)))
            return
        wb, purpose, track = self.visit.wb, self.visit.selection.purpose, None
        try:
            # whole: what is measured lacks what lies beyond the ground
            if key.startswith(_KEPT):
                track = kept_track(wb, key.removeprefix(_KEPT), purpose)
            else:
                track = self._found_as.get(key) or track_of_sighting(wb, key, purpose)
                self._found_as[key] = track
            done = self._done.get(key) or measure(wb, track, purpose)
        except WorkbenchError as error:
            # of a track that steps have spoilt the last one can be taken back
            self._hold(None, track if track is not None and track.kept else None)
            self.passes.chosen = key
            self.told.object = refusal(error, self.tr)
            return
        self._done[key] = done
        self._hold(done, track)
        self._list(chosen=key)
        self.told.object = self._page(done)
        if not int(done.utc_ns[0]) <= self._at_ns <= int(done.utc_ns[-1]):
            self._seek(int(done.utc_ns[len(done.utc_ns) // 2]))

    def _hold(self, done: Measured | None, track: Track | None = None) -> None:
        """Take note of what is measured, and of the track that can be corrected."""
        self._shown = done
        self.by_hand.show(track)

    def _corrected(self, done: Measured) -> None:
        """Show what a step that was kept measures, and list its track."""
        key = f"{_KEPT}{done.track.kept}"
        self._done[key] = done
        self._taken_back(done.track)

    def _taken_back(self, track: Track) -> None:
        key = f"{_KEPT}{track.kept}"
        known = self._done.get(key)
        if known is not None and known.track.kept_numbers != track.kept_numbers:
            del self._done[key]
        if self._asked is not None:
            self._kept = kept_tracks(self.visit.wb, *self._asked, self.visit.selection.purpose)
        self._changed()
        self._choose(key)

    def _page(self, done: Measured) -> str:
        tr, motion = self.tr, done.motion
        note, *said = statements_of(done, tr)
        now_s = (self._at_ns - int(done.utc_ns[0])) / SECOND_NS
        here = ""
        if 0 <= now_s <= float(motion.time_s[-1]):
            k = int(np.argmin(np.abs(motion.time_s - now_s)))
            here = tr("At the instant shown: {figure} km/h").format(
                figure=_figure(motion.speed_km_h[:, k])
            )
        head = tr("{camera}, {seconds:.1f} s from {start}, {frames} frames").format(
            camera=done.camera_id, seconds=float(motion.time_s[-1]),
            start=clock(int(done.utc_ns[0]), millis=True), frames=len(done.pts),
        )  # fmt: skip
        mean = tr("Mean speed {figure} km/h, with its 95 % interval").format(
            figure=_figure(motion.mean_speed_km_h)
        )
        chart = chart_of(motion, tr("seconds since the first frame"), now_s, _CHART_MM).svg()
        lines = "".join(f"<li>{escape(one)}</li>" for one in said)
        return (
            f'<div class="speed"><p class="note">{escape(note)}</p><p>{escape(head)}</p>'
            f'<p class="big">{escape(mean)}</p><p data-part="here">{escape(here)}</p>'
            f'<div class="two"><div>{chart}</div><ul>{lines}</ul></div></div>'
        )


def _cell(interval: np.ndarray[Any, Any]) -> Cell:
    return marked(_figure(interval), "nowrap")


def _figure(interval: np.ndarray[Any, Any]) -> str:
    """Return a median with its interval.

    >>> _figure(np.array([31.24, 34.0, 36.96]))
    '34.0 (31.2–37.0)'
    """
    low, middle, high = (f"{one:.1f}" for one in interval.tolist())
    return f"{middle} ({low}–{high})"
