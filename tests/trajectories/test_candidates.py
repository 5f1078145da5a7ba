"""Pairs worth comparing and what a chain was read as: the quick ways against the plain ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.trajectories import beliefs, candidates, signs

SEEDS = st.integers(0, 2**32 - 1)


def plain_near(codes: signs.Codes, time_s: signs.NDArray[np.float64], near_s: float) -> set:
    """Return what the rule says, a pair at a time."""
    found = set()
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            unknown = (codes[i] == signs.OPEN) | (codes[j] == signs.OPEN)
            wrong = (codes[i] != codes[j]) & ~unknown
            right_low = (~wrong & ~unknown)[5:].sum()
            seen = (~unknown).sum()
            alike = (wrong.sum() <= 5 and right_low >= 2) or (seen <= 5 and not wrong.any())
            lone = unknown.sum() >= 5 and unknown[5:].any()
            if alike and seen and time_s[j] - time_s[i] <= (150.0 if lone else near_s):
                found.add((i, j))
    return found


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_near_pairs_are_those_of_the_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 60))
    codes = rng.integers(0, 4, (count, signs.SLOTS)).astype(np.uint8)
    codes[rng.random(count) < 0.2, :5] = signs.OPEN
    codes[rng.random(count) < 0.2, 5:] = signs.OPEN
    codes[rng.random(codes.shape) < 0.05] = signs.OPEN
    time_s = np.sort(rng.uniform(0, 900.0, count))
    i, j = candidates._near(*candidates._packed(codes), time_s, 300.0)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == plain_near(codes, time_s, 300.0)
    assert len(i) == len(plain_near(codes, time_s, 300.0))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_histories_add_up_along_each_chain(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    order = rng.permutation(count)
    cut = rng.random(count - 1) < 0.7
    i, j = np.sort(np.stack([order[:-1], order[1:]]), axis=0)[:, cut]
    kept = np.array([k for k in range(len(i)) if k == np.flatnonzero(i == i[k])[0]], np.int64)
    kept = kept[[k == np.flatnonzero(j[kept] == j[kept][k])[0] for k in range(len(kept))]]
    i, j = i[kept], j[kept]
    zero, share = np.zeros(len(i)), rng.random(len(i))
    edges = beliefs.Edges(i, j, zero, zero, zero, zero, zero, share)
    evidence = rng.normal(size=(count, 2, 3)).astype(np.float32)
    before, after = beliefs.histories(evidence, edges, np.ones(len(i), bool), count)
    want_before, want_after = evidence.copy(), evidence.copy()
    for k in np.argsort(j):
        want_before[j[k]] += share[k] * want_before[i[k]]
    for k in np.argsort(-i):
        want_after[i[k]] += share[k] * want_after[j[k]]
    assert np.array_equal(before, want_before)
    assert np.array_equal(after, want_after)
