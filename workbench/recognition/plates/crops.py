"""Read a picture that is nothing but a plate: signs may touch its edge, and it may be small.

A crop is read several ways: the lines that the text finder sees on the padded crop, and the crop
itself as two lines or as one. Each way is a reading of its own, and they are settled as the frames
of a pass are. Where they leave doubt, the same lines are cut a little wider and closer, and the
crop is looked at again with its light evened and its edges sharpened: a reader that slips on one
sign rarely slips alike on all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


_CUTS = (0.10, 0.08), (-0.06, -0.06)
"""How a second look cuts lines anew: along and across the text, of the line's height."""

_EVENED, _EVENED_TILES = 2.0, 4
"""Limit of contrast and tiles a side of the histograms that even the light of a second look."""

_SHARPENED, _SHARPENED_WIDE = 1.0, 0.02
"""How much a second look lifts edges, and how wide they are, of the crop's width."""


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
    seen = read.lines(board)
    return [
        *_of_board(read, board, pad_px, seen, picture),
        *_of_rows(read, picture, _as_lines(picture)),
    ]


def read_crop_again(read: TextPlateReader, picture: RGB) -> list[PlateReading]:
    """Return more readings of a crop that :func:`read_crop` leaves in doubt, a look each.

    Its cost is about four times that of the first.
    """
    board, pad_px = _padded(picture)
    seen = read.lines(board)
    found: list[PlateReading] = []
    for along, across in _CUTS:
        cut = read.read(board, [line.grown(along, across) for line in seen])
        found += _of_board(read, board, pad_px, cut, picture)
        if along < 0:
            rows = [[row.grown(along, across) for row in rows] for rows in _as_lines(picture)]
            found += _of_rows(read, picture, rows)
    for change in (_evened, _sharpened):
        found += read_crop(read, change(picture))
    return found


def _of_board(
    read: TextPlateReader, board: RGB, pad_px: int, lines: Sequence[Line], picture: RGB
) -> list[PlateReading]:
    """Return the plate among lines of the padded crop, in the crop's pixels."""
    return [
        replace(one, box=Box(one.box.x - pad_px, one.box.y - pad_px, one.box.w, one.box.h))
        for one in read.read_lines(lines, board, one=True, whole=True)
        if one.box.w >= _SHARE * picture.shape[1]
    ][:1]


def _of_rows(
    read: TextPlateReader, picture: RGB, ways: Iterable[Sequence[Line]]
) -> list[PlateReading]:
    """Return the plate that the crop itself is, each way of taking it as lines."""
    found = []
    for rows in ways:
        lines = read.read(picture, rows)
        if all(line.signs for line in lines):
            found += read_lines(lines, picture, read.settings, whole=True)[:1]
    return found


def _evened(picture: RGB) -> RGB:
    """Return the picture with the light of its parts alike."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    tiles = cv2.createCLAHE(_EVENED, (_EVENED_TILES, _EVENED_TILES))
    lab[..., 0] = tiles.apply(np.ascontiguousarray(lab[..., 0]))
    evened: RGB = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
    return evened


def _sharpened(picture: RGB) -> RGB:
    """Return the picture with its edges lifted."""
    light = picture.astype(np.float32)
    soft = cv2.GaussianBlur(light, (0, 0), _SHARPENED_WIDE * picture.shape[1])
    sharp: RGB = np.clip(light + _SHARPENED * (light - soft), 0, 255).astype(np.uint8)
    return sharp


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
