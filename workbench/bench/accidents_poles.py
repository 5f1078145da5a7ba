"""Made-up cameras on poles and measured tracks: what both accident benchmarks share."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.collisions.calibration import (
    SIGMA_M,
    Floats,
    GroundModel,
    PointClass,
    PointPair,
    fit_ground,
    map_points,
)

SIZE_PX = (1280, 720)
PICK_PX = 1.0
"""One standard deviation of a picked point, pixels an axis."""
_COLUMNS = [
    "timestamp", "id", "center_easting", "center_northing", "velocity_easting",
    "velocity_northing", "velocity_magnitude", "acceleration_easting", "acceleration_northing",
    "yaw", "dimension_length", "dimension_width", "classifications_pedestrian",
    "classifications_bicycle", "classifications_motorbike", "classifications_car",
    "classifications_van", "classifications_truck", "interpolated",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Pole:
    """A made-up camera: where it stands, where it looks, and metres to pixels."""

    foot_m: Floats
    ground_to_px: Floats
    away: Floats

    def ahead(self, m: Floats) -> Floats:
        """Return how far along the view each place lies, metres."""
        return np.asarray((m - self.foot_m) @ self.away)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Rows of all road users, ``seconds`` since the first, ordered by user and time."""

    rows: pd.DataFrame

    @property
    def seconds(self) -> pd.Series:
        """Time of each row."""
        return self.rows.seconds

    def users(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of one road user after another."""
        for _, one in self.rows.groupby("id", sort=False):
            yield one


def read_tracks(folder: Path, *, quick: bool) -> Tracks:
    """Read the whole quarter of an hour, or its excerpt of three minutes."""
    if quick:
        frame = pd.read_csv(folder / "dlr_ut_excerpt_180s.csv.gz", usecols=_COLUMNS)
    else:
        with zipfile.ZipFile(next(folder.glob("*.zip"))) as archive:
            name = next(
                n for n in archive.namelist() if "raw_data/trajectories/" in n and "csv" in n
            )
            frame = pd.read_csv(io.BytesIO(archive.read(name)), usecols=_COLUMNS)
    at = pd.to_datetime(frame.timestamp, format="ISO8601")
    frame["seconds"] = (at - at.min()).dt.total_seconds()
    frame = frame.drop(columns="timestamp").dropna(subset=["center_easting", "velocity_easting"])
    return Tracks(frame.sort_values(["id", "seconds"], kind="stable").reset_index(drop=True))


def pole_at(foot_m: Floats, heading: float, height_m: float, tilt_deg: float) -> Pole:
    """Return a level camera of 1100 pixels focal length, `heading` in radians from east."""
    sin, cos = math.sin(math.radians(tilt_deg)), math.cos(math.radians(tilt_deg))
    away = np.array([math.cos(heading), math.sin(heading)])
    right = np.array([away[1], -away[0]])
    frame = np.eye(3)
    frame[0, :2], frame[1, :2] = right, away
    frame[0, 2], frame[1, 2] = -right @ foot_m, -away @ foot_m
    down, depth = np.array([0.0, -sin, height_m * cos]), np.array([0.0, cos, height_m * sin])
    across = np.array([1.0, 0.0, 0.0])
    view = np.stack([1100 * across + 640 * depth, 1100 * down + 360 * depth, depth])
    return Pole(foot_m, view @ frame, away)


def picked(pole: Pole, m: Floats, kind: PointClass, rng: np.random.Generator) -> list[PointPair]:
    """Return places in metres as a person would pick them, with both errors."""
    px = map_points(pole.ground_to_px, m) + PICK_PX * rng.standard_normal(m.shape)
    given = m + SIGMA_M[kind] * rng.standard_normal(m.shape)
    return [PointPair(x, y, e, n, kind) for x, y, e, n in np.column_stack([px, given]).tolist()]


def fit_seen(pole: Pole, m: Floats, kind: PointClass, rng: np.random.Generator) -> GroundModel:
    """Return the calibration a person would make of points at places in metres."""
    return fit_ground(picked(pole, m, kind, rng), SIZE_PX, pick_sigma_px=PICK_PX)
