"""Pictures of whole plates with known truth: tight crops, and plates on something that drives.

The signs are of fonts that ``models/plate_reader`` was not trained on, and of strokes drawn with
another seed, so that its network has no lead over PP-OCR; what light, dirt and lens do is drawn by
the same code. Only plates that the grammar allows: any other cannot be read exactly.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plate_reader"))
import plates as art
import signs
import weather

from workbench import plates

FONTS = (
    "liberation/LiberationSansNarrow-Bold.ttf",
    "liberation/LiberationSans-Bold.ttf",
    "noto/NotoSans-Bold.ttf",
    "dosis/Dosis-SemiBold.otf",
    "dosis/Dosis-Bold.otf",
)
"""None of them is among those of ``models/plate_reader/signs.py``."""

_STROKES = 12
_STROKE_SHARE = 0.4
_WIDTHS_PX = 60, 250
_MARGINS = -0.02, 0.15
_VEHICLE = (3.0, 5.0), (3.0, 6.0)
"""Width and height of what carries a plate, in widths of the plate."""

RGB = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Seen:
    """One look at a plate: a picture, where in it the plate lies (px), what it says."""

    picture: RGB
    box: tuple[float, float, float, float]
    signs: str
    lines: tuple[str, ...]


class Press:
    """Draws plates. One seed makes one endless row of them (with the same fonts installed)."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._faces = [signs.drawn_face(self._rng) for _ in range(_STROKES)]
        self._fonts = [signs.font_face(path) for path in _installed()]

    def crops(self, count: int, *, army: bool = False) -> Iterator[Seen]:
        """Yield tight crops, 60 to 250 px wide."""
        for _ in range(count):
            look = self._look(self._drawn(army=army), crop=True)
            yield look

    def passes(self, count: int, frames: int) -> Iterator[list[Seen]]:
        """Yield looks at one plate after another, so many frames each, on what carries it."""
        for _ in range(count):
            drawn = self._drawn()
            yield [self._look(drawn, crop=False) for _ in range(frames)]

    def _drawn(self, *, army: bool = False) -> art.Drawn:
        rng = self._rng
        while True:
            lines = art.plate_lines(rng)
            text = "".join(lines)
            found = plates.normalise(text, lines=lines if len(lines) == 2 else None)
            allowed = found is not None and not found.overrides and found.grammatical
            if allowed and not found.partial and (not army or found.layout == "army"):
                break
        some = self._faces if not self._fonts or rng.random() < _STROKE_SHARE else self._fonts
        return art.draw(lines, some[int(rng.integers(len(some)))], rng)

    def _look(self, drawn: art.Drawn, *, crop: bool) -> Seen:
        rng = self._rng
        left, top, right, bottom = drawn.plate
        clean = _on_its_ground(drawn, rng)
        wide = float(np.exp(rng.uniform(*np.log(_WIDTHS_PX))))
        scale = wide / (right - left)
        margin = float(rng.uniform(*_MARGINS)) * wide if crop else 0.0
        size = round(wide + 2 * margin), round((bottom - top) * scale + 2 * margin)
        at = margin, margin
        if not crop:
            across, down = (rng.uniform(*span) for span in _VEHICLE)
            size = round(across * wide), round(down * wide)
            at = (
                float(rng.uniform(0.15, 0.85)) * (size[0] - wide),
                float(rng.uniform(0.55, 0.95)) * (size[1] - (bottom - top) * scale),
            )
        matrix = _view(drawn, scale, at, rng)
        picture = _background(size, rng)
        spoilt = _spoilt(clean, scale, rng)
        mask = np.zeros(spoilt.shape[:2], np.float32)
        mask[top:bottom, left:right] = 1.0
        ring = round(0.25 * art.INK_PX)
        mask = cv2.dilate(mask, np.ones((ring, ring), np.uint8))
        there = cv2.warpPerspective(mask, matrix, size)[..., None]
        plate = cv2.warpPerspective(spoilt, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        picture = plate if crop else picture * (1 - there) + plate * there
        corners = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], float)
        x, y = cv2.perspectiveTransform(corners, matrix)[0].T
        return Seen(
            _sensed(picture, rng),
            (float(x.min()), float(y.min()), float(np.ptp(x)), float(np.ptp(y))),
            plates.compact("".join(drawn.lines)),
            drawn.lines,
        )


def _installed() -> Iterator[Path]:
    for name in FONTS:
        found = [folder / name for folder in signs.FONT_FOLDERS if (folder / name).is_file()]
        yield from found[:1]


def _on_its_ground(drawn: art.Drawn, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the plate in its colours, faded, with screws, on the paint around it."""
    weight = drawn.alpha.astype(np.float32)[..., None] / 255
    fade, grey = float(rng.uniform(0, 0.3)), np.full(3, 128.0)
    paper = np.array(drawn.paper) * (1 - fade) + grey * fade
    ink = np.array(drawn.ink) + float(rng.uniform(0, 0.35)) * (paper - np.array(drawn.ink))
    scene = np.empty((*drawn.alpha.shape, 3), np.float32)
    scene[:] = rng.uniform(5, 220, 3)
    left, top, right, bottom = drawn.plate
    scene[top:bottom, left:right] = paper
    scene = scene * (1 - weight) + ink.astype(np.float32) * weight
    for x in (0.25, 0.75):
        if rng.random() < 0.5:
            at = round(left + x * (right - left)), round(top + 0.09 * art.INK_PX)
            cv2.circle(scene, at, 3, rng.uniform(30, 220, 3).tolist(), -1, cv2.LINE_AA)
    return scene


def _spoilt(
    scene: NDArray[np.float32], scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Soil, shade, light and blur a plate: each channel alike."""
    steps = [weather._soil] if rng.random() < 0.6 else []
    steps += [weather._shadow] if rng.random() < 0.3 else []
    steps += [weather._glare] if rng.random() < 0.25 else []
    seed = int(rng.integers(2**31))
    channels = []
    for number in range(3):
        channel = np.ascontiguousarray(scene[..., number])
        same = np.random.default_rng(seed)
        for step in steps:
            step(channel, same)
        channels.append(weather._blurred(channel, scale, same))
    return np.dstack(channels)


def _view(
    drawn: art.Drawn, scale: float, at: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the matrix that shows the plate so large, askew, with its corner about there."""
    left, top, right, bottom = drawn.plate
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    spread = (corners - (left, top)) * scale
    middle = spread.mean(axis=0)
    around = spread - middle
    around[:, 1] += np.tan(np.radians(rng.normal(0, 3.0))) * around[:, 0]
    around[:, 0] += rng.normal(0, 0.08) * around[:, 1]
    around += rng.normal(0, 0.012, (4, 2)) * (right - left) * scale
    around *= float(rng.uniform(0.94, 1.0))
    return cv2.getPerspectiveTransform(corners, (around + middle + at).astype(np.float32))


def _background(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what a plate may hang on: soft light, a few edges and lamps."""
    width, height = size
    rough = rng.uniform(20, 200, (5, 5, 3)).astype(np.float32)
    picture = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(4, 14))):
        a = int(rng.integers(width)), int(rng.integers(height))
        b = int(rng.integers(width)), int(rng.integers(height))
        colour = rng.uniform(0, 255, 3).tolist()
        if rng.random() < 0.5:
            cv2.line(picture, a, b, colour, int(rng.integers(1, 8)), cv2.LINE_AA)
        else:
            axes = int(rng.integers(3, 3 + width // 6)), int(rng.integers(3, 3 + height // 8))
            cv2.ellipse(picture, a, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 2.5)))


def _sensed(scene: NDArray[np.float32], rng: np.random.Generator) -> RGB:
    """Expose, add noise and compress, as a camera does."""
    night = rng.random() < 0.3
    gain = float(rng.uniform(0.25, 0.6)) if night else float(rng.uniform(0.75, 1.2))
    noise = float(rng.uniform(1, 6)) if night else float(rng.exponential(3))
    scene = scene * gain + rng.normal(0, noise, scene.shape)
    picture = np.clip(scene, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(25, 92))
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture)
