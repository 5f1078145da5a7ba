"""From a simulated stretch of traffic to what chosen cameras would have drawn of it.

The traffic engine's vehicles are drawn where it has them, second by second: they queue, brake and
turn up from a side road as in its own world. Its roads are scaled to the drawn street's, and a
drawn street runs straight on where the road bends or ends.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.later import later
from workbench.records import Camera
from workbench.roads import RoadGraph
from workbench.timeline import SECOND_NS, Span
from workbench.twin.fleet import PAINTS_BY_NAME, Vehicle, plate_ground
from workbench.twin.journeys import Journey, Pass, Scenario, Walk, stable_seed
from workbench.twin.traffic.tables import open_simulated
from workbench.twin.views import View, overview_view, plate_view
from workbench.ward import Ward

interpolate = later("scipy.interpolate")

_LOCAL_NS = 7 * 3600 * SECOND_NS
_STEP_S = 0.05
_AROUND_S = 20.0
_LONGEST_S = 1.6
_WIDE_KMH, _LANE_M, _SINGLE_M = 45.0, 3.5, 4.5
_AT_END_M = 0.3
_STANDS_MPS = 0.3
_BEGINS_M = 14.0


@dataclass(frozen=True, slots=True, eq=False)
class Track(Pass):
    """A pass along measured places. ``t_s``, ``y``, ``x``, ``v`` are float64[n], every .05 s.

    Before the first and after the last place it is out of sight.
    """

    t_s: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    v: NDArray[np.float64]

    def y_m(self, t_s: float) -> float:
        """Return where along the street the vehicle's middle is at a scenario time."""
        return float(np.interp(t_s, self.t_s, self.y, left=-99.0, right=-99.0))

    def x_m(self, t_s: float) -> float:
        """Return where across the street it is at a scenario time."""
        return float(np.interp(t_s, self.t_s, self.x))

    def speed_at(self, t_s: float) -> float:
        """Return its speed in m/s at a scenario time."""
        return float(np.interp(t_s, self.t_s, self.v))


def scenario_of(
    folder: Path,
    ward: Ward,
    cameras: Sequence[str],
    span: Span,
    *,
    seed: int = 1,
    fps: int = 10,
) -> Scenario:
    """Return what the cameras see of a simulation in a span, ready to be drawn.

    Parameters
    ----------
    folder
        Written by ``traffic.simulate``.
    cameras
        Ids; in this order they are drawn.
    span
        Lies within the simulated stretch.
    seed
        Of the looks: streets, paints, walkers.

    Raises
    ------
    BadInput
        Where a camera is not the ward's or not the simulation's, or the span is outside it.
    """
    one = open_simulated(folder)
    _within(span, one.span, folder)
    graph = RoadGraph(ward)
    known = {row["camera_id"]: row for row in one.cameras.to_pylist()}
    views: dict[str, View] = {}
    for camera_id in cameras:
        camera = ward.cameras.get(camera_id)
        if camera is None or camera_id not in known:
            raise BadInput(
                N_("there is no camera {camera} in this simulation"),
                N_("take ids of the ward's cameras.csv, for example {known}"),
                camera=camera_id,
                known=", ".join(list(known)[:3]),
            )
        if known[camera_id]["edge"] != camera.road_edge:
            raise BadInput(
                N_("the simulation was made of another ward: {camera} stands on another road"),
                N_("give the ward's tables it was made of with --ward"),
                camera=camera_id,
            )
        views[camera_id] = view_of(camera, _limit(ward, camera), seed)
    rows = _places(folder, {ward.cameras[c].road_edge for c in views}, span)
    people = _vehicles(folder, set(rows["vehicle_id"]), seed)
    tracks: list[Track] = []
    for camera_id, view in views.items():
        camera = ward.cameras[camera_id]
        frame = _Frame(
            camera, view, graph, float(known[camera_id]["along_m"]), _lanes(ward, camera)
        )
        here = rows[rows["edge"] == camera.road_edge]
        tracks += [t for t in _tracks(here, frame, span) if t.vehicle_id in people]
    seen = {t.vehicle_id for t in tracks}
    return Scenario(
        seed,
        span.start_ns,
        span.duration_ns / SECOND_NS,
        fps,
        views,
        {name: people[name] for name in sorted(seen)},
        tuple(_journeys(tracks)),
        tuple(tracks),
        _walkers(views, span.duration_ns / SECOND_NS, seed),
    )


def span_in(folder: Path, start: str, seconds: float) -> Span:
    """Return the span of a simulation that begins at a local time of day (or at its start).

    Raises
    ------
    BadInput
        Where the time cannot be read or lies outside the simulation.
    """
    whole = open_simulated(folder).span
    if not 0.5 <= seconds <= 3600:
        raise BadInput(
            N_("clips of {seconds} s cannot be drawn"),
            N_("give from half a second to an hour"),
            where="--seconds",
            seconds=f"{seconds:g}",
        )
    start_ns = whole.start_ns
    if start.strip():
        found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", start.strip())
        if found is None:
            raise BadInput(
                N_("'{text}' is no time of day"),
                N_("write it like 07:01 or 07:01:30"),
                where="--start",
                text=start,
            )
        hour, minute, second = (int(part or 0) for part in found.groups())
        day_ns = 24 * 3600 * SECOND_NS
        local_ns = whole.start_ns + _LOCAL_NS
        start_ns += (hour * 3600 + minute * 60 + second) * SECOND_NS - local_ns % day_ns
        # Past midnight it is the next day's.
        start_ns += day_ns if start_ns < whole.start_ns else 0
    span = Span(start_ns, start_ns + round(seconds * SECOND_NS))
    _within(span, whole, folder)
    return span


def _within(span: Span, whole: Span, folder: Path) -> None:
    if span.start_ns < whole.start_ns or span.stop_ns > whole.stop_ns:
        raise BadInput(
            N_("the span is not within the simulated stretch, which is {span}"),
            N_("choose a start and a length inside it, or simulate longer"),
            where=str(folder),
            span=f"{_local(whole.start_ns)} - {_local(whole.stop_ns)}",
        )


def view_of(camera: Camera, limit_kmh: float, seed: int) -> View:
    """Return the drawn view of a camera of the ward.

    Plate cameras have 1920 x 1080 pixels, so that a whole lane is in view with its plates legible.
    """
    make = plate_view if camera.kind == "plate" else overview_view
    lanes = 2 if limit_kmh >= _WIDE_KMH else 1
    own = stable_seed(seed, camera.camera_id)
    view = make(camera, seed=own, clock_offset_ns=0, lanes=lanes)
    if camera.kind == "plate":
        return view.sized(1920, 1080)
    return view.sized(1280, 720, focal=1280 / view.width_px)


def _limit(ward: Ward, camera: Camera) -> float:
    return {str(r.edge_id): float(r.limit_kmh) for r in ward.roads.itertuples(index=False)}[
        camera.road_edge
    ]


def _lanes(ward: Ward, camera: Camera) -> int:
    return 2 if _limit(ward, camera) >= _WIDE_KMH else 1


def _local(ns: int) -> str:
    return str(pd.Timestamp(ns, tz="UTC").tz_convert("Asia/Ho_Chi_Minh").strftime("%d/%m %H:%M:%S"))


def _places(folder: Path, edges: set[str], span: Span) -> pd.DataFrame:
    """Return the positions on some roads around a span, by vehicle and time."""
    around = round(_AROUND_S * SECOND_NS)
    wanted = (
        pc.field("edge").isin(sorted(edges))
        & (pc.field("time_ns") >= span.start_ns - around)
        & (pc.field("time_ns") <= span.stop_ns + around)
    )
    table = pq.read_table(folder / "positions.parquet", filters=wanted)
    frame: pd.DataFrame = table.to_pandas().sort_values(["vehicle_id", "time_ns"], kind="stable")
    return frame.assign(t=(frame["time_ns"] - span.start_ns) / SECOND_NS).reset_index(drop=True)


def _vehicles(folder: Path, names: set[str], seed: int) -> dict[str, Vehicle]:
    table = pq.read_table(
        folder / "vehicles.parquet",
        filters=pc.field("vehicle_id").isin(pa.array(sorted(names), pa.string())),
    )
    found = {}
    for row in table.to_pylist():
        own = zlib.crc32(f"{seed}|{row['vehicle_id']}".encode())
        rng = np.random.default_rng([own, 91])
        paint = np.array(PAINTS_BY_NAME[row["colour"]]) * float(rng.uniform(0.85, 1.1))
        r, g, b = (int(c) for c in np.clip(paint, 12, 244))
        found[row["vehicle_id"]] = Vehicle(
            row["vehicle_id"], row["kind"], row["model"], row["plate"],
            plate_ground(row["kind"], rng), (r, g, b), own % (1 << 30),
        )  # fmt: skip
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """From metres on a road to a camera's street frame."""

    camera: Camera
    view: View
    graph: RoadGraph
    along_m: float
    lanes: int

    @property
    def ahead(self) -> bool:
        """Whether the camera looks along the road's line as drawn."""
        runs = self.graph.bearing(self.graph.cameras[self.camera.camera_id])
        return abs((self.camera.heading_deg - runs + 180.0) % 360.0 - 180.0) < 90

    def along(self, offset_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Y: a pass's time is when a vehicle is where this camera reads best."""
        sign = 1.0 if self.ahead else -1.0
        return self.view.sweet_m + sign * (offset_m - self.along_m)

    def across(self, forward: bool, lane: NDArray[Any], left_m: NDArray[Any]) -> NDArray[Any]:
        """Return X of places given by lane (0 is the rightmost) and metres left of its middle."""
        wide = _LANE_M if self.lanes == 2 else _SINGLE_M
        from_middle = (self.lanes - 1 - lane + 0.5) * wide - left_m
        scaled = from_middle * self.view.half_road_m / (self.lanes * wide)
        scaled = np.clip(scaled, 0.35, self.view.half_road_m - 0.3)
        return np.asarray(scaled if forward == self.ahead else -scaled)


def _tracks(rows: pd.DataFrame, frame: _Frame, span: Span) -> Iterator[Track]:
    """Yield what passes a camera: one track a vehicle, direction and unbroken stay on the road."""
    if rows.empty:
        return
    # On a crossing a vehicle is told at the end of the road it left: it has gone on.
    end = rows.groupby("forward")["offset_m"].agg(["min", "max"])
    last = np.where(
        rows["forward"], rows["forward"].map(end["max"]), rows["forward"].map(end["min"])
    )
    gone = (np.abs(rows["offset_m"] - last) < _AT_END_M) & (
        rows["offset_m"] == rows.groupby(["vehicle_id", "forward"])["offset_m"].shift()
    )
    rows = rows[~gone | (rows["speed_mps"] < _STANDS_MPS)]
    again = (rows["vehicle_id"] != rows["vehicle_id"].shift()) | (
        rows["forward"] != rows["forward"].shift()
    )
    stay = (again | (rows["t"].diff() > _LONGEST_S)).cumsum()
    first = np.where(
        rows["forward"], rows["forward"].map(end["min"]), rows["forward"].map(end["max"])
    )
    rows = rows.assign(from_end=np.abs(rows["offset_m"] - first))
    for _, one in rows.groupby(stay, sort=False):
        track = _track(one, frame, span)
        if track is not None:
            yield track


def _track(one: pd.DataFrame, frame: _Frame, span: Span) -> Track | None:
    t, v = one["t"].to_numpy(float), one["speed_mps"].to_numpy(float)
    forward = bool(one["forward"].iloc[0])
    away = forward == frame.ahead
    sign = 1.0 if away else -1.0
    y = frame.along(one["offset_m"].to_numpy(float))
    x = frame.across(forward, one["lane"].to_numpy(float), one["lateral_m"].to_numpy(float))
    keep = np.concatenate([[True], np.diff(sign * y) >= -0.5])
    t, y, x, v = t[keep], y[keep], x[keep], v[keep]
    # It came from another road and goes on to one: straight on, as far as this street is drawn.
    if one["from_end"].iloc[0] < _BEGINS_M and v[0] > 1:
        back = min(_AROUND_S, (abs(y[0]) + 12) / v[0])
        t, y, x = np.r_[t[0] - back, t], np.r_[y[0] - sign * back * v[0], y], np.r_[x[0], x]
        v = np.r_[v[0], v]
    if v[-1] > 1:
        on = min(_AROUND_S, (frame.view.far_m + 12) / v[-1])
        t, y, x = np.r_[t, t[-1] + on], np.r_[y, y[-1] + sign * on * v[-1]], np.r_[x, x[-1]]
        v = np.r_[v, v[-1]]
    seconds = span.duration_ns / SECOND_NS
    if len(t) < 2 or t[-1] < 0 or t[0] > seconds:
        return None
    y = sign * np.maximum.accumulate(sign * y)
    fine = np.arange(max(t[0], -_AROUND_S), min(t[-1], seconds + _AROUND_S), _STEP_S)
    if len(fine) < 2:
        return None
    along = interpolate.CubicHermiteSpline(t, y, sign * v)(fine)
    along = sign * np.maximum.accumulate(sign * along)
    if along.max() < -6 or along.min() > frame.view.far_m:
        return None
    speed = np.abs(np.gradient(along, _STEP_S))
    at = int(np.argmin(np.abs(along - frame.view.sweet_m)))
    return Track(
        str(one["vehicle_id"].iloc[0]), frame.camera.camera_id, float(fine[at]),
        max(float(speed[at]), 0.5), "away" if away else "towards", float(x[len(x) // 2]),
        fine, along, np.asarray(interpolate.PchipInterpolator(t, x)(fine)), speed,
    )  # fmt: skip


def _journeys(tracks: list[Track]) -> Iterator[Journey]:
    """Yield one journey a vehicle: the drawn cameras it passes, by time."""
    of: dict[str, list[Track]] = {}
    for track in sorted(tracks, key=lambda one: one.abreast_s):
        of.setdefault(track.vehicle_id, []).append(track)
    for number, (vehicle_id, ways) in enumerate(sorted(of.items()), start=1):
        yield Journey(
            f"J{number:03d}", vehicle_id, ways[0].abreast_s,
            float(np.mean([w.speed_mps for w in ways])), 0.0, (),
            tuple(w.camera_id for w in ways),
        )  # fmt: skip


def _walkers(views: dict[str, View], seconds: float, seed: int) -> tuple[Walk, ...]:
    """Return a few people on the pavements of overviews; the traffic engine has none."""
    walks: list[Walk] = []
    for view in views.values():
        if view.kind != "overview":
            continue
        rng = np.random.default_rng([stable_seed(seed, view.camera_id), 92])
        for _ in range(max(1, round(seconds / 15))):
            x = float(rng.choice([-1, 1])) * (view.half_road_m + float(rng.uniform(0.5, 1.5)))
            ends = ((x, 9.0), (x + float(rng.normal(0, 0.2)), 42.0))
            if rng.random() < 0.5:
                ends = (ends[1], ends[0])
            walks.append(
                Walk(f"W{len(walks) + 1:03d}", view.camera_id, float(rng.uniform(-20, seconds - 5)),
                     float(rng.uniform(1.0, 1.5)), *ends, int(rng.integers(1 << 16)))
            )  # fmt: skip
    return tuple(walks)
