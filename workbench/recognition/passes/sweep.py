"""The sweep: key frames alone tell where anything happens, and give the first candidates.

A key frame is decoded by itself, for a twentieth of what its group of pictures costs. What differs
from the background at either end of a group makes it active; of a quiet group nothing but its key
frame is ever decoded. What a sweep finds is provisional: boxes at single instants, no passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.recognition.passes.detect import glance
from workbench.recognition.passes.gate import components, group
from workbench.recognition.passes.pictures import gate_picture
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB
from workbench.records import Box, FrameIndex, Segment


@dataclass(frozen=True, slots=True, eq=False)
class KeyView:
    """What the sweep keeps of a key frame: number, PTS, the gate's picture of it.

    ``glance`` is a picture at the detector's size, of some only. ``boxes`` (frame pixels) are what
    differs from the background.
    """

    number: int
    pts: int
    picture: RGB = field(repr=False)
    glance: RGB | None = field(default=None, repr=False)
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """Frames ``[first, stop)`` from one key frame looked at to the next; quiet or to be decoded."""

    first: int
    stop: int
    active: bool
    view: KeyView | None = None


def survey(
    path: Path,
    index: FrameIndex,
    segment: Segment,
    settings: Settings,
    first: int,
    stop: int,
    *,
    glances: bool = False,
) -> list[Unit]:
    """Return the units that frames ``[first, stop)`` fall into; none where key frames are too few.

    Depends on the file and the settings alone. `first` must be a key frame; `glances` keeps one of
    every view instead of now and then.

    Raises
    ------
    BadInput
        When the file cannot be opened.
    """
    s, tick_s = settings, float(segment.tick_s)
    keys = _spaced(index, first, stop, round(s.sweep_gap_s / tick_s))
    if index.ordinal or len(keys) < s.warm_least_keys or keys[0] != first:
        return []
    ends = [*keys[1:], stop]
    spans = [
        (index.pts[min(end, len(index) - 1)] - index.pts[key])
        for key, end in zip(keys, ends, strict=True)
    ]
    # the last unit of a file is never quiet, however short: nothing is known of its end
    may_be_quiet = spans[:-1] if stop >= len(index) else spans
    if not glances and min(may_be_quiet, default=0) * tick_s > s.sweep_most_s:
        return []  # none can be quiet: looking would cost and change nothing
    # the next key frame shows what is in the last unit
    beyond = np.flatnonzero(index.is_key[stop:])[:1] + stop
    views = _views(
        path, index, segment, s, [*keys, *beyond.tolist()], 0.0 if glances else s.idle_look_s
    )
    views = _with_boxes(views, s, segment)
    units = []
    for key, end, ticks in zip(keys, ends, spans, strict=True):
        here, there = views.get(key), views.get(end)
        last = end >= len(index)
        seen = here is not None and (there is not None or last)
        long = ticks * tick_s > s.sweep_most_s
        active = bool(not seen or long or last or (here and here.boxes) or (there and there.boxes))
        units.append(Unit(key, end, active, here))
    return units


def _spaced(index: FrameIndex, first: int, stop: int, gap_ticks: int) -> list[int]:
    """Return key frames at least so far apart, from `first` on."""
    keys: list[int] = []
    for key in np.flatnonzero(index.is_key[first:stop]) + first:
        if not keys or index.pts[key] - index.pts[keys[-1]] >= gap_ticks:
            keys.append(int(key))
    return keys


def _views(
    path: Path,
    index: FrameIndex,
    segment: Segment,
    s: Settings,
    keys: Sequence[int],
    glance_s: float,
) -> dict[int, KeyView]:
    views: dict[int, KeyView] = {}
    due_s = -1e18
    for number, frame in media.key_frames(path, index, keys):
        pts = int(index.pts[number])
        t_s = (pts - segment.first_pts) * float(segment.tick_s)
        small = None
        if t_s >= due_s:
            small, due_s = glance(frame, segment.rotation_deg), t_s + glance_s
        picture, _ = gate_picture(frame, segment.rotation_deg, s.gate_width_px)
        views[number] = KeyView(number, pts, picture, small)
    return views


def _with_boxes(views: dict[int, KeyView], s: Settings, segment: Segment) -> dict[int, KeyView]:
    if not views:
        return views
    greens = [cv2.blur(np.ascontiguousarray(v.picture[..., 1]), (3, 3)) for v in views.values()]
    every = max(1, len(greens) // s.sweep_pictures)
    background = np.median(np.stack(greens[::every]), axis=0).astype(np.uint8)
    masks = [_apart(green, background, s) for green in greens]
    # Where nearly all differ (a burnt-in clock), a difference says nothing.
    often = np.mean(np.stack(masks) > 0, axis=0) > s.sweep_restless_share
    calm = cv2.bitwise_not(cv2.dilate(often.astype(np.uint8) * 255, np.ones((5, 5), np.uint8)))
    scale = max(1.0, segment.width_px / background.shape[1])
    return {
        number: KeyView(number, view.pts, view.picture, view.glance, _things(mask & calm, scale, s))
        for (number, view), mask in zip(views.items(), masks, strict=True)
    }


def _apart(
    green: NDArray[np.uint8], background: NDArray[np.uint8], s: Settings
) -> NDArray[np.uint8]:
    sample, like = green[::8, ::8].astype(np.float32), background[::8, ::8]
    usable = (sample > 12) & (sample < 240) & (like > 12)
    gain = float(np.median(like[usable] / sample[usable])) if usable.any() else 1.0
    if abs(gain - 1) > s.gain_deadband:
        green = cv2.convertScaleAbs(green, alpha=min(2.5, max(0.4, gain)))
    far = cv2.threshold(cv2.absdiff(green, background), s.sweep_difference, 255, cv2.THRESH_BINARY)[
        1
    ]
    firm: NDArray[np.uint8] = cv2.morphologyEx(far, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    return firm


def _things(mask: NDArray[np.uint8], scale: float, s: Settings) -> tuple[Box, ...]:
    if cv2.countNonZero(mask) < s.sweep_least_px:
        return ()
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones(s.close_px[::-1], np.uint8))
    count, _, stats = components(closed)
    found = [
        (int(x), int(y), int(x + w), int(y + h))
        for x, y, w, h, area in stats[1:count]
        if area >= s.sweep_least_px
    ]
    return tuple(
        Box(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale)
        for left, top, right, bottom in group(found, s.group_gap_px)
    )
