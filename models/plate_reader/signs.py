"""Signs of plates as pictures of ink: drawn by the strokes below, and from licensed fonts.

Plate type is a condensed sans with strokes of one width. Strokes drawn here vary in width, weight
and roundness, and fonts vary in form, so that a network trained on both learns signs, not a font.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LETTERS_AND_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SIGN_PX = 64
"""Height of a sign as it is kept; plates are drawn from it smaller."""

FONTS = (
    "opendin/OSP-DIN.ttf",
    "roboto/unhinted/RobotoCondensed-Regular.ttf",
    "roboto/unhinted/RobotoCondensed-Medium.ttf",
    "roboto/unhinted/RobotoCondensed-Bold.ttf",
    "roboto/unhinted/RobotoTTF/Roboto-Medium.ttf",
    "cabin/Cabin-SemiBold.otf",
    "dejavu/DejaVuSansCondensed-Bold.ttf",
    "dejavu/DejaVuSans-Bold.ttf",
)
"""Fonts of Debian packages, all free to use so; README.md names packages and licences."""

FONT_FOLDERS = (Path("/usr/share/fonts/truetype"), Path("/usr/share/fonts/opentype"))

Ink = NDArray[np.uint8]
"""How much ink lies where, 0..255, cropped to the sign."""

Face = dict[str, Ink]
"""One way of drawing every sign."""

_Item = tuple[float, ...]
"""A point (x, y), or an arc (x, y, rx, ry, from, to): degrees, clockwise from the right."""


def _strokes(bow: float, slant: float, blunt: float) -> dict[str, list[list[_Item]]]:
    """Return the strokes of each sign in a unit square, y down.

    `bow` is the height of a rounded end, `slant` how far the tails of 6 and 9 lean, `blunt` half
    the width of the top of A: on plates it is flat.
    """
    b, c = bow, 1 - bow
    oval: list[_Item] = [(0.5, b, 0.5, b, 180, 360), (0.5, c, 0.5, b, 0, 180), (0, b)]
    six: list[list[_Item]] = [
        [(0.5, 0.69, 0.5, 0.31, 0, 360)],
        [(0, 0.69), (0.05 + slant * 0.3, 0.42), (0.45 + slant, 0)],
    ]
    return {
        "0": [oval],
        "O": [oval],
        "Q": [oval, [(0.6, 0.75), (1, 1.05)]],
        "1": [[(0.1, 0.24), (0.62, 0), (0.62, 1)]],
        "2": [[(0.5, b, 0.5, b, 180, 385), (0, 1), (1, 1)]],
        "3": [[(0.48, 0.25, 0.46, 0.25, 195, 450), (0.48, 0.74, 0.52, 0.26, 270, 525)]],
        "4": [[(0.6, 0), (0, 0.74), (1, 0.74)], [(0.72, 0.45), (0.72, 1)]],
        "5": [[(0.95, 0), (0.12, 0), (0.05, 0.45), (0.46, 0.68, 0.54, 0.32, 215, 510)]],
        "6": six,
        "7": [[(0, 0), (1, 0), (0.36, 1)]],
        "8": [[(0.5, 0.25, 0.44, 0.25, 0, 360)], [(0.5, 0.74, 0.5, 0.26, 0, 360)]],
        "9": [[_turned(item) for item in stroke] for stroke in six],
        "A": [[(0, 1), (0.5 - blunt, 0), (0.5 + blunt, 0), (1, 1)], [(0.12, 0.7), (0.88, 0.7)]],
        "B": [
            [(0, 0), (0, 1), (0.55, 1), (0.55, 0.76, 0.45, 0.24, 90, -90), (0, 0.52)],
            [(0, 0), (0.5, 0), (0.5, 0.26, 0.42, 0.26, -90, 90), (0, 0.52)],
        ],
        "C": [[(0.5, b, 0.5, b, 355, 180), (0.5, c, 0.5, b, 180, 5)]],
        "D": [[(0, 0), (0, 1), (0.45, 1), (0.45, c, 0.55, b, 90, 0),
               (0.45, b, 0.55, b, 0, -90), (0, 0)]],
        "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.48), (0.85, 0.48)]],
        "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.5), (0.85, 0.5)]],
        "G": [[(0.5, b, 0.5, b, 350, 180), (0.5, c, 0.5, b, 180, 0), (1, 0.55), (0.55, 0.55)]],
        "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, 0.5), (1, 0.5)]],
        "I": [[(0, 0), (0, 1)]],
        "J": [[(1, 0), (1, c), (0.5, c, 0.5, b, 0, 170)]],
        "K": [[(0, 0), (0, 1)], [(0.95, 0), (0, 0.62)], [(0.33, 0.4), (1, 1)]],
        "L": [[(0, 0), (0, 1), (1, 1)]],
        "M": [[(0, 1), (0, 0), (0.5, 0.4 + slant), (1, 0), (1, 1)]],
        "N": [[(0, 1), (0, 0), (1, 1), (1, 0)]],
        "P": [[(0, 1), (0, 0), (0.5, 0), (0.5, 0.28, 0.5, 0.28, -90, 90), (0, 0.56)]],
        "R": [[(0, 1), (0, 0), (0.5, 0), (0.5, 0.27, 0.48, 0.27, -90, 90), (0, 0.54)],
              [(0.5, 0.54), (1, 1)]],
        "S": [[(0.5, 0.25, 0.48, 0.25, 340, 90), (0.5, 0.74, 0.5, 0.26, -90, 160)]],
        "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
        "U": [[(0, 0), (0, c), (0.5, c, 0.5, b, 180, 0), (1, 0)]],
        "V": [[(0, 0), (0.5, 1), (1, 0)]],
        "W": [[(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)]],
        "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
        "Y": [[(0, 0), (0.5, 0.52), (1, 0)], [(0.5, 0.5), (0.5, 1)]],
        "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
    }  # fmt: skip


_WIDE = {"1": 0.62, "I": 0.0, "M": 1.22, "W": 1.4, "J": 0.85, "A": 1.12, "V": 1.1}
"""Widths of signs unlike the others, as shares of the usual one."""


def drawn_face(rng: np.random.Generator) -> Face:
    """Return every sign drawn by strokes: of one width, weight and roundness."""
    wide = float(rng.uniform(0.34, 0.62))
    weight = float(rng.uniform(0.1, 0.19))
    bow, slant, blunt = rng.uniform((0.17, 0.1, 0.0), (0.36, 0.45, 0.22)).tolist()
    strokes = _strokes(bow, slant, blunt)
    lean = float(rng.normal(0, 0.02))
    return {
        sign: _drawn(lines, max(0.0, wide * _WIDE.get(sign, 1.0) - weight), weight, lean)
        for sign, lines in strokes.items()
    }


def font_face(path: Path) -> Face:
    """Return every sign of a font."""
    font = ImageFont.truetype(str(path), 160)
    face = {}
    for sign in LETTERS_AND_DIGITS:
        picture = Image.new("L", (400, 320), 0)
        ImageDraw.Draw(picture).text((100, 60), sign, fill=255, font=font)
        ink = np.asarray(picture.crop(picture.getbbox()))
        width = max(8, round(ink.shape[1] * SIGN_PX / ink.shape[0]))
        face[sign] = cv2.resize(ink, (width, SIGN_PX), interpolation=cv2.INTER_AREA)
    return face


def installed_fonts() -> Iterator[Path]:
    """Yield the fonts of :data:`FONTS` that are on this machine."""
    for name in FONTS:
        for folder in FONT_FOLDERS:
            if (folder / name).is_file():
                yield folder / name
                break


def _turned(item: _Item) -> _Item:
    x, y, *rest = item
    if not rest:
        return (1 - x, 1 - y)
    rx, ry, start, stop = rest
    return (1 - x, 1 - y, rx, ry, start + 180, stop + 180)


def _drawn(strokes: list[list[_Item]], wide: float, weight: float, lean: float) -> Ink:
    fine = 2 * SIGN_PX
    thick = max(3, round(weight * fine))
    margin = 2 * thick
    tall = fine - thick
    picture = np.zeros((fine + 2 * margin, round(wide * fine) + 2 * margin + thick), np.uint8)
    for stroke in strokes:
        points = np.array([point for item in stroke for point in _points(item)])
        x = margin + thick / 2 + (points[:, 0] * wide + lean * (0.5 - points[:, 1])) * fine
        y = margin + thick / 2 + points[:, 1] * tall
        line = np.round(np.stack([x, y], 1) * 16).astype(np.int32)
        cv2.polylines(picture, [line], False, 255, thick, cv2.LINE_AA, 4)
    rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
    ink = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(6, round(ink.shape[1] * SIGN_PX / ink.shape[0]))
    return cv2.resize(ink, (width, SIGN_PX), interpolation=cv2.INTER_AREA)


def _points(item: _Item) -> list[tuple[float, float]]:
    if len(item) == 2:
        return [(item[0], item[1])]
    x, y, rx, ry, start, stop = item
    steps = max(2, round(abs(stop - start) / 12))
    angles = [math.radians(start + (stop - start) * n / steps) for n in range(steps + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]
