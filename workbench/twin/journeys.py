"""Who drives and walks where and when: journeys on the ward's road graph, and every pass they make.

Everything follows from a seed. The plan knows the truth; the product only ever sees the pixels.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from workbench.records import Camera
from workbench.timeline import SECOND_NS
from workbench.twin.fleet import Vehicle, make_fleet
from workbench.twin.routes import Chain, Route, choose_chain, passing
from workbench.twin.views import View, overview_view, plate_view

if TYPE_CHECKING:
    from workbench.roads import RoadGraph
    from workbench.ward import Ward

Direction = Literal["away", "towards"]
HEADWAY_S = 1.5
"""Time kept between two vehicles on one lane of a plate camera; one journey in eight breaks it."""


@dataclass(frozen=True, slots=True)
class Journey:
    """One vehicle's way through the ward. ``depart_s`` counts from the scenario's start."""

    journey_id: str
    vehicle_id: str
    depart_s: float
    speed_mps: float
    road_m: float
    edges: tuple[str, ...]
    cameras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """One vehicle in one drawn camera's view; ``abreast_s`` is when it is beside the pole (Y = 0).

    ``lateral_m`` is its X in the camera's street frame; it drives along Y at ``speed_mps``.
    """

    vehicle_id: str
    camera_id: str
    abreast_s: float
    speed_mps: float
    direction: Direction
    lateral_m: float

    def y_m(self, t_s: float) -> float:
        """Return where along the street the vehicle's middle is at a scenario time."""
        sign = 1.0 if self.direction == "away" else -1.0
        return sign * self.speed_mps * (t_s - self.abreast_s)

    def x_m(self, t_s: float) -> float:
        """Return where across the street it is at a scenario time."""
        return self.lateral_m

    def speed_at(self, t_s: float) -> float:
        """Return its speed in m/s at a scenario time."""
        return self.speed_mps


@dataclass(frozen=True, slots=True)
class Walk:
    """One person walking through one overview's street; ``start_s`` is when at ``from_m``."""

    walker_id: str
    camera_id: str
    start_s: float
    speed_mps: float
    from_m: tuple[float, float]
    to_m: tuple[float, float]
    looks: int

    def at(self, t_s: float) -> tuple[float, float] | None:
        """Return (X, Y) at a scenario time, or None before the start and after the end."""
        length = math.dist(self.from_m, self.to_m)
        part = (t_s - self.start_s) * self.speed_mps / length
        if not 0 <= part <= 1:
            return None
        (ax, ay), (bx, by) = self.from_m, self.to_m
        return ax + (bx - ax) * part, ay + (by - ay) * part


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is drawn and, being the truth, everything that is scored against."""

    seed: int
    start_ns: int
    duration_s: float
    fps: int
    views: dict[str, View]
    vehicles: dict[str, Vehicle]
    journeys: tuple[Journey, ...]
    passes: tuple[Pass, ...]
    walks: tuple[Walk, ...]

    @property
    def cameras(self) -> tuple[str, ...]:
        """The drawn cameras, in the order in which drawing them shows whole journeys soonest."""
        return tuple(self.views)

    def clip_start_ns(self, camera_id: str) -> int:
        """Return the instant that the camera's recorder states for the first frame.

        Some recorders are a few seconds off; the burnt-in clock is right and tells by how much.
        """
        return self.start_ns + self.views[camera_id].clock_offset_ns

    @property
    def frame_count(self) -> int:
        """Frames of each clip."""
        return round(self.duration_s * self.fps)

    def passes_of(self, camera_id: str) -> list[Pass]:
        """Return one camera's passes by time."""
        found = [p for p in self.passes if p.camera_id == camera_id]
        return sorted(found, key=lambda p: p.abreast_s)

    def walks_of(self, camera_id: str) -> list[Walk]:
        """Return one camera's walkers."""
        return [w for w in self.walks if w.camera_id == camera_id]


def stable_seed(*parts: object) -> int:
    """Return a seed that is the same in every process (``hash`` of a string is not)."""
    return zlib.crc32("|".join(map(str, parts)).encode())


def plan(
    ward: Ward,
    graph: RoadGraph,
    *,
    seed: int = 7,
    start_ns: int = 1_795_133_700 * SECOND_NS,
    duration_s: float | None = None,
    journeys: int | None = None,
    overviews: int | None = None,
    small: bool = False,
) -> Scenario:
    """Return the scenario of a ward: one plate camera a site, some overviews, and the journeys.

    Parameters
    ----------
    seed
        Same seed, same ward: same scenario, same pixels.
    start_ns
        UTC of the first frame of every clip.
    duration_s, journeys, overviews
        Length of the clips, vehicles to plan and overview cameras to draw; 120 s, 64 and 6 unless
        `small`, when 30 s, 10 and 1.
    small
        Draw three sites only, for tests and a quick look.

    Raises
    ------
    BadInput
        When the ward has no plate camera, or no road joins two of them.
    """
    duration_s = duration_s or (30.0 if small else 120.0)
    journeys = journeys or (10 if small else 64)
    overviews = (1 if small else 6) if overviews is None else overviews
    rng = np.random.default_rng([seed, 11])
    chain = choose_chain(ward, graph)
    sites = chain.closest(3) if small else chain.sites
    views = _views(ward, chain, sites, seed, rng)
    cameras = {camera_id: ward.cameras[camera_id] for camera_id in views}
    planner = _Planner(cameras, views, duration_s, rng, brisk=small)
    fleet = make_fleet(journeys, np.random.default_rng([seed, 12]))
    through = [way for site in sites if (way := chain.way(site, 6)) is not None]
    crossed = {way: planner.crossings(way) for way in (*through, *chain.links)}
    through = sorted(through, key=lambda w: -len(crossed[w]))[: max(3, len(through) * 9 // 10)]
    links = [way for way in chain.links if crossed[way]]
    for number, vehicle in enumerate(fleet):
        # Three in five follow the watched arms through many sites, early enough to finish.
        long = number % 5 < 3
        pool = through if long or not links else links
        for _attempt in range(12):
            way = planner.least_crowded(
                [pool[int(k)] for k in rng.integers(len(pool), size=4)], crossed
            )
            if planner.add(way, crossed[way], vehicle, long=long):
                break
    seen = Counter(p.camera_id for p in planner.passes)
    wide = [v.camera_id for v in views.values() if v.kind == "overview"]
    drawn = set(sorted(wide, key=lambda c: (-seen[c], c))[:overviews])
    views = {c: v for c, v in views.items() if v.kind == "plate" or c in drawn}
    used = {j.vehicle_id for j in planner.journeys}
    return Scenario(
        seed,
        start_ns,
        duration_s,
        10,
        views,
        {v.vehicle_id: v for v in fleet if v.vehicle_id in used},
        tuple(planner.journeys),
        tuple(p for p in planner.passes if p.camera_id in views),
        _walks(views, duration_s, np.random.default_rng([seed, 13])),
    )


def _views(
    ward: Ward, chain: Chain, sites: Sequence[str], seed: int, rng: np.random.Generator
) -> dict[str, View]:
    """Return a view of each site's chosen plate camera and of every overview at these sites."""
    plates = [chain.camera[site] for site in sites]
    wide = [
        c
        for c in sorted(ward.cameras.values(), key=lambda c: c.camera_id)
        if c.kind == "overview" and c.site_id in sites
    ]
    wrong = set(rng.permutation([c.camera_id for c in plates])[: min(4, len(plates) // 3)].tolist())
    views: dict[str, View] = {}
    for camera in (*plates, *wide):
        late = int(rng.integers(2, 9)) * int(rng.choice([-1, 1])) * SECOND_NS
        make = plate_view if camera.kind == "plate" else overview_view
        views[camera.camera_id] = make(
            camera,
            seed=stable_seed(seed, camera.camera_id),
            clock_offset_ns=late if camera.camera_id in wrong else 0,
        )
    return views


def _walks(views: dict[str, View], duration_s: float, rng: np.random.Generator) -> tuple[Walk, ...]:
    """Return a few walkers a street, on its pavements and across it."""
    walks: list[Walk] = []
    for view in views.values():
        count = int(rng.integers(4, 8)) if view.kind == "overview" else int(rng.random() < 0.3)
        for _ in range(count):
            side = float(rng.choice([-1, 1]))
            kerb = side * (view.half_road_m + float(rng.uniform(0.4, 1.4)))
            near, far = (8.0, 45.0) if view.kind == "overview" else (14.0, 40.0)
            if rng.random() < 0.3 and view.kind == "overview":
                y = float(rng.uniform(12, 28))
                ends = ((kerb, y), (-kerb, y + float(rng.uniform(-2, 2))))
            else:
                ends = ((kerb, near), (kerb + float(rng.normal(0, 0.2)), far))
            if rng.random() < 0.5:
                ends = (ends[1], ends[0])
            walks.append(
                Walk(
                    f"W{len(walks) + 1:03d}",
                    view.camera_id,
                    float(rng.uniform(-10, duration_s - 8)),
                    float(rng.uniform(1.0, 1.5)),
                    ends[0],
                    ends[1],
                    int(rng.integers(1 << 16)),
                )
            )
    return tuple(walks)


class _Planner:
    """Collects journeys whose passes keep their distance from those already planned."""

    def __init__(
        self,
        cameras: dict[str, Camera],
        views: dict[str, View],
        duration_s: float,
        rng: np.random.Generator,
        *,
        brisk: bool,
    ) -> None:
        self.brisk = brisk
        self.cameras, self.views, self.duration_s, self.rng = cameras, views, duration_s, rng
        self.journeys: list[Journey] = []
        self.passes: list[Pass] = []

    def crossings(self, way: Route) -> list[tuple[float, str, Direction]]:
        """Return ``(metres from the start, camera, direction)`` where a route passes cameras."""
        found: list[tuple[float, str, Direction]] = []
        for camera in self.cameras.values():
            hit = passing(way.line, camera)
            if hit is not None:
                found.append((hit[0], camera.camera_id, "away" if hit[1] else "towards"))
        return sorted(found)

    def least_crowded(
        self, ways: list[Route], crossed: dict[Route, list[tuple[float, str, Direction]]]
    ) -> Route:
        """Return the way whose cameras have seen least so far, for each camera it crosses."""
        seen = Counter(p.camera_id for p in self.passes)

        def worth(way: Route) -> float:
            return sum(1 / (1 + seen[camera_id]) for _, camera_id, _ in crossed[way])

        return max(ways, key=worth)

    def add(
        self,
        way: Route,
        crossings: list[tuple[float, str, Direction]],
        vehicle: Vehicle,
        *,
        long: bool,
    ) -> bool:
        """Plan one journey; False where its passes would run into others."""
        low, high = (5.8, 8.5) if vehicle.kind in ("truck", "bus") else (7.0, 11.1)
        if vehicle.kind == "bicycle":
            low, high = 3.2, 4.8
        elif self.brisk:
            low, high = 10.0, 12.0  # so that half a minute takes them past three sites
        speed = float(self.rng.uniform(low, high))
        if not crossings:
            return False
        lasts = crossings[-1][0] / speed
        if long:
            latest = max(4.0, self.duration_s - lasts - 6.0)
            depart = float(self.rng.uniform(1.0, latest)) - crossings[0][0] / speed
        else:
            depart = float(self.rng.uniform(-0.7 * lasts, self.duration_s - 6.0))
        passes = [
            self._pass(vehicle, camera_id, depart + at_m / speed, speed, direction)
            for at_m, camera_id, direction in crossings
        ]
        passes = [p for p in passes if -12 < p.abreast_s < self.duration_s + 12]
        careless = self.rng.random() < 0.125
        if not passes or not (careless or self._clear(passes)):
            return False
        number = len(self.journeys) + 1
        self.passes += passes
        self.journeys.append(
            Journey(
                f"J{number:03d}",
                vehicle.vehicle_id,
                depart,
                speed,
                way.road_m,
                way.edges,
                tuple(p.camera_id for p in passes),
            )
        )
        return True

    def _pass(
        self, vehicle: Vehicle, camera_id: str, abreast_s: float, speed: float, direction: Direction
    ) -> Pass:
        view = self.views[camera_id]
        side = 1.0 if direction == "away" else -1.0
        two_wheels = vehicle.kind in ("motorcycle", "bicycle")
        lane = abs(view.lane_m) if abs(view.lane_m) > 0.1 else 0.35
        if view.kind == "overview" and two_wheels:
            lane += 0.5
        spread = 0.32 if two_wheels else 0.12
        lateral = side * lane + float(np.clip(self.rng.normal(0, spread), -0.55, 0.55))
        return Pass(
            vehicle.vehicle_id,
            camera_id,
            abreast_s,
            speed * float(self.rng.uniform(0.95, 1.05)),
            direction,
            lateral,
        )

    def _clear(self, passes: list[Pass]) -> bool:
        for p in passes:
            view = self.views[p.camera_id]
            if view.kind == "overview":
                continue
            for other in self.passes:
                if other.camera_id != p.camera_id:
                    continue
                if other.direction != p.direction and view.sees != "both":
                    continue
                if abs(other.abreast_s - p.abreast_s) < HEADWAY_S:
                    return False
        return True
