"""A drawn road with a car of known speed, filmed by the made-up camera of ``make.calibrations``."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from lab.scenes import encode
from numpy.typing import NDArray

from make.calibrations import EIGHT, LADDER, ORIGIN, SIZE, known_lengths, pinhole
from workbench.collisions.calibration import map_points

FPS = 20
SPEED_M_S = 10.0
FRAMES = 36
_PX_A_M = 24


def road(seed: int = 101) -> NDArray[np.uint8]:
    """Return the empty road as the camera sees it, RGB."""
    rng = np.random.default_rng(seed)
    ground = np.full((60 * _PX_A_M, 40 * _PX_A_M, 3), 110, np.uint8)
    for _ in range(900):
        x, y = rng.integers(0, ground.shape[1]), rng.integers(0, ground.shape[0])
        w, h = rng.integers(4, 40, 2)
        colour = tuple(int(c) for c in rng.integers(40, 215, 3))
        cv2.rectangle(ground, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)
    # ground metres (x right, y ahead) of the texture's pixels
    at = np.array([[1 / _PX_A_M, 0, -20], [0, 1 / _PX_A_M, 0], [0, 0, 1]])
    seen = cv2.warpPerspective(ground, pinhole() @ at, SIZE, borderValue=(190, 205, 215))
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), 0.8), np.uint8)


def wheels_px(fps: int = FPS) -> NDArray[np.float64]:
    """Return where the car touches the road in each frame, (n, 2) px."""
    y = 11.5 + SPEED_M_S * np.arange(FRAMES) / fps
    return map_points(pinhole(), np.column_stack([np.full(FRAMES, 1.5), y]))


def pictures(shift_px: tuple[int, int] = (0, 0)) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames; `shift_px` is a camera that was knocked."""
    empty = road()
    for x, y in wheels_px():
        one = empty.copy()
        size = 0.16 * (y - 60)
        cv2.rectangle(
            one, (int(x - size), int(y - 1.2 * size)), (int(x + size), int(y)), (150, 30, 30), -1
        )
        moved = np.float32([[1, 0, shift_px[0]], [0, 1, shift_px[1]]])
        yield np.asarray(cv2.warpAffine(one, moved, SIZE, borderMode=cv2.BORDER_REFLECT), np.uint8)


def film(
    path: Path, *, fps: int = FPS, shift_px: tuple[int, int] = (0, 0), lying: bool = False
) -> Path:
    """Write the clip; another `fps` than FPS is what a lying container says.

    A `lying` camera hangs on its side: its file holds turned pictures, and says how to turn them.
    """
    seen = pictures(shift_px)
    if not lying:
        return encode(path, seen, fps=Fraction(fps))
    turned = (np.ascontiguousarray(np.rot90(one)) for one in seen)
    return encode(path, turned, fps=Fraction(fps), rotation_deg=90)


def points_csv(kind: str = "surveyed", count: int = 8) -> str:
    """Return the sheet of points, in metres of EPSG:32648."""
    px = map_points(pinhole(), EIGHT)
    rows = [
        f"{x:.2f},{y:.2f},{e:.3f},{n:.3f},{kind}"
        for (x, y), (e, n) in zip(px.tolist(), (EIGHT + ORIGIN).tolist(), strict=True)
    ]
    return "\n".join(["x_px,y_px,east_m,north_m,kind", *rows[:count]]) + "\n"


def lengths_csv(use: str = "fit", count: int = 12, times: float = 1.0) -> str:
    """Return the sheet of lengths between marks of that road, each `times` as long as it is."""
    rows = [
        f"{x.x1_px:.1f},{x.y1_px:.1f},{x.x2_px:.1f},{x.y2_px:.1f},{times * x.length_m:.3f},{use}"
        for x in known_lengths(LADDER, 1.0, 0.03)[:count]
    ]
    return "\n".join(["x1_px,y1_px,x2_px,y2_px,length_m,use", *rows]) + "\n"


def track_csv(pts: NDArray[np.int64], sigma_px: float = 1.0) -> str:
    """Return the sheet of the car's track, picked with noise, one frame left out."""
    rng = np.random.default_rng(101)
    points = wheels_px() + sigma_px * rng.standard_normal((FRAMES, 2))
    rows = [f"{t},{x:.1f},{y:.1f}" for t, (x, y) in zip(pts.tolist(), points.tolist(), strict=True)]
    rows[7] = f"{pts[7]},,"
    return "\n".join(["pts,x_px,y_px", *rows]) + "\n"
