"""Accident review measured: near misses, collisions, weaving, and calm traffic that has neither.

A simulated crossing (``accidents_traffic``) and measured traffic (DLR Urban Traffic) are shown to
made-up cameras on poles of 8 m, calibrated with 8 surveyed points, with pixel noise and a tenth of
the frames dropped. Near misses that are true are those of the same definition on the tracks
without error; collisions that are true are SUMO's, which stop the two. Thresholds were tuned on
``TUNED_ON``; the figures are of ``SEEDS``, which nothing was tuned on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import savgol_filter
from scipy.stats import chi2

from workbench.bench import accidents_older, accidents_onset
from workbench.bench.accidents_poles import SIZE_PX, Pole, Tracks, fit_seen, pole_at
from workbench.bench.accidents_traffic import Crossing, simulate_crossing
from workbench.bench.clips import Figures
from workbench.collisions import candidates, riding
from workbench.collisions.calibration import Floats, GroundModel, map_points
from workbench.collisions.footprints import DIMENSIONS_M, GroundTrack, ground_track, headings
from workbench.errors import WorkbenchError

TUNED_ON = (101, 102, 103, *range(111, 136))
SEEDS = tuple(range(261, 276))
_OTHER_NOISES = 4  # of the seeds: at other noises than 2 px
ROAD_SEEDS = (221, 222, 223, 224)
HEIGHT_M = 8.0
RANGE_M = (12.0, 32.0)
FAR_M = (14.0, 62.0)
"""What a camera along a road sees of riders who weave: one swing takes 20 to 60 m."""
RECALL = 0.85
_SAME_S = 2.0
_LEAST_S = 0.8
_LISTED = 12

Key = tuple[str, str]


def crossing_part(*, quick: bool, seeds: Sequence[int] = SEEDS) -> Figures:
    """Return the figures of near misses and collisions of the simulated crossing, by noise."""
    seeds = seeds[:1] if quick else seeds
    minutes = 8.0 if quick else 10.0
    cameras = 1 if quick else 2
    crossings = [(seed, simulate_crossing(seed, minutes=minutes)) for seed in seeds]
    told: Figures = {
        "seeds": list(seeds),
        "tuned_on": list(TUNED_ON),
        "assumed": {
            "pole_m": HEIGHT_M, "minutes_a_seed": minutes, "cameras_a_seed": cameras,
            "frames": "10/s, 10 % dropped", "calibration": "8 surveyed points",
        },
    }  # fmt: skip
    for noise in (2.0,) if quick else (0.0, 2.0, 4.0):
        some = crossings if noise == 2.0 else crossings[:_OTHER_NOISES]
        told[f"{noise:g}_px"] = crossing_figures(some, noise_px=noise, cameras=cameras)
    return told


def weaving_part(*, quick: bool) -> Figures:
    """Return how well weaving riders are told from restless ones, by noise."""
    seeds = ROAD_SEEDS[: 2 if quick else 4]
    roads = [
        (seed, simulate_crossing(seed, minutes=10.0, straight=True, vehicles_per_hour=900))
        for seed in seeds
    ]
    told: Figures = {"seeds": list(seeds)}
    for noise in (2.0,) if quick else (0.0, 1.0, 2.0, 4.0):
        told[f"{noise:g}_px"] = weaving_figures(roads, noise_px=noise)
    return told


def onset_part(tracks: Tracks, *, quick: bool) -> Figures:
    """Return how well a moment is marked without calibration, and how often one where none was."""
    return {
        "simulated": accidents_onset.onset_figures(
            (seed, simulate_crossing(seed, minutes=10.0))
            for seed in accidents_onset.SEEDS[: 1 if quick else None]
        ),
        "ordinary_traffic": accidents_onset.calm_figures(
            accidents_onset.measured_views(_dlr(tracks), 1 if quick else 4)
        ),
    }


def crossing_figures(
    crossings: Iterable[tuple[int, Crossing]], *, noise_px: float, cameras: int
) -> Figures:
    """Return precision and recall of near misses and collisions at one noise."""
    near, hit, signed, alone = Count(), Count(), Count(), Count()
    for seed, crossing in crossings:
        for number in range(cameras):
            rng = np.random.default_rng([seed, number, round(10 * noise_px)])
            view = camera_of(rng, math.pi / 4 + number * math.pi / 2, np.zeros(2), 24.0)
            if view is None:
                continue
            shown, seen = shown_tracks(crossing.rows, *view, rng, noise_px, RANGE_M)
            real = [
                one for one in crossing.collisions
                if _sees(shown, one[1], one[0]) and _sees(shown, one[2], one[0])
            ]  # fmt: skip
            # a collision that began outside of the view is neither to be found nor false
            unjudged = {_pair(a, b) for _, a, b in crossing.collisions}
            near.add(candidates.near_misses(seen, least=0.02), _told(candidates.near_misses(shown)))
            hit.add(candidates.collisions(seen, least=0.05), real, unjudged)
            signed.add(accidents_older.overlap_and_sign(seen, least=0.05), real, unjudged)
            alone.add(candidates.overlaps(seen, least=0.05), real, unjudged)
    return {
        "near_misses": near.figures(candidates.NEAR_MISS_SCORE),
        "collisions": hit.figures(candidates.COLLISION_SCORE),
        "overlap_and_a_sign": signed.figures(accidents_older.SCORE),
        "overlap_alone": alone.figures(0.5),
    }


def _told(found: Iterable[candidates.Candidate]) -> list[tuple[float, str, str]]:
    return [(one.at_s, one.names[0], one.names[1]) for one in found]


def _sees(tracks: Sequence[GroundTrack], name: str, at_s: float) -> bool:
    return any(
        one.name.split("#")[0] == name and one.time_s[0] + 0.5 <= at_s <= one.time_s[-1] - 0.5
        for one in tracks
    )


class Count:
    """Candidates against what was true: a pair is found within two seconds of its moment."""

    def __init__(self) -> None:
        self.scores: list[tuple[float, bool]] = []
        self.true = 0

    def add(
        self,
        found: Iterable[candidates.Candidate],
        real: Sequence[tuple[float, str, str]],
        unjudged: Collection[Key] = (),
    ) -> None:
        """Count one camera's; `unjudged` pairs that are not among `real` count neither way."""
        left = {_pair(a, b): at for at, a, b in real}
        leave = set(unjudged) - left.keys()
        self.true += len(left)
        for one in sorted(found, key=lambda one: -one.score):
            if _pair(*one.names) in leave:
                continue
            at = left.get(_pair(*one.names))
            good = at is not None and abs(at - one.at_s) <= _SAME_S
            if good:
                del left[_pair(*one.names)]
            self.scores.append((one.score, good))

    def at(self, least: float) -> tuple[float, float, int]:
        """Return (precision, recall, listed) from a score on."""
        kept = [good for score, good in self.scores if score >= least]
        good = sum(kept)
        return good / max(1, len(kept)), good / max(1, self.true), len(kept)

    def figures(self, least: float) -> Figures:
        """Return figures at the product's threshold and at the recall asked for."""
        precision, recall, listed = self.at(least)
        told: Figures = {
            "true": self.true, "listed": listed,
            "precision": round(precision, 3), "recall": round(recall, 3),
        }  # fmt: skip
        reached = [
            score for score in sorted({s for s, _ in self.scores}, reverse=True)
            if self.at(score)[1] >= RECALL
        ]  # fmt: skip
        told["precision_at_recall_85"] = round(self.at(reached[0])[0], 3) if reached else None
        told["score_at_recall_85"] = round(reached[0], 2) if reached else None
        return told


def _pair(a: str, b: str) -> Key:
    a, b = sorted((a.split("#")[0], b.split("#")[0]))
    return a, b


def weaving_figures(roads: Iterable[tuple[int, Crossing]], *, noise_px: float) -> Figures:
    """Return how well weaving riders are told from restless ones, at one noise."""
    good: list[float] = []
    calm: list[float] = []
    for seed, road in roads:
        rng = np.random.default_rng([seed, 7, round(10 * noise_px)])
        # 4 m beside the middle of the road, looking along it
        view = camera_of(rng, 0.05, np.array([-20.0, 2.0]), 38.0, far=True)
        if view is None:
            continue
        rows = road.rows[road.rows["kind"] == "motorcycle"]
        style = dict(zip(rows["id"], rows["style"], strict=True))
        _, seen = shown_tracks(rows, *view, rng, noise_px, FAR_M)
        for track in seen:
            if np.ptp(track.time_s) >= 3.0:
                weaves = style[track.name.split("#")[0]] == "weaving"
                (good if weaves else calm).append(riding.weaving_score(track))
    above = sum((a > b) + 0.5 * (a == b) for a in good for b in calm)
    listed = [score >= 0.5 for score in good], [score >= 0.5 for score in calm]
    return {
        "weaving": len(good), "others": len(calm),
        "auc": round(above / max(1, len(good) * len(calm)), 3),
        "recall": round(sum(listed[0]) / max(1, len(good)), 3),
        "others_listed": round(sum(listed[1]) / max(1, len(calm)), 3),
    }  # fmt: skip


def ordinary_figures(tracks: Tracks, *, cameras: int, noise_px: float = 2.0) -> Figures:
    """Return what is listed in measured traffic in which nobody collided."""
    rows = _dlr(tracks)
    seconds = float(rows["time"].max())
    moving = rows.loc[rows["speed"] > 3, ["x", "y"]].to_numpy()
    rng = np.random.default_rng(104)
    false: list[candidates.Candidate] = []
    signed = 0
    near: list[candidates.Candidate] = []
    alone = used = passes = 0
    while used < cameras:
        turn = float(rng.uniform(0, 2 * math.pi))
        view = camera_of(rng, turn, moving[rng.integers(len(moving))], 22.0)
        if view is None:
            continue
        used += 1
        _, seen = shown_tracks(rows, *view, rng, noise_px, RANGE_M)
        passes += len(seen)
        false += candidates.collisions(seen)
        near += candidates.near_misses(seen)
        alone += len(candidates.overlaps(seen))
        signed += len(accidents_older.overlap_and_sign(seen))
    hours = used * seconds / 3600
    return {
        "cameras": used, "camera_hours": round(hours, 2), "passes": passes,
        "false_collisions": len(false),
        "false_collisions_per_camera_day": round(24 * len(false) / hours, 1),
        "at_most_per_camera_day_95": round(24 * _upper(len(false)) / hours, 1),
        "overlap_and_a_sign_per_camera_day": round(24 * signed / hours, 1),
        "overlap_alone_per_camera_day": round(24 * alone / hours, 1),
        "collision_reasons": [f"{one.at_s:.1f} s: {one.text()}" for one in false[:_LISTED]],
        "near_misses": len(near),
        "near_misses_per_camera_hour": round(len(near) / hours, 1),
        "near_miss_list": [
            f"{one.at_s:.1f} s, {one.score:.2f}: {one.text()}"
            for one in sorted(near, key=lambda one: -one.score)[:_LISTED]
        ],
    }  # fmt: skip


def _upper(count: int) -> float:
    """Return the 95 % upper bound of a Poisson mean, after so many were counted."""
    return float(chi2.ppf(0.95, 2 * (count + 1)) / 2)


def _dlr(tracks: Tracks) -> pd.DataFrame:
    rows = tracks.rows
    kinds = ("pedestrian", "bicycle", "motorbike", "car", "van", "truck")
    words = np.array(["person", "bicycle", "motorcycle", "car", "car", "truck"])
    likely = rows[[f"classifications_{one}" for one in kinds]].fillna(0.0).to_numpy()
    return pd.DataFrame(
        {
            "id": rows["id"].astype(str), "kind": words[likely.argmax(axis=1)], "style": "",
            "time": rows["seconds"], "x": rows["center_easting"], "y": rows["center_northing"],
            "speed": rows["velocity_magnitude"],
        }
    )  # fmt: skip


def camera_of(
    rng: np.random.Generator, turn: float, aim_m: Floats, away_m: float, *, far: bool = False
) -> tuple[Pole, GroundModel] | None:
    """Return a camera that looks at a place from so far away, and its calibration."""
    way = np.array([math.cos(turn), math.sin(turn)])
    tilt = 12.0 if far else 21.0
    pole = pole_at(aim_m - away_m * way, turn, HEIGHT_M, tilt)
    right = np.array([way[1], -way[0]])
    deep = np.linspace(FAR_M[0], FAR_M[1], 4) if far else np.linspace(12.5, 32.0, 4)
    side = 0.30 if far else 0.42
    m = np.array([
        pole.foot_m + at * way + s * min(side * at, 9.0 if far else 99.0) * right
        for at in deep for s in (-1.0, 1.0)
    ])  # fmt: skip
    try:
        return pole, fit_seen(pole, m, "surveyed", rng)
    except WorkbenchError:
        return None


def shown_tracks(
    rows: pd.DataFrame,
    pole: Pole,
    model: GroundModel,
    rng: np.random.Generator,
    noise_px: float,
    range_m: tuple[float, float],
) -> tuple[list[GroundTrack], list[GroundTrack]]:
    """Return the tracks as they are and as a camera makes them out, where it sees them."""
    true, seen = [], []
    for name, one in rows.groupby("id", sort=False):
        m = one[["x", "y"]].to_numpy(float)
        if len(m) < 12:
            continue
        at = one["time"].to_numpy(float)
        step = float(np.median(np.diff(at)))
        ahead, px = pole.ahead(m), map_points(pole.ground_to_px, m)
        inside = (ahead >= range_m[0]) & (ahead <= range_m[1])
        inside &= (np.nan_to_num(px, nan=-1.0) >= 0).all(1) & (px < SIZE_PX).all(1)
        inside &= model.covered(np.nan_to_num(px, nan=-1e6))
        exact = _exact(str(name), one, m, at, step)
        for number, run in enumerate(_runs(inside, at)):
            if at[run[-1]] - at[run[0]] < _LEAST_S:
                continue
            label = f"{name}#{number}"
            true.append(_named(exact[slice(run[0], run[-1] + 1)], label))
            every = max(1, round(0.1 / step))
            kept = run[::every]
            kept = kept[rng.uniform(size=len(kept)) > 0.1]
            noisy = px[kept] + noise_px * rng.standard_normal((len(kept), 2))
            try:
                seen.append(
                    ground_track(
                        model, noisy, at[kept], name=label, kind=str(one["kind"].iloc[0]),
                        sigma_px=max(noise_px, 0.2),
                    )
                )  # fmt: skip
            except WorkbenchError:
                continue
    return true, seen


def _named(track: GroundTrack, name: str) -> GroundTrack:
    return GroundTrack(
        name, track.kind, track.time_s, track.state, track.covariance, track.heading, track.size_m
    )


def _exact(name: str, one: pd.DataFrame, m: Floats, at: Floats, step: float) -> GroundTrack:
    """Return a track without error; velocity and acceleration from half a second of positions."""
    window = 2 * round(0.25 / step) + 1
    velocity = savgol_filter(m, window, 2, deriv=1, delta=step, axis=0)
    push = savgol_filter(m, window, 2, deriv=2, delta=step, axis=0)
    kind = str(one["kind"].iloc[0])
    heading = one["heading"].to_numpy(float) if "heading" in one else headings(velocity)
    return GroundTrack(
        name, kind, at, np.hstack([m, velocity, push]),
        np.repeat(1e-8 * np.eye(6)[None], len(m), 0), heading, DIMENSIONS_M[kind],
    )  # fmt: skip


def _runs(inside: np.ndarray[Any, Any], at: Floats) -> list[np.ndarray[Any, Any]]:
    hit = np.flatnonzero(inside)
    if not len(hit):
        return []
    breaks = np.flatnonzero((np.diff(hit) > 1) | (np.diff(at[hit]) > 0.5)) + 1
    return np.split(hit, breaks)
