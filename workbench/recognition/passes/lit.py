"""Lamps by night: what of the gate's mask is light thrown on the road, not the thing. Pure.

A headlight blinds the camera, throws a pool of light on the road before it and a veil of glare
around it. All three differ from the background far more than the vehicle itself, so that its
region is a lamp and a pool, and its box half too low. A pool is the even patch of light below a
brighter one; a veil is what is a little brighter beside something much brighter.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.passes.shadows import Corners, Mask
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB


def is_night(picture: RGB, settings: Settings, *, was: bool = False) -> bool:
    """Tell a night's picture by how dark most of it is; looks at every eighth pixel.

    What `was` one stays one until it is somewhat brighter: dusk does not go to and fro.
    """
    level = settings.night_level * (settings.night_stays if was else 1.0)
    return float(np.median(picture[::8, ::8, 1])) < level


def beside_lamps(picture: RGB, background: RGB, halo: int, settings: Settings) -> NDArray[np.bool_]:
    """Mark what is further than `halo` pixels from any lamp: there the camera's exposure shows."""
    gain = cv2.subtract(picture[..., 1], background[..., 1])
    lamps = cv2.threshold(gain, settings.lamp_least, 255, cv2.THRESH_BINARY)[1]
    near: NDArray[np.bool_] = (
        cv2.dilate(lamps, np.ones((2 * halo + 1, 2 * halo + 1), np.uint8)) == 0
    )
    return near


def without_light(mask: Mask, picture: RGB, background: RGB, settings: Settings) -> Mask:
    """Return the mask without pools of light below lamps and without the glare around them.

    Parameters
    ----------
    mask
        255 where the picture is not the background, (y, x) uint8; left as it is.
    picture, background
        Gate pictures, (y, x, 3) uint8.
    """
    s = settings
    red, green, blue = cv2.split(cv2.subtract(picture, background))
    gain: Mask = cv2.min(cv2.min(red, green), blue)  # light, unlike paint, is more of every colour
    if cv2.minMaxLoc(gain)[1] <= s.lamp_least:
        return mask
    x, y, w, h = cv2.boundingRect(cv2.threshold(gain, s.pool_least, 255, cv2.THRESH_BINARY)[1])
    reach, wide = s.glare_reach_px, s.glare_spread_px
    left, top = max(0, x - wide), max(0, y - wide)
    part = np.s_[top : y + h + wide, left : x + w + wide]
    gain = gain[part]
    solid: Mask = mask[part].copy()
    thrown = pools(gain, s)
    # of lamps alone: what is pale is no lamp, and what is less pale below it no glare
    lamps = cv2.threshold(gain, s.lamp_least, 255, cv2.THRESH_TOZERO)[1]
    most = cv2.dilate(lamps, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    glare = cv2.multiply(most, 1.0, scale=s.glare_share)
    glare = cv2.max(glare, _spread(cv2.bitwise_and(gain, thrown), s))
    veil = cv2.bitwise_and(cv2.compare(gain, glare, cv2.CMP_LT), cv2.compare(gain, 0, cv2.CMP_GT))
    solid[cv2.bitwise_or(veil, thrown) > 0] = 0
    cut = mask.copy()
    cut[part] = solid
    return cut


def _spread(light: Mask, s: Settings) -> Mask:
    """Return how much light pools spread over what lies beside them."""
    every = s.glare_spread_px // 4
    size = (max(1, light.shape[1] // every), max(1, light.shape[0] // every))
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 4)
    wide: Mask = cv2.resize(small, light.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return wide


def pools(gain: Mask, settings: Settings) -> Mask:
    """Return 255 where light lies that a lamp throws below itself, (y, x) uint8.

    Parameters
    ----------
    gain
        How much brighter than the background, in the channel that is so least, (y, x) uint8.
    """
    s = settings
    found: Mask = np.zeros_like(gain)
    lamps = _lamps(gain, s)
    for lamp, _ in lamps:
        left, top, right, bottom = lamp
        quarter = (right - left) // 4
        reach = int(s.pool_below * (bottom - top)) + 2 * s.pool_level_px
        down = gain[bottom : bottom + reach, left + quarter : right - quarter].mean(1)
        between = _dark_between(down, s)
        if between is None:
            continue
        cut, again = between
        level = float(down[again : again + s.pool_level_px].mean())
        begins = bottom + cut
        wing = (right - left) // 4
        first = max(0, bottom - wing)  # beside the lamp it reaches a little higher
        lit = cv2.threshold(gain[first:], s.pool_edge * level, 255, cv2.THRESH_BINARY)[1]
        lit[: begins - first, max(0, left - wing) : right + wing] = 0
        for (a, b, c, d), _ in lamps:  # what shines there itself is no part of the pool
            lit[max(0, b - first) : max(0, d - first), a:c] = 0
        _, labels = cv2.connectedComponents(lit, connectivity=4)
        foot = labels[bottom + again - first :, left:right][: s.pool_level_px]
        under = np.unique(foot)
        found[first:][np.isin(labels, under[under > 0])] = 255
    return found


def _dark_between(down: NDArray[np.float64], s: Settings) -> tuple[int, int] | None:
    """Return rows below a lamp: where its light is least before a pool, and where the pool shines.

    None where the light only falls off.

    >>> _dark_between(np.array([200.0, 90, 40, 60, 90, 95, 95, 95]), Settings())
    (2, 4)
    """
    step = s.pool_level_px
    if len(down) <= step:
        return None
    level = np.flatnonzero(down[step:] >= s.pool_falls * down[:-step])
    if not len(level):
        return None
    first = int(level[0])
    peak = first + int(down[first:].argmax())
    most = float(down[peak])
    if most < s.pool_least:
        return None
    least = first + int(down[first : peak + 1].argmin())
    return least, least + int(np.argmax(down[least:] >= s.pool_falls * most))


def _lamps(gain: Mask, s: Settings) -> list[tuple[Corners, float]]:
    """Return the boxes and levels of even patches of light below which none brighter lies above."""
    most = cv2.dilate(gain, np.ones((2 * s.lamp_edge_px + 1, 2 * s.lamp_edge_px + 1), np.uint8))
    even = cv2.compare(gain, cv2.multiply(most, 1.0, scale=s.lamp_even), cv2.CMP_GE)
    even = cv2.bitwise_and(even, cv2.threshold(gain, s.lamp_least, 255, cv2.THRESH_BINARY)[1])
    count, labels, stats, _ = cv2.connectedComponentsWithStats(even, connectivity=4)
    patches: list[tuple[Corners, float]] = []
    # rain and insects before an infrared lamp are hundreds: the largest are looked at
    largest = sorted(range(1, count), key=lambda i: (-int(stats[i][4]), i))[: s.lamps_most]
    for i in sorted(largest):
        x, y, w, h, area = (int(v) for v in stats[i])
        if area >= s.lamp_least_px:
            inside = labels[y : y + h, x : x + w] == i
            patches.append(((x, y, x + w, y + h), float(gain[y : y + h, x : x + w][inside].mean())))
    return [one for one in patches if not any(_throws(lamp, one, s) for lamp in patches)]


def _throws(lamp: tuple[Corners, float], pool: tuple[Corners, float], s: Settings) -> bool:
    """Tell whether an even patch of light may be what a brighter one above it throws."""
    (left, top, right, bottom), peak = lamp
    (a, b, c, _), level = pool
    return (
        peak > s.lamp_brighter * level
        and min(right, c) - max(left, a) > left - right
        and top < b
        and b - bottom <= s.pool_below * (bottom - top) + s.lamp_edge_px
    )
