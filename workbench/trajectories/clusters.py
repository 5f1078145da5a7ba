"""Which reads of a run are one plate: exact first, look-alikes only where time and road agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from workbench.plates import pairs_within
from workbench.trajectories.hops import Pass, Rules, Sightings, Ways, cached, judge, passes

MAX_DISTANCE = 1.7
"""Of a read that joins a plate: one wrong sign and a look-alike or two, or a lost line."""
_SAME_DISTANCE = 0.05
_MOST_ABSORBED = 1


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
    groups = group(passes(sightings), cached(ways), max_distance, rules or Rules())
    return [[p.sighting_id for p in members] for members in groups]


def group(found: Sequence[Pass], ways: Ways, max_distance: float, rules: Rules) -> list[list[Pass]]:
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
