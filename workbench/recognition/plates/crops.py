"""Read a picture that is nothing but a plate: signs may touch its edge, and it may be small.

A crop is read several ways: the lines that the text finder sees on the padded crop, and the crop
itself as two lines or as one. Each way is a reading of its own, and they are settled as the frames
of a pass are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.plates.reader import TextPlateReader, read_lines
from workbench.recognition.plates.text import Line
from workbench.recognition.types import RGB, PlateReading
from workbench.records import Box

_PAD = 0.2
"""Border around a crop, of its height: what the text finder needs to see where a line ends."""

_MOST_SIDE_PX = 900
_RATIOS = (0.6, 7.0)
_TWO_LINES_TO, _ONE_LINE_FROM = 2.4, 2.0
"""Width over height up to which a crop may be two lines, and from which it may be one."""

_SPLIT = (0.36, 0.6)
"""Where the gap between two lines can be, of the crop's height."""

_SHARE = 0.25
"""A plate narrower than this share of the picture's width does not make the picture a crop."""


def may_be_a_plate(picture: RGB) -> bool:
    """Tell whether a picture has the size and shape of a crop of one plate."""
    height, width = picture.shape[:2]
    shaped = _RATIOS[0] <= width / height <= _RATIOS[1]
    return bool(shaped and max(height, width) <= _MOST_SIDE_PX)


def read_crop(read: TextPlateReader, picture: RGB) -> list[PlateReading]:
    """Return what each way of reading makes of a crop, boxes in its pixels; empty where none does.

    The ways that see the same text are several readings of it; see :func:`may_be_a_plate`.
    """
    board, pad_px = _padded(picture)
    found = [
        replace(one, box=Box(one.box.x - pad_px, one.box.y - pad_px, one.box.w, one.box.h))
        for one in read.read_lines(read.lines(board), board, one=True, whole=True)
        if one.box.w >= _SHARE * picture.shape[1]
    ][:1]
    for rows in _as_lines(picture):
        lines = [replace(row, signs=read.read_line(picture, row.corners)) for row in rows]
        if all(line.signs for line in lines):
            found += read_lines(lines, picture, read.settings, whole=True)[:1]
    return found


def _padded(picture: RGB) -> tuple[RGB, int]:
    """Return the picture with a border of its own ground around it, and the border's width."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(luma, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = luma > level
    ground = light if 2 * np.count_nonzero(light) >= light.size else ~light
    colour = [int(v) for v in np.median(picture[ground].reshape(-1, 3), axis=0)]
    pad_px = max(8, round(_PAD * picture.shape[0]))
    board = cv2.copyMakeBorder(
        picture, pad_px, pad_px, pad_px, pad_px, cv2.BORDER_CONSTANT, value=colour
    )
    return board, pad_px


def _as_lines(picture: RGB) -> Iterator[list[Line]]:
    """Yield the picture as two lines, and as one, where its shape allows."""
    height, width = picture.shape[:2]
    if width / height <= _TWO_LINES_TO:
        cut = _gap(picture)
        yield [_line(0, cut, width), _line(cut, height, width)]
    if width / height >= _ONE_LINE_FROM:
        yield [_line(0, height, width)]


def _gap(picture: RGB) -> float:
    """Return the height of the gap between two lines: the row with the fewest upright edges."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges: NDArray[np.float32] = np.abs(np.diff(luma, axis=1)).mean(axis=1)
    smooth = np.convolve(edges, np.ones(3) / 3, mode="same")
    low, high = (round(share * len(smooth)) for share in _SPLIT)
    return float(low + int(smooth[low : max(high, low + 1)].argmin())) + 0.5


def _line(top: float, bottom: float, width: float) -> Line:
    corners = np.array([(0, top), (width, top), (width, bottom), (0, bottom)], np.float32)
    return Line(corners, (), 1.0)
