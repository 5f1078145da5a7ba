"""From burnt-in times on several frames of a segment to what its stamps are off by."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench import media
from workbench.recognition.overlay import (
    ClockReading,
    TextReader,
    find_change,
    fit_offset,
    open_clock_reader,
    read_clock,
)
from workbench.recognition.types import RGB
from workbench.records import Box, FrameIndex, Segment
from workbench.timeline import SECOND_NS

LOCAL_ZONE_S = 7 * 3600
"""Burnt-in clocks in Viet Nam show Asia/Ho_Chi_Minh: seven hours ahead of UTC, all year."""

_SAMPLES = 3
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

    Three frames spread over the file are read, then the frame in which the first second changes is
    looked for by bisection: it narrows the offset from a second to about one frame.
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

    def second_at(number: int) -> int | None:
        clock = clock_at(number)
        return None if clock is None else clock.shown_ns(zone_offset_s) // SECOND_NS

    spread = np.linspace(0, len(index) - 1, _SAMPLES).astype(int).tolist()
    for number in spread:
        clock_at(number)
    first = spread[0]
    a_second_on = int(
        np.searchsorted(
            index.pts, segment.pts_at(segment.stamped_ns(int(index.pts[first])) + 10**9)
        )
    )
    if a_second_on < len(index):
        change = find_change(second_at, first, a_second_on)
        if change is not None:
            clock_at(change)
    pairs = [
        (segment.stamped_ns(int(index.pts[number])), clock.shown_ns(zone_offset_s))
        for number, clock in seen.items()
        if clock is not None and not clock.ambiguous
    ]
    return fit_offset(pairs) if len(pairs) >= _SAMPLES // 2 + 1 else None


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
