"""Small pictures drawn by code, with what a model must make of them: self-tests need no footage."""

from __future__ import annotations

import importlib.resources

import cv2
import numpy as np

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
