"""Small drawn street scenes with known movers, for tests of the gate, tracker and engine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.recognition.types import Detection, Models, ModelSettings, PlateReading
from workbench.records import Box, Camera, FrameIndex, Segment

WIDTH, HEIGHT, FPS = 320, 192, 10
TICKS = 1000  # ticks a second; 100 a frame

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Mover:
    """A box that goes in a straight line from `start` to `stop` (centres) while visible."""

    first: int
    last: int
    start: tuple[float, float]
    stop: tuple[float, float]
    size: tuple[int, int] = (40, 24)
    colour: tuple[int, int, int] = (200, 40, 40)

    def box(self, n: int) -> Box | None:
        """Return where it is on frame `n`."""
        if not self.first <= n <= self.last:
            return None
        part = (n - self.first) / max(1, self.last - self.first)
        x = self.start[0] + part * (self.stop[0] - self.start[0])
        y = self.start[1] + part * (self.stop[1] - self.start[1])
        return Box(x - self.size[0] / 2, y - self.size[1] / 2, *self.size)


def street(seed: int = 1) -> RGB:
    """Return an empty, textured street, (y, x, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.float32)
    picture += cv2.GaussianBlur(rng.normal(0, 25, picture.shape).astype(np.float32), (0, 0), 4)
    picture[: HEIGHT // 4] += (10, 30, 0)
    for x in range(0, WIDTH, 40):
        cv2.rectangle(picture, (x, HEIGHT // 2), (x + 18, HEIGHT // 2 + 3), (220, 220, 220), -1)
    return np.clip(picture, 0, 255).astype(np.uint8)


@cache
def _plain_street() -> RGB:
    return street()  # whoever draws on it takes a copy


def draw(
    n: int, movers: Sequence[Mover], *, background: RGB | None = None, noise: float = 2.0
) -> RGB:
    """Return frame `n`: the street, its movers (a body with windows and wheels) and noise."""
    picture = (_plain_street() if background is None else background).copy()
    for mover in movers:
        box = mover.box(n)
        if box is None:
            continue
        x, y, w, h = (round(v) for v in (box.x, box.y, box.w, box.h))
        cv2.rectangle(picture, (x, y), (x + w - 1, y + h - 1), mover.colour, -1)
        cv2.rectangle(picture, (x + w // 4, y + 3), (x + w // 2, y + h // 2), (30, 30, 40), -1)
        cv2.circle(picture, (x + w // 5, y + h - 2), 3, (10, 10, 10), -1)
        cv2.circle(picture, (x + 4 * w // 5, y + h - 2), 3, (10, 10, 10), -1)
    rng = np.random.default_rng(n)
    return np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)


def film(
    path: Path, frames: Sequence[RGB], *, gop: int = 10, fps: int = FPS, bframes: int = 0
) -> Path:
    """Write frames at `fps` a second."""
    height, width = frames[0].shape[:2]
    tick = Fraction(1, TICKS)
    with media.ClipWriter(
        path, width, height, time_base=tick, gop=gop, crf=20, bframes=bframes
    ) as writer:
        for n, frame in enumerate(frames):
            writer.write(frame, n * TICKS // fps)
    return path


def segment_of(path: Path, camera_id: str = "C1") -> tuple[Segment, FrameIndex]:
    """Return the segment and index of a clip as the archive would know it."""
    facts, index = media.index_packets(path)
    step = int(np.median(np.diff(index.pts))) if len(index) > 1 else 1
    segment = Segment(
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        camera_id=camera_id,
        path=str(path),
        stamped_start_ns=1_795_133_700 * 10**9,
        first_pts=int(index.pts[0]),
        stop_pts=int(index.pts[-1]) + step,
        time_base=facts.time_base,
        tick_s=facts.time_base,
        frame_count=len(index),
        width_px=facts.width_px,
        height_px=facts.height_px,
        codec=facts.codec,
        rotation_deg=facts.rotation_deg,
        size_bytes=facts.size_bytes,
    )
    return segment, index


def camera(camera_id: str = "C1", heading_deg: float = 0.0) -> Camera:
    """Return an uncalibrated camera."""
    return Camera(
        camera_id, "S1", camera_id, "overview", 105.97, 21.09, heading_deg, 60, 50, "both", "E1"
    )


def blind() -> Models:
    """Return models that see nothing: motion alone carries the passes."""
    return Models(lambda _rgb: [], lambda _rgb, _box, hint=None: [], lambda _rgb, _box: [], "blind")


def red_car_models() -> Models:
    """Return models that call what is red a car and read a fixed plate on a large one."""

    def detect(rgb: RGB) -> list[Detection]:
        red = (rgb[..., 0] > 150) & (rgb[..., 1] < 90) & (rgb[..., 2] < 90)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        return [
            Detection(Box(float(x), float(y), float(w), float(h)), "car", 0.9)
            for x, y, w, h, area in stats[1:count]
            if area > 200
        ]

    def read(rgb: RGB, box: Box | None, /, hint: Box | None = None) -> list[PlateReading]:
        text = "30F12345"
        lattice = [{sign: 0.9} for sign in text]
        return [PlateReading("30F-123.45", text, 0.9, lattice, box or Box(0, 0, 1, 1), "one-line")]

    return Models(detect, read, lambda _rgb, _box: [], "red")


def give_red_cars(_settings: ModelSettings) -> Models:
    """Give a worker models that need no weights; importable there by name."""
    return red_car_models()


def give_slow_cars(_settings: ModelSettings) -> Models:
    """Give a worker models that take far longer than the footage lasts."""

    def detect(rgb: RGB) -> list[Detection]:
        time.sleep(2.0)
        return red_car_models().detect(rgb)

    return replace(red_car_models(), detect=detect)
