"""Accident review measured: are speeds right, and do their intervals hold?

Measured trajectories (DLR Urban Traffic) are seen by made-up cameras on poles: their positions
become pixels with noise, frames are dropped or come unevenly, points are picked with error. What
the workbench makes of it is compared with the measured speed. Five surveyed points of a real
camera (OTVision) show what is refused. The motion model was chosen on the excerpt of 180 s, which
lies in the quarter of an hour; figures are given for both halves of what is read.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import savgol_filter

from workbench.bench import accidents_conflicts as conflicts
from workbench.bench import accidents_mixtures as mixed
from workbench.bench import accidents_seen as seen
from workbench.bench.accidents_poles import (
    PICK_PX,
    SIZE_PX,
    Pole,
    Tracks,
    picked,
    pole_at,
    read_tracks,
)
from workbench.bench.clips import Figures, footage_folder, parts_asked
from workbench.collisions.calibration import (
    SIGMA_M,
    Floats,
    GroundModel,
    PointClass,
    PointPair,
    fit_ground,
    map_points,
)
from workbench.collisions.lengths import LENGTH_SIGMA_M, KnownLength
from workbench.collisions.tracks import KMH, TimeBase, measure_motion
from workbench.errors import N_, BadInput, WorkbenchError

RANGE_M = (15.0, 29.0)
TICK_S = Fraction(1, 90_000)
_PIXEL_PX = 2.0
_LEAST_S = 1.0
_LONGEST_S = 4.0
_TRUTH_WINDOW = 9  # rows of .05 s
_PASSES = 6  # of one camera: passes of one share its calibration, so many cameras and few passes
_CAMERAS = (20, 120)  # quick, whole
DEVELOPED_ON = (101, 1101, 1102)
SPEED_SEED = 1201
"""Draws of cameras, picks and noise: looked at while it was made, and judged on."""
CLASSES: dict[str, tuple[PointClass, int, int]] = {
    "surveyed8": ("surveyed", 8, 0),
    "surveyed6": ("surveyed", 6, 0),
    "map8": ("map", 8, 0),
    "map6": ("map", 6, 0),
    "map6_lengths6": ("map", 6, 6),
    "lengths12": ("map", 0, 12),
}
"""Of each: kind and count of points, count of known lengths."""
_TAPED = (
    (0, 3),
    (2, 5),
    (0, 1),
    (6, 7),
    (0, 2),
    (5, 7),
    (2, 3),
    (4, 5),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
)
"""Between which of eight marks lengths are measured, the first ones first: two are diagonals."""


def bench_accidents(*, quick: bool = False, folder: Path | None = None, only: str = "") -> Figures:
    """Return figures of speeds by calibration class, of conflicts, and what was refused.

    A run that is interrupted returns what was measured before, and names the part it was in.

    Parameters
    ----------
    only
        Parts of :data:`PARTS`, divided by commas; all where it is empty.

    Raises
    ------
    BadInput
        Where the folder of real data is not there, or there is no such part.
    """
    asked = parts_asked(only, tuple(PARTS))
    home = footage_folder() if folder is None else folder
    if not (home / "dlr_ut").is_dir():
        raise BadInput(
            N_("there is no dlr_ut in the folder of real data"),
            N_("name the folder in WORKBENCH_FOOTAGE"),
            where=str(home),
        )
    whole = read_tracks(home / "dlr_ut", quick=quick)
    figures: Figures = {
        "data": "DLR Urban Traffic dataset v1.2.0, measured tracks at 20 Hz"
        + (" (excerpt of 180 s)" if quick else " (15 min)")
        + ", seen by made-up cameras; simulated crossing and road (SUMO); OTVision test video, "
        "5 surveyed points",
        "quick": quick,
    }
    for part, measure in PARTS.items():
        if part in asked:
            began = time.process_time()
            try:
                figures[part] = measure(whole, home, quick)
            except KeyboardInterrupt:  # after an hour, what is measured already is not lost
                figures["stopped in"] = part
                break
            sys.stderr.write(f"{part}: {time.process_time() - began:.0f} CPU s\n")
    return figures


def _speeds(whole: Tracks, _home: Path, quick: bool) -> Figures:
    half = whole.seconds.max() / 2
    figures: Figures = {
        "assumed": {
            "pick_px": PICK_PX,
            "contact_point_px": _PIXEL_PX,
            "surveyed_m": SIGMA_M["surveyed"],
            "map_m": SIGMA_M["map"],
            "length_m": LENGTH_SIGMA_M,
            "range_m": list(RANGE_M),
            "frames": "20/s with 10 % dropped, times uneven by 4 ms",
            "seed": SPEED_SEED,
        }
    }
    for name, (kind, count, lengths) in CLASSES.items():
        poles = _CAMERAS[0 if quick else 1]
        rows = pd.DataFrame(measured(whole, kind, count, lengths=lengths, poles=poles))
        figures[name] = summary(rows) | {
            "first_half": summary(rows[rows.at_s < half]),
            "second_half": summary(rows[rows.at_s >= half]),
        }
    return figures


def _refused(whole: Tracks, home: Path, _quick: bool) -> Figures:
    return {
        "four_points": refusal(_four(whole)),
        "otvision_five_points": refusal(otvision_points(home / "otvision"), (800, 600)),
    }


PARTS: dict[str, Callable[[Tracks, Path, bool], Figures]] = {
    "speeds": _speeds,
    "crossing": lambda _whole, _home, quick: conflicts.crossing_part(quick=quick),
    "weaving": lambda _whole, _home, quick: conflicts.weaving_part(quick=quick),
    "ordinary traffic": lambda whole, _home, quick: conflicts.ordinary_figures(
        whole, cameras=2 if quick else 4
    ),
    "onset": lambda whole, _home, quick: conflicts.onset_part(whole, quick=quick),
    "onset seen": lambda _whole, home, quick: {
        "drawn": seen.seen_figures(seen.SEEDS[: 1 if quick else None], clips=1 if quick else 4),
        "mixed": mixed.mixed_figures(home, mixed.SEEDS[: 1 if quick else None]),
        "real": seen.real_figures(home),
    },
    "refused": _refused,
}
"""What is measured, by name, in this order: of all the measured tracks, of the folder of real data
(only what the part needs), and whether a first look will do."""


def measured(
    tracks: Tracks,
    kind: PointClass,
    count: int,
    *,
    lengths: int = 0,
    poles: int,
    passes: int = _PASSES,
    seed: int = SPEED_SEED,
) -> Iterator[dict[str, Any]]:
    """Yield one row per measured time: the truth, and the interval."""
    rng = np.random.default_rng(seed)
    places = tracks.rows[["center_easting", "center_northing"]].to_numpy()
    moving = places[tracks.rows.velocity_magnitude.to_numpy() > 3]
    for number in range(poles):
        centre = moving[rng.integers(len(moving))]
        turn = rng.uniform(0, 2 * math.pi)
        away = np.array([math.cos(turn), math.sin(turn)])
        pole = pole_at(centre - 22 * away, turn, rng.uniform(6, 9), rng.uniform(18, 24))
        model = _calibrated(pole, kind, count, lengths, rng)
        if model is None:
            continue
        users = list(tracks.users())
        done = 0
        for at in rng.permutation(len(users)):
            rows = list(_user(users[at], pole, model, rng, number))
            yield from rows
            done += bool(rows)
            if done >= passes:
                break


def _calibrated(
    pole: Pole, kind: PointClass, count: int, lengths: int, rng: np.random.Generator
) -> GroundModel | None:
    points = _points(pole, kind, count, rng)
    taped = _lengths(pole, lengths, rng) if lengths else []
    try:
        return fit_ground(points, SIZE_PX, lengths=taped, pick_sigma_px=PICK_PX)
    except WorkbenchError:
        return None


def _places(pole: Pole, count: int, rng: np.random.Generator) -> Floats:
    """Choose places as a person would: spread over the view, near and far, left and right."""
    right = np.array([pole.away[1], -pole.away[0]])
    deep = np.linspace(12.5, 32.0, (count + 1) // 2)
    spots = [(far, side * 0.42 * far) for far in deep for side in (-1.0, 1.0)][:count]
    m = np.array([pole.foot_m + far * pole.away + side * right for far, side in spots])
    return m + rng.uniform(-1.0, 1.0, m.shape)


def _points(pole: Pole, kind: PointClass, count: int, rng: np.random.Generator) -> list[PointPair]:
    return picked(pole, _places(pole, count, rng), kind, rng) if count else []


def _lengths(pole: Pole, count: int, rng: np.random.Generator) -> list[KnownLength]:
    """Measure between eight marks of the road with a tape, and pick each mark once."""
    m = _places(pole, 8, rng)
    px = map_points(pole.ground_to_px, m) + PICK_PX * rng.standard_normal(m.shape)
    return [
        KnownLength(
            float(px[a, 0]), float(px[a, 1]), float(px[b, 0]), float(px[b, 1]),
            float(np.linalg.norm(m[a] - m[b]) + LENGTH_SIGMA_M * rng.standard_normal()),
        )
        for a, b in _TAPED[:count]
    ]  # fmt: skip


def _user(
    user: pd.DataFrame, pole: Pole, model: GroundModel, rng: np.random.Generator, number: int
) -> Iterator[dict[str, Any]]:
    m = user[["center_easting", "center_northing"]].to_numpy()
    seconds = user.seconds.to_numpy()
    if len(m) < 2 * _TRUTH_WINDOW:
        return
    # What the camera is shown is the positions: the speed they have is the truth. The data set's
    # own speed comes from another filter and differs from it by more than a good calibration.
    moved = savgol_filter(m, _TRUTH_WINDOW, 2, deriv=1, delta=0.05, axis=0)
    shown = KMH * np.linalg.norm(moved, axis=1)
    ahead = pole.ahead(m)
    px = map_points(pole.ground_to_px, m)
    seen = (ahead >= RANGE_M[0]) & (ahead <= RANGE_M[1]) & (px >= 0).all(1) & (px < SIZE_PX).all(1)
    seen &= model.covered(np.nan_to_num(px, nan=-1e6))
    for run in _runs(seen, seconds):
        if np.ptp(seconds[run]) < _LEAST_S or shown[run].max() < 2.0 * KMH:
            continue
        # The measured time of each frame is the container's, uneven; a tenth is dropped.
        kept = run[rng.uniform(size=len(run)) > 0.1]
        if len(kept) < 8:
            continue
        noisy = px[kept] + _PIXEL_PX * rng.standard_normal((len(kept), 2))
        stamped = seconds[kept] + 0.004 * rng.standard_normal(len(kept))
        pts = np.round(stamped * 90_000).astype(np.int64)
        try:
            motion = measure_motion(model, noisy, pts, TimeBase(TICK_S, jitter_s=0.004))
        except WorkbenchError:
            continue
        column = KMH * user.velocity_magnitude.to_numpy()[kept]
        for k in range(0, len(kept), 5):
            low, middle, high = motion.speed_km_h[:, k]
            yield {
                "pole": number,
                "pass": (number, int(user.id.iloc[0]), int(run[0])),
                "at_s": float(seconds[kept[k]]),
                "true": float(shown[kept[k]]),
                "column": float(column[k]),
                "low": float(low),
                "middle": float(middle),
                "high": float(high),
            }


def _runs(seen: np.ndarray[Any, Any], seconds: Floats) -> Iterator[np.ndarray[Any, Any]]:
    at = np.flatnonzero(seen)
    if not len(at):
        return
    breaks = np.flatnonzero((np.diff(at) > 1) | (np.diff(seconds[at]) > 0.5)) + 1
    for run in np.split(at, breaks):
        yield run[seconds[run] - seconds[run[0]] <= _LONGEST_S]


def summary(rows: pd.DataFrame) -> Figures:
    """Return error and coverage over the rows of :func:`measured`."""
    if rows.empty:
        return {"passes": 0}
    off = (rows.middle - rows.true).abs()
    inside = (rows.low <= rows.true) & (rows.true <= rows.high)
    return {
        "cameras": int(rows["pole"].nunique()),
        "passes": int(rows["pass"].nunique()),
        "times": len(rows),
        "error_km_h": round(float(off.mean()), 2),
        "error_p95_km_h": round(float(off.quantile(0.95)), 2),
        "width_km_h": round(float((rows.high - rows.low).median()), 2),
        "coverage": round(float(inside.mean()), 3),
        "coverage_sigma": _sigma_of_share(inside, rows["pole"]),
        "error_to_column_km_h": round(float((rows.middle - rows.column).abs().mean()), 2),
        "column_to_positions_km_h": round(float((rows.column - rows.true).abs().mean()), 2),
        "below": round(float((rows.true < rows.low).mean()), 3),
        "above": round(float((rows.true > rows.high).mean()), 3),
    }


def _sigma_of_share(inside: pd.Series, camera: pd.Series) -> float | None:
    """Return one standard error of a share whose rows share their errors camera by camera."""
    of = pd.DataFrame({"off": inside - inside.mean(), "camera": camera}).groupby("camera").off.sum()
    if len(of) < 2:
        return None
    spread = math.sqrt(float((of**2).sum()) * len(of) / (len(of) - 1))
    return round(spread / len(inside), 3)


def _four(tracks: Tracks) -> list[PointPair]:
    rng = np.random.default_rng(102)
    centre = tracks.rows[["center_easting", "center_northing"]].to_numpy().mean(axis=0)
    return _points(pole_at(centre, 0.0, 8.0, 22.0), "surveyed", 4, rng)


def otvision_points(folder: Path) -> list[PointPair]:
    """Return the five surveyed points of the OTVision test camera, UTM 32N."""
    given = json.loads((folder / "Testvideo_FR20.otrfpts").read_text())
    return [PointPair(p["x_px"], p["y_px"], p["lon_utm"], p["lat_utm"]) for p in given.values()]


def refusal(points: list[PointPair], size_px: tuple[int, int] = SIZE_PX) -> str:
    """Return why a calibration is refused; empty where it is not."""
    try:
        fit_ground(points, size_px)
    except BadInput as refused:
        return str(refused)
    return ""
