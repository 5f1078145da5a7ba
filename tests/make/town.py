"""A town of vehicles on the ward's roads, coarse and quick, with its truth: for tests of linking.

It knows nothing of traffic (no queues, no lights); the simulated ward of the benchmarks does. What
it is for: a thousand vehicles in a second, with errors of known size.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd

from workbench import ward
from workbench.plates import default_grammar
from workbench.roads import RoadGraph

START_NS = 1_795_133_700_000_000_000
_DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class Errors:
    """What goes wrong between a pass and its sighting."""

    miss: float = 0.1
    sign: float = 0.03
    unread: float = 0.0
    clock_s: float = 0.0
    outage: float = 0.0


@cache
def graph() -> RoadGraph:
    return RoadGraph(ward.load(_DATA))


@cache
def _cameras_by_edge() -> dict[str, list[tuple[float, str, bool]]]:
    found: dict[str, list[tuple[float, str, bool]]] = {}
    town = ward.load(_DATA)
    for name, at in graph().cameras.items():
        if town.cameras[name].kind == "plate":
            found.setdefault(at.edge_id, []).append((at.along_m, name, True))
    return found


def passes(vehicles: int, *, seed: int, span_s: float = 3600.0) -> pd.DataFrame:
    """Return true passes: pass_id, vehicle_id, camera_id, second, bearing_deg, kind, plate."""
    rng = np.random.default_rng(seed)
    roads = graph()
    net = roads._graphs["time_s"]
    nodes = sorted(max(nx.strongly_connected_components(net), key=len))
    rows: list[tuple] = []
    plates: set[str] = set()
    for vehicle in range(vehicles):
        kind = "motorcycle" if rng.random() < 0.7 else "car"
        plate = _plate(kind, rng)
        while plate in plates:
            plate = _plate(kind, rng)
        plates.add(plate)
        at_s = rng.uniform(-300, span_s)
        trips = 1 + (rng.random() < 0.2)
        here = str(rng.choice(nodes))
        pace = float(np.exp(rng.normal(-0.25, 0.15)))
        for _ in range(trips):
            there = str(rng.choice(nodes))
            if there == here:
                continue
            at_s = _drive(net, here, there, at_s, pace, rng, (vehicle, kind, plate), rows)
            here, at_s = there, at_s + float(rng.exponential(600))
    frame = pd.DataFrame(
        rows, columns=["vehicle_id", "kind", "plate", "camera_id", "second", "bearing_deg"]
    )
    frame = frame[(frame["second"] >= 0) & (frame["second"] < span_s)]
    frame = frame.sort_values("second", kind="stable").reset_index(drop=True)
    frame.insert(0, "pass_id", [f"p{n:06d}" for n in range(len(frame))])
    return frame


def _drive(net, here, there, at_s, pace, rng, who, rows):  # type: ignore[no-untyped-def]
    roads, cameras = graph(), _cameras_by_edge()
    path = nx.shortest_path(
        net,
        here,
        there,
        weight=lambda a, b, d: (
            d["cost"] * (1 + 0.3 * (zlib.crc32(f"{a} {b} {who[0]}".encode()) % 7) / 7)
        ),
    )
    for a, b in itertools.pairwise(path):
        edge_id = net[a][b]["edge_id"]
        edge = roads._edges[edge_id]
        forward = edge.from_node == a and edge.to_node == b
        seconds = net[a][b]["cost"] / (pace * float(np.exp(rng.normal(0, 0.1))))
        for along_m, name, _ in cameras.get(edge_id, ()):
            share = along_m / edge.length_m if forward else 1 - along_m / edge.length_m
            at = roads.cameras[name]
            bearing = (roads.bearing(at) + (0 if forward else 180)) % 360
            rows.append((*who, name, at_s + share * seconds, (bearing + rng.normal(0, 8)) % 360))
        at_s += seconds + (float(rng.exponential(20)) if rng.random() < 0.25 else 0.0)
        if rng.random() < 0.004:
            at_s += float(rng.exponential(300))
    return at_s


def _plate(kind: str, rng: np.random.Generator) -> str:
    code = str(rng.choice(["99", "98", "29", "30"], p=[0.6, 0.2, 0.1, 0.1]))
    letter = str(rng.choice(list("ABCDEFGHKLM")))
    extra = str(rng.integers(1, 10)) if kind == "motorcycle" else ""
    return f"{code}{letter}{extra}{rng.integers(0, 100_000):05d}"


def sightings(
    true: pd.DataFrame, errors: Errors, *, seed: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return what cameras would have seen of true passes, and whose each sighting is."""
    rng = np.random.default_rng(seed)
    kept = true[rng.random(len(true)) >= errors.miss].reset_index(drop=True)
    names = sorted(kept["camera_id"].unique())
    off = dict(zip(names, rng.normal(0, errors.clock_s, len(names)), strict=True))
    if errors.outage:
        out = {n: rng.uniform(0, 3000) for n in names if rng.random() < errors.outage}
        dark = [
            row.camera_id in out and 0 <= row.second - out[row.camera_id] < 1200
            for row in kept.itertuples()
        ]
        kept = kept[~np.array(dark)].reset_index(drop=True)
    second = kept["second"] + kept["camera_id"].map(off) + rng.normal(0, 0.1, len(kept))
    table = pd.DataFrame(
        {
            "sighting_id": [f"s{n:06d}" for n in rng.permutation(len(kept))],
            "camera_id": kept["camera_id"],
            "utc": pd.to_datetime(START_NS + (second * 1e9).astype("int64"), utc=True),
            "sigma_s": max(errors.clock_s, 0.1),
            "true_s": kept["second"],
            "raw_s": second,
            "kind": kept["kind"],
            "bearing_deg": kept["bearing_deg"],
            "plate": [misread(p, errors.sign, rng) for p in kept["plate"]],
        }
    )
    table.loc[rng.random(len(kept)) < errors.unread, "plate"] = None
    truth = dict(zip(table["sighting_id"], kept["vehicle_id"], strict=True))
    return table.sample(frac=1, random_state=seed).reset_index(drop=True), truth


def misread(plate: str, rate: float, rng: np.random.Generator) -> str:
    """Return a plate with signs taken for their look-alikes at a rate."""
    grammar = default_grammar()
    signs = []
    for sign in plate:
        near = [b for (a, b) in grammar.confusable if a == sign]
        if rng.random() < rate:
            sign = str(rng.choice(near)) if near else str(rng.integers(0, 10))
        signs.append(sign)
    return "".join(signs)
