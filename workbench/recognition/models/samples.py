"""Small pictures drawn by code, with what a model must make of them: self-tests need no footage."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable

import cv2
import numpy as np

from workbench.errors import N_, BadInput
from workbench.recognition.types import RGB

PLATE_LINES, PLATE_TEXT = ("99-B1", "123.45"), "99B1-123.45"
CLOCK_TEXT = "2026-11-20 07:15:32"


def grey_field(width_px: int = 320, height_px: int = 240) -> RGB:
    """Return a picture with nothing in it."""
    return np.full((height_px, width_px, 3), 96, np.uint8)


def drawn_plate(lines: tuple[str, ...] = PLATE_LINES, *, sign_px: int = 44) -> RGB:
    """Return a street-grey picture with a white plate of one or two lines in its middle.

    `sign_px` is the height of a sign.
    """
    scale, thick = sign_px / 22.0, max(1, round(sign_px / 9))
    font = cv2.FONT_HERSHEY_SIMPLEX
    sizes = [cv2.getTextSize(line, font, scale, thick)[0] for line in lines]
    pad = sign_px // 2
    wide = max(width for width, _ in sizes) + 2 * pad
    tall = len(lines) * round(sign_px * 1.35) + pad
    picture = grey_field(wide * 2, tall * 2)
    left, top = wide // 2, tall // 2
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), (235, 235, 235), -1)
    cv2.rectangle(picture, (left, top), (left + wide, top + tall), (20, 20, 20), 2)
    for row, (line, (width, _)) in enumerate(zip(lines, sizes, strict=True)):
        at = (left + (wide - width) // 2, top + round((row + 1) * sign_px * 1.35))
        cv2.putText(picture, line, at, font, scale, (20, 20, 20), thick, cv2.LINE_AA)
    return picture


def drawn_clock(text: str = CLOCK_TEXT, *, width_px: int = 960, top: bool = True) -> RGB:
    """Return a picture with white, dark-edged overlay text in a corner."""
    picture = grey_field(width_px, width_px * 9 // 16)
    at = (12, 34) if top else (12, picture.shape[0] - 14)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(picture, text, at, font, 0.9, (0, 0, 0), 5, cv2.LINE_AA)
    cv2.putText(picture, text, at, font, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    return picture


def portrait() -> RGB | None:
    """Return NASA's public-domain portrait of Eileen Collins, or None where scikit-image is absent.

    It comes inside scikit-image, which insightface and easyocr need anyway: one person, one face.
    """
    try:
        path = importlib.resources.files("skimage.data") / "astronaut.png"
        bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (ModuleNotFoundError, FileNotFoundError):
        return None
    return None if bgr is None else np.ascontiguousarray(bgr[:, :, ::-1])


def drawn_car(colour: str) -> RGB:
    """Return a grey street with a car seen from its side; networks of photographs know it not."""
    picture = grey_field()
    paint = _PAINTS[colour]
    cv2.rectangle(picture, (60, 120), (260, 175), paint, -1)
    cv2.fillPoly(picture, [np.array([(95, 120), (120, 82), (205, 82), (235, 120)])], paint)
    cv2.fillPoly(picture, [np.array([(108, 118), (126, 90), (200, 90), (222, 118)])], (40, 50, 60))
    for x in (105, 215):
        cv2.circle(picture, (x, 175), 22, (25, 25, 25), -1)
        cv2.circle(picture, (x, 175), 10, (150, 150, 150), -1)
    return picture


def known(name: str) -> RGB | None:
    """Return a known input by its name; None where a package that carries it is absent.

    A picture, then a colon and what is on it, then any number of changes after ``~``:
    ``grey-field``, ``portrait~mirrored``, ``plate:99-B1/123.45~small``, ``clock:...``, ``car:red``.

    Raises
    ------
    BadInput
        For a name that stands for no picture.

    >>> known("grey-field").shape, known("plate:99-B1~small").shape
    ((240, 320, 3), (81, 263, 3))
    """
    drawn, *changes = name.split("~")
    kind, _, what = drawn.partition(":")
    if kind not in _DRAWN or any(change not in _CHANGES for change in changes):
        raise _unknown(name)
    try:
        picture = _DRAWN[kind](what)
    except (KeyError, cv2.error):
        raise _unknown(name) from None
    for change in changes:
        picture = None if picture is None else _CHANGES[change](picture)
    return picture


def _unknown(name: str) -> BadInput:
    return BadInput(
        N_("there is no known input '{name}'"),
        N_("use one of {names}, with {changes} after it if need be"),
        name=name,
        names=", ".join(_DRAWN),
        changes=", ".join(f"~{change}" for change in _CHANGES),
    )


def _smaller(picture: RGB) -> RGB:
    """Return a picture at half its size: what is twice as far away."""
    half: RGB = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return half


def _blurred(picture: RGB) -> RGB:
    soft: RGB = cv2.GaussianBlur(picture, (0, 0), 2.0)
    return soft


_PAINTS = {"red": (180, 30, 30), "blue": (30, 60, 170), "white": (230, 230, 230)}
_DRAWN: dict[str, Callable[[str], RGB | None]] = {
    "grey-field": lambda _what: grey_field(),
    "portrait": lambda _what: portrait(),
    "plate": lambda what: drawn_plate(tuple(what.split("/")) if what else PLATE_LINES),
    "clock": lambda what: drawn_clock(what or CLOCK_TEXT),
    "car": drawn_car,
}
_CHANGES: dict[str, Callable[[RGB], RGB]] = {
    "dark": lambda picture: (picture // 3).astype(np.uint8),
    "small": _smaller,
    "blurred": _blurred,
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "upside-down": lambda picture: np.ascontiguousarray(picture[::-1, ::-1]),
}
