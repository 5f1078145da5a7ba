"""Flat pictures that are laid onto things: number plates, shop signs, house fronts.

Plates have two lines on motorcycles and one long line on the rest. Fronts of tube houses and shops
are painted at 48 px a metre.
"""

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
PX_PER_M = 48
STOREY_M = 3.4
_Ink = tuple[int, ...]
SIGNS = (
    "TẠP HÓA HƯƠNG LAN",
    "PHỞ BÒ GIA TRUYỀN",
    "CƠM BÌNH DÂN",
    "SỬA XE MÁY",
    "ĐIỆN THOẠI MINH ĐỨC",
    "NHÀ THUỐC TÂM AN",
    "CẮT TÓC NAM",
    "CÀ PHÊ GÓC PHỐ",
    "ĐỒ GỖ MỸ NGHỆ",
    "BÁNH MÌ NÓNG",
    "RỬA XE 24H",
    "VẬT LIỆU XÂY DỰNG",
    "BIA HƠI",
    "THỜI TRANG LINH",
    "GIẶT LÀ",
    "NHÀ NGHỈ BÌNH MINH",
    "ĐIỆN NƯỚC THÀNH CÔNG",
    "BÚN CHẢ",
    "TRÀ SỮA",
    "VĂN PHÒNG PHẨM",
    "CỬA NHÔM KÍNH",
    "GẠO NGON",
    "BÁNH PHU THÊ",
    "HẢI SẢN TƯƠI SỐNG",
    "MAY ĐO ÁO DÀI",
    "IN ẤN QUẢNG CÁO",
)
_WALLS = (
    (226, 212, 176),
    (214, 188, 128),
    (188, 204, 186),
    (176, 196, 208),
    (222, 186, 172),
    (222, 220, 212),
    (178, 128, 100),
    (204, 200, 188),
    (232, 222, 196),
    (160, 172, 168),
)
_BOARDS = (
    ((190, 28, 32), (250, 240, 210)),
    ((24, 70, 140), (250, 250, 250)),
    ((20, 110, 62), (255, 248, 190)),
    ((236, 190, 36), (150, 20, 24)),
    ((240, 240, 236), (180, 24, 30)),
    ((66, 40, 30), (240, 214, 150)),
    ((210, 96, 28), (255, 255, 250)),
    ((40, 40, 46), (240, 200, 60)),
)


def font_file() -> Path:
    """Return the bold DejaVu Sans that comes with matplotlib (which pyvista requires).

    Raises
    ------
    Unavailable
        When the font is not there.
    """
    found = importlib.util.find_spec("matplotlib")
    folders = list(found.submodule_search_locations or []) if found else []
    name = "DejaVuSans-Bold.ttf"
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


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_file()), size)


def sign_board(text: str, width: int, height: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a shop's sign board as RGB."""
    ground, ink = _BOARDS[int(rng.integers(len(_BOARDS)))]
    board = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(board)
    size = max(8, int(height * 0.52))
    while size > 8 and pen.textlength(text, font=_font(size)) > width * 0.9:
        size -= 2
    pen.text((width / 2, height * 0.46), text, fill=ink, font=_font(size), anchor="mm")
    pen.rectangle(
        (1, 1, width - 2, height - 2), outline=tuple(c // 2 + 60 for c in ground), width=2
    )
    if rng.random() < 0.5:
        pen.rectangle((0, int(height * 0.84), width, height), fill=tuple(int(c * 0.7) for c in ink))
    return np.asarray(board)


def facade(width_m: float, storeys: int, seed: int, *, sign: str) -> NDArray[np.uint8]:
    """Return the front of one house, RGB, its foot at the bottom row; `sign` is its shop's name."""
    rng = np.random.default_rng([seed, 41])
    width = round(width_m * PX_PER_M)
    storey = round(STOREY_M * PX_PER_M)
    height = storeys * storey + round(0.9 * PX_PER_M)
    wall = np.array(_WALLS[int(rng.integers(len(_WALLS)))], np.float32)
    picture = np.broadcast_to(wall, (height, width, 3)).copy()
    ink = picture.astype(np.uint8)
    trim = tuple(int(min(255, c * 1.12)) for c in wall)
    dark = tuple(int(c * 0.62) for c in wall)
    for floor in range(1, storeys):
        top = height - (floor + 1) * storey
        _upper_storey(ink, top, storey, trim, dark, rng)
    _shop(ink, height - storey, storey, sign, rng)
    # Parapet and edges of the party walls.
    cv2.rectangle(
        ink, (0, 0), (width, round(0.9 * PX_PER_M)), tuple(int(c * 0.93) for c in wall), -1
    )
    cv2.rectangle(ink, (0, 0), (width, 8), trim, -1)
    for x in range(6, width, 22):
        cv2.rectangle(ink, (x, 12), (x + 6, round(0.8 * PX_PER_M)), dark, -1)
    cv2.rectangle(ink, (0, 0), (5, height), dark, -1)
    cv2.rectangle(ink, (width - 5, 0), (width, height), trim, -1)
    return _weathered(ink, rng)


def _upper_storey(
    ink: NDArray[np.uint8],
    top: int,
    storey: int,
    trim: _Ink,
    dark: _Ink,
    rng: np.random.Generator,
) -> None:
    width = ink.shape[1]
    cv2.rectangle(ink, (0, top + storey - 12), (width, top + storey), trim, -1)
    style = int(rng.integers(3))
    count = 2 if width > 190 and style else 1
    frame = ((92, 58, 36), (230, 230, 226), (60, 84, 72))[int(rng.integers(3))]
    for k in range(count):
        wide = round(width * (0.5 if count == 1 else 0.32))
        x = round(width * (k + 0.5) / count - wide / 2)
        y0, y1 = top + round(storey * 0.22), top + round(storey * (0.9 if style == 2 else 0.72))
        cv2.rectangle(ink, (x - 5, y0 - 5), (x + wide + 5, y1 + 5), trim, -1)
        cv2.rectangle(ink, (x, y0), (x + wide, y1), frame, -1)
        panes = 2 + int(rng.integers(2))
        for p in range(panes):
            a = x + 4 + round(p * (wide - 4) / panes)
            b = x + round((p + 1) * (wide - 4) / panes)
            glass = int(rng.integers(46, 92))
            cv2.rectangle(ink, (a, y0 + 5), (b, y1 - 4), (glass, glass + 8, glass + 16), -1)
            cv2.line(
                ink, (a, y1 - 6), (b, y0 + 20), (glass + 40, glass + 48, glass + 52), 2, cv2.LINE_AA
            )
        if rng.random() < 0.4:  # window bars
            for bar in range(x + 8, x + wide, 9):
                cv2.line(ink, (bar, y0 + 4), (bar, y1 - 4), (190, 190, 186), 1)
    if style == 2 or rng.random() < 0.5:  # balcony
        y0, y1 = top + round(storey * 0.66), top + storey - 6
        rail = ((40, 40, 42), (196, 196, 190), (120, 70, 40))[int(rng.integers(3))]
        cv2.rectangle(ink, (8, y1 - 6), (width - 8, y1 + 6), trim, -1)
        cv2.rectangle(ink, (8, y1 + 6), (width - 8, y1 + 18), dark, -1)
        cv2.rectangle(ink, (8, y0), (width - 8, y0 + 4), rail, -1)
        for x in range(12, width - 10, 8):
            cv2.line(ink, (x, y0), (x, y1), rail, 2)
        for _ in range(int(rng.integers(0, 5))):  # plants
            at = (int(rng.integers(14, width - 14)), y0 + int(rng.integers(-4, 8)))
            green = (
                int(rng.integers(30, 80)),
                int(rng.integers(90, 130)),
                int(rng.integers(30, 60)),
            )
            cv2.circle(ink, at, int(rng.integers(7, 15)), green, -1, cv2.LINE_AA)
        if rng.random() < 0.4:  # washing
            for k in range(int(rng.integers(3, 7))):
                x = round(width * 0.2) + k * 22
                colour = tuple(int(c) for c in rng.integers(70, 230, 3))
                cv2.rectangle(ink, (x, y0 - 30), (x + 15, y0 - 2), colour, -1)
    if rng.random() < 0.6:  # air conditioner
        x, y = int(rng.integers(6, max(8, width - 56))), top + 8
        cv2.rectangle(ink, (x, y), (x + 46, y + 30), (222, 222, 218), -1)
        cv2.circle(ink, (x + 17, y + 15), 11, (120, 122, 124), 2, cv2.LINE_AA)
        cv2.line(ink, (x + 40, y + 30), (x + 42, y + 70), (200, 200, 196), 2)


def _shop(
    ink: NDArray[np.uint8], top: int, storey: int, sign: str, rng: np.random.Generator
) -> None:
    width, foot = ink.shape[1], top + storey
    lintel = top + round(storey * 0.30)
    style = rng.choice(["open", "open", "open", "shutter", "gate", "glass"])
    x0, x1 = 12, width - 12
    if style == "open":
        cv2.rectangle(ink, (x0, lintel), (x1, foot), (44, 40, 36), -1)
        glow = np.linspace(0.9, 0.35, foot - lintel)[:, None, None] * np.array([74, 66, 52])
        ink[lintel:foot, x0:x1] = np.clip(ink[lintel:foot, x0:x1] * 0.5 + glow, 0, 255)
        tone = rng.uniform(60, 150, 3)
        for shelf in range(lintel + 18, foot - 26, 30):
            if rng.random() < 0.25:
                continue
            x = x0 + int(rng.integers(4, 30))
            while x < x1 - 14:
                w, tall = int(rng.integers(5, 20)), int(rng.integers(6, 22))
                colour = tuple(int(c) for c in np.clip(tone + rng.normal(0, 34, 3), 24, 200))
                cv2.rectangle(ink, (x, shelf + 24 - tall), (x + w, shelf + 24), colour, -1)
                x += w + int(rng.integers(1, 6) if rng.random() < 0.7 else rng.integers(10, 40))
            cv2.line(ink, (x0 + 4, shelf + 25), (x1 - 4, shelf + 25), (84, 76, 64), 2)
        counter = int(rng.integers(x0, max(x0 + 1, x1 - 70)))
        cv2.rectangle(ink, (counter, foot - 46), (counter + 64, foot), (112, 92, 70), -1)
        cv2.rectangle(ink, (counter, foot - 50), (counter + 64, foot - 44), (170, 160, 140), -1)
        inside = ink[lintel:foot, x0:x1].astype(np.float32)
        depth = np.linspace(0.95, 0.55, x1 - x0)[None, :, None]
        ink[lintel:foot, x0:x1] = (cv2.GaussianBlur(inside, (0, 0), 1.6) * depth).astype(np.uint8)
        cv2.rectangle(ink, (x0 + 4, lintel + 3), (x1 - 4, lintel + 7), (250, 246, 225), -1)
    elif style == "shutter":
        slats = np.array(((150, 156, 160), (70, 104, 140), (160, 140, 100))[int(rng.integers(3))])
        for y in range(lintel, foot, 6):
            shade = 1.0 if (y // 6) % 2 else 0.86
            cv2.rectangle(ink, (x0, y), (x1, y + 5), tuple(int(c * shade) for c in slats), -1)
    elif style == "gate":
        cv2.rectangle(ink, (x0, lintel), (x1, foot), (52, 50, 48), -1)
        colour = ((60, 96, 80), (130, 134, 138), (110, 60, 44))[int(rng.integers(3))]
        for x in range(x0, x1, 8):
            cv2.line(ink, (x, lintel), (x, foot), colour, 3)
        for y in (lintel + 20, (lintel + foot) // 2, foot - 14):
            cv2.line(ink, (x0, y), (x1, y), colour, 4)
    else:
        cv2.rectangle(ink, (x0, lintel), (x1, foot), (70, 84, 92), -1)
        for k in range(1, 4):
            x = x0 + (x1 - x0) * k // 4
            cv2.line(ink, (x, lintel), (x, foot), (210, 212, 212), 4)
        cv2.line(ink, (x0 + 8, foot - 20), (x1 - 30, lintel + 10), (130, 146, 152), 10, cv2.LINE_AA)
        cv2.rectangle(ink, (x0, foot - 26), (x1, foot), (120, 118, 112), -1)
    if rng.random() < 0.85:
        board = sign_board(sign, width - 6, round(storey * 0.27), rng)
        ink[top + 4 : top + 4 + board.shape[0], 3 : 3 + board.shape[1]] = board


def _weathered(ink: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add rain streaks, blotches and damp to a front."""
    height, width = ink.shape[:2]
    small = rng.normal(1, 0.05, (max(2, height // 60), max(2, width // 60))).astype(np.float32)
    blotch = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    streak = cv2.resize(rng.normal(1, 0.035, (2, width // 4)).astype(np.float32), (width, height))
    damp = 1 - 0.22 * np.exp(-np.arange(height)[::-1] / 26.0)[:, None]
    under = 1 - 0.12 * np.exp(-(np.arange(height) % round(STOREY_M * PX_PER_M)) / 20.0)[:, None]
    grain = rng.normal(0, 3, (height, width, 1))
    result = ink * (blotch * streak * damp * under)[..., None] + grain
    return np.asarray(np.clip(result, 0, 255), np.uint8)
