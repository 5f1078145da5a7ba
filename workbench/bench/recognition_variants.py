"""Crops of real plates made worse on purpose, one kind of harm at a time, from a seed.

Crops that others cut are looser, smaller, darker, more turned or dirtier than those of
:mod:`workbench.bench.recognition_plates`. The plates are told apart by vehicle: a rule is built on
the crops of :data:`BUILT_ON` and judged on those of the other vehicles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition import evaluate
from workbench.recognition.types import RGB
from workbench.records import Box

BUILT_ON = frozenset({"66P189575", "81AA04892", "81K53579", "51A19222"})
"""Signs of the vehicles on whose crops rules are built; the other three are for judging."""

SEEDS = {"built on": 2001, "judged by": 2002}

Crop = tuple[RGB, str]
"""A picture of a plate alone, and its signs."""

Rng = np.random.Generator
Harm = Callable[[RGB, Rng], RGB]

_MARGINS, _WIDTHS_PX = (0.0, 0.12), (70, 220)
_CUT_MARGINS, _LOOSE_MARGINS = (-0.06, -0.01), (0.3, 0.6)
_SMALL_PX = (40, 60)
_SPARE = 0.35
"""Of the plate's width around it, what is turned with it, so that no corner is empty."""


def variants(
    pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]], *, built_on: bool
) -> dict[str, list[Crop]]:
    """Return one crop of each kind of each readable plate of one half of the vehicles."""
    rng = np.random.default_rng(SEEDS["built on" if built_on else "judged by"])
    found: dict[str, list[Crop]] = {kind: [] for kind in KINDS}
    for _, picture, truth in pictures:
        for one in truth:
            if one.signs and (one.signs in BUILT_ON) == built_on:
                for kind, make in KINDS.items():
                    found[kind].append((make(picture, one.box, rng), one.signs))
    return found


def _crop(
    picture: RGB,
    box: Box,
    rng: Rng,
    *,
    margins: tuple[float, float] = _MARGINS,
    widths_px: tuple[float, float] = _WIDTHS_PX,
    turn: NDArray[np.float64] | None = None,
) -> RGB:
    """Return a crop, each side with a margin of its own, turned about the plate's middle."""
    left, top, right, bottom = (float(rng.uniform(*margins)) for _ in range(4))
    x0, x1 = box.x - left * box.w, box.x + (1 + right) * box.w
    y0, y1 = box.y - top * box.h, box.y + (1 + bottom) * box.h
    wide_px = float(np.exp(rng.uniform(*np.log(widths_px)))) * (x1 - x0) / box.w
    scale = wide_px / (x1 - x0)
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if turn is not None:
        middle = np.array([box.x + box.w / 2, box.y + box.h / 2])
        corners = cv2.perspectiveTransform(((corners - middle) / box.w)[None], turn)[0]
        corners = corners * box.w + middle
    # Several times as large first, then by areas: a warp alone would leave out pixels.
    wide, high = max(8, round(wide_px)), max(8, round((y1 - y0) * scale))
    times = max(1, round(1 / scale))
    size = wide * times, high * times
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    large = cv2.warpPerspective(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(cv2.resize(large, (wide, high), interpolation=cv2.INTER_AREA))


def _turned(picture: RGB, box: Box, rng: Rng) -> RGB:
    angle = float(np.radians(rng.uniform(5, 15))) * float(rng.choice((-1, 1)))
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([(c, -s, 0), (s, c, 0), (0, 0, 1)])
    return _crop(picture, box, rng, margins=(0.08, 0.2), turn=turn)


def _askew(picture: RGB, box: Box, rng: Rng) -> RGB:
    shear, lean = rng.uniform(0.1, 0.25, 2) * rng.choice((-1, 1), 2)
    far = rng.uniform(-0.35, 0.35, 2)
    turn = np.array([(1, lean, 0), (shear, 1, 0), (*far, 1)])
    return _crop(picture, box, rng, margins=(0.05, 0.2), turn=turn)


def _blurred(crop: RGB, rng: Rng) -> RGB:
    sigma = float(rng.uniform(0.012, 0.022)) * crop.shape[1]
    if rng.random() < 0.5:
        soft: RGB = cv2.GaussianBlur(crop, (0, 0), sigma)
        return soft
    length = max(3, round(3 * sigma)) | 1
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (0, length // 2), (length - 1, length // 2), 1.0, 1)
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), float(rng.uniform(0, 180)), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    smeared: RGB = cv2.filter2D(crop, -1, kernel / kernel.sum())
    return smeared


def _coded(crop: RGB, rng: Rng) -> RGB:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(8, 30))]
    coded = cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], cv2.IMREAD_COLOR)
    assert coded is not None, "what was just coded is a picture"
    return np.ascontiguousarray(coded, np.uint8)


def _dark(crop: RGB, rng: Rng) -> RGB:
    light = crop * float(rng.uniform(0.08, 0.25)) + rng.normal(0, rng.uniform(1, 4), crop.shape)
    clipped: RGB = np.clip(light, 0, 255).astype(np.uint8)
    return clipped


def _glared(crop: RGB, rng: Rng) -> RGB:
    height, width = crop.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    at = rng.uniform(0.1, 0.9, 2) * (width, height)
    wide = float(rng.uniform(0.1, 0.25)) * width
    spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * wide**2))
    light = crop + float(rng.uniform(100, 200)) * spot[..., None] + float(rng.uniform(0, 50))
    clipped: RGB = np.clip(light, 0, 255).astype(np.uint8)
    return clipped


def _dirty(crop: RGB, rng: Rng) -> RGB:
    soiled = crop.copy()
    height, width = crop.shape[:2]
    for _ in range(int(rng.integers(3, 8))):
        at = int(rng.integers(width)), int(rng.integers(height))
        axes = [max(1, round(float(v) * width)) for v in rng.uniform(0.008, 0.03, 2)]
        colour = rng.uniform(30, 160, 3).tolist()
        cv2.ellipse(soiled, at, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    for x in (0.25, 0.5, 0.75):
        if rng.random() < 0.7:
            at = round(x * width), round(float(rng.choice((0.08, 0.5, 0.92))) * height)
            grey = float(rng.uniform(20, 230))
            cv2.circle(soiled, at, max(1, round(0.018 * width)), (grey,) * 3, -1, cv2.LINE_AA)
    return soiled


def _with(harm: Harm, **how: tuple[float, float]) -> Callable[[RGB, Box, Rng], RGB]:
    return lambda picture, box, rng: harm(_crop(picture, box, rng, **how), rng)  # type: ignore[arg-type]


def _two(picture: RGB, box: Box, rng: Rng) -> RGB:
    first = (_turned, _askew)[int(rng.integers(2))](picture, box, rng)
    return (_blurred, _coded, _dark, _dirty, _glared)[int(rng.integers(5))](first, rng)


def _as_it_is(crop: RGB, rng: Rng) -> RGB:
    return crop


KINDS: dict[str, Callable[[RGB, Box, Rng], RGB]] = {
    "as it is": _with(_as_it_is),
    "cut into": _with(_as_it_is, margins=_CUT_MARGINS),
    "loose, 30 to 60 % around": _with(_as_it_is, margins=_LOOSE_MARGINS),
    "40 to 60 px wide": _with(_as_it_is, widths_px=_SMALL_PX),
    "blurred": _with(_blurred),
    "JPEG of 8 to 30": _with(_coded),
    "dark, noisy": _with(_dark),
    "turned 5 to 15 degrees": _turned,
    "askew": _askew,
    "glare": _with(_glared),
    "dirt, screws": _with(_dirty),
    "turned or askew, and one more": _two,
}
"""What is done to a crop, by name."""
