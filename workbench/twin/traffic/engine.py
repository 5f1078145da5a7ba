"""One simulated stretch of the ward's day: truth of what passes which camera, from a seed.

``simulate`` writes into a folder, each file whole or not at all:

``passes.parquet``
    One row a vehicle that passes a camera's sweet spot (14 m in front of a plate camera, 20 m of an
    overview), by time: ``pass_id``, ``vehicle_id``, ``camera_id``, ``time_ns`` (int64, UTC),
    ``direction`` ("towards" or "away" as the camera sees it), ``edge`` (of roads.geojson),
    ``heading_deg`` (of travel, from north), ``lane`` (0 is the rightmost), ``speed_mps``, ``kind``
    (a word of records.KINDS; electric bicycles are "bicycle"), ``colour``, ``plate`` (as
    ``99B1-123.45``; "" where it has none), ``plate_side`` (the end the camera sees: "front" or
    "rear"), ``plate_shown`` (that end carries a plate: motorcycles have none in front) and ``near``
    (it drives on the lane beside the pole, which is what a plate camera is pointed at).
``positions.parquet``
    Every vehicle on the road each second: ``time_ns``, ``vehicle_id``, ``edge``, ``forward`` (along
    the line as drawn), ``lane``, ``offset_m`` (from the road's first node), ``lateral_m`` (from the
    lane's middle, left is positive), ``speed_mps``. On a crossing: the end of the edge just left.
``vehicles.parquet``
    ``vehicle_id``, ``kind``, ``model``, ``colour``, ``plate``, ``role`` (through, resident,
    worker), ``style`` (calm, weaving, careless), ``depart_ns``. The swing of those who weave is
    laid over SUMO's positions (``demand.Sway``); it causes no collision.
``collisions.parquet``
    A few an hour, each with a cause (``workbench.twin.traffic.collisions``): ``time_ns``, ``edge``,
    ``offset_m``, ``collider_id``, ``victim_id``, ``where`` (road or crossing), ``collider_mps``,
    ``victim_mps``, ``node`` (of a crossing), ``collider_kind``, ``victim_kind``, ``cause`` (right
    of way ignored, following too close, swerving) and ``cameras`` (on whose stretch of road one of
    the two was). Unless ``Traffic.collision_stand_s`` is given the two drive on.
``cameras.parquet``
    ``camera_id``, ``site_id``, ``kind``, ``heading_deg``, ``edge``, ``along_m`` (of the sweet
    spot), ``fibre_branch``, ``power_branch``: what degrading needs.
``scenario.json``
    Seed, start, hours, every setting, versions, counts. No path, no date of making.

Same seed, same settings, same SUMO: the same bytes.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.errors import N_, BadInput, Unavailable
from workbench.roads import RoadGraph
from workbench.store import files
from workbench.timeline import SECOND_NS
from workbench.twin.traffic import collisions
from workbench.twin.traffic.crossings import Follower
from workbench.twin.traffic.demand import Sway, Traffic, Trip, make_trips, sways, write_routes
from workbench.twin.traffic.network import Network, build
from workbench.twin.traffic.tables import write_table
from workbench.ward import Ward

LOCAL_OFFSET_S = 7 * 3600
"""Viet Nam keeps UTC+7 all year."""
DAY_NS = 1_795_107_600 * SECOND_NS
"""Local midnight of the simulated day, UTC: Friday 20 November 2026."""

PASSES = pa.schema(
    [
        ("pass_id", pa.string()), ("vehicle_id", pa.string()), ("camera_id", pa.string()),
        ("time_ns", pa.int64()), ("direction", pa.string()), ("edge", pa.string()),
        ("heading_deg", pa.float64()), ("lane", pa.int8()), ("speed_mps", pa.float64()),
        ("kind", pa.string()), ("colour", pa.string()), ("plate", pa.string()),
        ("plate_side", pa.string()), ("plate_shown", pa.bool_()), ("near", pa.bool_()),
    ]
)  # fmt: skip
_POSITIONS = pa.schema(
    [
        ("time_ns", pa.int64()), ("vehicle_id", pa.string()), ("edge", pa.string()),
        ("forward", pa.bool_()), ("lane", pa.int8()), ("offset_m", pa.float32()),
        ("lateral_m", pa.float32()), ("speed_mps", pa.float32()),
    ]
)  # fmt: skip
_BATCH_ROWS = 400_000
_PARKED_M = 1.0


def sumo_program(name: str) -> Path:
    """Return a program of the SUMO package, found without importing it.

    Raises
    ------
    Unavailable
        Where the package is not installed.
    """
    found = importlib.util.find_spec("sumo")
    for place in (found.submodule_search_locations or []) if found else []:
        if (path := Path(place) / "bin" / name).is_file():
            return path
    raise Unavailable(
        N_("the traffic engine SUMO is not installed"),
        N_("install the extra 'twin': pip install 'phuchan-workbench[twin]'"),
    )


def simulate(
    ward: Ward,
    out: Path,
    *,
    seed: int,
    hours: float,
    start_hour: float = 7.0,
    traffic: Traffic | None = None,
) -> dict[str, Any]:
    """Simulate the ward's traffic and write its truth; see the module for the files.

    Parameters
    ----------
    out
        Folder to write into; files there of an earlier scenario are replaced.
    start_hour
        Local hour at which it starts; the streets are filled before (``Traffic.warm_up_s``).

    Returns
    -------
    dict
        What ``scenario.json`` holds.

    Raises
    ------
    Unavailable
        Where SUMO is not installed or does not run.
    BadInput
        Where hours or start are out of range.
    """
    traffic = traffic or Traffic()
    if not 0 < hours <= 48 or not 0 <= start_hour < 24:
        raise BadInput(
            N_("{hours} hours from {start} o'clock cannot be simulated"),
            N_("give up to 48 hours and a start from 00:00 to 23:59"),
            hours=hours,
            start=start_hour,
        )
    sumo, netconvert = sumo_program("sumo"), sumo_program("netconvert")
    graph = RoadGraph(ward)
    rows = list(ward.roads.itertuples(index=False))
    start_ns = DAY_NS + round(start_hour * 3600) * SECOND_NS
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        network = build(ward, graph, folder, netconvert)
        trips = make_trips(
            network,
            {str(row.edge_id): str(row.name) for row in rows},
            {str(row.edge_id): float(row.limit_kmh) for row in rows},
            traffic,
            seed=seed,
            start_hour=start_hour,
            hours=hours,
        )
        write_routes(trips, traffic, folder / "ward.rou.xml")
        attempts = _run(sumo, folder, traffic, seed, hours)
        # The origin of SUMO's time is the beginning of the warm-up.
        zero_ns = start_ns - round(traffic.warm_up_s * 1000) * 1_000_000
        out.mkdir(parents=True, exist_ok=True)
        touching = collisions.overlaps(folder / "collisions.xml")
        chosen = collisions.choose(touching, trips, traffic, seed=seed, hours=hours)
        after = collisions.Aftermath(chosen, traffic.collision_stand_s)
        passes, position_rows = _read(folder, network, trips, zero_ns, start_ns, seed, out, after)
        ends = _endings(folder / "statistics.xml")
    write_table(passes, out / "passes.parquet")
    told_collisions = collisions.table(
        chosen, network, trips, {c.camera_id: c.kind for c in ward.cameras.values()},
        _around(out / "positions.parquet", chosen), zero_ns,
    )  # fmt: skip
    write_table(told_collisions, out / "collisions.parquet")
    write_table(_vehicles(trips, start_ns), out / "vehicles.parquet")
    write_table(_cameras(ward, network), out / "cameras.parquet")
    told = {
        "seed": seed,
        "start_ns": start_ns,
        "hours": hours,
        "traffic": asdict(traffic),
        "versions": {
            "eclipse-sumo": version("eclipse-sumo"), "numpy": np.__version__,
            "pyarrow": pa.__version__, "workbench": version("phuchan-workbench"),
        },
        "sumo_attempts": attempts,
        "counts": {
            "vehicles": len(trips), "passes": passes.num_rows, "positions": position_rows,
            "collisions": told_collisions.num_rows, "sumo_overlaps": len(touching), **ends,
        },
    }  # fmt: skip
    files.write_bytes(out / "scenario.json", (json.dumps(told, indent=1) + "\n").encode())
    return told


def _run(sumo: Path, folder: Path, traffic: Traffic, seed: int, hours: float) -> int:
    """Run SUMO, once more where it crashed, and return how many times it took."""
    words = [
        str(sumo), "-n", "ward.net.xml", "-r", "ward.rou.xml", "--seed", str(seed % 2**31),
        "--begin", "0", "--end", f"{traffic.warm_up_s + hours * 3600:.1f}",
        "--step-length", f"{traffic.step_s}",
        "--lateral-resolution", f"{traffic.lateral_resolution_m}",
        "--fcd-output", "fcd.parquet", "--device.fcd.period", "1",
        "--fcd-output.attributes", "lane,pos,posLat,speed,odometer",
        "--precision", "3",
        "--collision-output", "collisions.xml", "--collision.action", "warn",
        "--collision.check-junctions", "--collision.mingap-factor", "0",
         "--time-to-teleport", "90", "--max-depart-delay", "300",
        "--statistic-output", "statistics.xml", "--no-step-log", "--no-warnings",
        "--xml-validation", "never", "--threads", "1",
    ]  # fmt: skip
    said: list[str] = []
    for attempt in (1, 2):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if not done.returncode:
            return attempt
        said.append(_last_words(done))
        # A program killed by a signal may do it right the next time: with the same seed the
        # result is the same. An error that it states itself it would state again.
        if done.returncode > 0:
            break
    raise Unavailable(
        N_("SUMO could not simulate seed {seed}, {attempts} times tried: {said}"),
        N_("try another seed or fewer vehicles an hour; the folder was left as it was"),
        seed=seed,
        attempts=len(said),
        said=said[-1],
    )


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Return in a few words how SUMO ended."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    errors = [line for line in lines if line.startswith("Error")] or lines[-1:]
    told = errors[-1][:200] if errors else "it said nothing"
    if done.returncode < 0:
        with suppress(ValueError):
            return f"{signal.Signals(-done.returncode).name}, {told}"
    return told


def _around(path: Path, chosen: list[collisions.Collision]) -> pd.DataFrame:
    """Return the positions of those who collided."""
    names = sorted({name for one in chosen for name in (one.collider_id, one.victim_id)})
    table = pq.read_table(path, filters=pc.field("vehicle_id").isin(pa.array(names, pa.string())))
    found: pd.DataFrame = table.to_pandas()
    return found


def _read(
    folder: Path,
    network: Network,
    trips: list[Trip],
    zero_ns: int,
    start_ns: int,
    seed: int,
    out: Path,
    after: collisions.Aftermath,
) -> tuple[pa.Table, int]:
    """Write positions.parquet from SUMO's own, and return the passes and how many positions."""
    follower = Follower(network.lanes, network.spots)
    found: list[pd.DataFrame] = []
    count = 0
    parked = {(trip.vehicle_id, edge): at for trip in trips for edge, at, _ in trip.stops}
    swaying = sways(trips, seed)
    source = pq.ParquetFile(folder / "fcd.parquet")
    with (
        files.replacing(out / "positions.parquet") as path,
        pq.ParquetWriter(path, _POSITIONS, compression="zstd") as writer,
    ):
        for batch in source.iter_batches(_BATCH_ROWS):
            rows = _on_the_road(_named(batch.to_pandas()), parked)
            positions, crossings = follower.take(after.take(rows))
            _sway(positions, swaying)
            if len(positions):
                follower.forget_older(float(positions["time"].max()) - 10)
            found.append(crossings)
            table = _positions(positions, network.lanes, zero_ns, start_ns)
            count += table.num_rows
            if table.num_rows:
                writer.write_table(table)
    crossings = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    return _passes(crossings, network, trips, zero_ns, start_ns), count


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return SUMO's rows under short names: it prefixes them with the element they came from."""
    frame = frame.rename(columns=lambda name: str(name).rpartition("_")[2])
    named: pd.DataFrame = frame[frame["id"].notna()].astype({"id": object, "lane": object})
    return named


def _on_the_road(rows: pd.DataFrame, parked: dict[tuple[str, str], float]) -> pd.DataFrame:
    """Return the rows without vehicles that are parked off the road: SUMO tells them as well."""
    still = np.flatnonzero(rows["speed"].to_numpy(float) < 0.01)
    ids, lanes = rows["id"].to_numpy()[still], rows["lane"].to_numpy()[still]
    at = np.array(
        [
            parked.get((one, lane.rpartition("_")[0]), np.nan)
            for one, lane in zip(ids, lanes, strict=True)
        ]
    )
    off = np.abs(rows["pos"].to_numpy(float)[still] - at) < _PARKED_M
    kept = np.ones(len(rows), bool)
    kept[still[off]] = False
    on_the_road: pd.DataFrame = rows[kept]
    return on_the_road


def _sway(rows: pd.DataFrame, swaying: Mapping[str, Sway]) -> None:
    """Add to ``posLat`` how far riders who weave swing."""
    mine = rows["id"].isin(list(swaying)).to_numpy()
    for vehicle_id, some in rows[mine].groupby("id"):
        swing = swaying[str(vehicle_id)].at(
            some["time"].to_numpy(float), some["speed"].to_numpy(float)
        )
        rows.loc[some.index, "posLat"] += swing


def _ns(seconds: pd.Series, zero_ns: int) -> np.ndarray:
    return zero_ns + np.round(seconds.to_numpy(float) * 1000).astype(np.int64) * 1_000_000


def _positions(rows: pd.DataFrame, lanes: dict[str, Any], zero_ns: int, start_ns: int) -> pa.Table:
    at_ns = _ns(rows["time"], zero_ns)
    rows = rows[at_ns >= start_ns]
    codes, names = pd.factorize(rows["edge"])
    on = [lanes[name] for name in names]
    start, stop, length = (
        np.array([getattr(lane, part) for lane in on])[codes]
        for part in ("start_m", "stop_m", "length_m")
    )
    edges = np.array([lane.edge_id for lane in on], dtype=object)[codes]
    forward = np.array([lane.forward for lane in on], dtype=bool)[codes]
    offset = start + (stop - start) * np.clip(rows["pos"].to_numpy(float) / length, 0, 1)
    return pa.table(
        [
            at_ns[at_ns >= start_ns], rows["id"].to_numpy(), edges,
            forward, rows["index"].to_numpy(np.int8),
            offset.astype(np.float32), rows["posLat"].to_numpy(np.float32),
            rows["speed"].to_numpy(np.float32),
        ],
        schema=_POSITIONS,
    )  # fmt: skip


def _passes(
    rows: pd.DataFrame, network: Network, trips: list[Trip], zero_ns: int, start_ns: int
) -> pa.Table:
    if not len(rows):
        return PASSES.empty_table()
    rows = rows.assign(time_ns=_ns(rows["time"], zero_ns))
    rows = rows[rows["time_ns"] >= start_ns]
    rows = rows.sort_values(["time_ns", "camera_id", "lane", "id"], kind="stable")
    rows = rows.reset_index(drop=True)
    spot = {(s.camera_id, s.sumo_id): s for s in network.spots}
    spots = [spot[key] for key in zip(rows["camera_id"], rows["sumo_id"], strict=True)]
    of = {trip.vehicle_id: trip for trip in trips}
    cars = [of[vehicle_id] for vehicle_id in rows["id"]]
    shown = [
        bool(t.plate) and (s.away or t.kind != "motorcycle")
        for t, s in zip(cars, spots, strict=True)
    ]
    return pa.table(
        [
            [f"P{number:07d}" for number in range(1, len(rows) + 1)],
            rows["id"].to_numpy(str), rows["camera_id"].to_numpy(str), rows["time_ns"].to_numpy(),
            ["away" if s.away else "towards" for s in spots], [s.sumo_id[:-2] for s in spots],
            [round(s.heading_deg, 1) for s in spots], rows["lane"].to_numpy(np.int8),
            rows["speed"].round(3).to_numpy(float), [t.kind for t in cars],
            [t.colour for t in cars], [t.plate for t in cars],
            ["rear" if s.away else "front" for s in spots], shown, [s.near for s in spots],
        ],
        schema=PASSES,
    )  # fmt: skip


def _vehicles(trips: list[Trip], start_ns: int) -> pa.Table:
    return pa.table(
        {
            **{
                name: [getattr(trip, name) for trip in trips]
                for name in ("vehicle_id", "kind", "model", "colour", "plate", "role", "style")
            },
            "depart_ns": [start_ns + round(t.depart_s * 10) * SECOND_NS // 10 for t in trips],
        }
    )


def _cameras(ward: Ward, network: Network) -> pa.Table:
    along = {spot.camera_id: spot.along_m for spot in network.spots}
    return pa.Table.from_pylist(
        [
            {
                "camera_id": c.camera_id, "site_id": c.site_id, "kind": c.kind,
                "heading_deg": c.heading_deg, "edge": c.road_edge,
                "along_m": round(along[c.camera_id], 2),
                "fibre_branch": ward.sites[c.site_id].fibre_branch,
                "power_branch": ward.sites[c.site_id].power_branch,
            }
            for c in ward.cameras.values()
        ]
    )  # fmt: skip


def _endings(path: Path) -> dict[str, int]:
    """Return what did not go as in a street: vehicles lifted out of jams, or never let in."""
    root = ET.parse(path).getroot()
    moved, known = root.find("teleports"), root.find("vehicles")
    return {
        "lifted_from_jams": int(moved.get("total", "0")) if moved is not None else 0,
        "still_waiting_to_enter": int(known.get("waiting", "0")) if known is not None else 0,
        "still_under_way": int(known.get("running", "0")) if known is not None else 0,
    }
