"""Points of a made-up camera, exact or with errors, to calibrate by."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.collisions import KnownLength
from workbench.collisions.calibration import PointClass, PointPair, map_points

SIZE = (1280, 720)
ORIGIN = np.array([600_444.0, 2_332_111.0])
EIGHT = np.array(
    [(-4, 11), (4, 11), (0, 15), (-5, 19), (5, 19), (0, 24), (-6, 30), (6, 30)], dtype=float
)
SIX = EIGHT[[0, 1, 3, 4, 6, 7]] + [[0, 0], [0, 1], [0, 0], [0, -1], [0, 0], [0, -1]]
LADDER = np.array(
    [(-4, 11), (4, 11), (-4, 17), (4, 17), (-4, 24), (4, 24), (-5, 31), (5, 31)], dtype=float
)
"""Marks of a road, and between which of them a tape was laid: across, along, two diagonals."""
LADDER_ENDS = [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
               (0, 3), (2, 5)]  # fmt: skip


def pinhole(height_m: float = 8.0, tilt_deg: float = 22.0, focal: float = 1100.0) -> NDArray:
    sin, cos = math.sin(math.radians(tilt_deg)), math.cos(math.radians(tilt_deg))
    down, depth = np.array([0.0, -sin, height_m * cos]), np.array([0.0, cos, height_m * sin])
    right = np.array([1.0, 0.0, 0.0])
    return np.stack([focal * right + 640 * depth, focal * down + 360 * depth, depth])


def pairs(
    m: NDArray,
    kind: PointClass = "surveyed",
    pick_px: float = 0.0,
    off_m: float = 0.0,
    seed: int = 101,
    camera: NDArray | None = None,
) -> list[PointPair]:
    rng = np.random.default_rng(seed)
    px = map_points(pinhole() if camera is None else camera, m)
    px = px + pick_px * rng.standard_normal(px.shape)
    at = m + ORIGIN + off_m * rng.standard_normal(m.shape)
    return [PointPair(x, y, e, n, kind) for x, y, e, n in np.column_stack([px, at]).tolist()]


def known_lengths(
    m: NDArray = LADDER,
    pick_px: float = 0.0,
    off_m: float = 0.0,
    seed: int = 101,
    ends: list[tuple[int, int]] = LADDER_ENDS,
) -> list[KnownLength]:
    rng = np.random.default_rng(seed)
    px = map_points(pinhole(), m)
    px = (px + pick_px * rng.standard_normal(px.shape)).tolist()
    long = [float(np.linalg.norm(m[a] - m[b]) + off_m * rng.standard_normal()) for a, b in ends]
    return [KnownLength(*px[a], *px[b], metres) for (a, b), metres in zip(ends, long, strict=True)]
