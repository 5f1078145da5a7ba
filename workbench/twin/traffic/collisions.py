"""Which of SUMO's overlaps are collisions: those with a cause, a few an hour, chosen by the seed.

SUMO's sublane model packs crossings so tightly that calm vehicles overlap there hundreds of times
an hour, mostly one that waits with one that passes. That is no collision. One is where somebody
drives carelessly or weaves and somebody moves; of those as many are chosen as the demand says.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.twin.traffic.demand import Traffic, Trip
from workbench.twin.traffic.network import Network

COLLISIONS = pa.schema(
    [
        ("time_ns", pa.int64()), ("edge", pa.string()), ("offset_m", pa.float64()),
        ("collider_id", pa.string()), ("victim_id", pa.string()), ("where", pa.string()),
        ("collider_mps", pa.float64()), ("victim_mps", pa.float64()),
        ("node", pa.string()), ("collider_kind", pa.string()), ("victim_kind", pa.string()),
        ("cause", pa.string()), ("cameras", pa.list_(pa.string())),
    ]
)  # fmt: skip
_SAME_S = 60.0
_LEAST_MPS = 2.0
_SEES_M = {"plate": 40.0, "overview": 80.0}
_BRAKES_MPS2 = 6.0


@dataclass(frozen=True, slots=True)
class Collision:
    """One of SUMO's overlaps, in its own time; ``lane`` is its name of the lane."""

    time_s: float
    lane: str
    pos_m: float
    collider_id: str
    victim_id: str
    collider_mps: float
    victim_mps: float
    cause: str = ""


def overlaps(path: Path) -> list[Collision]:
    """Return what SUMO calls collisions, a pair once a minute."""
    found: list[Collision] = []
    last: dict[tuple[str, str], float] = {}
    for one in ET.parse(path).getroot().iter("collision"):
        at_s = float(one.get("time", "0"))
        collider, victim = one.get("collider", ""), one.get("victim", "")
        pair = (min(collider, victim), max(collider, victim))
        again = at_s - last.get(pair, -1e9) < _SAME_S
        last[pair] = at_s
        if not again:
            found.append(
                Collision(
                    at_s, one.get("lane", ""), float(one.get("pos", "0")), collider, victim,
                    float(one.get("colliderSpeed", "nan")), float(one.get("victimSpeed", "nan")),
                )
            )  # fmt: skip
    return found


def choose(
    found: list[Collision], trips: list[Trip], traffic: Traffic, *, seed: int, hours: float
) -> list[Collision]:
    """Return the overlaps that are told as collisions, by time, each with its cause.

    Of those with a cause as many as ``traffic.collisions_per_hour`` says, at least one vehicle of
    each above 2 m/s, no vehicle twice.
    """
    style = {trip.vehicle_id: trip.style for trip in trips}
    caused: list[Collision] = []
    for one in found:
        styles = (style.get(one.collider_id), style.get(one.victim_id))
        cause = _cause(one, styles)
        if one.time_s >= traffic.warm_up_s and cause:
            caused.append(
                Collision(
                    one.time_s, one.lane, one.pos_m, one.collider_id, one.victim_id,
                    one.collider_mps, one.victim_mps, cause,
                )
            )  # fmt: skip
    rng = np.random.default_rng([seed, 25])
    count = int(rng.poisson(traffic.collisions_per_hour * hours))
    chosen: list[Collision] = []
    hurt: set[str] = set()
    for k in rng.permutation(len(caused)):
        one = caused[int(k)]
        if len(chosen) < count and not hurt & {one.collider_id, one.victim_id}:
            chosen.append(one)
            hurt |= {one.collider_id, one.victim_id}
    return sorted(chosen, key=lambda one: (one.time_s, one.collider_id))


def _cause(one: Collision, styles: tuple[str | None, str | None]) -> str:
    if max(one.collider_mps, one.victim_mps) < _LEAST_MPS:
        return ""
    if one.lane.startswith(":"):
        return "right of way ignored" if "careless" in styles else ""
    if styles[0] == "careless":
        return "following too close"
    return "swerving" if "weaving" in styles else ""


@dataclass(slots=True)
class Aftermath:
    """Lets the two of each collision brake, stand and leave the road; others drive on.

    Rows are SUMO's, in order of time; what happens later to the two is taken out of them.
    """

    chosen: list[Collision]
    stand_s: float
    _last: dict[str, pd.Series] = field(default_factory=dict)

    def take(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows as they are after the collisions."""
        if not self.chosen or self.stand_s <= 0 or rows.empty:
            return rows
        rows = rows.reset_index(drop=True)
        gone = np.zeros(len(rows), bool)
        ids, times = rows["id"].to_numpy(), rows["time"].to_numpy(float)
        for one in self.chosen:
            for vehicle_id in (one.collider_id, one.victim_id):
                mine = ids == vehicle_id
                before = np.flatnonzero(mine & (times <= one.time_s))
                if len(before):
                    self._last[vehicle_id] = rows.iloc[before[-1]].copy()
                gone |= mine & (times > one.time_s + self.stand_s)
                last = self._last.get(vehicle_id)
                for k in np.flatnonzero(mine & (times > one.time_s) & ~gone):
                    if last is None:
                        continue
                    speed = float(last["speed"])
                    since = times[k] - one.time_s
                    rests = min(since, speed / _BRAKES_MPS2)
                    slid = speed * rests - _BRAKES_MPS2 * rests**2 / 2
                    rows.loc[k, ["lane", "posLat"]] = [last["lane"], last["posLat"]]
                    rows.loc[k, "speed"] = max(0.0, speed - _BRAKES_MPS2 * since)
                    rows.loc[k, ["pos", "odometer"]] = [last["pos"] + slid, last["odometer"] + slid]
        left: pd.DataFrame = rows[~gone].reset_index(drop=True)
        return left


def table(
    chosen: list[Collision],
    network: Network,
    trips: list[Trip],
    cameras: Mapping[str, str],
    positions: pd.DataFrame,
    zero_ns: int,
) -> pa.Table:
    """Return the collisions as a table.

    Parameters
    ----------
    cameras
        Kind of each camera.
    positions
        Where vehicles were in the seconds of the collisions, as in ``positions.parquet``.
    """
    kinds = {trip.vehicle_id: trip.kind for trip in trips}
    rows: list[dict[str, Any]] = []
    for one in chosen:
        at_ns = zero_ns + round(one.time_s * 1000) * 1_000_000
        name = one.lane.rpartition("_")[0]
        lane = network.lanes.get(name)
        near = positions[
            positions["vehicle_id"].isin([one.collider_id, one.victim_id])
            & ((positions["time_ns"] - at_ns).abs() <= 1_000_000_000)
        ]
        rows.append(
            {
                "time_ns": at_ns,
                "edge": lane.edge_id if lane else "",
                "offset_m": round(
                    lane.start_m
                    + (lane.stop_m - lane.start_m) * min(max(one.pos_m / lane.length_m, 0.0), 1.0),
                    2,
                )
                if lane
                else None,
                "collider_id": one.collider_id, "victim_id": one.victim_id,
                "where": "road" if lane else "crossing",
                "collider_mps": one.collider_mps, "victim_mps": one.victim_mps,
                "node": "" if lane else name[1:].rpartition("_")[0],
                "collider_kind": kinds.get(one.collider_id, ""),
                "victim_kind": kinds.get(one.victim_id, ""),
                "cause": one.cause,
                "cameras": sorted(set(_seen(near, network, cameras))),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=COLLISIONS)


def _seen(near: pd.DataFrame, network: Network, cameras: Mapping[str, str]) -> Iterator[str]:
    """Yield the cameras whose stretch of road one of the two was on."""
    for spot in network.spots:
        lane = network.lanes[spot.sumo_id]
        mine = near[near["edge"] == lane.edge_id]
        ahead = lane.forward == spot.away
        along = (mine["offset_m"] - spot.along_m) * (1 if ahead else -1)
        if ((along > -10) & (along < _SEES_M[cameras[spot.camera_id]] - 14)).any():
            yield spot.camera_id
