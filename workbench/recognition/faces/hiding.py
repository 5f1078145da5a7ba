"""Where faces are in every frame of a clip, to be hidden: a frame in which one is missed is a leak.

A detector that looks at one frame alone misses faces that turn, blur or are covered for a moment.
Here each face that was seen once is followed by optical flow through the frames around it, forwards
and backwards, until it is seen again, or was not for :data:`HOLD_S` seconds, or the scene is cut.
What follows nothing costs a little clarity; what loses a face tells who somebody is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.models import own, weights
from workbench.recognition.types import RGB, Face, FaceFinder, ModelSettings
from workbench.records import Box

HOLD_S = 1.0
"""How long a face is followed that is not seen again, seconds."""
MARGIN, GROWTH_S, MOST_MARGIN = 0.3, 0.4, 0.8
"""Of a face's sides: hidden around it, more for each second it was not seen, and at most."""
MIN_SCORE = 0.3
"""Less than for counting faces: one too many hidden harms less than one too few."""
LOOK_PX, ENLARGED = 1280, 2.0
"""Longest side of a picture as it is looked at, and how far smaller ones are enlarged at most."""
_FLOW_PX = 480
_CUT = 20.0
_SAME = 0.2
_FEWEST = 5

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Held:
    """A face that is followed: where, and for how many seconds it has not been seen."""

    box: Box
    unseen_s: float


def open_face_hider(settings: ModelSettings | None = None) -> FaceFinder:
    """Return a finder of faces to hide: lower score, larger pictures than for counting.

    Raises
    ------
    Unavailable, Damaged
        As for :func:`~workbench.recognition.load_models`.
    """
    from workbench.recognition.faces.finding import open_face_finder

    settings = settings or ModelSettings()
    pack = own.pack_in_use(settings)
    card = None if pack else own.cards_in_use(settings)["centerface"]
    finder = open_face_finder(
        None if card is None else weights.locate(card, "graph"),
        pack=pack.folder if pack else None,
        min_score=MIN_SCORE,
        max_side_px=LOOK_PX,
    )

    def find(picture: RGB, box: Box | None = None) -> list[Face]:
        return _enlarged(finder, picture, box)

    return find


def _enlarged(finder: FaceFinder, picture: RGB, box: Box | None) -> list[Face]:
    """Look at a picture, or a part of it, as it is and enlarged: small faces are found only so."""
    left, top, right, bottom = _whole(box, picture)
    part = picture[top:bottom, left:right]
    if min(part.shape[:2]) < 2:
        return []
    scale = float(np.clip(LOOK_PX / max(part.shape[:2]), 1.0, ENLARGED))
    looks = [(1.0, part)]  # and large ones only as it is
    if scale > 1.0:
        larger = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        looks.append((scale, np.asarray(larger, np.uint8)))
    corner = np.array([left, top], np.float32)
    return [
        Face(
            Box(one.box.x / by + left, one.box.y / by + top, one.box.w / by, one.box.h / by),
            one.score,
            np.asarray(one.points / by + corner, np.float32),
        )
        for by, look in looks
        for one in finder(np.ascontiguousarray(look), None)
    ]


def _whole(box: Box | None, picture: RGB) -> tuple[int, int, int, int]:
    height, width = picture.shape[:2]
    if box is None:
        return 0, 0, width, height
    left, top = max(0, int(box.x)), max(0, int(box.y))
    return left, top, min(width, int(box.x + box.w) + 1), min(height, int(box.y + box.h) + 1)


def small_gray(picture: RGB) -> Gray:
    """Return a picture as it is kept for following: grey, its longest side 480 px at most."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _FLOW_PX / max(grey.shape))
    if scale < 1.0:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def hide(
    pictures: Sequence[Gray],
    times_s: Sequence[float],
    seen: Sequence[Sequence[Box]],
    size_px: tuple[int, int],
) -> list[list[Box]]:
    """Return what to hide in each frame of a clip: faces seen in it, before it and after it.

    Parameters
    ----------
    pictures
        Frames as of :func:`small_gray`, in order.
    times_s
        When each is shown, increasing.
    seen
        The faces found in each, px of the whole frame.
    size_px
        Width and height of the whole frame.

    Returns
    -------
    list of list of Box
        Per frame, with a margin around each face that grows while it is not seen.
    """
    if not pictures:
        return []
    scale = pictures[0].shape[1] / size_px[0]
    small = [[_scaled(box, scale) for box in boxes] for boxes in seen]
    forwards = _follow(pictures, times_s, small)
    backwards = _follow(pictures[::-1], [-one for one in times_s[::-1]], small[::-1])[::-1]
    found = []
    for ahead, behind in zip(forwards, backwards, strict=True):
        # one seen in this frame is in both, the same
        both = {one.box: one for one in [*ahead, *behind]}.values()
        found.append([_scaled(_with_margin(one), 1 / scale) for one in both])
    return found


def _follow(
    pictures: Sequence[Gray], times_s: Sequence[float], seen: Sequence[Sequence[Box]]
) -> list[list[_Held]]:
    """Return the faces held in each frame when a clip is gone through in this order."""
    told: list[list[_Held]] = []
    held: list[_Held] = []
    for number, picture in enumerate(pictures):
        if number:
            step_s = times_s[number] - times_s[number - 1]
            held = _moved(pictures[number - 1], picture, held, step_s)
        new = [_Held(box, 0.0) for box in seen[number]]
        held = [one for one in held if not any(_overlap(one.box, n.box) > _SAME for n in new)] + new
        told.append(list(held))
    return told


def _moved(before: Gray, now: Gray, held: Sequence[_Held], step_s: float) -> list[_Held]:
    if not held or float(np.abs(before.astype(np.int16) - now).mean()) > _CUT:
        return []
    moved = []
    for one in held:
        unseen_s = one.unseen_s + step_s
        box = _flowed(before, now, one.box)
        inside = box.x + box.w > 0 and box.y + box.h > 0
        inside = inside and box.x < now.shape[1] and box.y < now.shape[0]
        if unseen_s <= HOLD_S and inside:
            moved.append(_Held(box, unseen_s))
    return moved


def _flowed(before: Gray, now: Gray, box: Box) -> Box:
    """Return where a box went from one frame to the next; where it was, if that cannot be told."""
    height, width = before.shape
    left, top = int(np.clip(box.x, 0, width - 1)), int(np.clip(box.y, 0, height - 1))
    right, bottom = int(np.clip(box.x + box.w, 0, width)), int(np.clip(box.y + box.h, 0, height))
    if right - left < 4 or bottom - top < 4:
        return box
    mask = np.zeros_like(before)
    mask[top:bottom, left:right] = 255
    points = cv2.goodFeaturesToTrack(before, 40, 0.01, 2, mask=mask)
    if points is None or len(points) < _FEWEST:
        return box
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, now, points, None, winSize=(15, 15))
    back, again, _ = cv2.calcOpticalFlowPyrLK(now, before, there, None, winSize=(15, 15))
    sure = (found.ravel() == 1) & (again.ravel() == 1)
    sure &= np.abs(back - points).reshape(-1, 2).max(axis=1) < 1.0
    if int(sure.sum()) < _FEWEST:
        return box
    dx, dy = np.median((there - points).reshape(-1, 2)[sure], axis=0)
    return Box(box.x + float(dx), box.y + float(dy), box.w, box.h)


def _with_margin(one: _Held) -> Box:
    more = min(MOST_MARGIN, MARGIN + GROWTH_S * one.unseen_s)
    box = one.box
    return Box(
        box.x - more * box.w, box.y - more * box.h, (1 + 2 * more) * box.w, (1 + 2 * more) * box.h
    )


def _scaled(box: Box, by: float) -> Box:
    return Box(box.x * by, box.y * by, box.w * by, box.h * by)


def _overlap(one: Box, other: Box) -> float:
    wide = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    high = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / min(one.w * one.h, other.w * other.h)


def faces_of_clip(
    frames: Iterable[tuple[float, RGB]],
    find: FaceFinder,
    *,
    within: Callable[[int], Box | None] = lambda _number: None,
) -> tuple[list[list[Box]], list[list[Box]]]:
    """Return what to hide in each frame of a clip, and what was found frame by frame alone.

    Parameters
    ----------
    frames
        Seconds and picture of each frame, in order; one is held at a time.
    within
        The part of a frame that is looked at, by its number; None: all of it.
    """
    small: list[Gray] = []
    times_s: list[float] = []
    seen: list[list[Box]] = []
    size_px = (1, 1)
    for number, (at_s, picture) in enumerate(frames):
        size_px = picture.shape[1], picture.shape[0]
        times_s.append(at_s)
        small.append(small_gray(picture))
        seen.append([face.box for face in find(picture, within(number))])
    return hide(small, times_s, seen, size_px), seen
