"""Who drives when and where: vehicles with plates, their ways and their stops, from a seed.

A vehicle is one SUMO vehicle for the whole scenario: between two parts of its way it is parked off
the road, so that one plate is never in two places.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from workbench.errors import N_, BadInput
from workbench.twin.fleet import new_plate
from workbench.twin.traffic.network import Network

PROFILE = (
    .04, .03, .02, .03, .08, .30, .72, 1.0, .85, .62, .58, .72,
    .70, .55, .55, .62, .80, 1.0, .90, .60, .45, .32, .18, .08,
)  # fmt: skip
"""Share of the busiest hour's departures by local hour of the day; a judgement, not a count."""

COLOURS = ("white", "silver", "grey", "black", "red", "orange", "yellow", "green", "blue", "brown")
_PAINTED = {
    "motorcycle": (.16, .06, .14, .28, .18, .01, .01, .02, .13, .01),
    "car": (.36, .12, .12, .22, .07, .01, .01, .01, .06, .02),
    "bus": (.45, .05, .0, .0, .05, .05, .25, .10, .05, .0),
    "truck": (.40, .05, .05, .02, .06, .0, .10, .08, .22, .02),
    "bicycle": (.12, .10, .10, .20, .16, .04, .04, .06, .16, .02),
}  # fmt: skip

_LAST_LOOKS = 6
_CLEAR_M = 45.0
_END_M = 12.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the traffic of a scenario is made of. Shares are 0..1.

    ``vehicles_per_hour`` are departures in the busiest hour. ``*_share`` of kinds: what is left of
    the vehicles are cars. ``weave_share`` and ``careless_share`` are of the motorcycles and of all
    vehicles; the careless now and then enter a crossing before others with the right of way.
    ``residents`` begin or end at home, ``workers`` in the industrial park, the rest drives through.
    ``stop_share`` of through traffic stops on its way and ``return_share`` comes back later.
    ``collisions_per_hour`` is how many are told on average, as far as careless driving causes them;
    with ``collision_stand_s`` above 0 the two brake, stand so long and leave the road.
    ``evening_return`` of the residents and workers who set out in the morning make their way back
    in the evening, as the same vehicle; as many fewer then set out anew. The last two change the
    traffic of a seed and are 0 unless asked for.
    """

    vehicles_per_hour: float = 6000.0
    motorcycle_share: float = 0.70
    ebike_share: float = 0.03
    bicycle_share: float = 0.02
    truck_share: float = 0.05
    bus_share: float = 0.01
    weave_share: float = 0.03
    careless_share: float = 0.02
    residents: float = 0.30
    workers: float = 0.25
    stop_share: float = 0.12
    return_share: float = 0.10
    stop_median_s: float = 300.0
    stop_spread: float = 0.8
    lateral_noise: float = 0.12
    lateral_resolution_m: float = 0.8
    step_s: float = 0.5
    warm_up_s: float = 600.0
    collisions_per_hour: float = 4.0
    collision_stand_s: float = 0.0
    evening_return: float = 0.0

    def __post_init__(self) -> None:
        kinds = (
            self.motorcycle_share, self.ebike_share, self.bicycle_share,
            self.truck_share, self.bus_share,
        )  # fmt: skip
        if min(kinds) < 0 or sum(kinds) > 1 or self.residents + self.workers > 1:
            raise BadInput(
                N_("the shares of the traffic do not go together"),
                N_("give shares from 0 to 1 whose sum is at most 1"),
            )
        if not 0 < self.vehicles_per_hour <= 20_000:
            raise BadInput(
                N_("{count} vehicles an hour cannot be simulated"),
                N_("give from 1 to 20000"),
                count=self.vehicles_per_hour,
            )


@dataclass(frozen=True, slots=True)
class Trip:
    """A vehicle and its way: directed edges, and where it stops for how many seconds.

    ``role`` is through, resident or worker. ``depart_s`` counts from the scenario's start.
    """

    vehicle_id: str
    kind: str
    model: str
    colour: str
    plate: str
    role: str
    style: str
    depart_s: float
    edges: tuple[str, ...]
    stops: tuple[tuple[str, float, float], ...]
    from_gate: bool


class _Router:
    """Ways of least time under several moods, so that not everybody takes the same street."""

    def __init__(self, network: Network, rng: np.random.Generator, moods: int = 6) -> None:
        self.names = sorted(network.ends)
        self._at = {name: k for k, name in enumerate(self.names)}
        leaving: dict[str, list[str]] = {}
        for name in self.names:
            leaving.setdefault(network.ends[name][0], []).append(name)
        rows, cols = [], []
        for name in self.names:
            end = network.ends[name][1]
            on = [n for n in leaving.get(end, []) if n[:-2] != name[:-2]]
            # Only at a dead end does one turn round.
            for other in on or leaving.get(end, []):
                rows.append(self._at[name])
                cols.append(self._at[other])
        base = np.array([network.travel_s[name] for name in self.names])
        self._before: list[NDArray[np.int32]] = []
        for _ in range(moods):
            cost = base * rng.lognormal(0.0, 0.25, len(base))
            graph = csr_matrix((cost[cols], (rows, cols)), shape=(len(base), len(base)))
            self._before.append(dijkstra(graph, return_predecessors=True)[1])

    def way(self, start: str, end: str, mood: int) -> list[str]:
        """Return the edges from one to another, both included; empty where there is no way."""
        before = self._before[mood % len(self._before)]
        a, b = self._at[start], self._at[end]
        found = [b]
        while found[-1] != a:
            step = int(before[a, found[-1]])
            if step < 0:
                return []
            found.append(step)
        return [self.names[k] for k in reversed(found)]


@dataclass(frozen=True, slots=True)
class _Places:
    gates_in: tuple[str, ...]
    gates_out: tuple[str, ...]
    homes: tuple[str, ...]
    works: tuple[str, ...]


def _places(network: Network, names: dict[str, str], limits: dict[str, float]) -> _Places:
    arms: Counter[str] = Counter()
    for edge, (a, b) in network.ends.items():
        if edge.endswith("_f"):
            arms.update((a, b))
    ends = {node for node, count in arms.items() if count == 1}

    def gates(side: int, least: float) -> tuple[str, ...]:
        return tuple(
            e for e, pair in sorted(network.ends.items())
            if pair[side] in ends and limits[e[:-2]] >= least
        )  # fmt: skip

    into = gates(0, 40) if len(gates(0, 40)) > 1 else gates(0, 0)
    out = gates(1, 40) if len(gates(1, 40)) > 1 else gates(1, 0)
    if len(into) < 2 or len(out) < 2:
        raise BadInput(
            N_("no two roads lead out of the ward"),
            N_("draw roads to the ward's border in roads.geojson: they end where nothing meets"),
        )
    long = [e for e, lane in sorted(network.lanes.items()) if lane.length_m > 60]
    works = tuple(e for e in long if "VSIP" in names[e[:-2]] and limits[e[:-2]] < 50)
    homes = tuple(e for e in long if limits[e[:-2]] < 45 and e not in works and e not in into)
    return _Places(into, out, homes or tuple(long), works or tuple(long))


def make_trips(
    network: Network,
    names: dict[str, str],
    limits: dict[str, float],
    traffic: Traffic,
    *,
    seed: int,
    start_hour: float,
    hours: float,
) -> list[Trip]:
    """Return the trips of a scenario by departure, those of its warm-up included.

    Parameters
    ----------
    names, limits
        Name and limit (km/h) of each road.
    start_hour
        Local hour of the day at which the scenario starts, 0..24.
    """
    rng = np.random.default_rng([seed, 21])
    router = _Router(network, np.random.default_rng([seed, 22]))
    places = _places(network, names, limits)
    departs = _departures(traffic, rng, start_hour, hours)
    spots: dict[str, list[float]] = {}
    for spot in network.spots:
        spots.setdefault(spot.sumo_id, []).append(spot.position_m)
    fleet = np.random.default_rng([seed, 23])
    evening = np.random.default_rng([seed, 26])
    taken: set[str] = set()
    trips: list[Trip] = []
    for number, depart_s in enumerate(departs, start=1):
        kind, model = _kind(traffic, fleet)
        plate = "" if kind == "bicycle" else _unique(kind, fleet, taken)
        colour = COLOURS[int(fleet.choice(10, p=np.array(_PAINTED[kind]) / sum(_PAINTED[kind])))]
        style = _style(kind, traffic, fleet)
        hour = (start_hour + depart_s / 3600.0) % 24
        role, legs, waits = _legs(traffic, places, rng, hour, kind)
        if traffic.evening_return > 0 and role != "through":
            changed = _come_back(role, legs, waits, hour, depart_s, traffic, places, evening)
            if changed is None:
                continue
            legs, waits = changed
        edges, stops = _drive(router, network, spots, legs, waits, rng)
        if edges:
            trips.append(
                Trip(
                    f"V{number:06d}", kind, model, colour, plate, role, style, depart_s,
                    tuple(edges), tuple(stops), legs[0] in places.gates_in,
                )
            )  # fmt: skip
    return trips


def _departures(
    traffic: Traffic, rng: np.random.Generator, start_hour: float, hours: float
) -> list[float]:
    """Return departure times in tenths of a second, as many as the profile says."""
    begin, end = -traffic.warm_up_s, hours * 3600.0
    slot_s = 300.0
    found: list[float] = []
    at = begin
    left = 0.0
    while at < end - 1e-9:
        stop = min(at + slot_s, end)
        middle = start_hour + (at + stop) / 7200.0
        hour, part = divmod(middle - 0.5, 1.0)
        # The profile is of whole hours: between their middles it runs straight.
        weight = PROFILE[int(hour) % 24] * (1 - part) + PROFILE[int(hour + 1) % 24] * part
        left += traffic.vehicles_per_hour * weight * (stop - at) / 3600.0
        count = int(left)
        left -= count
        found += [round(float(t), 1) for t in rng.uniform(at, stop, count)]
        at = stop
    return sorted(found)


def _kind(traffic: Traffic, rng: np.random.Generator) -> tuple[str, str]:
    draw = rng.random()
    for share, kind, model in (
        (traffic.motorcycle_share, "motorcycle", "scooter" if rng.random() < 0.5 else "underbone"),
        (traffic.ebike_share, "bicycle", "e-bike"),
        (traffic.bicycle_share, "bicycle", "bicycle"),
        (traffic.truck_share, "truck", "box truck"),
        (traffic.bus_share, "bus", "bus"),
    ):
        if draw < share:
            return kind, model
        draw -= share
    return "car", ("sedan", "hatchback", "suv", "van")[int(rng.integers(4))]


def _style(kind: str, traffic: Traffic, rng: np.random.Generator) -> str:
    draw = rng.random()
    if kind == "motorcycle" and draw < traffic.weave_share:
        return "weaving"
    if rng.random() < traffic.careless_share and kind in ("motorcycle", "car"):
        return "careless"
    return "calm"


def _unique(kind: str, rng: np.random.Generator, taken: set[str]) -> str:
    while (plate := new_plate(kind, rng)) in taken:
        pass
    taken.add(plate)
    return plate


def _legs(
    traffic: Traffic, places: _Places, rng: np.random.Generator, hour: float, kind: str
) -> tuple[str, list[str], list[float]]:
    """Return role, the edges to go through in turn, and the seconds to wait at all but the ends."""

    def pick(among: tuple[str, ...]) -> str:
        return among[int(rng.integers(len(among)))]

    def wait() -> float:
        return float(traffic.stop_median_s * rng.lognormal(0.0, traffic.stop_spread))

    draw = rng.random()
    morning = hour < 12
    if draw < traffic.residents and kind != "bus":
        home = pick(places.homes)
        kind_of_trip = rng.random()
        if kind_of_trip < 0.45:
            away = pick(places.gates_out if morning else places.gates_in)
            return "resident", [home, away] if morning else [away, home], []
        if kind_of_trip < 0.75:
            errand = pick(places.homes)
            return "resident", [home, errand, home], [wait()]
        # Out of the ward and back: it waits, off the road, beyond the border.
        gate = pick(places.gates_out)
        return "resident", [home, gate, home], [3.0 * wait()]
    if draw < traffic.residents + traffic.workers and kind != "bus":
        work = pick(places.works)
        other = pick(places.homes) if rng.random() < 0.3 else ""
        if morning:
            return "worker", [other or pick(places.gates_in), work], []
        return "worker", [work, other or pick(places.gates_out)], []
    enter = pick(places.gates_in)
    leave = pick(tuple(g for g in places.gates_out if g[:-2] != enter[:-2]))
    legs, waits = [enter, leave], []
    if rng.random() < traffic.stop_share:
        legs, waits = [enter, pick((*places.homes, *places.works)), leave], [wait()]
    if rng.random() < traffic.return_share:
        back = pick(tuple(g for g in places.gates_out if g[:-2] != leave[:-2]))
        legs, waits = [*legs, back], [*waits, 3.0 * wait()]
    return "through", legs, waits


def _come_back(
    role: str,
    legs: list[str],
    waits: list[float],
    hour: float,
    depart_s: float,
    traffic: Traffic,
    places: _Places,
    rng: np.random.Generator,
) -> tuple[list[str], list[float]] | None:
    """Return the way with its return in the evening, or None for who has set out already."""
    share = rng.random() < traffic.evening_return
    if waits or not share:
        return legs, waits
    if hour >= 12:
        # Those who return were under way since the morning, if the morning was simulated.
        return (legs, waits) if hour - depart_s / 3600.0 >= 12 or depart_s < 0 else None
    back = float(np.clip(rng.normal(17.6, 0.8), 15.5, 20.5))
    start = legs[0]
    if role == "worker":
        start = places.gates_out[int(rng.integers(len(places.gates_out)))]
    return [*legs, start], [(back - hour) * 3600.0]


def _drive(
    router: _Router,
    network: Network,
    spots: dict[str, list[float]],
    legs: list[str],
    waits: list[float],
    rng: np.random.Generator,
) -> tuple[list[str], list[tuple[str, float, float]]]:
    mood = int(rng.integers(_LAST_LOOKS))
    edges = [legs[0]]
    stops: list[tuple[str, float, float]] = []
    for k, (a, b) in enumerate(pairwise(legs)):
        part = router.way(a, b, mood)
        if not part:
            return [], []
        edges += part[1:]
        if k < len(waits):
            at = _parking(network.lanes[b].length_m, spots.get(b, []), rng)
            stops.append((b, at, round(waits[k], 1)))
    return edges, stops


def _parking(length_m: float, avoid: list[float], rng: np.random.Generator) -> float:
    """Return where on an edge one parks: clear of its ends and of what cameras look at."""
    for _ in range(20):
        at = float(rng.uniform(length_m * 0.3, length_m - _END_M))
        if all(abs(at - spot) > _CLEAR_M for spot in avoid):
            break
    return round(at, 1)


@dataclass(frozen=True, slots=True)
class Sway:
    """How a rider who weaves swings about where SUMO has the vehicle: SUMO itself does not weave.

    ``reach_m`` to either side, once in ``period_s``; below 5 m/s less, standing not at all.
    """

    reach_m: float
    period_s: float
    phase: float

    def at(
        self, time_s: NDArray[np.float64], speed_mps: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return metres to the left at some times."""
        swing = np.sin(2 * np.pi * (time_s / self.period_s + self.phase))
        return self.reach_m * np.minimum(speed_mps / 5.0, 1.0) * swing


def sways(trips: list[Trip], seed: int) -> dict[str, Sway]:
    """Return how each rider who weaves does it."""
    rng = np.random.default_rng([seed, 24])
    return {
        trip.vehicle_id: Sway(
            float(rng.uniform(0.4, 0.9)), float(rng.uniform(2.6, 4.6)), float(rng.random())
        )
        for trip in trips
        if trip.style == "weaving"
    }


_TYPES = {
    # kind: vClass, length, width, max speed, accel, decel, speed factor, gap, lateral gap
    "motorcycle": ("motorcycle", 1.9, 0.75, 17.0, 2.5, 5.0, "normc(0.95,0.14,0.55,1.35)", 0.7, 0.2),
    "car": ("passenger", 4.4, 1.8, 20.0, 2.2, 4.5, "normc(0.95,0.10,0.6,1.3)", 1.5, 0.4),
    "truck": ("truck", 7.5, 2.3, 16.0, 1.2, 4.0, "normc(0.88,0.08,0.6,1.1)", 2.0, 0.5),
    "bus": ("bus", 10.0, 2.5, 16.0, 1.2, 4.0, "normc(0.88,0.06,0.7,1.05)", 2.0, 0.5),
    "bicycle": ("bicycle", 1.7, 0.6, 5.5, 1.0, 3.0, "normc(1,0.15,0.6,1.4)", 0.5, 0.2),
    "e-bike": ("bicycle", 1.7, 0.65, 8.5, 1.5, 3.5, "normc(1,0.12,0.7,1.3)", 0.5, 0.2),
}


def write_routes(trips: list[Trip], traffic: Traffic, path: Path) -> None:
    """Write SUMO's route file: vehicle types, then one vehicle a trip, by departure."""
    root = ET.Element("routes")
    for name, (vclass, length, width, top, accel, decel, factor, gap, side) in _TYPES.items():
        for style in ("calm", "weaving", "careless"):
            told = {
                "id": f"{name}-{style}", "vClass": vclass, "length": f"{length}",
                "width": f"{width}", "maxSpeed": f"{top}", "accel": f"{accel}",
                "decel": f"{decel}", "emergencyDecel": f"{decel + 3}", "speedFactor": factor,
                "minGap": f"{gap}", "minGapLat": f"{side}", "sigma": "0.5",
                "lcSigma": f"{traffic.lateral_noise}", "maxSpeedLat": "0.8",
                "latAlignment": "arbitrary" if width < 1 else "center",
                "lcCooperative": "0.7", "jmDriveAfterYellowTime": "1",
            }  # fmt: skip
            if style == "weaving":
                told |= {
                    "maxSpeedLat": "1.5", "minGapLat": "0.1", "lcPushy": "0.5",
                    "lcAssertive": "2", "lcSpeedGain": "4", "lcCooperative": "0",
                }  # fmt: skip
            elif style == "careless":
                told |= {
                    "jmIgnoreFoeProb": "0.6", "jmIgnoreFoeSpeed": "12", "tau": "0.5",
                    "jmIgnoreJunctionFoeProb": "0.6", "sigma": "0.8", "jmDriveAfterRedTime": "4",
                    "impatience": "0.8",
                }  # fmt: skip
            ET.SubElement(root, "vType", told)
    for trip in trips:
        base = "e-bike" if trip.model == "e-bike" else trip.kind
        vehicle = ET.SubElement(
            root,
            "vehicle",
            {
                "id": trip.vehicle_id, "type": f"{base}-{trip.style}",
                "depart": f"{trip.depart_s + traffic.warm_up_s:.1f}", "departLane": "best",
                "departPos": "base" if trip.from_gate else "random_free",
                "departSpeed": "max" if trip.from_gate else "0",
                "departPosLat": "random_free",
            },
        )  # fmt: skip
        ET.SubElement(vehicle, "route", edges=" ".join(trip.edges))
        for edge, at, wait in trip.stops:
            ET.SubElement(
                vehicle, "stop", lane=f"{edge}_0", endPos=f"{at:.1f}", duration=f"{wait:.1f}",
                parking="true",
            )  # fmt: skip
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
