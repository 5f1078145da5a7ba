"""From burnt-in times on several frames of a segment to what its stamps are off by."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench import media
from workbench.recognition.clock.overlay import (
    ClockReading,
    TextReader,
    fit_offset,
    offset_window,
    open_clock_reader,
    read_clock,
)
from workbench.recognition.types import RGB
from workbench.records import Box, FrameIndex, Segment
from workbench.timeline import SECOND_NS

LOCAL_ZONE_S = 7 * 3600
"""Burnt-in clocks in Viet Nam show Asia/Ho_Chi_Minh: seven hours ahead of UTC, all year."""

_SAMPLES = 3
_NARROWINGS = 8
"""Halvings of the window; a second at 30 frames a second takes five."""
_MARGIN_PX = 8


@lru_cache(maxsize=1)
def _reader() -> TextReader:
    # One a process: loading takes seconds, and a worker measures many segments.
    return open_clock_reader()


def measure_overlay_clock(
    path: Path,
    segment: Segment,
    index: FrameIndex,
    *,
    zone_offset_s: int = LOCAL_ZONE_S,
    read: TextReader | None = None,
) -> tuple[int, int] | None:
    """Return ``(offset_ns, sigma_ns)`` to add to a segment's stamps, or None where unreadable.

    Three frames spread over the file are read; they leave a window of at most a second. Then that
    frame near the start is read, again and again, which shows the next second in one half of the
    window and not in the other, until no frame parts it any more.
    """
    read = read or _reader()
    seen: dict[int, ClockReading | None] = {}
    place: list[tuple[slice, slice]] = []

    def clock_at(number: int) -> ClockReading | None:
        if number not in seen:
            picture = _frame(path, segment, index, number)
            strip = picture[place[0]] if place else picture
            seen[number] = found = read_clock(strip, read, whole=bool(place))
            if found is not None and not place:
                # A clock stays where it is: later frames are read there alone, ten times faster.
                place.append(_around(found.box))
        return seen[number]

    def pairs() -> list[tuple[int, int]]:
        return [
            (segment.stamped_ns(int(index.pts[number])), clock.shown_ns(zone_offset_s))
            for number, clock in seen.items()
            if clock is not None and not clock.ambiguous
        ]

    for number in np.linspace(0, len(index) - 1, _SAMPLES).astype(int).tolist():
        clock_at(number)
    if len(pairs()) < _SAMPLES // 2 + 1:
        return None
    for _ in range(_NARROWINGS):
        window = offset_window(pairs())
        number = window and _parting(segment, index, window)
        if number is None or number in seen or clock_at(number) is None:
            break
    return fit_offset(pairs())


def _parting(segment: Segment, index: FrameIndex, window: tuple[int, int]) -> int | None:
    """Return the frame in the first seconds whose reading parts a window of offsets most evenly."""
    low, high = window
    count = int(np.searchsorted(index.pts, int(index.pts[0]) + 2 / float(segment.tick_s)))
    best, least = None, (high - low) // 2
    for number in range(min(count, len(index))):
        # where the shown second changes in just this frame, the offset is this
        edge = low + (-segment.stamped_ns(int(index.pts[number])) - low) % SECOND_NS
        off = abs(edge - (low + high) // 2)
        if edge < high and off < least:
            best, least = number, off
    return best


def _around(box: Box) -> tuple[slice, slice]:
    top, left = max(0, int(box.y) - _MARGIN_PX), max(0, int(box.x) - _MARGIN_PX)
    return (
        slice(top, int(box.y + box.h) + _MARGIN_PX),
        slice(left, int(box.x + box.w) + 2 * _MARGIN_PX),
    )


def _frame(path: Path, segment: Segment, index: FrameIndex, number: int) -> RGB:
    for _, frame in media.decode(path, index, number, number + 1):
        return media.to_rgb(frame, segment.rotation_deg)
    raise AssertionError("decode gave no frame for a frame of the index")
