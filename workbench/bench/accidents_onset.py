"""Onset without calibration, measured: is the moment marked, and how often where nothing happened?

Vehicles of the simulated crossing and of measured traffic (DLR Urban Traffic) become boxes as high
as their class, seen by made-up cameras on poles of 8 m, with 2 px of noise an edge and a tenth of
the frames dropped; nothing hides behind anything. A clip is 30 s about a collision, or 30 s in
which none was; its review marks the likeliest moment, or none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import beta

from workbench.bench.accidents_poles import SIZE_PX
from workbench.bench.accidents_traffic import Crossing
from workbench.bench.clips import Figures
from workbench.collisions.calibration import Floats
from workbench.collisions.onset import SCORE, WITHIN_S, BoxTrack, Onset, onsets

SEEDS = tuple(range(251, 257))
TUNED_ON = (101, 102, 103, 114)
CLIP_S = 30.0
HEIGHT_M, AWAY_M, NOISE_PX = 8.0, 24.0, 2.0
TILT, FOCAL_PX = math.radians(21.0), 1100.0
_FROM_TO_M = (6.0, 60.0)
_LEAST_PX, _EDGE_S = 14.0, 0.5
_SIZES = {
    "motorcycle": (1.9, 0.75, 1.6), "car": (4.4, 1.8, 1.5), "truck": (7.5, 2.3, 2.8),
    "bicycle": (1.7, 0.6, 1.6), "person": (0.5, 0.5, 1.7),
}  # fmt: skip
_STEP_S = 0.1


def boxes_of(
    rows: pd.DataFrame, turn: float, aim_m: Floats, rng: np.random.Generator, away_m: float = AWAY_M
) -> list[BoxTrack]:
    """Return what a camera that looks at a place would box, ten times a second.

    Parameters
    ----------
    rows
        id, kind, time, x, y (of the middle), heading (radians from east).
    turn
        Where it looks, radians from east.
    """
    ahead = np.array([math.cos(turn), math.sin(turn)])
    foot = aim_m - away_m * ahead
    found = []
    for name, one in rows.groupby("id", sort=False):
        at = one["time"].to_numpy(float)
        if len(at) < 12:
            continue
        box, depth = _boxed(one, foot, ahead)
        seen = (depth > _FROM_TO_M[0]) & (depth < _FROM_TO_M[1]) & (box[:, :2] >= 0).all(1)
        seen &= (box[:, 2:] < SIZE_PX).all(1) & (box[:, 3] - box[:, 1] >= _LEAST_PX)
        every = max(1, round(_STEP_S / float(np.median(np.diff(at)))))
        for number, run in enumerate(_runs(seen, at)):
            kept = run[::every]
            kept = kept[rng.uniform(size=len(kept)) > 0.1]
            if len(kept) >= 10:
                noisy = box[kept] + NOISE_PX * rng.standard_normal((len(kept), 4))
                found.append(BoxTrack(f"{name}#{number}", at[kept], noisy))
    return found


def _boxed(one: pd.DataFrame, foot: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """Return the boxes (n, 4) of a vehicle's corners, and how near the nearest is (n,), m."""
    long, wide, high = _SIZES[str(one["kind"].iloc[0])]
    right = np.array([ahead[1], -ahead[0]])
    m, heading = one[["x", "y"]].to_numpy(float) - foot, one["heading"].to_numpy(float)
    along = np.column_stack([np.cos(heading), np.sin(heading)])
    across = np.column_stack([-along[:, 1], along[:, 0]])
    corners = []
    for a in (-long / 2, long / 2):
        for b in (-wide / 2, wide / 2):
            at = m + a * along + b * across
            for z in (0.0, high):
                drop = HEIGHT_M - z
                depth = math.cos(TILT) * (at @ ahead) + math.sin(TILT) * drop
                below = -math.sin(TILT) * (at @ ahead) + math.cos(TILT) * drop
                near = np.maximum(depth, 0.1)
                corners.append(np.column_stack([
                    SIZE_PX[0] / 2 + FOCAL_PX * (at @ right) / near,
                    SIZE_PX[1] / 2 + FOCAL_PX * below / near, depth,
                ]))  # fmt: skip
    every = np.stack(corners)
    return np.hstack([every[..., :2].min(axis=0), every[..., :2].max(axis=0)]), every[..., 2].min(0)


def _runs(seen: np.ndarray, at: Floats) -> list[np.ndarray]:
    hit = np.flatnonzero(seen)
    if not len(hit):
        return []
    return np.split(hit, np.flatnonzero((np.diff(hit) > 1) | (np.diff(at[hit]) > 0.5)) + 1)


def crossing_views(
    crossings: Iterable[tuple[int, Crossing]],
) -> Iterator[tuple[list[BoxTrack], list[float], list[float], float]]:
    """Yield boxes, instants of collisions seen from before to after, all instants, the length."""
    for seed, crossing in crossings:
        for number in range(2):
            rng = np.random.default_rng([seed, number, 77])
            turn = math.pi / 4 + number * math.pi / 2
            tracks = boxes_of(crossing.rows, turn, np.zeros(2), rng)
            seen = [
                at
                for at, a, b in crossing.collisions
                if _sees(tracks, a, at) and _sees(tracks, b, at)
            ]
            every = [at for at, _, _ in crossing.collisions]
            yield tracks, seen, every, float(crossing.rows["time"].max())


def _sees(tracks: Sequence[BoxTrack], name: str, at: float) -> bool:
    return any(
        one.name.split("#")[0] == name and one.time_s[0] + _EDGE_S <= at <= one.time_s[-1] - _EDGE_S
        for one in tracks
    )


def onset_figures(crossings: Iterable[tuple[int, Crossing]], least: float = SCORE) -> Figures:
    """Return how often a clip's review marks the moment of a collision, and something else."""
    clips = marked = right = calm = false = 0
    off: list[float] = []
    for number, (tracks, seen, every, end) in enumerate(crossing_views(crossings)):
        rng = np.random.default_rng([number, 78])
        found = onsets(tracks, least=least)
        for at in seen:
            start = at - float(rng.uniform(8.0, CLIP_S - 8.0))
            clips += 1
            best = _marked(found, start)
            if best is not None:
                marked += 1
                # the moment of whatever collision is in the clip
                off.append(min(abs(best.at_s - one) for one in every))
                right += off[-1] <= WITHIN_S
        for start in np.arange(0.0, end - CLIP_S, CLIP_S).tolist():
            if not any(start - 10 <= at <= start + CLIP_S + 2 for at in every):
                calm += 1
                false += _marked(found, start) is not None
    return {
        "clips_with_a_collision": clips, "marked": marked, "within_1_s": right,
        "off_s_median": round(float(np.median(off)), 2) if off else None,
        "share_of_marks_within_1_s": round(right / max(1, marked), 3),
        "share_of_clips_marked_within_1_s": round(right / max(1, clips), 3),
        "ordinary_clips": calm, "ordinary_marked": false,
        "ordinary_marked_at_most_95": round(at_most(false, calm), 3),
    }  # fmt: skip


def calm_figures(views: Iterable[tuple[list[BoxTrack], float]], least: float = SCORE) -> Figures:
    """Return how often a clip of traffic in which nobody collided is marked all the same."""
    calm = false = 0
    for tracks, end in views:
        found = onsets(tracks, least=least)
        for start in np.arange(0.0, end - CLIP_S, CLIP_S).tolist():
            calm += 1
            false += _marked(found, start) is not None
    return {
        "ordinary_clips": calm, "ordinary_marked": false,
        "ordinary_marked_at_most_95": round(at_most(false, calm), 3),
    }  # fmt: skip


def measured_views(rows: pd.DataFrame, cameras: int) -> Iterator[tuple[list[BoxTrack], float]]:
    """Yield boxes of measured traffic seen by several cameras, and how long it is.

    `rows` as for :func:`boxes_of`, with speed; a heading is that of the last motion.
    """
    step = rows.groupby("id")[["x", "y"]].diff().to_numpy(float)
    moves = np.where(
        rows["speed"].to_numpy(float) > 1.0, np.arctan2(step[:, 1], step[:, 0]), np.nan
    )
    held = pd.Series(moves, index=rows.index).groupby(rows["id"]).transform(
        lambda one: one.ffill().bfill()
    )  # fmt: skip
    rows = rows.assign(heading=held.fillna(0.0))
    moving = rows.loc[rows["speed"] > 3, ["x", "y"]].to_numpy(float)
    rng = np.random.default_rng(104)
    for _ in range(cameras):
        turn = float(rng.uniform(0, 2 * math.pi))
        aim = moving[rng.integers(len(moving))]
        yield boxes_of(rows, turn, aim, rng, 22.0), float(rows["time"].max())


def _marked(found: Sequence[Onset], start: float) -> Onset | None:
    return next((one for one in found if start <= one.at_s <= start + CLIP_S), None)


def at_most(hits: int, of: int) -> float:
    """Return the 95 % upper bound of a share (Clopper and Pearson, one side)."""
    return 1.0 if hits >= of else float(beta.ppf(0.95, hits + 1, of - hits))
