"""Vietnamese plates made by chance: what they say, and a picture of them, straight and clean.

The signs of a plate are drawn evenly, not as they occur on the road: a network that has learned
which series are common reads them where they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from signs import LETTERS_AND_DIGITS, SIGN_PX, Face

DIGITS = "0123456789"
SERIES = "ABCDEFGHKLMNPSTUVXYZ"
PAIRS = ("LD", "DA", "KT", "MK", "CD", "HC", "TD", "MD", "NG", "QT", "NN", "CV", "RM")
MARKS = "-./:"
ALPHABET = LETTERS_AND_DIGITS + MARKS
"""Everything a line may hold. What is no plate is read too, or a clock would become one."""

INK_PX = 40
"""Height of the signs of a drawn plate."""

RGB = tuple[int, int, int]
GROUNDS: dict[str, tuple[RGB, RGB]] = {
    "white": ((236, 237, 233), (22, 22, 26)),
    "yellow": ((236, 190, 40), (22, 22, 26)),
    "blue": ((26, 72, 160), (240, 242, 244)),
    "red": ((170, 24, 30), (240, 240, 236)),
}
_SHARES = (0.6, 0.2, 0.1, 0.1)
_DOUBLED = 0.12


@dataclass(frozen=True)
class Drawn:
    """A plate, or a line of other text: its lines, where their ink is, and its picture.

    ``boxes`` holds left, top, right, bottom of each line in px; ``ink`` and ``paper`` are RGB.
    """

    lines: tuple[str, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    alpha: NDArray[np.uint8]
    paper: RGB
    ink: RGB
    plate: tuple[int, int, int, int]


def plate_lines(rng: np.random.Generator) -> tuple[str, ...]:
    """Return the lines of a plate, every sign as likely as another."""

    def some(signs: str, count: int) -> str:
        return _signs(signs, count, rng)

    letters = LETTERS_AND_DIGITS[10:] if rng.random() < 0.25 else SERIES
    number = some(DIGITS, 3) + "." + some(DIGITS, 2) if rng.random() < 0.7 else some(DIGITS, 4)
    code, two = some(DIGITS, 2), some(letters, 2)
    letter = two[0]
    pair = PAIRS[int(rng.integers(len(PAIRS)))]
    chance = rng.random()
    if chance < 0.40:  # motorcycle
        dash = "-" if rng.random() < 0.9 else ""
        return f"{code}{dash}{letter}{some(DIGITS, 1)}", number
    if chance < 0.55:
        return f"{code}-{two}", number
    if chance < 0.59:
        return f"{code}-{pair}{some(DIGITS, 1)}", number
    if chance < 0.69:  # car, two lines
        return f"{code}{letter if rng.random() < 0.85 else pair}", number
    if chance < 0.92:
        return (f"{code}{letter}-{number}",)
    if chance < 0.95:
        return (f"{code}{pair}-{number}",)
    if chance < 0.98:  # army
        return (f"{two}-{some(DIGITS, 2)}-{some(DIGITS, 2)}",)
    return (f"T{code}-{some(DIGITS, 3)}.{some(DIGITS, 2)}",)


def other_line(rng: np.random.Generator) -> str:
    """Return a line that is no plate: signs in any order, telephone numbers, times, dates."""

    def some(signs: str, count: int) -> str:
        return _signs(signs, count, rng)

    chance = rng.random()
    if chance < 0.4:
        return some(LETTERS_AND_DIGITS, int(rng.integers(2, 9)))
    if chance < 0.6:
        return some(LETTERS_AND_DIGITS[10:], int(rng.integers(3, 9)))
    if chance < 0.7:
        return f"0{some(DIGITS, 3)}.{some(DIGITS, 3)}.{some(DIGITS, 3)}"
    if chance < 0.8:
        return ":".join(some(DIGITS, 2) for _ in range(3))
    if chance < 0.9:
        return f"{some(DIGITS, 2)}{some('-/', 1)}{some(DIGITS, 2)}/{some(DIGITS, 4)}"
    return some(DIGITS, int(rng.integers(4, 10)))


def _signs(signs: str, count: int, rng: np.random.Generator) -> str:
    """Return signs by chance, two alike side by side more often: they are hard to tell from one."""
    drawn = [signs[k] for k in rng.integers(len(signs), size=count)]
    for n in np.flatnonzero(rng.random(count)[1:] < _DOUBLED).tolist():
        drawn[n + 1] = drawn[n]
    return "".join(drawn)


def draw(lines: Sequence[str], face: Face, rng: np.random.Generator) -> Drawn:
    """Return a picture of a plate that shows `lines`, from above to below.

    Its ``alpha`` is how much ink lies where; with the edge of the plate, screws left out.
    """
    two = len(lines) == 2
    car = two and len(lines[0]) == 3
    wide, tall = (4.4, 2.4) if car else (3.45, 2.5) if two else (5.9, 1.4)
    wide, tall = (float(side * rng.uniform(0.92, 1.08)) for side in (wide, tall))
    margin = round(0.7 * INK_PX)
    width, height = round(wide * INK_PX), round(tall * INK_PX)
    alpha = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    edge, thick = round(rng.uniform(0.0, 0.09) * INK_PX), int(rng.integers(1, 4))
    if rng.random() < 0.75:
        corners = (margin + edge, margin + edge), (margin + width - edge, margin + height - edge)
        cv2.rectangle(alpha, *corners, int(rng.integers(120, 256)), thick, cv2.LINE_AA)
    squeeze, gap = float(rng.uniform(0.66, 1.12)), float(rng.uniform(0.06, 0.26))
    weight = int(rng.integers(-1, 3))
    boxes = []
    for row, text in enumerate(lines):
        line = _line(text, face, squeeze, gap, rng)
        most = (wide - 2 * rng.uniform(0.1, 0.28)) * INK_PX
        if line.shape[1] > most:
            line = cv2.resize(line, (round(most), INK_PX), interpolation=cv2.INTER_AREA)
        if weight > 0:
            line = cv2.dilate(line, np.ones((weight, weight), np.uint8))
        middle = ((0.28, 0.73)[row] if two else 0.5) * height + rng.normal(0, 0.03) * INK_PX
        top = round(margin + middle - INK_PX / 2)
        left = round(margin + (width - line.shape[1]) / 2 + rng.normal(0, 0.06) * INK_PX)
        left = max(margin, min(left, margin + width - line.shape[1]))
        spot = alpha[top : top + INK_PX, left : left + line.shape[1]]
        np.maximum(spot, line[: spot.shape[0], : spot.shape[1]], out=spot)
        boxes.append((float(left), float(top), float(left + line.shape[1]), float(top + INK_PX)))
    ground = tuple(GROUNDS)[int(rng.choice(len(GROUNDS), p=_SHARES))]
    paper, ink = GROUNDS[ground]
    return Drawn(
        tuple(lines), tuple(boxes), alpha, paper, ink,
        (margin, margin, margin + width, margin + height),
    )  # fmt: skip


def _line(
    text: str, face: Face, squeeze: float, gap: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return one line of signs, :data:`INK_PX` high."""
    space = max(2, round(gap * INK_PX))
    cells = []
    stroke = max(3, round(rng.uniform(0.1, 0.18) * INK_PX))
    high = float(rng.uniform(0.42, 0.58)) if rng.random() < 0.4 else 0.94
    for sign in text:
        if sign in MARKS:
            cells.append(_mark(sign, stroke, high, rng))
        else:
            ink = face[sign]
            width = max(5, round(ink.shape[1] * INK_PX / SIGN_PX * squeeze))
            cells.append(cv2.resize(ink, (width, INK_PX), interpolation=cv2.INTER_AREA))
        cells.append(np.zeros((INK_PX, space), np.uint8))
    return np.hstack(cells[:-1]) if cells else np.zeros((INK_PX, 3 * INK_PX), np.uint8)


def _mark(sign: str, stroke: int, high: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    if sign == "-":
        cell = np.zeros((INK_PX, round(stroke * rng.uniform(1.0, 3.4))), np.uint8)
        top = INK_PX // 2 - stroke // 2
        cell[top : top + stroke] = 255
        return cell
    if sign == "/":
        cell = np.zeros((INK_PX, INK_PX // 3), np.uint8)
        cv2.line(cell, (INK_PX // 3, 0), (0, INK_PX), 255, max(2, stroke // 2), cv2.LINE_AA)
        return cell
    cell = np.zeros((INK_PX, stroke), np.uint8)
    for place in (high,) if sign == "." else (0.25, 0.8):
        bottom = min(INK_PX, round(place * INK_PX + stroke / 2))
        cell[bottom - stroke : bottom] = 255
    return cell
