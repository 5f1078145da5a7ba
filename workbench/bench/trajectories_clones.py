"""Cloned plates and convoys on the simulated ward: are alerts right, are the detectable found?

A preset has two clones in a thousand vehicles, too few for a share: here :data:`CLONES` of the
vehicles bear another's plate (and 2 % a plate one sign off another's). What alerts do at the
preset's own rate is counted beside, without a share.

*Contradictory* is a plate of two vehicles with at least one read of either, between which one
vehicle cannot have driven in the true time at 1.35 times the limit. *Detectable* is one of them
where this holds for two reads with every sign right, by two seconds (what passes are told within)
and twice the spread that linking says the clocks of the two cameras have left.

*Convoys*: one in a hundred vehicles is followed by a copy of itself, 1 to 6 s behind, with a plate
of its own; each pass of either is missed and misread like any. Asked is about those of them that
were read at three places and more, and about as many vehicles that nobody follows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench import trajectories
from workbench.plates import compact
from workbench.roads import RoadGraph
from workbench.timeline import SECOND_NS
from workbench.twin import traffic

CLONES, TWINS = 0.05, 0.02
CONVOYS, LEAST_CAMERAS = 0.01, 4
_TOLD_WITHIN_S = 2.0


def cloned(one: traffic.Simulated, name: str, seed: int, graph: RoadGraph) -> dict[str, Any]:
    """Return counts of alerts and of cloned plates in one degraded scenario with many clones."""
    knobs = replace(traffic.preset(name), clones=CLONES, twins=TWINS)
    passes, planted = with_convoys(one.passes, seed)
    made = traffic.degrade(passes, one.cameras, one.span, knobs, seed)
    believed = trajectories.link_by_belief(made.sightings.to_pandas(), graph.between)
    together = _convoys(believed, made.truth.to_pandas(), planted, seed)
    began = time.process_time()
    found = trajectories.contradictions(believed)
    spent = time.process_time() - began
    truth = made.truth.to_pandas()
    contradictory, detectable = plates_of(believed, truth)
    alerts = [one for one in found.plates if one.probability >= trajectories.ALERT_AT]
    right = {plate for alert in alerts if (plate := right_of(alert, truth))}
    return {
        "hours": one.span.duration_ns / SECOND_NS / 3600.0,
        "alerts": len(alerts),
        "right": sum(bool(right_of(alert, truth)) for alert in alerts),
        "contradictory": len(contradictory),
        "contradictory found": len(contradictory & right),
        "detectable": len(detectable),
        "detectable found": len(detectable & right),
        "clocks doubted": len(found.doubts),
        **together,
        "CPU s": spent,
        "claims": [(one.two_vehicles, bool(right_of(one, truth))) for one in found.plates],
    }


def told(believed: trajectories.Believed, truth: pd.DataFrame) -> dict[str, Any]:
    """Return the count of alerts, and of right ones, on what is linked already."""
    found = trajectories.contradictions(believed)
    alerts = [one for one in found.plates if one.probability >= trajectories.ALERT_AT]
    return {
        "clone alerts": len(alerts),
        "clone alerts right": sum(bool(right_of(alert, truth)) for alert in alerts),
        "clocks doubted": len(found.doubts),
    }


def totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return shares over all runs of a scenario: too few alerts are in one for a mean of shares."""
    names = [name for name in rows[0] if name != "claims"]
    whole: dict[str, Any] = {name: round(sum(row[name] for row in rows), 2) for name in names}

    def share(part: str, of: str) -> float | None:
        return round(whole[part] / whole[of], 4) if whole[of] else None

    return {
        "clone alerts precision": share("right", "alerts"),
        "clone alerts recall of the detectable": share("detectable found", "detectable"),
        "clone alerts recall of the contradictory": share("contradictory found", "contradictory"),
        "convoys precision": share("companions right", "companions claimed"),
        "convoys recall": share("convoys found", "convoys planted"),
        **whole,
    }


def with_convoys(passes: pa.Table, seed: int) -> tuple[pa.Table, dict[str, str]]:
    """Return passes with followers of some vehicles, and who follows whom, by vehicle."""
    rng = np.random.default_rng([seed, 9])
    frame = passes.to_pandas()
    led = frame.loc[frame["plate"].fillna("") != ""].groupby("vehicle_id")["camera_id"].nunique()
    able = sorted(led.index[led >= LEAST_CAMERAS])
    taken = set(frame["plate"].dropna())
    planted: dict[str, str] = {}
    parts = [frame]
    for vehicle in rng.permutation(able)[: max(round(CONVOYS * len(able)), 1)]:
        mine = frame[frame["vehicle_id"] == vehicle].copy()
        plate = str(mine["plate"].iloc[0])
        while plate in taken:
            digits = "".join(str(d) for d in rng.integers(10, size=5))
            plate = f"{plate.split('-')[0]}-{digits[:3]}.{digits[3:]}"
        taken.add(plate)
        planted[str(vehicle)] = f"{vehicle}+"
        behind = rng.uniform(1.0, 6.0) + rng.normal(0.0, 0.7, len(mine))
        mine["time_ns"] += np.round(behind * SECOND_NS).astype(np.int64)
        mine["vehicle_id"], mine["plate"] = f"{vehicle}+", plate
        mine["pass_id"] = mine["pass_id"].astype(str) + "+"
        parts.append(mine)
    whole = pd.concat(parts, ignore_index=True).sort_values(["time_ns", "pass_id"])
    return pa.Table.from_pandas(whole, schema=passes.schema, preserve_index=False), planted


def _convoys(
    believed: trajectories.Believed, truth: pd.DataFrame, planted: Mapping[str, str], seed: int
) -> dict[str, Any]:
    """Return counts of companions that were claimed, and of followers that were found."""
    vehicle = truth.set_index("sighting_id")["vehicle_id"].to_dict()
    camera: dict[str, set[int]] = defaultdict(set)
    plate: dict[str, str] = {}
    reads = believed.reads
    for name, here, text in zip(
        reads.ids, reads.camera, truth_plates(believed, truth), strict=True
    ):
        camera[vehicle[name]].add(int(here))
        plate[vehicle[name]] = compact(text)
    pairs = {
        lead: follower
        for lead, follower in planted.items()
        if len(camera[lead] & camera[follower]) >= trajectories.LEAST_PLACES
    }
    others = sorted(
        v for v, seen in camera.items()
        if len(seen) >= trajectories.LEAST_PLACES and v.removesuffix("+") not in planted
    )  # fmt: skip
    rng = np.random.default_rng([seed, 10])
    asked = [*pairs, *rng.permutation(others)[: 10 * max(len(pairs), 1)]]
    company = trajectories.Company(believed)
    claimed = right = found = first = 0
    for lead in asked:
        every = company.of(plate[lead])
        if every and lead in pairs:
            first += pairs[lead] in {vehicle[m.other_id] for m in every[0].meetings}
        told = [c for c in every if c.probability >= trajectories.CONVOY_AT]
        owners = [{vehicle[m.other_id] for m in one.meetings} for one in told]
        good = [pairs.get(lead) in owner for owner in owners]
        claimed, right, found = claimed + len(told), right + sum(good), found + any(good)
    return {
        "convoys planted": len(pairs), "convoys found": found,
        "convoys first in the list": first, "plates asked": len(asked),
        "companions claimed": claimed, "companions right": right,
    }  # fmt: skip


def truth_plates(believed: trajectories.Believed, truth: pd.DataFrame) -> list[str]:
    """Return the plate that each read's vehicle truly bears."""
    mounted = truth.set_index("sighting_id")["plate"].to_dict()
    return [str(mounted[name]) for name in believed.reads.ids]


def right_of(alert: trajectories.Contradiction, truth: pd.DataFrame) -> str:
    """Return the plate of an alert whose clearest two reads are of two vehicles that bear it."""
    rows = truth.set_index("sighting_id")
    first, then = (rows.loc[name] for name in (alert.rides[0].from_id, alert.rides[0].to_id))
    right = first["plate"] == then["plate"] and first["vehicle_id"] != then["vehicle_id"]
    return str(first["plate"]) if right else ""


def plates_of(
    believed: trajectories.Believed, truth: pd.DataFrame, factor: float = 1.35
) -> tuple[set[str], set[str]]:
    """Return the plates of two vehicles that are contradictory, and those that are detectable."""
    reads = believed.reads
    least = believed.travel_model.fastest_s / factor
    rows = truth.set_index("sighting_id").loc[reads.ids.tolist()].reset_index()
    rows["row"] = np.arange(len(rows))
    contradictory, detectable = set(), set()
    for plate, mine in rows.groupby("plate"):
        if mine["vehicle_id"].nunique() < 2:
            continue
        for one, other in combinations(mine.itertuples(), 2):
            if one.vehicle_id == other.vehicle_id:
                continue
            first, then = sorted((one, other), key=lambda read: read.true_time_ns)
            a, b = int(first.row), int(then.row)
            lack = float(least[reads.camera[a], reads.camera[b]])
            lack -= (then.true_time_ns - first.true_time_ns) / SECOND_NS
            if lack <= 0:
                continue
            contradictory.add(str(plate))
            exact = all(reads.text[row] == compact(str(plate)) for row in (a, b))
            spread = float(np.hypot(reads.sigma_s[a], reads.sigma_s[b]))
            if exact and lack > _TOLD_WITHIN_S + 2.0 * spread:
                detectable.add(str(plate))
    return contradictory, detectable
