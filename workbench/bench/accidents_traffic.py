"""A crossing of two roads in SUMO, ten times a second, with collisions after which two stand.

The ward's simulation tells positions once a second, too seldom for conflicts. Vehicles, riders and
carelessness are those of the ward's (``workbench.twin.traffic.demand``), more of them careless.
Whoever collides is stopped where it is (``collision.stoptime``), others meet that as they can.
"""

from __future__ import annotations

import subprocess
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import N_, Unavailable
from workbench.twin.traffic.demand import Sway, Traffic, Trip, write_routes
from workbench.twin.traffic.engine import sumo_program

STEP_S = 0.1
ARM_M = 120.0
_KINDS = (("motorcycle", 0.72), ("car", 0.18), ("truck", 0.05), ("bicycle", 0.05))
_CARELESS = 0.25
_WEAVES = 0.10
_STANDS_S = 8.0
_SIZES = {"motorcycle": (1.9, 0.75), "car": (4.4, 1.8), "truck": (7.5, 2.3), "bicycle": (1.7, 0.6)}
_NATURAL_M, _NATURAL_S = 0.15, 1.5
"""Sideways unrest of every rider: standard deviation, and how long it lasts."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """``rows``: id, kind, style, time, x, y (of the middle), heading (radians from east), speed;
    ``collisions``: pairs of ids and the second.
    """

    rows: pd.DataFrame
    collisions: list[tuple[float, str, str]]


def simulate_crossing(
    seed: int, *, minutes: float, vehicles_per_hour: float = 1500.0, straight: bool = False
) -> Crossing:
    """Simulate traffic over a crossing of 50 km/h and 40 km/h.

    Parameters
    ----------
    straight
        Only along the one road, one in ten weaving and none careless; everybody's place in the
        lane is restless, and the swing of those who weave is laid over (``demand.Sway``).

    Raises
    ------
    Unavailable
        Where SUMO is not installed or does not run.
    """
    rng = np.random.default_rng([seed, 61])
    trips = _trips(rng, minutes, vehicles_per_hour, straight=straight)
    traffic = Traffic(step_s=STEP_S, warm_up_s=0.0, lateral_resolution_m=0.4)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _network(folder)
        write_routes(trips, traffic, folder / "routes.xml")
        _run([
            str(sumo_program("sumo")), "-n", "net.xml", "-r", "routes.xml", "--seed", str(seed),
            "--end", f"{60 * minutes:.1f}", "--step-length", f"{STEP_S}",
            "--lateral-resolution", f"{traffic.lateral_resolution_m}",
            "--fcd-output", "fcd.csv", "--fcd-output.attributes", "x,y,angle,speed",
            "--collision-output", "collisions.xml", "--collision.action", "warn",
            "--collision.stoptime", f"{_STANDS_S}", "--collision.check-junctions",
            "--collision.mingap-factor", "0", "--time-to-teleport", "60", "--precision", "3",
            "--no-step-log", "--no-warnings", "--xml-validation", "never", "--threads", "1",
        ], folder)  # fmt: skip
        found = _collisions(folder / "collisions.xml")
        rows = pd.read_csv(folder / "fcd.csv", sep=";")
    return Crossing(_placed(rows, trips, rng, restless=straight), found)


def _trips(
    rng: np.random.Generator, minutes: float, vehicles_per_hour: float, *, straight: bool
) -> list[Trip]:
    count = int(vehicles_per_hour * minutes / 60)
    departs = np.sort(rng.uniform(0, 60 * minutes, count))
    names, shares = [name for name, _ in _KINDS], [share for _, share in _KINDS]
    trips = []
    for number, at in enumerate(departs.tolist()):
        kind = str(rng.choice(names, p=shares))
        came, turn = int(rng.integers(4)), float(rng.random())
        if straight:
            came = int(rng.choice([0, 2]))
        goes = (came + (2 if straight or turn < 0.6 else 1 if turn < 0.8 else 3)) % 4
        drawn = float(rng.random())
        style = "careless" if drawn < _CARELESS and not straight else "calm"
        if kind == "motorcycle" and drawn > 1 - _WEAVES:
            style = "weaving"
        trips.append(
            Trip(
                f"v{number:05d}", kind, kind, "", "", "through", style, round(at, 1),
                (f"in{came}", f"out{goes}"), (), True,
            )
        )  # fmt: skip
    return trips


def _network(folder: Path) -> None:
    nodes, edges = ET.Element("nodes"), ET.Element("edges")
    ET.SubElement(nodes, "node", {"id": "c", "x": "0", "y": "0", "type": "priority"})
    for k, (x, y) in enumerate(((-ARM_M, 0), (0, -ARM_M), (ARM_M, 0), (0, ARM_M))):
        ET.SubElement(nodes, "node", {"id": f"n{k}", "x": f"{x}", "y": f"{y}"})
        main = k % 2 == 0
        told = {"numLanes": "1", "width": "4.5", "speed": "13.9" if main else "11.1",
                "priority": "3" if main else "2"}  # fmt: skip
        ET.SubElement(edges, "edge", {"id": f"in{k}", "from": f"n{k}", "to": "c", **told})
        ET.SubElement(edges, "edge", {"id": f"out{k}", "from": "c", "to": f"n{k}", **told})
    ET.ElementTree(nodes).write(folder / "nodes.xml")
    ET.ElementTree(edges).write(folder / "edges.xml")
    _run([
        str(sumo_program("netconvert")), "-n", "nodes.xml", "-e", "edges.xml", "-o", "net.xml",
        "--offset.disable-normalization", "--no-turnarounds", "--no-warnings",
    ], folder)  # fmt: skip


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(
            N_("SUMO could not simulate the crossing: {said}"),
            N_("try another seed"),
            said=(done.stderr.strip().splitlines() or [str(done.returncode)])[-1][:200],
        )


def _collisions(path: Path) -> list[tuple[float, str, str]]:
    found: list[tuple[float, str, str]] = []
    told: set[frozenset[str]] = set()
    for one in ET.parse(path).getroot().iter("collision"):
        a, b = one.get("collider", ""), one.get("victim", "")
        if frozenset((a, b)) not in told:
            told.add(frozenset((a, b)))
            found.append((float(one.get("time", "0")), a, b))
    return found


def _placed(
    rows: pd.DataFrame, trips: list[Trip], rng: np.random.Generator, *, restless: bool
) -> pd.DataFrame:
    rows = rows.rename(columns=lambda name: str(name).rpartition("_")[2])
    rows = rows[rows["id"].notna() & rows["x"].notna()].copy()
    of = {trip.vehicle_id: trip for trip in trips}
    rows["kind"] = rows["id"].map({name: trip.kind for name, trip in of.items()})
    rows["style"] = rows["id"].map({name: trip.style for name, trip in of.items()})
    rows = rows.sort_values(["id", "time"], kind="stable").reset_index(drop=True)
    heading = np.radians(90.0 - rows["angle"].to_numpy(float))
    half = rows["kind"].map({name: size[0] / 2 for name, size in _SIZES.items()}).to_numpy(float)
    rows["x"] -= half * np.cos(heading)
    rows["y"] -= half * np.sin(heading)
    rows["heading"] = heading
    if restless:
        for _, one in rows.groupby("id"):
            at, pace = one["time"].to_numpy(float), one["speed"].to_numpy(float)
            off = _unrest(rng, len(one)) * np.minimum(pace / 5.0, 1.0)
            if one["style"].iloc[0] == "weaving":
                sway = Sway(float(rng.uniform(0.4, 0.9)), float(rng.uniform(2.6, 4.6)),
                            float(rng.random()))  # fmt: skip
                off = off + sway.at(at, pace)
            rows.loc[one.index, "x"] -= off * np.sin(heading[one.index])
            rows.loc[one.index, "y"] += off * np.cos(heading[one.index])
    kept = ["id", "kind", "style", "time", "x", "y", "heading", "speed"]
    placed: pd.DataFrame = rows[kept]
    return placed


def _unrest(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return an Ornstein-Uhlenbeck path, smoothed over half a second: nobody jumps sideways."""
    keep = np.exp(-STEP_S / _NATURAL_S)
    path = np.empty(count + 5)
    path[0] = _NATURAL_M * rng.standard_normal()
    push = _NATURAL_M * np.sqrt(1 - keep**2) * rng.standard_normal(count + 5)
    for k in range(1, count + 5):
        path[k] = keep * path[k - 1] + push[k]
    return np.convolve(path, np.full(6, 1 / 6), mode="valid")[:count]
