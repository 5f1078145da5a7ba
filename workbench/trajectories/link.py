"""Sightings of plates become legs by road, each judged; impossible ones are kept and marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa

from workbench.plates import compact, distance
from workbench.records import LEGS
from workbench.trajectories.chains import chains
from workbench.trajectories.clusters import MAX_DISTANCE, group
from workbench.trajectories.hops import Hop, Pass, Rules, Sightings, Ways, cached, judge, passes

_SUCCESSORS, _LOOK_AHEAD = 3, 60
DOUBTFUL_COST = 0.25
"""What a doubtful step costs a chain, in passes: it is taken, unless that only moves a pass."""


def link(
    sightings: Sightings,
    ways: Ways,
    *,
    plate: str | None = None,
    max_distance: float | None = None,
    rules: Rules | None = None,
) -> pa.Table:
    """Return the legs (schema LEGS) between sightings taken for one plate.

    Every two sightings that follow one another in time make a leg. Where such a leg is impossible,
    the legs that go around one of its ends are there too, so that :func:`journeys` can leave the
    odd one out. Rows are sorted by time and do not depend on the order of the input.

    Parameters
    ----------
    sightings
        SIGHTINGS rows (a table or DataFrame) that the caller takes for one plate; rows without a
        plate are left out.
    ways
        Shortest way by road between two cameras, or None.
    plate
        The plate searched; None: the read that is commonest among the sightings.
    max_distance
        Leaves out reads farther than this from `plate`; None keeps all.
    rules
        The numbers used to judge; None for the usual ones.
    """
    rules, ways = rules or Rules(), cached(ways)
    found = passes(sightings)
    wanted = compact(plate) if plate else commonest(found)
    if max_distance is not None:
        found = [p for p in found if distance(wanted, p.plate) <= max_distance]
    return _table(_legs(found, wanted, ways, rules))


def link_all(
    sightings: Sightings,
    ways: Ways,
    *,
    max_distance: float = MAX_DISTANCE,
    rules: Rules | None = None,
) -> pa.Table:
    """Return the legs of every plate of a run: reads are joined first, then linked.

    Joining is conservative (see :func:`workbench.trajectories.cluster`). Only the legs of
    possible paths and the impossible ones between neighbours are in the table.
    """
    rules, ways = rules or Rules(), cached(ways)
    legs: list[tuple[Pass, Pass, Hop]] = []
    for members in group(passes(sightings), ways, max_distance, rules):
        legs += _legs(members, commonest(members), ways, rules, only_paths=True)
    return _table(legs)


def commonest(found: Sequence[Pass]) -> str:
    """Return the read most passes have; the lesser text among equals; empty where there is none."""
    counts = Counter(p.plate for p in found)
    return min(counts, key=lambda text: (-counts[text], text), default="")


def weight(plate: str, wanted: str) -> float:
    """Return what a pass counts in a chain: 1 read exactly, less the farther its read is."""
    return 1.0 if plate == wanted else 1.0 - 0.3 * min(distance(plate, wanted), 2.0)


def _legs(
    found: Sequence[Pass], wanted: str, ways: Ways, rules: Rules, *, only_paths: bool = False
) -> list[tuple[Pass, Pass, Hop]]:
    hops: dict[tuple[int, int], Hop] = {}
    for i, first in enumerate(found):
        possible = 0
        for j in range(i + 1, min(i + 1 + _LOOK_AHEAD, len(found))):
            hops[i, j] = judge(first, found[j], ways, rules)
            possible += hops[i, j].plausible != "impossible"
            if possible == _SUCCESSORS:
                break
    names = [p.sighting_id for p in found]
    at = {name: i for i, name in enumerate(names)}
    weights = {p.sighting_id: weight(p.plate, wanted) for p in found}
    edges = {
        (names[i], names[j]): DOUBTFUL_COST if hop.plausible == "doubtful" else 0.0
        for (i, j), hop in hops.items()
        if hop.plausible != "impossible"
    }
    paths: set[tuple[int, int]] = set()
    for chain in chains(names, weights, edges):
        paths.update((at[a], at[b]) for a, b in pairwise(chain))
    kept = paths | {
        (i, i + 1)
        for i in range(len(found) - 1)
        if hops[i, i + 1].plausible == "impossible" or not only_paths
    }
    if not only_paths:
        for i in range(len(found) - 1):
            if hops[i, i + 1].plausible == "impossible":
                around = ((i - 1, i + 1), (i, i + 2))
                kept.update(p for p in around if p in hops and hops[p].plausible != "impossible")
    return [(found[i], found[j], hops[i, j]) for i, j in sorted(kept)]


def _table(legs: Sequence[tuple[Pass, Pass, Hop]]) -> pa.Table:
    ordered = sorted(
        legs,
        key=lambda leg: (leg[0].utc_ns, leg[0].sighting_id, leg[1].utc_ns, leg[1].sighting_id),
    )
    rows = [
        {
            "from_id": first.sighting_id,
            "to_id": then.sighting_id,
            "from_camera": first.camera_id,
            "to_camera": then.camera_id,
            "from_utc": first.utc_ns,
            "to_utc": then.utc_ns,
            "elapsed_s": hop.elapsed_s,
            "elapsed_sigma_s": hop.sigma_s,
            "road_m": hop.road_m,
            "fastest_s": hop.fastest_s,
            "edges": list(hop.edges),
            "plate_distance": distance(first.plate, then.plate),
            "plausible": hop.plausible,
            "reason": hop.reason,
        }
        for first, then, hop in ordered
    ]
    return pa.Table.from_pylist(rows, schema=LEGS)
