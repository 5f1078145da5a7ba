"""Pairs worth comparing and what a chain was read as: the quick ways against the plain ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.trajectories import beliefs, candidates, signs

SEEDS = st.integers(0, 2**32 - 1)


def plain_near(
    codes: signs.Codes, time_s: signs.NDArray[np.float64], near_s: float, wide: bool
) -> set:
    """Return what the rule says, a pair at a time."""
    found = set()
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            unknown = (codes[i] == signs.OPEN) | (codes[j] == signs.OPEN)
            wrong = (codes[i] != codes[j]) & ~unknown
            right_low = (~wrong & ~unknown)[5:].sum()
            seen = (~unknown).sum()
            in_line = 2 if wide else 0
            alike = (wrong.sum() <= 5 and right_low >= 2) or (seen <= 5 and wrong.sum() <= in_line)
            lone = unknown.sum() >= 5 and unknown[5:].any()
            longest = 150.0 if lone and not (wide and wrong.sum() <= 1) else near_s
            if alike and seen and time_s[j] - time_s[i] <= longest:
                found.add((i, j))
    return found


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.booleans())
def test_near_pairs_are_those_of_the_rule(seed: int, wide: bool) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 60))
    codes = rng.integers(0, 4, (count, signs.SLOTS)).astype(np.uint8)
    codes[rng.random(count) < 0.2, :5] = signs.OPEN
    codes[rng.random(count) < 0.2, 5:] = signs.OPEN
    codes[rng.random(codes.shape) < 0.05] = signs.OPEN
    time_s = np.sort(rng.uniform(0, 900.0, count))
    i, j = candidates._near(*candidates._packed(codes), time_s, 300.0, wide)
    wanted = plain_near(codes, time_s, 300.0, wide)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == wanted
    assert len(i) == len(wanted)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_pairs_far_apart_are_those_of_the_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 12))
    codes = np.repeat(rng.integers(0, 30, (1, signs.SLOTS)), count, 0).astype(np.uint8)
    other = rng.random(codes.shape) < 0.2
    codes[other] = rng.integers(0, 30, int(other.sum()))
    time_s = np.sort(rng.uniform(0, 9000.0, count))
    for wide in (False, True):
        i, j = candidates.pairs(codes, time_s, near_s=0.0, wide=wide)
        wanted = set()
        for a in range(count):
            for b in range(a + 1, count):
                wrong = codes[a] != codes[b]
                one = wrong[5:].sum() <= 1
                two = wide and wrong[5:].sum() <= 2 and not wrong[2:5].any()
                if wrong.sum() <= 2 + wide and (one or two):
                    wanted.add((a, b))
        assert set(zip(i.tolist(), j.tolist(), strict=True)) == wanted


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
