"""Where a live tile's picture comes from: a camera's stream, or its archive played again.

A source is asked "what is there now?" and answers with a picture or with silence; it never repeats
an old picture as a new one, and each picture says which of the two it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from workbench import media
from workbench.investigation import Workbench
from workbench.records import FrameIndex, Segment
from workbench.timeline import SECOND_NS, Span, is_recent
from workbench.views.footage import RGB, Footage

DAY_NS = 86_400 * SECOND_NS
HOLD_S = 3.0
"""A picture older than this is no picture of now: the camera counts as silent."""
WIDEST_PX = 960
"""Sources make pictures no wider than this, or than the ``width_px`` that is asked of them."""
ARCHIVE_LOOK_S = 10.0
"""How often a replay looks for footage that was added since."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame and what it is: ``at_ns`` is UTC of the scene, ``state`` says live or replayed.

    ``jpegs`` are those its source has made already, by width in px.
    """

    rgb: RGB
    at_ns: int
    state: Literal["live", "replay"]
    key: tuple[str, int]
    jpegs: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silence:
    """No picture; ``since_ns`` is when the last one was (UTC of the scene), None if never.

    ``opening`` while it cannot be known yet whether there is one.
    """

    since_ns: int | None
    opening: bool = False


Source = Callable[[int], Picture | Silence]


def replay_instant(now_ns: int, archive: Span) -> int:
    """Return the archived instant that a replay shows now.

    An archive of a day or more replays its last day at its own time of day; a shorter one loops.
    Every camera of the archive shares the instant, so that a vehicle crosses the wall in order.

    >>> replay_instant(25, Span(100, 110))
    105
    >>> replay_instant(7 * DAY_NS + 5, Span(0, 3 * DAY_NS)) == 2 * DAY_NS + 5
    True
    """
    start_ns = max(archive.start_ns, archive.stop_ns - DAY_NS)
    length = archive.stop_ns - start_ns
    if length <= 0:
        return start_ns
    return start_ns + (now_ns - start_ns) % length


class Replay:
    """A camera's archive, played at the pace of the clock."""

    def __init__(
        self, wb: Workbench, footage: Footage, camera_id: str, whole: Callable[[], Span | None]
    ) -> None:
        self._wb = wb
        self._footage = footage
        self._camera_id = camera_id
        self._whole = whole
        self._looked_ns: int | None = None
        self._segments: list[tuple[Span, Segment, FrameIndex]] = []
        self._decoding: tuple[str, int, Iterator[tuple[int, Any]]] | None = None
        self._shown: Picture | None = None
        self._lock = Lock()

    def __call__(self, now_ns: int) -> Picture | Silence:
        """Return the frame shown at the replayed instant of `now_ns`."""
        with self._lock:
            return self._at(now_ns)

    def _at(self, now_ns: int) -> Picture | Silence:
        whole = self._whole()
        if self._looked_ns is None or not is_recent(self._looked_ns, now_ns, ARCHIVE_LOOK_S):
            self._look(now_ns)
        if whole is None:
            return Silence(None)
        at_ns = replay_instant(now_ns, whole)
        ended = [span.stop_ns for span, _, _ in self._segments if span.stop_ns <= at_ns]
        here = next((entry for entry in self._segments if at_ns in entry[0]), None)
        if here is None:
            return Silence(max(ended, default=None))
        span, segment, index = here
        # constant inside a segment up to drift, which a wall does not show
        offset_ns = span.start_ns - segment.stamped_start_ns
        target = segment.pts_at(at_ns - offset_ns)
        frame = max(0, bisect_right(index.pts, target) - 1)
        key = (segment.sha256, int(index.pts[frame]))
        if self._shown is None or self._shown.key != key:
            rgb = self._decode(segment, index, frame)
            if rgb is None:
                return Silence(max(ended, default=None))
            scene_ns = segment.stamped_ns(key[1]) + offset_ns
            self._shown = Picture(rgb, scene_ns, "replay", key)
        if at_ns - self._shown.at_ns > HOLD_S * SECOND_NS:
            return Silence(self._shown.at_ns)
        return self._shown

    def _look(self, now_ns: int) -> None:
        self._segments = [
            (self._wb.utc_span(segment), segment, self._footage.index(segment))
            for segment in self._wb.segments([self._camera_id])
        ]
        self._looked_ns = now_ns

    def _decode(self, segment: Segment, index: FrameIndex, frame: int) -> RGB | None:
        """Return one frame, going on from the last where that is nearer than a key frame."""
        keys = np.flatnonzero(index.is_key[: frame + 1])
        restart = int(keys[-1]) if len(keys) else 0
        sha256, at, frames = self._decoding or ("", 0, iter(()))
        if sha256 != segment.sha256 or not restart <= at <= frame:
            path = self._wb.file(segment)
            frames, at = media.decode(path, index, frame, len(index), fast=True), frame
        for _pts, picture in frames:
            at += 1
            if at > frame:
                self._decoding = (segment.sha256, at, frames)
                return media.to_rgb(picture, segment.rotation_deg)
        self._decoding = None
        return None


class Scaler:
    """Makes small pictures of frames, keeping what FFmpeg sets up for it: that costs most."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any, width_px: int) -> RGB:
        """Return RGB no wider than `width_px`; uint8 (y, x, 3)."""
        width = min(frame.width, width_px)
        height = max(1, round(frame.height * width / frame.width))
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="bgr24", interpolation=Interpolation.AREA
        )
        # seen backwards it is RGB; the JPEG's writer wants it as it lies
        return np.asarray(small.to_ndarray()[:, :, ::-1], np.uint8)


def whole_archive(wb: Workbench) -> Span | None:
    """Return the span from the archive's first recorded instant to its last, None where empty."""
    spans: Sequence[Span] = [span for spans in wb.coverage().values() for span in spans]
    if not spans:
        return None
    return Span(min(span.start_ns for span in spans), max(span.stop_ns for span in spans))
