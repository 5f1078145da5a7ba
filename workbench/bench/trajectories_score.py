"""Score links and claims against a simulated truth, and link as simpler means would. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from workbench.plates import compact

Floats = NDArray[np.float64]
Links = set[tuple[str, str]]
BINS = 20
_APART_S = 900.0


def true_links(ids: Sequence[str], vehicle: Mapping[str, str], at_ns: Mapping[str, int]) -> Links:
    """Return (earlier, later) of sightings of one vehicle that follow one another in truth.

    >>> owner = {"a": "v", "b": "v", "c": "w"}
    >>> sorted(true_links(["b", "a", "c"], owner, {"a": 1, "b": 2, "c": 3}))
    [('a', 'b')]
    """
    by_vehicle: dict[str, list[tuple[int, str]]] = {}
    for name in ids:
        by_vehicle.setdefault(vehicle[name], []).append((at_ns[name], name))
    return {
        (first[1], then[1])
        for members in by_vehicle.values()
        for first, then in pairwise(sorted(members))
    }


def f1(found: Links, true: Links) -> tuple[float, float, float]:
    """Return precision, recall and F1; 1 where there is nothing to find or nothing was said."""
    right = len(found & true)
    precision = right / len(found) if found else 1.0
    recall = right / len(true) if true else 1.0
    return precision, recall, 2 * right / (len(found) + len(true)) if found or true else 1.0


def idf1(true: Sequence[Hashable], claimed: Sequence[Hashable]) -> float:
    """Return IDF1 (Ristani et al. 2016) of identities given to the same sightings.

    The same figure as trackeval's, which asks for a table of all identities by all: here each group
    that shares sightings is matched by itself.

    >>> idf1(["a", "a", "b", "b"], [1, 1, 1, 2])
    0.75
    """
    if not len(true):
        return 1.0
    rows, columns = _numbered(true), _numbered(claimed)
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    shared = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
    size = sum(shape)
    graph = coo_matrix((np.ones(len(rows)), (rows, columns + shape[0])), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    members_r, members_c = _by_group(group[: shape[0]]), _by_group(group[shape[0] :])
    right = 0.0
    for number, mine in members_r.items():
        part = shared[mine][:, members_c[number]].toarray()
        a, b = linear_sum_assignment(-part)
        right += float(part[a, b].sum())
    return right / len(rows)


def _numbered(names: Sequence[Hashable]) -> NDArray[np.int64]:
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], np.int64)


def _by_group(group: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
    return {int(group[order[a]]): order[a:b] for a, b in pairwise(bounds)}


def reliability(claimed: Floats, right: NDArray[np.bool_]) -> list[tuple[float, float, int]]:
    """Return (mean claim, share right, claims) of each of 20 equal bins that has any."""
    at = np.minimum((claimed * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(at, minlength=BINS)
    claims = np.bincount(at, claimed, minlength=BINS)
    held = np.bincount(at, right.astype(np.float64), minlength=BINS)
    return [
        (float(claims[b] / count[b]), float(held[b] / count[b]), int(count[b]))
        for b in range(BINS)
        if count[b]
    ]


def ece(claimed: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over 20 equal bins.

    >>> round(ece(np.array([0.9] * 10), np.array([True] * 8 + [False] * 2)), 3)
    0.1
    """
    rows = reliability(claimed, right)
    return sum(abs(c - h) * n for c, h, n in rows) / max(len(claimed), 1)


def exact_join(frame: pd.DataFrame) -> Links:
    """Link each read to the next one with the same signs, within a quarter of an hour."""
    found: Links = set()
    last: dict[str, tuple[float, str]] = {}
    for name, at_s, text in _in_time(frame):
        if text in last and at_s - last[text][0] <= _APART_S:
            found.add((last[text][1], name))
        last[text] = at_s, name
    return found


def near_join(frame: pd.DataFrame) -> Links:
    """Link each read to the latest one before it within one edit, within a quarter of an hour."""
    found: Links = set()
    last: dict[str, list[tuple[float, str, str]]] = {}
    taken: set[str] = set()
    for name, at_s, text in _in_time(frame):
        keys = {text, *(text[:k] + text[k + 1 :] for k in range(len(text)))}
        keys |= {text[:k] + "*" + text[k + 1 :] for k in range(len(text))}
        near = [
            one
            for key in keys
            for one in last.get(key, ())
            if at_s - one[0] <= _APART_S
            and one[1] not in taken
            and Levenshtein.distance(one[2], text, score_cutoff=1) <= 1
        ]
        if near:
            first = max(near)[1]
            taken.add(first)
            found.add((first, name))
        for key in keys:
            last.setdefault(key, []).append((at_s, name, text))
            last[key] = last[key][-4:]
    return found


def nearest_in_time(
    frame: pd.DataFrame, cameras: Sequence[str], fastest_s: Floats, *, pace: float = 1.3
) -> Links:
    """Link each sighting to the one that comes nearest to when it would be expected; no plates."""
    at = {name: number for number, name in enumerate(cameras)}
    ordered = frame.sort_values(["utc", "sighting_id"])
    ids = ordered["sighting_id"].tolist()
    camera = np.array([at[name] for name in ordered["camera_id"]], np.int64)
    time_s = _seconds(ordered)
    stop = np.searchsorted(time_s, time_s + 120.0)
    found: Links = set()
    for row in range(len(ids)):
        later = slice(row + 1, int(stop[row]))
        expected = pace * fastest_s[camera[row], camera[later]]
        off = np.abs(time_s[later] - time_s[row] - expected)
        off[camera[later] == camera[row]] = np.inf
        if len(off) and np.isfinite(best := off.min()) and best < 30:
            found.add((ids[row], ids[row + 1 + int(off.argmin())]))
    return found


def identities(ids: Iterable[str], links: Links) -> dict[str, str]:
    """Return the identity that links give each sighting: the first one of its chain."""
    before = {then: first for first, then in links}
    found: dict[str, str] = {}
    for name in ids:
        chain = [name]
        while chain[-1] in before and chain[-1] not in found and len(chain) < 10_000:
            chain.append(before[chain[-1]])
        top = found.get(chain[-1], chain[-1])
        for one in chain:
            found[one] = top
    return found


def _in_time(frame: pd.DataFrame) -> Iterable[tuple[str, float, str]]:
    read = frame[frame["plate"].notna()].sort_values(["utc", "sighting_id"])
    texts = [compact(text) for text in read["plate"]]
    return zip(read["sighting_id"].tolist(), _seconds(read).tolist(), texts, strict=True)


def _seconds(frame: pd.DataFrame) -> Floats:
    utc = pd.DatetimeIndex(pd.to_datetime(frame["utc"], utc=True)).as_unit("ns").asi8
    return np.asarray((utc - (utc[0] if len(utc) else 0)) / 1e9)


def among(order: Sequence[str], links: Links, kept: set[str]) -> Links:
    """Return links between kept sightings, over those between them that are not.

    >>> among(["a", "b", "c"], {("a", "b"), ("b", "c")}, {"a", "c"})
    {('a', 'c')}
    """
    to_next = dict(links)
    later = {then for _, then in links}
    found: Links = set()
    for start in order:
        if start in later:
            continue
        last = start if start in kept else None
        name = start
        while name in to_next:
            name = to_next[name]
            if name in kept:
                if last is not None:
                    found.add((last, name))
                last = name
    return found
