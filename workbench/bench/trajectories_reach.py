"""Reach measured on the simulated ward: is truth ever called impossible, and is it any use?"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

from workbench import trajectories, ward
from workbench.demonstration import WARD
from workbench.roads import RoadGraph
from workbench.timeline import SECOND_NS, Span
from workbench.trajectories import Coverage, Seen
from workbench.twin import traffic

SAMPLE = 150
TOP = 5
_NEXT_S = 600.0
_ALWAYS = Span(0, 2**62)


def reached(one: traffic.Simulated, name: str, seed: int, graph: RoadGraph) -> dict[str, Any]:
    """Return figures of one degraded scenario, on a sample of its vehicles drawn by the seed.

    Between two sightings of a vehicle two sightings apart: the true passes between whose site was
    called must or could (or seen), those at the very camera within its span, the share of sites
    excluded, and how often a must was not passed. After a sighting: the true next pass at another
    camera within ten minutes among the first five windows, all footage recorded and none searched;
    with rides of the same scenario, and by even turns alone.
    """
    loaded = ward.load(WARD)
    sites = {s: [c.camera_id for c in loaded.cameras_at(s)] for s in loaded.sites}
    site_of = {c: camera.site_id for c, camera in loaded.cameras.items()}
    made = traffic.degrade(one.passes, one.cameras, one.span, traffic.preset(name), seed)
    table = made.sightings.to_pandas()
    truths = made.truth.to_pandas().set_index("sighting_id")
    for column in ("vehicle_id", "true_time_ns"):
        table[column] = table["sighting_id"].map(truths[column])
    table["at_ns"] = table["utc"].astype("datetime64[ns, UTC]").astype("int64")
    true = one.passes.to_pandas().sort_values("time_ns")
    passes = dict(tuple(true.groupby("vehicle_id")))
    rng = np.random.default_rng([seed, 5])
    mine = {v: rows for v, rows in table.groupby("vehicle_id", sort=True) if len(rows) >= 3}
    chosen = rng.permutation(sorted(mine))[:SAMPLE]
    read = table[table["plate"].notna()].sort_values("utc")
    counted: dict[str, float] = defaultdict(float)
    full = {c: Coverage((_ALWAYS,), (_ALWAYS,)) for c in loaded.cameras}

    def seen(row: Any) -> Seen:
        bearing = None if pd.isna(row.bearing_deg) else float(row.bearing_deg)
        return Seen(
            graph.cameras[row.camera_id], int(row.at_ns), float(row.sigma_s),
            loaded.cameras[row.camera_id].range_m, row.camera_id, bearing,
        )  # fmt: skip

    for vehicle in chosen:
        rows = list(mine[vehicle].sort_values("at_ns").itertuples())
        k = int(rng.integers(0, len(rows) - 2))
        first, last = rows[k], rows[k + 2]
        truth = passes[vehicle]
        _count_between(
            trajectories.reach(
                graph, seen(first), seen(last), sites=sites,
                views_m={c: camera.range_m for c, camera in loaded.cameras.items()},
            ),
            truth, first.true_time_ns, last.true_time_ns, site_of, counted,
        )  # fmt: skip
        after = truth[(truth["time_ns"] > first.true_time_ns + SECOND_NS)
                      & (truth["camera_id"] != first.camera_id)]  # fmt: skip
        if not len(after) or after["time_ns"].iloc[0] - first.at_ns > _NEXT_S * SECOND_NS:
            continue
        counted["next"] += 1
        found = trajectories.reach(
            graph, seen(first), sites=sites, until_ns=int(first.at_ns + _NEXT_S * SECOND_NS),
            views_m={c: camera.range_m for c, camera in loaded.cameras.items()},
        )  # fmt: skip
        rides = trajectories.rides_from(read, seen(first), but=first.plate)
        for label, known in (("next by rides", rides), ("next by roads", None)):
            top = trajectories.windows(found, full, graph.cameras, rides=known)[:TOP]
            camera, at_ns = str(after["camera_id"].iloc[0]), int(after["time_ns"].iloc[0])
            counted["minutes"] += sum(w.span.duration_ns for w in top) / 60 / SECOND_NS / 2
            counted[label] += any(w.camera_id == camera and at_ns in w.span for w in top)
    return {
        "pairs of sightings": counted["pairs"],
        "pairs called possible": _share(counted, "pairs possible", "pairs"),
        "true passes between": counted["passes"],
        "true passes at sites called must or could": _share(counted, "allowed", "passes"),
        "true passes within the span of their camera": _share(counted, "in time", "passes"),
        "sites excluded": _share(counted, "excluded", "sites"),
        "sites called must": counted["must"],
        "sites called must that were passed": _share(counted, "must passed", "must"),
        "next passes": counted["next"],
        "next pass in the first 5 windows, rides of the case": _share(
            counted, "next by rides", "next"
        ),
        "next pass in the first 5 windows, even turns": _share(counted, "next by roads", "next"),
        "minutes of footage in the first 5 windows": _share(counted, "minutes", "next"),
    }


def _count_between(
    found: trajectories.Reached, truth: pd.DataFrame, start_ns: int, stop_ns: int,
    site_of: dict[str, str], counted: dict[str, float],
) -> None:  # fmt: skip
    verdict = {site.site_id: site.verdict for site in found.sites}
    counted["pairs"] += 1
    counted["pairs possible"] += found.feasible
    counted["sites"] += len(verdict)
    counted["excluded"] += sum(v == "cannot" for v in verdict.values())
    inside = truth[(truth["time_ns"] > start_ns) & (truth["time_ns"] < stop_ns)]
    been = {site_of[camera] for camera in inside["camera_id"]}
    must = {site for site, v in verdict.items() if v == "must"}
    counted["must"] += len(must)
    counted["must passed"] += len(must & been)
    for name, at_ns in zip(inside["camera_id"], inside["time_ns"], strict=True):
        camera = str(name)
        counted["passes"] += 1
        counted["allowed"] += verdict[site_of[camera]] != "cannot"
        span = found.cameras.get(camera)
        counted["in time"] += span is not None and int(at_ns) in span


def _share(counted: dict[str, float], part: str, whole: str) -> float | None:
    return round(counted[part] / counted[whole], 4) if counted[whole] else None
