"""*Xem lại*: a camera's archive, frame by frame, each box on the frame it was observed on."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pandas as pd
import panel as pn
import param
from panel.custom import JSComponent

from workbench.errors import WorkbenchError
from workbench.investigation import seen_by
from workbench.records import Segment
from workbench.timeline import SECOND_NS, Span, gaps
from workbench.views.page import ASSETS, COMPONENTS_CSS, Body, Visit, html, refusal
from workbench.views.rows import Rows, image, marked, plate
from workbench.views.text import clock, duration

LOOK_MS = 5_000
"""How often the page looks for recordings that were added."""
LATEST_MS = 2**63 // 1_000_000


class Player(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Shows exact frames from the media process; ``view`` is replaced as a whole."""

    view = param.Dict(default={})
    words = param.Dict(default={})

    _esm = ASSETS / "player.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(self, on_seek: Callable[[str, int], None], **params: Any) -> None:
        self._on_seek = on_seek
        super().__init__(sizing_mode="stretch_both", margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        segment, at_ms = data.get("segment"), data.get("at_ms")
        if isinstance(segment, str) and type(at_ms) is int and abs(at_ms) < LATEST_MS:
            self._on_seek(segment, at_ms)


def review_page(visit: Visit) -> Body:
    """Return the review page: refused without a case."""
    page = _ReviewPage(visit)
    tr = visit.tr
    return Body(
        "review.html",
        {
            "recordings": tr("Recordings"), "sightings": tr("Sightings in this recording"),
            "player": tr("Frame by frame: ← → one frame, space plays"),
        },
        {"recordings": page.recordings, "sightings": page.sightings, "player": page.player,
         "said": page.said},
    )  # fmt: skip


class _ReviewPage:
    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr, wb = visit, visit.tr, visit.wb
        chosen = visit.selection.case_id
        case = next((known for known in wb.cases() if known.case_id == chosen), None)
        # refused here without a case, before anything is listed
        wb.grant(None, visit.selection.purpose)
        assert case is not None
        self._period = case.period
        self._allowed = list(seen_by(wb, tuple(case.cameras or wb.ward.cameras)))
        self._segments = self._recorded()
        tr = self.tr
        self.said = html("", visible=False)
        self.recordings = Rows(
            on_choose=lambda key: self._open(key),
            columns=[{"title": tr("Camera")}, {"title": tr("Recorded"), "class": "nowrap"}],
            rows=[self._segment_row(segment) for segment in self._segments.values()],
            empty=tr("Nothing is recorded inside this case's period yet"),
        )
        self.sightings = Rows(
            on_choose=self._show_sighting, empty=tr("No sighting was found in this recording yet")
        )
        self.player = Player(self._seek, words=_words(tr))
        self._passes = pd.DataFrame()
        self._start()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self._look, period=LOOK_MS)

    def _recorded(self) -> dict[str, Segment]:
        wb = self.visit.wb
        found = wb.segments(self._allowed, self._period)
        return {segment.sha256: segment for segment in found}

    def _look(self) -> None:
        """List recordings that were added since."""
        now = self._recorded()
        if now.keys() != self._segments.keys():
            self._segments = now
            self.recordings.rows = [self._segment_row(segment) for segment in now.values()]

    def _start(self) -> None:
        asked = self.visit.asked
        sha256 = asked.get("segment", "")
        if sha256 in self._segments:
            pts = asked.get("pts", "")
            start = int(pts) if re.fullmatch(r"-?[0-9]{1,18}", pts) else None
            self._open(sha256, start, asked.get("sighting", ""))

    def _segment_row(self, segment: Segment) -> dict[str, Any]:
        span = self.visit.wb.utc_span(segment)
        length = duration(span.duration_ns / SECOND_NS, self.tr)
        where = self.visit.wb.camera(segment.camera_id).name
        return {
            "key": segment.sha256,
            "cells": [
                marked(segment.camera_id, sub=where),
                marked(clock(span.start_ns), sub=length),
            ],
        }

    def _open(self, sha256: str, start_pts: int | None = None, sighting_id: str = "") -> None:
        wb, tr, segment = self.visit.wb, self.tr, self._segments[sha256]
        purpose = self.visit.selection.purpose
        span = wb.utc_span(segment).overlap(self._period)
        try:
            token = wb.grant([segment.camera_id], purpose, span=span)
            passes = wb.sightings(purpose, cameras=[segment.camera_id], span=span)
        except WorkbenchError as error:
            self.said.param.update(object=refusal(error, tr), visible=True)
            return
        passes = passes[passes["segment_sha256"] == sha256].reset_index(drop=True)
        self._passes = passes
        index = wb.frame_index(segment)
        utc_ns, sigma_ns = wb.utc(segment, segment.first_pts)
        with pn.io.hold():
            self.said.visible = False
            self.visit.selection.param.update(
                camera_id=segment.camera_id, segment_sha256=sha256, sighting_id=sighting_id
            )
            self.recordings.chosen = sha256
            self.sightings.param.update(
                columns=[
                    {"title": tr("Picture")},
                    {"title": tr("Sighting")},
                    {"title": tr("Plate")},
                ],
                rows=[self._pass_row(row, token) for _, row in passes.iterrows()],
                chosen=sighting_id,
            )
            self.player.view = {
                "segment": sha256,
                "media_url": self.visit.media_url,
                "token": token,
                "pts": index.pts.tolist(),
                "first_pts": segment.first_pts,
                "tick": [segment.tick_s.numerator, segment.tick_s.denominator],
                "utc_ms": utc_ns / 1e6,
                "sigma": tr("clock ± {sigma:.1f} s").format(sigma=sigma_ns / SECOND_NS),
                "start_pts": segment.first_pts if start_pts is None else start_pts,
                "accident": self.visit.link("tai-nan", segment=sha256),
                "tracks": [_track(row, sighting_id, tr) for _, row in passes.iterrows()],
                **self._coverage(segment.camera_id),
            }

    def _coverage(self, camera_id: str) -> dict[str, Any]:
        """Return the bar under the player: the camera's recordings and the gaps between them."""
        mine = [s for s in self._segments.values() if s.camera_id == camera_id]
        spans = [(self.visit.wb.utc_span(segment), segment) for segment in mine]
        whole = Span(min(s.start_ns for s, _ in spans), max(s.stop_ns for s, _ in spans))
        missing = gaps([span for span, _ in spans], whole)
        lost_s = sum(gap.duration_ns for gap in missing) / SECOND_NS
        tr = self.tr
        return {
            "from_ms": whole.start_ns / 1e6,
            "to_ms": whole.stop_ns / 1e6,
            "spans": [[s.start_ns / 1e6, s.stop_ns / 1e6, segment.sha256] for s, segment in spans],
            "gaps": tr("{count} gaps, {length} not recorded").format(
                count=len(missing), length=duration(lost_s, tr)
            )
            if missing
            else tr("no gap"),
        }

    def _pass_row(self, row: pd.Series, token: str) -> dict[str, Any]:
        box = ",".join(f"{max(0.0, float(row[f'box_{side}'])):.1f}" for side in "xywh")
        src = f"{self.visit.media_url}/crop/{row['segment_sha256']}/{int(row['pts'])}/{box}.jpg"
        at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
        read = plate(row["plate"]) if isinstance(row["plate"], str) else ""
        picture = image(f"{src}?grant={quote(token)}", self.tr("picture of the sighting"))
        text = marked(clock(at_ns), sub=self.tr(row["kind"]))
        return {"key": row["sighting_id"], "cells": [picture, text, read]}

    def _show_sighting(self, sighting_id: str) -> None:
        row = self._passes[self._passes["sighting_id"] == sighting_id].iloc[0]
        self._open(str(row["segment_sha256"]), int(row["pts"]), sighting_id)

    def _seek(self, sha256: str, at_ms: int) -> None:
        segment = self._segments.get(sha256)
        if segment is None:
            return
        index = self.visit.wb.frame_index(segment)
        offset_ns = self.visit.wb.utc_span(segment).start_ns - segment.stamped_start_ns
        target = segment.pts_at(at_ms * 1_000_000 - offset_ns)
        frame = max(0, bisect_right(index.pts.tolist(), target) - 1)
        self._open(sha256, int(index.pts[frame]))


def _track(row: pd.Series, chosen: str, tr: Callable[[str], str]) -> dict[str, Any]:
    label = row["plate"] if isinstance(row["plate"], str) else tr(row["kind"])
    return {
        "label": label,
        "pts": [int(pts) for pts in row["track_pts"]],
        "box": [round(float(edge), 1) for edge in row["track_box"]],
        "chosen": row["sighting_id"] == chosen,
    }


def _words(tr: Callable[[str], str]) -> dict[str, str]:
    return {
        "frame": tr("Frame"),
        "accident": tr("Accident"),
        "accident_title": tr("This instant on this and the cameras near it"),
        "speed": tr("Speed"),
        "boxes": tr("Boxes"),
        "play": tr("Play"),
        "pause": tr("Pause"),
        "choose": tr("Choose a recording from the list"),
        "gap": tr("Nothing was recorded then"),
        "no_frame": tr("This frame could not be decoded"),
        "no_leave": tr(
            "This frame lies outside the case, or the leave to watch has ended: "
            "open the page again from its case"
        ),
        "first_title": tr("First frame (Home)"),
        "back_title": tr("One frame back (←)"),
        "play_title": tr("Play or pause (space)"),
        "next_title": tr("One frame on (→)"),
        "last_title": tr("Last frame (End)"),
    }
