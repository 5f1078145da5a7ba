"""Who follows whom: each sighting has at most one next and at most one before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_LOG = 30.0
_ENOUGH = 1e-4
_WHOLE_ROUNDS, _STILL, _WORTH_PARTING = 4, 1e-6, 0.2
"""Every so many rounds what no longer moves by that, and lies not beside what does, is left."""


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
    rows = int(i.max()) + 1
    weight = np.exp(np.clip(log_weight, -_MOST_LOG, _MOST_LOG))
    none = np.exp(np.clip(log_none[:rows], -_MOST_LOG, _MOST_LOG))
    back = np.ones(len(i))
    # What stands still is counted as it is, beside what still moves: edges, and sums at their ends.
    moving, mine_i, mine_j, mine, old = np.arange(len(i)), i, j, weight, back
    least, aside_i, aside_j = none[i], none, np.ones(int(j.max()) + 1)
    for at in range(rounds):
        flow = mine * old
        total = aside_i + np.bincount(mine_i, flow, minlength=len(aside_i))
        forth = mine / np.maximum(total[mine_i] - flow, least)
        arriving = aside_j + np.bincount(mine_j, forth, minlength=len(aside_j))
        new = 1.0 / np.maximum(arriving[mine_j] - forth, 1.0)
        moved = np.abs(new - old)
        old = new
        if float(moved.max()) < _ENOUGH:
            break
        if at % _WHOLE_ROUNDS == _WHOLE_ROUNDS - 1:
            keep = _around(mine_i, mine_j, moved > _STILL, len(aside_i), len(aside_j))
            if keep.mean() > _WORTH_PARTING:
                continue
            back[moving] = old
            still = ~keep
            flow = mine[still] * old[still]
            aside_i = aside_i + np.bincount(mine_i[still], flow, minlength=len(aside_i))
            aside_j = aside_j + np.bincount(mine_j[still], forth[still], minlength=len(aside_j))
            known_i, mine_i = np.unique(mine_i[keep], return_inverse=True)
            known_j, mine_j = np.unique(mine_j[keep], return_inverse=True)
            aside_i, aside_j = aside_i[known_i], aside_j[known_j]
            moving, mine, old, least = moving[keep], mine[keep], old[keep], least[keep]
    back[moving] = old
    flow = weight * back
    total = none + np.bincount(i, flow, minlength=rows)
    return np.asarray(flow / total[i])


def _around(
    i: Ints, j: Ints, moved: NDArray[np.bool_], rows: int, columns: int
) -> NDArray[np.bool_]:
    """Return the edges that moved, and those that share an end with one that does, twice over."""
    for _ in range(2):
        of_row, of_column = np.zeros(rows, bool), np.zeros(columns, bool)
        of_row[i[moved]] = True
        of_column[j[moved]] = True
        moved = of_row[i] | of_column[j]
    return moved


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
