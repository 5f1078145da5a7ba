"""Which pairs of reads are worth comparing: near in time and alike, or far apart and nearly equal.

Pairs are found by XOR of packed signs, a block of reads at a time; nothing here decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories.signs import OPEN, SLOTS, Codes

Ints = NDArray[np.int64]

NEAR_S = 420.0
"""Within it, reads that share two lower signs are compared."""
_BLOCK = 256
_MOST_WRONG = 5
_MOST_WRONG_FAR = 2
_LOWER = range(5, SLOTS)
_MOST_IN_GROUP = 12
_ONES = np.uint64(sum(1 << (6 * slot) for slot in range(SLOTS)))
_LOW_ONES = np.uint64(sum(1 << (6 * slot) for slot in _LOWER))
_LINE_S = 150.0


def pairs(
    codes: Codes, time_s: NDArray[np.float64], *, near_s: float = NEAR_S, far_s: float = 6 * 3600.0
) -> tuple[Ints, Ints]:
    """Return index pairs ``i < j`` of reads, sorted by time, that may be of one plate."""
    packed, open_ = _packed(codes)
    first, then = _near(packed, open_, time_s, near_s)
    long_first, long_then = _far(codes, packed, open_, time_s, far_s)
    count = len(codes)
    keys = np.unique(np.concatenate([first * count + then, long_first * count + long_then]))
    return keys // max(count, 1), keys % max(count, 1)


def _packed(codes: Codes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    packed, open_ = np.zeros(len(codes), np.uint64), np.zeros(len(codes), np.uint64)
    for slot in range(SLOTS):
        packed |= codes[:, slot].astype(np.uint64) << np.uint64(6 * slot)
        open_ |= (codes[:, slot] == OPEN).astype(np.uint64) << np.uint64(6 * slot)
    return packed, open_


def _differing(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return words with the lowest bit of each slot set where the slot of `x` is not zero."""
    x = x | (x >> np.uint64(3))
    x = x | (x >> np.uint64(2)) | (x >> np.uint64(1))
    return x & _ONES


def _near(
    packed: NDArray[np.uint64],
    open_: NDArray[np.uint64],
    time_s: NDArray[np.float64],
    near_s: float,
) -> tuple[Ints, Ints]:
    found_i, found_j = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    stop = np.searchsorted(time_s, time_s + near_s, side="right")
    for at in range(0, len(packed), _BLOCK):
        rows = slice(at, min(at + _BLOCK, len(packed)))
        columns = slice(at + 1, int(stop[rows].max()))
        if columns.stop <= columns.start:
            continue
        unknown = open_[rows, None] | open_[None, columns]
        wrong = _differing(packed[rows, None] ^ packed[None, columns]) & ~unknown
        count = np.bitwise_count(wrong)
        seen = SLOTS - np.bitwise_count(unknown)
        low_right = np.bitwise_count(~wrong & ~unknown & _LOW_ONES)
        # A lone upper line is shared by many: it is followed only a short while, and if it agrees.
        alike = ((count <= _MOST_WRONG) & (low_right >= 2)) | ((seen <= 5) & (count == 0))
        i, j = np.nonzero(alike & (seen > 0))
        i, j = i + at, j + columns.start
        lone = np.bitwise_count(open_[i] | open_[j]) >= 5
        limit = np.where(
            lone & (np.bitwise_count((open_[i] | open_[j]) & _LOW_ONES) > 0), _LINE_S, near_s
        )
        ok = (j > i) & (time_s[j] - time_s[i] <= limit)
        found_i.append(i[ok])
        found_j.append(j[ok])
    return np.concatenate(found_i), np.concatenate(found_j)


def _far(
    codes: Codes,
    packed: NDArray[np.uint64],
    open_: NDArray[np.uint64],
    time_s: NDArray[np.float64],
    far_s: float,
) -> tuple[Ints, Ints]:
    """Return pairs whose lower lines differ in one sign at most, however long apart."""
    whole = np.flatnonzero((open_ & _LOW_ONES) == 0)
    found_i, found_j = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for left_out in _LOWER:
        key = np.zeros(len(whole), np.int64)
        for slot in _LOWER:
            if slot != left_out:
                key = key * 64 + codes[whole, slot]
        order = np.argsort(key, kind="stable")  # stable: within a key, in order of time
        rows, key = whole[order], key[order]
        for ahead in range(1, _MOST_IN_GROUP + 1):
            same = key[ahead:] == key[:-ahead]
            if not same.any():
                break
            found_i.append(rows[:-ahead][same])
            found_j.append(rows[ahead:][same])
    i, j = np.concatenate(found_i), np.concatenate(found_j)
    wrong = _differing(packed[i] ^ packed[j]) & ~(open_[i] | open_[j])
    ok = (np.bitwise_count(wrong) <= _MOST_WRONG_FAR) & (time_s[j] - time_s[i] <= far_s)
    return i[ok], j[ok]
