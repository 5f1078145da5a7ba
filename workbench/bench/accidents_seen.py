"""Onset without calibration on what recognition itself boxes: drawn collisions, and real footage.

Vehicles of the simulated crossing that ride along one road are drawn on a straight street of the
ward, as its overview cameras see it, filmed, archived and recognised as footage is; who crosses or
turns is left out, for the drawn street has no side roads. Real footage shows ordinary life: every
moment marked in it is false. The rule was fitted on true boxes (``accidents_onset``).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench import demonstration
from workbench.bench.accidents_onset import AWAY_M, FOCAL_PX, HEIGHT_M, TILT, at_most
from workbench.bench.accidents_traffic import Crossing, simulate_crossing
from workbench.bench.clips import Figures
from workbench.collisions.calibration import Floats
from workbench.collisions.onset import SCORE, WITHIN_S, BoxTrack, onsets
from workbench.investigation import Workbench, find_onsets, open_workbench
from workbench.investigation.onsets import box_track_of, together_of
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span
from workbench.twin import render
from workbench.twin.air import Weather
from workbench.twin.filming import Track, view_of
from workbench.twin.fleet import Vehicle, make_fleet
from workbench.twin.journeys import Scenario
from workbench.ward import load

SEEDS = tuple(range(291, 295))
TUNED_ON = (101, 103, 104, 281, 282, 283)
CAMERA = "S10-V2"
CLIP_S = 30.0
WINDOW_S = 10.0
FPS = 10
AFTER = ("stops", "slides", "pushes", "deflected", "drives on")
"""What who runs into another does then: stops dead; both slide on as one; it nearly stops and the
other is knocked on; it slides on aside; it drives on past the other at half its pace."""
FINDERS = {"true": "true boxes", "seen": "seen boxes", "points": "points", "either": "either"}
"""By which a clip is marked: the boxes that were drawn, those that recognition made, points that
are followed in the pictures, and what the page shows: the likeliest of the two last."""
_SEEN_M = (9.0, 60.0)
_EDGE_S = 0.5
_TURNS = math.radians(25)
_WIDE_M = 4.4
_CLIPS = 6  # of a seed and a kind, at most
_REAL = (
    "intel_video/car-detection.mp4", "intel_video/one-by-one-person-detection.mp4",
    "opencv_vtest/vtest.avi",
    "otvision/Testvideo_Cars-Cyclist_FR20_2020-01-01_00-00-00.mp4",
    "otvision/Testvideo_Cars-Truck_FR20_2020-01-01_00-00-00.mp4",
    "faces_us_gov/short_hamilton_clip.mp4",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clip:
    """Half a minute to be drawn; ``hit_s`` are the instants at which two that are drawn collided.

    ``pairs`` names them, ``after`` says what they did from the touch on (:data:`AFTER`).
    """

    scenario: Scenario
    hit_s: tuple[float, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()


def seen_figures(seeds: Sequence[int] = SEEDS, *, clips: int = _CLIPS) -> Figures:
    """Return how often a drawn and recognised clip is marked, with a collision and without one."""
    told: Figures = {"seeds": list(seeds)}
    found: list[dict[str, Any]] = []
    for seed in seeds:
        crossing = simulate_crossing(seed, minutes=10.0)
        for back in (False, True):
            found += _judged(list(clips_of(crossing, seed, back=back, most=clips)))
    rows = pd.DataFrame(found)
    for name, some in (("collision", rows[rows.hit]), ("ordinary", rows[~rows.hit])):
        told[name] = {"clips": len(some)}
        for kind, finder in FINDERS.items():
            marked = int(some[f"{kind}_marked"].sum())
            told[name][finder] = {"marked": marked}
            if name == "ordinary":
                told[name][finder]["at_most_95"] = round(at_most(marked, len(some)), 3)
                continue
            off = some.loc[some[f"{kind}_marked"], f"{kind}_off_s"]
            told[name][finder] |= {
                "within_1_s": int((off <= WITHIN_S).sum()),
                "off_s": [round(float(one), 2) for one in sorted(off)],
            }
    told["collision"]["both_passes_seen"] = int(rows.loc[rows.hit, "both"].sum())
    told["after"] = {
        str(kind): {
            "clips": len(some),
            **{
                finder: int((some[f"{name}_off_s"] <= WITHIN_S).sum())
                for name, finder in FINDERS.items()
            },
        }
        for kind, some in rows[rows.hit].groupby("after")
    }
    return told


def clips_of(crossing: Crossing, seed: int, *, back: bool, most: int) -> Iterator[Clip]:
    """Yield clips about collisions along the street, then half as many in which none was.

    Parameters
    ----------
    back
        Whether the camera looks west instead of east.
    """
    rng = np.random.default_rng([seed, int(back), 79])
    sign = -1.0 if back else 1.0
    rows, kinds = _after_touch(crossing, seed)
    rides = list(_rides(rows, sign))
    every = sorted(at for at, _, _ in crossing.collisions)
    shown = [
        (at, a, b)
        for at, a, b in crossing.collisions
        if (at, a, b) in kinds and _covers(rides, a, at) and _covers(rides, b, at)
    ]
    end = float(crossing.rows["time"].max())
    looks = make_fleet(300, np.random.default_rng([seed, 80]))
    for at, _, _ in shown[:most]:
        start = at - float(rng.uniform(8.0, CLIP_S - 8.0))
        here = [one for one in shown if start <= one[0] <= start + CLIP_S]
        yield Clip(
            _scenario(rides, start, looks, seed), tuple(one[0] - start for one in here),
            tuple(one[1:] for one in here), tuple(kinds[one] for one in here),
        )  # fmt: skip
    calm = [
        start for start in np.arange(0.0, end - CLIP_S, CLIP_S).tolist()
        if not any(start - 10 <= at <= start + CLIP_S + 2 for at in every)
    ]  # fmt: skip
    for start in calm[: max(1, most // 2)]:
        yield Clip(_scenario(rides, start, looks, seed), ())


def _after_touch(
    crossing: Crossing, seed: int
) -> tuple[pd.DataFrame, dict[tuple[float, str, str], str]]:
    """Return the rows with what the two do from the touch on, and what that was, by collision.

    SUMO lets who runs into another brake on, into the other's body, where it would be drawn hidden.
    What happens instead is drawn by lot: see :data:`AFTER`. Who collided before is no longer where
    SUMO has it: what it is said to run into later is left out.
    """
    rows = crossing.rows.sort_values(["id", "time"], kind="stable").reset_index(drop=True)
    of = rows.groupby("id").indices
    way = _Ways(*(rows[name].to_numpy(float, copy=True) for name in _WAY))
    kinds: dict[tuple[float, str, str], str] = {}
    gone: set[str] = set()
    for number, (at, collider, victim) in enumerate(crossing.collisions):
        rng = np.random.default_rng([seed, number, 81])
        kind = str(rng.choice(AFTER))
        own, other = (
            one[way.time[one] >= at - 1e-6]
            for one in (np.asarray(of.get(name, []), np.intp) for name in (collider, victim))
        )
        if not len(own) or gone & {collider, victim}:
            continue
        kinds[at, collider, victim] = kind
        gone |= {collider, victim}
        heading, v = float(way.heading[own[0]]), float(way.speed[own[0]])
        u = 0.0
        if len(other):
            u = float(way.speed[other[0]] * math.cos(way.heading[other[0]] - heading))
        if kind == "slides":  # both as one, to a stand
            way.driven(own, heading, (v + u) / 2, 5.0)
            way.driven(other, heading, (v + u) / 2, 5.0)
        elif kind == "pushes":  # nearly stops, and the other is knocked on
            way.driven(own, heading, 0.2 * v, 8.0)
            way.driven(other, heading, u + 0.7 * (v - u), 4.0)
        elif kind == "deflected":
            aside = float(rng.choice([-1.0, 1.0])) * min(2.5, 0.4 * v)
            way.driven(own, heading, 0.5 * v, 5.0, aside)
        elif kind == "drives on":
            aside = float(rng.choice([-1.0, 1.0])) * 2.0
            way.driven(own, heading, 0.5 * v, 0.0, aside)
        else:
            way.driven(own, heading, 0.0, 1.0)
    return rows.assign(**{name: getattr(way, name) for name in _WAY}), kinds


_WAY = ("time", "x", "y", "heading", "speed")


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """Columns of the rows of a crossing, float64[n] each, to be changed."""

    time: Floats
    x: Floats
    y: Floats
    heading: Floats
    speed: Floats

    def driven(
        self, rows: NDArray[np.intp], heading: float, pace: float, slows: float, aside: float = 0.0
    ) -> None:
        """Move rows on from the first along a heading, and aside for half a second or so."""
        if not len(rows):
            return
        since = self.time[rows] - self.time[rows[0]]
        until = np.minimum(since, abs(pace) / slows) if slows else since
        along = pace * until - math.copysign(slows, pace) * until**2 / 2
        off = aside * 0.4 * (1 - np.exp(-since / 0.4))
        cos, sin = math.cos(heading), math.sin(heading)
        self.x[rows] = self.x[rows[0]] + along * cos - off * sin
        self.y[rows] = self.y[rows[0]] + along * sin + off * cos
        self.speed[rows] = np.maximum(abs(pace) - slows * since, 0.0)
        self.heading[rows] = self.heading[rows[0]]


def _rides(rows: pd.DataFrame, sign: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield id, kind and t, x, y, v of each stay on the street, in the camera's frame."""
    for name, one in rows.groupby("id", sort=False):
        ahead = sign * np.cos(one["heading"].to_numpy(float))
        placed = pd.DataFrame({
            "t": one["time"].to_numpy(float), "y": AWAY_M + sign * one["x"].to_numpy(float),
            "x": -sign * one["y"].to_numpy(float), "v": one["speed"].to_numpy(float),
            "away": ahead > 0,
        })  # fmt: skip
        along = (np.abs(ahead) > math.cos(_TURNS)) & (placed["x"].abs() < _WIDE_M)
        stay = (along != along.shift()).cumsum()
        for _, run in placed[along].groupby(stay[along]):
            if len(run) > 5:
                yield str(name), str(one["kind"].iloc[0]), run


def _covers(rides: Iterable[tuple[str, str, pd.DataFrame]], name: str, at: float) -> bool:
    for one, _, run in rides:
        if one == name and run.t.iloc[0] + _EDGE_S <= at <= run.t.iloc[-1] - _EDGE_S:
            y = float(np.interp(at, run.t, run.y))
            if _SEEN_M[0] <= y <= _SEEN_M[1]:
                return True
    return False


def _scenario(
    rides: Sequence[tuple[str, str, pd.DataFrame]], start: float, looks: list[Vehicle], seed: int
) -> Scenario:
    ward = load(demonstration.WARD)
    view = replace(
        view_of(ward.cameras[CAMERA], 40.0, seed),
        height_m=HEIGHT_M, pitch=TILT, focal_px=FOCAL_PX,
    )  # fmt: skip
    by_kind: dict[str, list[Vehicle]] = {}
    for one in looks:
        by_kind.setdefault(one.kind, []).append(one)
    passes, vehicles = [], {}
    for number, (name, kind, run) in enumerate(rides):
        if run.t.iloc[-1] < start - 5 or run.t.iloc[0] > start + CLIP_S + 5:
            continue
        fine = np.arange(run.t.iloc[0], run.t.iloc[-1], 0.05)
        if len(fine) < 2:
            continue
        told = f"{name}#{number}"  # who comes back from the crossing is drawn anew
        x = np.clip(np.interp(fine, run.t, run.x), 0.3 - view.half_road_m, view.half_road_m - 0.3)
        y = np.interp(fine, run.t, run.y)
        passes.append(Track(
            told, CAMERA, float(fine[len(fine) // 2] - start), max(0.5, float(run.v.median())),
            "away" if bool(run.away.iloc[0]) else "towards", float(np.median(x)), fine - start, y,
            x, np.interp(fine, run.t, run.v),
        ))  # fmt: skip
        of = by_kind[kind]
        vehicles[told] = replace(of[int(name[1:]) % len(of)], vehicle_id=told)
    return Scenario(
        seed, demonstration.START_NS, CLIP_S, FPS, {CAMERA: view}, vehicles, (), tuple(passes), ()
    )


def _judged(clips: Sequence[Clip]) -> Iterator[dict[str, Any]]:
    """Draw, archive and recognise clips; yield what is marked in each, by each finder."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        wb = open_workbench(folder / "root", actor="bench", create_from=demonstration.WARD)
        wb.open_case(demonstration.TRAINING_CASE)
        why = Purpose(demonstration.TRAINING_CASE.case_id, "bench")
        starts = [demonstration.START_NS + 60 * k * SECOND_NS for k in range(len(clips))]
        for start_ns, clip in zip(starts, clips, strict=True):
            film = folder / f"{start_ns}.mp4"
            render.render_clip(clip.scenario, CAMERA, film, Weather())
            wb.ingest(film, CAMERA, start_ns, reason="bench")
            film.unlink()
        wb.recognise([CAMERA], workers=0)
        for start_ns, clip in zip(starts, clips, strict=True):
            span = Span(start_ns, start_ns + round(CLIP_S * SECOND_NS))
            truth = true_boxes(clip.scenario)
            marks = {"true": [one.at_s for one in onsets(truth, least=SCORE)[:1]]}
            boxed = find_onsets(wb, [CAMERA], span, why, by=["boxes"]).moments
            pointed = find_onsets(wb, [CAMERA], span, why, by=["points"]).moments
            for name, found in (
                ("seen", boxed), ("points", pointed), ("either", together_of(boxed, pointed)),
            ):  # fmt: skip
                best = sorted(found, key=lambda one: -one.score)[:1]
                marks[name] = [(one.at_ns - start_ns) / SECOND_NS for one in best]
            row: dict[str, Any] = {"hit": bool(clip.hit_s), "after": "/".join(clip.after)}
            for name, at_s in marks.items():
                row |= {f"{name}_marked": bool(at_s), f"{name}_off_s": _off(at_s, clip.hit_s)}
            yield row | {"both": _both(wb, clip, truth, start_ns)}


def _off(marked: Sequence[float], hits: Sequence[float]) -> float:
    return min((abs(at - hit) for at in marked for hit in hits), default=math.nan)


def true_boxes(scenario: Scenario) -> list[BoxTrack]:
    """Return the boxes that were drawn, one track a vehicle."""
    rows = render.boxes_of(scenario).to_pandas()
    found = []
    for name, one in rows.groupby("vehicle_id"):
        box = one[["x", "y", "w", "h"]].to_numpy(float)
        box = np.hstack([box[:, :2], box[:, :2] + box[:, 2:]])
        found.append(BoxTrack(str(name), one["frame"].to_numpy(float) / FPS, box))
    return found


def _both(wb: Workbench, clip: Clip, truth: Sequence[BoxTrack], start_ns: int) -> bool:
    """Return whether either of the first two that collided has a pass of its own about then."""
    if not clip.hit_s:
        return False
    at = clip.hit_s[0]
    span = Span(start_ns + round((at - 2) * SECOND_NS), start_ns + round((at + 2) * SECOND_NS))
    table = wb._store.sightings(cameras=(CAMERA,), span=span,
                                columns=["sighting_id", "track_pts", "track_box", "first_pts",
                                         "last_pts", "first_utc", "last_utc"])  # fmt: skip
    seen = [box_track_of(row, start_ns) for row in table.to_pylist() if row["track_pts"]]
    matched: set[str] = set()
    for name in clip.pairs[0]:
        best, of = 0.3, ""
        for mine in truth:
            if mine.name.split("#")[0] != name or not mine.time_s[0] <= at <= mine.time_s[-1]:
                continue
            true = _box_at(mine, at)
            for one in seen:
                if one.time_s[0] - 0.2 <= at <= one.time_s[-1] + 0.2 and one.name not in matched:
                    share = _alike(true, _box_at(one, at))
                    if share > best:
                        best, of = share, one.name
        if not of:
            return False
        matched.add(of)
    return True


def _box_at(track: BoxTrack, at: float) -> np.ndarray:
    return np.array([np.interp(at, track.time_s, track.box_px[:, k]) for k in range(4)])


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    shared = float(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod())
    areas = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod())
    return shared / max(1e-9, areas - shared)


def real_figures(home: Path) -> Figures:
    """Return how often real footage in which nobody collided is marked, by windows of ten seconds.

    What is told of second halves is of pictures that nothing was fitted on.
    """
    told: Figures = {}
    sums = {half: dict.fromkeys(("windows", "boxes", "points"), 0) for half in ("first", "second")}
    with tempfile.TemporaryDirectory() as made:
        wb = open_workbench(Path(made) / "root", actor="bench", create_from=demonstration.WARD)
        wb.open_case(demonstration.TRAINING_CASE)
        why = Purpose(demonstration.TRAINING_CASE.case_id, "bench")
        there = [name for name in _REAL if (home / name).is_file()]
        starts = [demonstration.START_NS + 300 * k * SECOND_NS for k in range(len(there))]
        spans = []
        for start_ns, name in zip(starts, there, strict=True):
            segment = wb.ingest(home / name, CAMERA, start_ns, reason="bench").segments[0]
            spans.append(wb.utc_span(segment))
        wb.recognise([CAMERA], workers=0)
        for span, name in zip(spans, there, strict=True):
            length = span.duration_ns / SECOND_NS
            boxed = find_onsets(wb, [CAMERA], span, why, by=["boxes"])
            pointed = find_onsets(wb, [CAMERA], span, why, by=["points"])
            told[name] = {"passes": boxed.passes, "pictures": pointed.pictures}
            windows = max(1, int(length // WINDOW_S))
            for n in range(windows):
                sums["first" if n < windows / 2 else "second"]["windows"] += 1
            for by, found in (("boxes", boxed), ("points", pointed)):
                at = [(one.at_ns - span.start_ns) / SECOND_NS for one in found.moments]
                told[name][by] = [
                    f"{s:.1f} s, {one.score:.2f}" for s, one in zip(at, found.moments, strict=True)
                ]
                for n in {min(windows - 1, int(s // WINDOW_S)) for s in at}:
                    sums["first" if n < windows / 2 else "second"][by] += 1
    for half, of in sums.items():
        told[f"{half} halves"] = {
            **of,
            **{f"{by}_at_most_95": round(at_most(of[by], of["windows"]), 3)
               for by in ("boxes", "points")},
        }  # fmt: skip
    return told
