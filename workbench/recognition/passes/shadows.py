"""Cast shadows: what of a thing in the gate's mask is the shadow it throws beside it. Pure.

The gate tells bare shadows from things; a shadow that hangs on its thing makes the thing's box up
to twice as wide, and two people one region. Such a shadow is darker than the road by one factor in
all channels, lies low beside its thing and is either even or, far from the camera, a strip so thin
that its soft border is all of it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB

Mask = NDArray[np.uint8]
Corners = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels of the gate picture."""

_WHOLE = 200
"""Of a ratio of one, in the eight bits ratios are kept in: up to 1.27 can be told."""
_LIFT = (8, 8, 8, 0)
"""Grey levels added before dividing: of black divided by black nothing can be said."""


def without_shadow(
    box: Corners, mask: Mask, picture: RGB, background: RGB, settings: Settings
) -> list[Corners]:
    """Return the boxes of what stands in a box of the mask, without the shadows they cast.

    Parameters
    ----------
    box
        Of one thing, or of several whose shadows join them.
    mask
        255 where the picture is not the background, (y, x) uint8.
    picture, background
        Gate pictures, (y, x, 3) uint8.

    Returns
    -------
    list of tuple
        One box, or one each of small things that only a shadow joined. The box as it was where it
        touches the border, is tiny, or where nothing would be left of it.
    """
    s = settings
    left, top, right, bottom = box
    if left <= 1 or top <= 1 or right >= mask.shape[1] - 1 or bottom >= mask.shape[0] - 1:
        return [box]  # how much of the height is the thing's, nobody can say of a part of it
    if min(right - left, bottom - top) < s.cast_window_px:
        return [box]
    part = np.s_[top:bottom, left:right]
    inside = mask[part]
    dark, even = _shade(inside, picture[part], background[part], s)
    tall, stands = _standing(inside, dark, even, s)
    if not len(stands):
        return [box]
    apart = bottom - top <= s.cast_apart_px
    runs = _runs(stands, s.cast_gap_px if apart else right - left)
    if len(runs) > 1:
        large = [run for run in runs if tall[run[0] : run[1]].sum() >= s.blob_least_px]
        runs = large or [(runs[0][0], runs[-1][1])]
    if len(runs) == 1 and runs[0][1] - runs[0][0] < s.cast_left_share * (right - left):
        return [box]
    found = []
    for first, stop in runs:
        over, under = (0, bottom - top) if len(runs) == 1 else _ends(inside[:, first:stop])
        found.append((left + first, top + over, left + stop, top + under))
    return found


def _standing(
    inside: Mask, dark: Mask, even: Mask, s: Settings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how much of the mask each column holds, and the columns in which something stands.

    A column of shadow is mostly dark, and a thin strip low down, or even and below the head.
    """
    height = len(inside)
    tall = _count(inside, 0)
    head = np.where(tall > 0, (inside > 0).argmax(0), height)
    strip = (tall <= s.cast_thin_px) & (head > s.cast_low_share * height)
    plain = (_count(even, 0) >= s.cast_even_share * tall) & (head > s.cast_head_share * height)
    cast = (_count(dark, 0) >= s.cast_dark_share * tall) & (strip | plain)
    return tall, np.flatnonzero((tall > 0) & ~cast)


def _shade(inside: Mask, picture: RGB, background: RGB, s: Settings) -> tuple[Mask, Mask]:
    """Return 255 where the mask is darker by one factor in all channels, and where it is even too.

    How even it is is asked of the mask's own pixels around: the step from shadow to road is none.
    """
    ratio = cv2.divide(cv2.add(picture, _LIFT), cv2.add(background, _LIFT), scale=_WHOLE)
    red, green, blue = cv2.split(ratio)
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    low, high = s.cast_ratio
    dark = cv2.bitwise_and(inside, cv2.inRange(green, low * _WHOLE, high * _WHOLE))
    limit = cv2.multiply(least, 1.0, scale=1 + s.cast_tint)
    dark = cv2.bitwise_and(dark, cv2.compare(most, limit, cv2.CMP_LE))
    size = (s.cast_window_px, s.cast_window_px)
    weight = inside.astype(np.float32)
    value = green.astype(np.float32)
    own = cv2.multiply(value, weight)
    count = cv2.blur(weight, size) + 1e-3
    mean = cv2.blur(own, size) / count
    spread = cv2.blur(cv2.multiply(own, value), size) / count - mean * mean
    smooth = cv2.compare(spread, (s.cast_texture * mean) ** 2, cv2.CMP_LT)
    return dark, cv2.bitwise_and(dark, smooth)


def _count(mask: Mask, axis: int) -> NDArray[np.int64]:
    """Return how many pixels of a mask are set along an axis."""
    counted: NDArray[np.int64] = (mask > 0).sum(axis)
    return counted


def _runs(columns: NDArray[np.int64], gap: int) -> list[tuple[int, int]]:
    """Return first and stop of runs of columns with no more than `gap` missing between.

    >>> _runs(np.array([2, 3, 5, 9]), 1), _runs(np.array([2, 3, 5, 9]), 9)
    ([(2, 6), (9, 10)], [(2, 10)])
    """
    breaks = np.flatnonzero(np.diff(columns) > gap + 1)
    firsts, lasts = columns[np.r_[0, breaks + 1]], columns[np.r_[breaks, len(columns) - 1]]
    return [(int(a), int(b) + 1) for a, b in zip(firsts, lasts, strict=True)]


def _ends(inside: Mask) -> tuple[int, int]:
    """Return first and stop of the rows that hold any of a mask."""
    there = np.flatnonzero(_count(inside, 1))
    return int(there[0]), int(there[-1]) + 1
