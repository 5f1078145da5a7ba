"""*Tai nạn*: one to nine cameras on one corrected clock, frame by frame, forwards and back."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import panel as pn
import param
from panel.custom import JSComponent

from workbench.archive.strips import Strip
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation.measuring import time_base
from workbench.investigation.reviewing import (
    LONGEST_NOTE,
    LONGEST_S,
    MOST_TILES,
    Bookmark,
    Near,
    Together,
    bookmark,
    bookmarks,
    cameras_around,
    first_recorded,
    remove_bookmark,
    reviewed_case,
    snapshot,
    together,
)
from workbench.records import Segment
from workbench.timeline import SECOND_NS, Span, UtcNs
from workbench.views.by_hand import Frame
from workbench.views.page import ASSETS, COMPONENTS_CSS, Body, Visit, html, refusal
from workbench.views.papers import Papers
from workbench.views.rows import Rows, marked
from workbench.views.speeds import Speeds
from workbench.views.text import Translate, clock, written_instant

SPANS_S = (10, 30, 60, 120, 300, LONGEST_S)
DEFAULT_S = 60
BEFORE_S = 10
"""So much before the instant a link names does the span begin."""
FIRST_TILES = 4
"""Cameras shown at first: those of the site, then the nearest that recorded the instant."""
_PTS = re.compile(r"-?[0-9]{1,18}")
_CSS = COMPONENTS_CSS + (ASSETS / "accident.css").read_text(encoding="utf-8")


class Tiles(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Exact frames of several cameras on one clock; ``view`` is replaced as a whole."""

    view = param.Dict(default={})
    marks = param.List(default=[], doc="Bookmarks in the span: [ns from its start, note].")
    seek = param.List(default=[], doc="[ns from the start, a number that changes]: go there.")
    track = param.Dict(default={}, doc="Points of a track, drawn on its frames: see by_hand.drawn.")
    saved = param.Dict(default={}, doc="A picture to hand over: name, Base64, a changing number.")
    words = param.Dict(default={})

    _esm = ASSETS / "accident.js"
    _stylesheets = [_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(self, acts: Mapping[str, Callable[[Any], None]], **params: Any) -> None:
        self._acts = acts
        super().__init__(sizing_mode="stretch_both", margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            for name, asked in data.items():
                if name in self._acts and isinstance(asked, dict):
                    self._acts[name](asked)


def accident_page(visit: Visit) -> Body:
    """Return the page of accident review: refused without a case."""
    page = _AccidentPage(visit)
    tr = visit.tr
    return Body(
        "accident.html",
        {
            "cameras": tr("Cameras, the nearest first: click to show or leave out"),
            "bookmarks": tr("Bookmarks of the case"),
            "tiles": tr("One clock: ← → one frame of the chosen tile, space plays"),
            "papers": tr("Papers of the accident, as drafts"),
            "speeds": tr("Speeds of passes, on calibrated cameras"),
        },
        {"cameras": page.cameras, "bookmarks": page.bookmarks, "remove": page.remove,
         "tiles": page.tiles, "said": page.said, "passes": page.speeds.passes,
         "speed": page.speeds.told, "search": page.speeds.search,
         "by_hand": page.speeds.by_hand.view, "moment": page.speeds.moment,
         "papers": page.papers.view},
    )  # fmt: skip


class _AccidentPage:
    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, self.wb = visit, visit.tr, visit.wb
        self.purpose = visit.selection.purpose
        # refused here without a case, before anything is listed
        case, self._allowed = reviewed_case(self.wb, self.purpose)
        self._period = case.period
        tr = self.tr
        self.said = html("", visible=False)
        self.cameras = Rows(
            on_choose=self._toggle,
            columns=[{"title": ""}, {"title": tr("Camera")}, {"title": tr("Recorded")}],
        )
        self.bookmarks = Rows(
            on_choose=self._recall,
            columns=[{"title": tr("Instant")}, {"title": tr("Note")}],
            empty=tr("Nothing is marked yet"),
        )
        self.remove = pn.widgets.Button(
            label=tr("Remove the chosen bookmark"), margin=(2, 10), visible=False
        )
        self.remove.on_click(lambda _event: self._remove())
        acts = {
            "open": self._open_at, "snapshot": self._snapshot, "bookmark": self._mark,
            "here": self._arrived,
            "moved": self._moved, "playing": self._played,
        }  # fmt: skip
        self.tiles = Tiles(acts, words=_words(tr))
        self._shown: Together | None = None
        self.papers = Papers(visit, self._allowed, self._period)
        self.speeds = Speeds(visit, self._seek, self._draw, self._frame_of, self.papers.list)
        self._near: tuple[Span, list[Near]] | None = None
        self._marks: list[Bookmark] = []
        self._chosen: list[str] = []
        self._serial, self._at_ns, self._stands = 0, 0, False
        here, at_ns, span = self._asked()
        self._here = here
        self._chosen = self._asked_cameras() or self._default(here, at_ns, span)
        self._show(self._chosen, span, at_ns, first=True)
        if self._lost(at_ns):
            what = N_(
                "the address of this page names cameras or an instant that cannot be shown here"
            )
            self._say(BadInput(what, N_("check it: what is shown was not asked for")))

    def _lost(self, at_ns: int) -> bool:
        """Return whether the address named a camera or an instant, and another one is shown.

        A reader of a mangled address, or of one from another case, must not take this for it.
        """
        asked = self.visit.asked
        named = [*asked.get("cameras", "").split(","), asked.get("camera", "")]
        if any(one not in self._chosen for one in named if one):
            return True
        if sha256 := asked.get("segment"):
            of = self.wb.segment(sha256).camera_id if _PTS.fullmatch(asked.get("pts", "")) else ""
            return of not in self._allowed
        return asked.get("at", "" if "from" in asked else str(at_ns)) != str(at_ns)

    def _asked(self) -> tuple[str, int, Span]:
        """Return the camera it is about, the instant and the span, from the address or the case."""
        asked, wb = self.visit.asked, self.wb
        seconds = int(asked["span"]) if asked.get("span", "") in map(str, SPANS_S) else DEFAULT_S
        before_ns = min(BEFORE_S, seconds // 3) * SECOND_NS
        pts = asked.get("pts", "")
        if asked.get("segment") and _PTS.fullmatch(pts):
            segment = wb.segment(asked["segment"])
            if segment.camera_id in self._allowed:
                at_ns, _ = wb.utc(segment, int(pts))
                return segment.camera_id, at_ns, self._inside(at_ns - before_ns, seconds)
        named = [*self._asked_cameras(), asked.get("camera", "")]
        known = [one for one in named if one in self._allowed]
        if re.fullmatch(r"[0-9]{1,19}", asked.get("at", "")) and int(asked["at"]) in self._period:
            at_ns = UtcNs(int(asked["at"]))
            here = known[0] if known else self._allowed[0]
            # the very span, where the address of a review names it
            since = asked.get("from", "")
            if re.fullmatch(r"[0-9]{1,19}", since):
                span = self._inside(int(since), seconds)
                if at_ns in span:
                    return here, at_ns, span
            return here, at_ns, self._inside(at_ns - before_ns, seconds)
        first = first_recorded(wb, known or self._allowed, self._period)
        start_ns = max(int(wb.utc_span(first).start_ns), self._period.start_ns)
        return first.camera_id, start_ns, self._inside(start_ns, seconds)

    def _inside(self, start_ns: int, seconds: int) -> Span:
        start_ns = max(start_ns, self._period.start_ns)
        stop_ns = min(start_ns + seconds * SECOND_NS, self._period.stop_ns)
        return Span(start_ns, max(start_ns, stop_ns))

    def _asked_cameras(self) -> list[str]:
        asked = [one for one in self.visit.asked.get("cameras", "").split(",") if one]
        return [one for one in dict.fromkeys(asked) if one in self._allowed][:MOST_TILES]

    def _default(self, here: str, at_ns: int, span: Span) -> list[str]:
        """Return the cameras of the site and the nearest others that recorded the instant."""
        recorded = [
            one.camera.camera_id
            for one in self._around(here, span)
            if not any(at_ns in gap for gap in one.missing) or one.camera.camera_id == here
        ]
        return recorded[:FIRST_TILES]

    # -- showing -----------------------------------------------------------------------------

    def _show(self, cameras: list[str], span: Span, at_ns: int, *, first: bool = False) -> bool:
        """Show cameras in a span; what is shown stays, with a sentence, where that is refused."""
        try:
            shown = together(self.wb, cameras, span, self.purpose)
        except WorkbenchError as error:
            if first:
                raise
            self._say(error)
            return False
        self._shown, self._chosen, self._serial = shown, list(cameras), self._serial + 1
        start_ns = span.start_ns
        self._at_ns = min(max(at_ns, start_ns), span.stop_ns - 1)
        with pn.io.hold():
            self.said.visible = False
            self._list_cameras()
            self._list_marks()
            self.speeds.show(cameras, span, self._at_ns)
            self.tiles.view = {
                "media_url": self.visit.media_url,
                "token": shown.token,
                "start": str(start_ns),
                "length": span.duration_ns,
                "at": self._at_ns - start_ns,
                "from": clock(start_ns, millis=True, date=True),
                "span_s": round(span.duration_ns / SECOND_NS),
                "spans_s": list(SPANS_S),
                # of a span that the case's period cuts short, the one to ask for again
                "asked_s": next(
                    (one for one in SPANS_S if one * SECOND_NS >= span.duration_ns), LONGEST_S
                ),
                "tiles": [self._tile(one) for one in shown.strips],
            }
        return True

    def _tile(self, strip: Strip) -> dict[str, Any]:
        """Return what a page needs to find the frame of any instant of the span by itself."""
        camera, start_ns = self.wb.camera(strip.camera_id), strip.span.start_ns
        return {
            "camera": strip.camera_id,
            "name": camera.name,
            "step": strip.step_ns,
            "pts": strip.pts.tolist(),
            "at": (strip.utc_ns - np.int64(start_ns)).tolist(),
            "gaps": [
                [gap.start_ns - start_ns, gap.stop_ns - start_ns] for gap in strip.gaps
            ],
            "files": [
                {
                    "first": one.first,
                    "segment": one.segment.sha256,
                    "width": one.segment.width_px,
                    "height": one.segment.height_px,
                    "sigma": self.tr("clock ± {sigma:.3g} s").format(
                        sigma=one.sigma_ns / SECOND_NS
                    ),
                    "about": _about(one.segment.codec, one.segment.notes),
                    **self._time_base(one.segment),
                }
                for one in strip.stretches
            ],
        }  # fmt: skip

    def _time_base(self, segment: Segment) -> dict[str, str]:
        """Return where a file's times come from: a word under its tile, and the whole of it."""
        tr = self.tr
        base, words = time_base(self.wb, segment, None)
        short = tr("times: file's")
        if base.source == "override":
            short = tr("times: rate stated by a person")
        elif len(words) > 2:
            short = tr("times: rate guessed")
        return {"base": short, "base_title": ". ".join(one.sentence(tr) for one in words)}

    def _list_cameras(self) -> None:
        assert self._shown is not None
        near = self._around(self._here, self._shown.span)
        self.cameras.rows = [self._camera_row(one) for one in near]

    def _around(self, here: str, span: Span) -> list[Near]:
        """Return the case's cameras by distance; asked once for each span."""
        if self._near is None or self._near[0] != span:
            self._near = span, cameras_around(self.wb, here, self._allowed, span)
        return self._near[1]

    def _camera_row(self, near: Near) -> dict[str, Any]:
        assert self._shown is not None
        camera, whole = near.camera, self._shown.span.duration_ns
        missing = sum(gap.duration_ns for gap in near.missing)
        state = self.tr("whole")
        if missing:
            lost = self.tr("{seconds:.1f} s missing").format(seconds=missing / SECOND_NS)
            state = self.tr("nothing") if missing >= whole else lost
        chosen = camera.camera_id in self._chosen
        return {
            "key": camera.camera_id,
            "class": "on" if chosen else "",
            "cells": [
                "☑" if chosen else "☐",
                marked(camera.camera_id, sub=f"{camera.name} · {near.distance_m:.0f} m"),
                state,
            ],
        }

    def _list_marks(self) -> None:
        self._marks = bookmarks(self.wb, self.purpose)
        chosen = self.bookmarks.chosen
        known = {str(one.number) for one in self._marks}
        self.bookmarks.param.update(
            rows=[
                {
                    "key": str(one.number),
                    "cells": [
                        marked(clock(one.at_ns, millis=True), sub=clock(one.at_ns, date=True)[:10]),
                        marked(one.note or "–", sub=f"{one.actor} · {', '.join(one.cameras)}"),
                    ],
                }
                for one in self._marks
            ],
            chosen=chosen if chosen in known else "",
        )
        self.remove.visible = bool(self.bookmarks.chosen)
        if self._shown is not None:
            span = self._shown.span
            self.tiles.marks = [
                [one.at_ns - span.start_ns, one.note] for one in self._marks if one.at_ns in span
            ]

    def _say(self, error: WorkbenchError) -> None:
        self.said.param.update(object=refusal(error, self.tr), visible=True)

    # -- what the person does ----------------------------------------------------------------

    def _toggle(self, camera_id: str) -> None:
        if self._shown is None:
            return
        chosen = [one for one in self._chosen if one != camera_id]
        if len(chosen) == len(self._chosen):
            chosen.append(camera_id)
        self._show(chosen, self._shown.span, self._at_ns)

    def _arrived(self, asked: Mapping[str, Any]) -> None:
        """Take note of the instant at which the tiles stand."""
        at = asked.get("at")
        if self._shown is not None and type(at) is int:
            self._stands = True
            span = self._shown.span
            self._at_ns = min(max(span.start_ns + at, span.start_ns), span.stop_ns - 1)
            self.speeds.stand(self._at_ns)

    def _seek(self, at_ns: int) -> None:
        """Stand at an instant of what is shown."""
        if self._shown is not None and at_ns in self._shown.span:
            self._serial += 1
            self.tiles.seek = [at_ns - self._shown.span.start_ns, self._serial]

    def _played(self, _asked: Mapping[str, Any]) -> None:
        """Take note that no frame stands any more, until one is told."""
        self._stands = False
        self.speeds.by_hand.stand()

    def _moved(self, asked: Mapping[str, Any]) -> None:
        """Take note of where a point of the track was put, which keeps nothing."""
        self.speeds.by_hand.moved(asked)

    def _draw(self, track: dict[str, Any]) -> None:
        self.tiles.track = track

    def _frame_of(self, camera_id: str) -> Frame | None:
        """Return the frame on which a camera's tile stands; None in a gap, and while it plays."""
        for strip in self._shown.strips if self._shown is not None and self._stands else ():
            number = int(strip.shown(np.array([self._at_ns]))[0])
            if strip.camera_id == camera_id and number >= 0:
                stretch = [one for one in strip.stretches if one.first <= number][-1]
                return stretch.segment.sha256, int(strip.pts[number])
        return None

    def _open_at(self, asked: Mapping[str, Any]) -> None:
        """Show another span: local time as people here write it, and seconds."""
        try:
            start_ns = written_instant(str(asked.get("start", ""))[:40])
            seconds = asked.get("span_s")
            if seconds not in SPANS_S or start_ns not in self._period:
                raise BadInput(
                    N_("this case holds nothing of that time"),
                    N_("choose a start inside its period"),
                )
        except WorkbenchError as error:
            self._say(error)
            return
        self._show(self._chosen, self._inside(start_ns, int(seconds)), start_ns)

    def _snapshot(self, asked: Mapping[str, Any]) -> None:
        sha256, pts = asked.get("segment"), asked.get("pts")
        # only a file that is shown: a message is no way to ask for anything else
        if (
            self._shown is None
            or not isinstance(sha256, str)
            or type(pts) is not int
            or self._shown.segment(sha256) is None
        ):
            return
        try:
            taken = snapshot(self.wb, sha256, pts, self.purpose)
        except WorkbenchError as error:
            self._say(error)
            return
        self._serial += 1
        data = base64.b64encode(taken.png).decode()
        self.tiles.saved = {"name": taken.name, "png": data, "serial": self._serial}

    def _mark(self, asked: Mapping[str, Any]) -> None:
        at, note = asked.get("at"), asked.get("note")
        if self._shown is None or type(at) is not int or not isinstance(note, str):
            return
        span = self._shown.span
        try:
            bookmark(self.wb, span.start_ns + at, self._chosen, span, note, self.purpose)
            self._list_marks()
        except WorkbenchError as error:
            self._say(error)

    def _recall(self, key: str) -> None:
        """Go to a bookmark, on its own cameras and span where they are not shown."""
        found = next((one for one in self._marks if str(one.number) == key), None)
        if found is None or self._shown is None:
            return
        self.remove.visible = True
        if found.at_ns in self._shown.span and set(found.cameras) <= set(self._chosen):
            self._seek(found.at_ns)
        else:
            self._show(list(found.cameras), found.span, found.at_ns)

    def _remove(self) -> None:
        if self.bookmarks.chosen:
            try:
                remove_bookmark(self.wb, int(self.bookmarks.chosen), self.purpose)
            except WorkbenchError as error:
                self._say(error)
            self._list_marks()


def _about(codec: str, notes: tuple[str, ...]) -> str:
    return " · ".join([codec, *notes])


def _words(tr: Translate) -> dict[str, Any]:
    return {
        "most_note": LONGEST_NOTE,
        "start": tr("From"),
        "seconds": tr("{count} s"),
        "minutes": tr("{count} min"),
        "span": tr("for"),
        "open": tr("Open"),
        "speed": tr("Speed"),
        "pace": tr("attained {pace}×"),
        "play": tr("Play"),
        "pause": tr("Pause"),
        "loop": tr("Loop A–B"),
        "save": tr("Save the frame"),
        "mark": tr("Mark"),
        "note": tr("Note for a bookmark"),
        "by": tr("steps: {camera}, {ms} ms"),
        "gap": tr("No recording"),
        "from_to": tr("from {start} to {stop}"),
        "point": tr("Point of the track, in pixels of the picture"),
        "found": tr("found"),
        "before": tr("before"),
        "no_frame": tr("This frame could not be decoded"),
        "no_leave": tr("The leave to watch has ended: open the page again from its case"),
        "residual": tr("picture {ms} ms against the clock"),
        "first_title": tr("Start (Home)"),
        "back_title": tr("One frame back (←); ten (Page Up)"),
        "play_title": tr("Play or pause (space)"),
        "next_title": tr("One frame on (→); ten (Page Down)"),
        "last_title": tr("Last frame (End)"),
        "a_title": tr("Loop from here ([)"),
        "b_title": tr("Loop to here (])"),
        "loop_title": tr("Play between the two marks again and again (L)"),
        "save_title": tr("The chosen tile's exact frame as PNG, logged as an export (S)"),
        "mark_title": tr("Keep this instant with the case (B)"),
        "tile_title": tr(
            "Click: steps follow this tile. Wheel, + −: zoom; drag, Shift+arrows: move; 0: whole"
        ),
    }  # fmt: skip
