"""Who follows whom: each sighting has at most one next and at most one before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_LOG = 30.0


def marginals(
    i: Ints, j: Ints, log_weight: Floats, log_none: Floats, count: int, *, rounds: int = 40
) -> Floats:
    """Return the probability of each edge ``i -> j`` over all ways to pair the sightings off.

    Sum-product messages on the pairing: exact where the graph of edges is a tree, and close where
    it is sparse, as here. ``log_weight`` weighs an edge against both of its ends standing alone;
    ``log_none`` (one a sighting) weighs having no next one.

    >>> two = marginals(np.array([0, 0]), np.array([1, 2]), np.log([3.0, 1.0]), np.zeros(3), 3)
    >>> two.round(3).tolist()
    [0.6, 0.2]
    """
    if not len(i):
        return np.zeros(0)
    weight = np.exp(np.clip(log_weight, -_MOST_LOG, _MOST_LOG))
    none = np.exp(np.clip(log_none, -_MOST_LOG, _MOST_LOG))
    back = np.ones(len(i))
    for _ in range(rounds):
        flow = weight * back
        total = none + np.bincount(i, flow, minlength=count)
        forth = weight / np.maximum(total[i] - flow, none[i])
        arriving = 1.0 + np.bincount(j, forth, minlength=count)
        new = 1.0 / np.maximum(arriving[j] - forth, 1.0)
        if float(np.abs(new - back).max()) < 1e-4:
            back = new
            break
        back = new
    flow = weight * back
    total = none + np.bincount(i, flow, minlength=count)
    return np.asarray(flow / total[i])


def chosen(i: Ints, j: Ints, probability: Floats, least: float) -> NDArray[np.bool_]:
    """Return which edges are links: the likeliest first, none below `least`, no end used twice."""
    kept = np.zeros(len(i), bool)
    candidates = np.flatnonzero(probability >= least)
    order = candidates[np.lexsort((j[candidates], i[candidates], -probability[candidates]))]
    head_of: dict[int, int] = {}
    tail_of: dict[int, int] = {}
    left: set[int] = set()
    right: set[int] = set()
    for edge in order.tolist():
        a, b = int(i[edge]), int(j[edge])
        # Where clocks leave the order open, links could go round in a ring.
        if a in left or b in right or head_of.get(a, a) == b:
            continue
        kept[edge] = True
        left.add(a)
        right.add(b)
        head, tail = head_of.get(a, a), tail_of.get(b, b)
        head_of[tail], tail_of[head] = head, tail
    return kept


def neighbours(i: Ints, j: Ints, kept: NDArray[np.bool_], count: int) -> tuple[Ints, Ints]:
    """Return, for each sighting, its edge to the next and from the one before; -1: none."""
    to_next, from_before = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    edges = np.flatnonzero(kept)
    to_next[i[edges]] = edges
    from_before[j[edges]] = edges
    return to_next, from_before
