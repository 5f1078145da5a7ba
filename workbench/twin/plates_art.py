"""Vietnamese plates as pictures: two lines for motorcycles, one long line for the rest."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workbench.errors import N_, Unavailable
from workbench.twin.fleet import Ground

PX_PER_MM = 2.0
TWO_LINES_MM = (190.0, 140.0)
ONE_LINE_MM = (470.0, 110.0)
_INKS: dict[Ground, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "white": ((236, 237, 233), (22, 22, 26)),
    "yellow": ((236, 190, 40), (22, 22, 26)),
    "blue": ((26, 72, 160), (240, 242, 244)),
}


def font_file(bold: bool = True) -> Path:
    """Return the DejaVu Sans that comes with matplotlib (which pyvista requires).

    Raises
    ------
    Unavailable
        When the font is not there.
    """
    found = importlib.util.find_spec("matplotlib")
    folders = list(found.submodule_search_locations or []) if found else []
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    for folder in folders:
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return path
    raise Unavailable(
        N_("the font {name} is missing"), N_("install the package matplotlib"), name=name
    )


@lru_cache(maxsize=64)
def _glyph(sign: str) -> NDArray[np.uint8]:
    """Return one sign as an alpha picture, cropped to its ink, 240 px high if it is a capital."""
    font = ImageFont.truetype(str(font_file()), 330)
    picture = Image.new("L", (600, 520), 0)
    ImageDraw.Draw(picture).text((100, 60), sign, fill=255, font=font)
    box = picture.getbbox()
    return np.asarray(picture.crop(box))


def _line(signs: str, height_px: int, most_px: int) -> NDArray[np.uint8]:
    """Return a line of signs as an alpha picture of the given height, squeezed like plate type."""
    cells = []
    gap = round(height_px * 0.13)
    for sign in signs:
        ink = _glyph(sign)
        if sign in ".-":
            size = (round(height_px * (0.13 if sign == "." else 0.24)), round(height_px * 0.13))
            cell = np.zeros((height_px, size[0]), np.uint8)
            top = height_px - size[1] if sign == "." else round(height_px * 0.46)
            if sign == ".":
                top = round(height_px * 0.46)
            cell[top : top + size[1]] = 255
        else:
            width = max(round(height_px * 0.17), round(ink.shape[1] / 240 * height_px * 0.72))
            if sign == "1":
                width = round(height_px * 0.34)
            cell = cv2.resize(ink, (width, height_px), interpolation=cv2.INTER_AREA)
        cells += [cell, np.zeros((height_px, gap), np.uint8)]
    line = np.hstack(cells[:-1])
    if line.shape[1] > most_px:
        line = cv2.resize(line, (most_px, height_px), interpolation=cv2.INTER_AREA)
    return line


def plate_picture(plate: str, ground: Ground, *, two_lines: bool, dirt: int) -> NDArray[np.uint8]:
    """Return a plate as RGB at 2 px a millimetre.

    Parameters
    ----------
    plate
        As in ``99B1-123.45``.
    dirt
        Seed of its wear: dust, uneven light, screws.
    """
    rng = np.random.default_rng([dirt, 5])
    millimetres = TWO_LINES_MM if two_lines else ONE_LINE_MM
    width, height = (round(side * PX_PER_MM) for side in millimetres)
    paper, ink = (np.array(colour, np.float32) for colour in _INKS[ground])
    series, number = plate.split("-")
    alpha = np.zeros((height, width), np.uint8)
    if two_lines:
        rows = [(f"{series[:2]}-{series[2:]}", 0.075), (number, 0.53)]
        tall = round(height * 0.40)
    else:
        rows = [(f"{series}-{number}", 0.19)]
        tall = round(height * 0.62)
    for signs, top in rows:
        line = _line(signs, tall, round(width * 0.91))
        y, x = round(height * top), (width - line.shape[1]) // 2
        alpha[y : y + tall, x : x + line.shape[1]] = line
    edge = round(3 * PX_PER_MM)
    cv2.rectangle(alpha, (edge, edge), (width - 1 - edge, height - 1 - edge), 255, 2, cv2.LINE_AA)
    weight = alpha.astype(np.float32)[..., None] / 255
    picture = paper * (1 - weight) + ink * weight
    for x in (0.24, 0.76):
        at = (round(width * x), round(height * (0.055 if two_lines else 0.13)))
        cv2.circle(picture, at, round(2.6 * PX_PER_MM), (120, 120, 118), -1, cv2.LINE_AA)
    dust = cv2.resize(rng.random((6, 9)).astype(np.float32), (width, height), interpolation=2)
    slope = np.linspace(1.0, 0.93, height, dtype=np.float32)[:, None]
    amount = float(rng.uniform(0.02, 0.16))
    picture *= (slope * (1 - amount * np.clip(dust, 0, 1)))[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)
