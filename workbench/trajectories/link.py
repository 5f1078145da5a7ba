"""Sightings become plates, and the passes of a plate legs by road; impossible ones stay, marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import pyarrow as pa

from workbench.plates import compact, distance, pairs_within
from workbench.records import LEGS
from workbench.trajectories.hops import Hop, Pass, Rules, Sightings, Ways, cached, judge, passes

MAX_DISTANCE = 1.7
"""Of a read that joins a plate: one wrong sign and a look-alike or two, or a lost line."""
_SAME_DISTANCE = 0.05
_MOST_ABSORBED = 1
_SUCCESSORS, _LOOK_AHEAD = 3, 60
DOUBTFUL_COST = 0.25
"""What a doubtful step costs a chain, in passes: it is taken, unless that only moves a pass."""

Edges = Mapping[tuple[str, str], float]
"""From an earlier to a later identity: what the step costs, in passes (0 for a sure one)."""


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
    for members in _group(passes(sightings), ways, max_distance, rules):
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


def cluster(
    sightings: Sightings,
    ways: Ways,
    *,
    max_distance: float = MAX_DISTANCE,
    rules: Rules | None = None,
) -> list[list[str]]:
    """Return the sighting ids of each plate of a run, in time order; every id is in one list.

    Reads with the same signs are one plate. A read seen only once joins a plate it looks like when
    it fits that plate's passes: no impossible hop to its neighbours in time, at least one that a
    vehicle under way would make, and no second plate that fits as well. Two plates each seen more
    than once are never joined: near twins are common in one town.
    """
    groups = _group(passes(sightings), cached(ways), max_distance, rules or Rules())
    return [[p.sighting_id for p in members] for members in groups]


def _group(
    found: Sequence[Pass], ways: Ways, max_distance: float, rules: Rules
) -> list[list[Pass]]:
    """Return passes grouped by plate; see :func:`cluster`. The groups are in order of time."""
    by_text: dict[str, list[Pass]] = defaultdict(list)
    for one in sorted(found):
        by_text[one.plate].append(one)
    texts = sorted(by_text)
    near: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for i, j, apart in pairs_within(texts, max_distance):
        near[texts[i]].append((apart, texts[j]))
        near[texts[j]].append((apart, texts[i]))
    home = {text: text for text in texts}
    members = {text: list(by_text[text]) for text in texts}
    lone = [text for text in texts if len(by_text[text]) <= _MOST_ABSORBED and near[text]]
    for text in sorted(lone, key=lambda t: (min(near[t])[0], t)):
        if home[text] != text or len(members[text]) > _MOST_ABSORBED:
            continue
        host = _host(text, near[text], home, members, ways, rules)
        if host is not None:
            members[host] = sorted(members[host] + members.pop(text))
            home[text] = host
    return sorted(members.values())


def _host(
    text: str,
    near: Sequence[tuple[float, str]],
    home: dict[str, str],
    members: dict[str, list[Pass]],
    ways: Ways,
    rules: Rules,
) -> str | None:
    best: dict[str, float] = {}
    for apart, other in near:
        host = home[other]
        if host != text and apart < best.get(host, 9.0):
            best[host] = apart
    fits = sorted(
        (apart, -len(members[host]), host)
        for host, apart in best.items()
        if _fits(members[text][0], members[host], ways, rules)
    )
    if not fits:
        return None
    if len(fits) > 1 and fits[1][0] - fits[0][0] < _SAME_DISTANCE and fits[0][1] == fits[1][1]:
        return None
    return fits[0][2]


def _fits(one: Pass, host: Sequence[Pass], ways: Ways, rules: Rules) -> bool:
    """Return whether a pass can lie among the passes of a plate, and looks as if it did."""
    before = [p for p in host if p <= one]
    after = [p for p in host if p > one]
    hops = []
    if before:
        hops.append(judge(before[-1], one, ways, rules))
    if after:
        hops.append(judge(one, after[0], ways, rules))
    kinds = [hop.plausible for hop in hops]
    return "impossible" not in kinds and "plausible" in kinds


def _best_chain(order: Sequence[str], weights: Mapping[str, float], edges: Edges) -> list[str]:
    """Return the chain of identities with the greatest sum of weights less costs of steps.

    `order` is the order of time; every edge goes forward in it. Ties go to the earlier chain.
    """
    forward, came_from = _forward(order, weights, edges)
    if not order:
        return []
    end = max(order, key=lambda name: forward[name])
    return _walk_back(end, came_from)


def chain_through(
    name: str, order: Sequence[str], weights: Mapping[str, float], edges: Edges
) -> list[str]:
    """Return the best chain that holds `name`."""
    _, came_from = _forward(order, weights, edges)
    backwards = {(b, a): cost for (a, b), cost in edges.items()}
    _, goes_to = _forward(list(reversed(order)), weights, backwards)
    before = _walk_back(name, came_from)
    after = _walk_back(name, goes_to)
    return before + after[::-1][1:]


def chains(order: Sequence[str], weights: Mapping[str, float], edges: Edges) -> list[list[str]]:
    """Return disjoint chains that together hold every identity, the best first."""
    left = list(order)
    found = []
    while left:
        chain = _best_chain(left, weights, edges)
        found.append(chain)
        taken = set(chain)
        left = [name for name in left if name not in taken]
        edges = {pair: cost for pair, cost in edges.items() if not taken & set(pair)}
    return found


def _forward(
    order: Sequence[str], weights: Mapping[str, float], edges: Edges
) -> tuple[dict[str, float], dict[str, str]]:
    steps: dict[str, list[tuple[str, float]]] = {name: [] for name in order}
    for (a, b), cost in edges.items():
        if a in steps and b in steps:
            steps[b].append((a, cost))
    position = {name: at for at, name in enumerate(order)}
    total: dict[str, float] = {}
    came_from: dict[str, str] = {}
    for name in order:
        total[name] = weights[name]
        # The nearest of equal predecessors, so that a chain does not jump over its own passes.
        for before, cost in sorted(steps[name], key=lambda step: -position[step[0]]):
            value = total[before] + weights[name] - cost
            if value > total[name] + 1e-9:
                total[name], came_from[name] = value, before
    return total, came_from


def _walk_back(end: str, came_from: Mapping[str, str]) -> list[str]:
    chain = [end]
    while chain[-1] in came_from:
        chain.append(came_from[chain[-1]])
    return chain[::-1]
