"""Points followed through pictures: corners where something moves, and on the standing scene.

Corners (Shi and Tomasi 1994) are followed by pyramidal Lucas-Kanade (Bouguet 2000), forwards and
back again (Kalal, Mikolajczyk and Matas 2010): who does not come back is let go. A similarity that
most corners of the whole picture agree on takes the shake of the camera away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Grey = NDArray[np.uint8]
Pixels = NDArray[np.float32]

WIDTH_PX = 640
"""Pictures are made at most so wide; places and paces here are in pixels of that."""
STEP_S = 0.06
"""Frames nearer than that to the last one are better left out: 10 to 17 a second are kept."""
STRETCH_S, SHARED_S = 8.0, 3.0
_GAP_S = 0.5  # a longer one ends every track
_SCENE, _MOVERS, _APART_PX = 160, 520, 4
_ENDS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.03)
_WINDOW: Any = {"winSize": (15, 15), "maxLevel": 3, "criteria": _ENDS}
_BACK_PX, _BESIDE_PX = 0.7, 12.0
_UNLIKE = 22.0  # of 255, the mean difference of a point's surroundings in two pictures
_DIFFERS, _LAG = 14, 3
_RENEW_S = 0.075  # points are looked for so often at the most
_AGAIN = 8  # pictures after which corners of the scene are looked for again
_WARM = 15  # looks for which a place where something moved is looked at on
_STILL_PX = 0.3  # the whole picture is taken to stand where its corners move less


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Points of one stretch. ``at_px`` is (frames, points, 2), NaN where a point is not followed.

    ``time_s`` (frames,) of the file; places are those of the first picture of all, shake taken
    away; ``held_px`` (frames, 2, 2) is where the middle and a corner of each picture lie among
    them, ``agree`` (frames,) the share of its corners that moved so. ``size_px``: width and height.
    """

    time_s: NDArray[np.float64]
    at_px: Pixels
    held_px: NDArray[np.float64]
    agree: NDArray[np.float64]
    size_px: tuple[int, int]


@dataclass(slots=True, eq=False)
class _Kept:
    """A frame's points by number, in the places of the first picture of all."""

    time_s: float
    numbers: NDArray[np.int64]
    at_px: Pixels
    held_px: NDArray[np.float64]
    agree: float


@dataclass(slots=True, eq=False)
class _State:
    """What is carried from picture to picture."""

    greys: list[Grey] = field(default_factory=list)
    at_px: Pixels = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    goes_px: Pixels = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    scene: Pixels = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    next_number: int = 0
    pictures: int = 0
    renewed_s: float = -math.inf
    warm: Grey | None = None
    steady: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))


def follow_points(pictures: Iterable[tuple[float, Grey]]) -> Iterator[Followed]:
    """Yield stretches of followed points, each sharing its last seconds with the next.

    Parameters
    ----------
    pictures
        Time (s, increasing) and grey picture, see :func:`small`, :data:`STEP_S` apart. Where they
        change their size, or leave a gap, every track ends. Held at once are a few pictures and the
        points of one stretch, however many there are.
    """
    state, kept = _State(), list[_Kept]()
    size = (0, 0)
    for at, grey in pictures:
        changed = (grey.shape[1], grey.shape[0]) != size
        if kept and (changed or at - kept[-1].time_s > _GAP_S):
            yield _stretch(kept, size)
            state, kept = _State(next_number=state.next_number), []
        size = grey.shape[1], grey.shape[0]
        kept.append(_followed(state, at, grey))
        if at - kept[0].time_s >= STRETCH_S:
            yield _stretch(kept, size)
            kept = [one for one in kept if one.time_s >= at - SHARED_S]
    if len(kept) > 1:
        yield _stretch(kept, size)


def small(grey: Grey) -> Grey:
    """Return a grey picture at most :data:`WIDTH_PX` wide, a copy."""
    wide = min(1.0, WIDTH_PX / grey.shape[1])
    size = max(8, round(grey.shape[1] * wide)), max(8, round(grey.shape[0] * wide))
    made: Grey = np.ascontiguousarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    return made


def _stretch(kept: list[_Kept], size: tuple[int, int]) -> Followed:
    numbers = np.unique(np.concatenate([one.numbers for one in kept]))
    at = np.full((len(kept), len(numbers), 2), np.nan, np.float32)
    for k, one in enumerate(kept):
        at[k, np.searchsorted(numbers, one.numbers)] = one.at_px
    return Followed(
        np.array([one.time_s for one in kept]), at, np.array([one.held_px for one in kept]),
        np.array([one.agree for one in kept]), size,
    )  # fmt: skip


def _followed(state: _State, at: float, grey: Grey) -> _Kept:
    agree = 1.0
    if state.greys:
        last = _lit_as(state.greys[-1], grey)
        moved, sure = _step(last, grey, state.at_px, state.goes_px)
        state.goes_px = (moved - state.at_px)[sure]
        state.at_px, state.numbers = moved[sure], state.numbers[sure]
        shift, agree, state.scene = _whole_motion(last, grey, state.scene)
        state.steady = state.steady @ np.linalg.inv(shift)
    state.greys = [*state.greys[-_LAG:], grey]
    _renew(state, grey, at)
    steady = cv2.transform(state.at_px[None], state.steady[:2])[0] if len(state.at_px) else (
        np.zeros((0, 2), np.float32)
    )  # fmt: skip
    marks = np.array([[grey.shape[1] / 2, grey.shape[0] / 2, 1.0], [0.0, 0.0, 1.0]])
    held = (marks @ state.steady.T)[:, :2]
    return _Kept(at, state.numbers.copy(), steady.astype(np.float32), held, agree)


def _step(
    last: Grey, now: Grey, at: Pixels, goes: Pixels | None = None
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Follow points from one picture to the next; say which came back to where they were.

    Each is looked for first where it would be if it went on as it did.
    """
    if not len(at):
        return at, np.zeros(0, bool)
    guess = at if goes is None else (at + goes).astype(np.float32)
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    moved, ok, unlike = cv2.calcOpticalFlowPyrLK(
        last, now, at, guess.copy(), flags=flags, **_WINDOW
    )
    # from where it is now: a guess of the way back would find its way back by itself
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(now, last, moved, None, **_WINDOW)
    high, wide = now.shape
    sure = (ok[:, 0] == 1) & (ok_back[:, 0] == 1) & (unlike[:, 0] < _UNLIKE)
    sure &= np.linalg.norm(back - at, axis=1) < _BACK_PX
    sure &= (moved >= 3).all(axis=1) & (moved[:, 0] < wide - 3) & (moved[:, 1] < high - 3)
    return moved, sure


def _lit_as(last: Grey, now: Grey) -> Grey:
    """Return a picture as bright as the next one: cameras set their exposure by what comes by."""
    a, b = last[::4, ::4].astype(np.float32) + 4, now[::4, ::4].astype(np.float32) + 4
    ratio = float(np.median(b / a))
    if abs(ratio - 1) < 0.005:
        return last
    lit: Grey = cv2.convertScaleAbs(last, alpha=ratio, beta=4 * ratio - 4)
    return lit


def _whole_motion(
    last: Grey, now: Grey, scene: Pixels
) -> tuple[NDArray[np.float64], float, Pixels]:
    """Return how the picture moved (3, 3), which share of corners agrees, and the corners now."""
    nothing = np.eye(3)
    if len(scene) < 12:
        return nothing, 1.0, scene[:0]
    moved, sure = _step(last, now, scene)
    a, b = scene[sure], moved[sure]
    if len(a) < 12:
        return nothing, 0.0, b
    stand = np.linalg.norm(b - a, axis=1) < _STILL_PX
    # something large may fill most of the picture: what stands on all its sides is the scene
    spread = np.ptp(a[stand], axis=0) / (now.shape[1], now.shape[0]) if stand.any() else np.zeros(2)
    if stand.mean() > 0.5 or (stand.mean() > 0.15 and (spread > 0.6).all()):
        return nothing, 1.0, b
    found, inside = cv2.estimateAffinePartial2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=0.7, maxIters=300
    )
    if found is None:
        return nothing, 0.0, b
    inside = inside[:, 0] == 1
    spread = (
        np.ptp(a[inside], axis=0) / (now.shape[1], now.shape[0]) if inside.any() else 0 * spread
    )
    if inside.mean() < 0.4 or (spread < 0.6).any():
        return nothing, 0.0, b  # something large goes by, or all goes its own way
    shift = np.vstack([found, [0, 0, 1]])
    return shift, float(inside.mean()), b


def _renew(state: _State, grey: Grey, at_s: float) -> None:
    high, wide = grey.shape
    state.pictures += 1
    if state.pictures % _AGAIN == 1 or len(state.scene) < _SCENE // 3:
        state.scene = _spread(grey, _SCENE)
    if at_s - state.renewed_s < _RENEW_S or state.greys[0] is grey:
        return
    state.renewed_s = at_s
    before = _lit_as(state.greys[0], grey)
    differs = cv2.absdiff(cv2.GaussianBlur(grey, (5, 5), 0), cv2.GaussianBlur(before, (5, 5), 0))
    moves = cv2.morphologyEx(
        (differs > _DIFFERS).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )
    around = cv2.dilate(moves, np.ones((41, 41), np.uint8))
    # who stood for a while far from whatever moves is let go
    if state.warm is None:
        state.warm = np.zeros_like(grey)
    state.warm = np.maximum(cv2.subtract(state.warm, 1), around * np.uint8(_WARM))
    at = state.at_px.astype(int)
    stays = state.warm[np.clip(at[:, 1], 0, high - 1), np.clip(at[:, 0], 0, wide - 1)] > 0
    state.at_px, state.numbers = state.at_px[stays], state.numbers[stays]
    state.goes_px = state.goes_px[stays]
    near = cv2.dilate(moves, np.ones((9, 9), np.uint8))
    for mask, most in ((near, _MOVERS), (around, _MOVERS // 2)):
        room = most - len(state.at_px)
        if room <= 0:
            continue
        free = mask.copy()
        for x, y in state.at_px.astype(int).tolist():
            cv2.circle(free, (x, y), _APART_PX, 0, -1)
        found = cv2.goodFeaturesToTrack(grey, room, 0.005, _APART_PX, mask=free, blockSize=5)
        if found is None:
            continue
        found = found[:, 0].astype(np.float32)
        state.goes_px = np.vstack([state.goes_px, _as_beside(state, found)])
        state.at_px = np.vstack([state.at_px, found])
        state.numbers = np.concatenate([state.numbers, state.next_number + np.arange(len(found))])
        state.next_number += len(found)


def _as_beside(state: _State, found: Pixels) -> Pixels:
    """Return how new points may go: as the nearest that is followed already, if any is near."""
    goes = np.zeros_like(found)
    if len(state.at_px):
        apart, which = cKDTree(state.at_px).query(found, distance_upper_bound=_BESIDE_PX)
        near = np.isfinite(apart)
        goes[near] = state.goes_px[which[near]]
    return goes


def _spread(grey: Grey, count: int) -> Pixels:
    """Return corners of the whole picture, spread over it."""
    apart = math.sqrt(grey.size / count) * 0.6
    found = cv2.goodFeaturesToTrack(grey, count, 0.005, apart, blockSize=5)
    return np.zeros((0, 2), np.float32) if found is None else found[:, 0].astype(np.float32)
