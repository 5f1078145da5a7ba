"""Which pairs of reads are worth comparing: near in time and alike, or far apart and nearly equal.

Pairs are found by XOR of packed signs, a block of reads at a time; nothing here decides.
"""

from __future__ import annotations

from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories.signs import OPEN, SLOTS, Codes

Ints = NDArray[np.int64]

NEAR_S = 420.0
"""Within it, reads that share two lower signs are compared."""
_BLOCK = 256
_MOST_WRONG = 5
_MOST_WRONG_FAR = 2
_SERIES, _LOWER = range(2, 5), range(5, SLOTS)
_MOST_IN_GROUP = 12
_ONES = np.uint64(sum(1 << (6 * slot) for slot in range(SLOTS)))
_LOW_ONES = np.uint64(sum(1 << (6 * slot) for slot in _LOWER))
_LINE_S, _WRONG_IN_LINE = 150.0, 2
_LOWER_SLOTS = SLOTS // 2
_LOW_SHIFT = np.uint64(6 * _LOWER_SLOTS)
_Word = TypeVar("_Word", np.uint32, np.uint64)


def pairs(
    codes: Codes,
    time_s: NDArray[np.float64],
    *,
    near_s: float = NEAR_S,
    far_s: float = 6 * 3600.0,
    wide: bool = False,
) -> tuple[Ints, Ints]:
    """Return index pairs ``i < j`` of reads, sorted by time, that may be of one plate.

    Where `wide`, lone upper lines are followed as long as whole plates, a wrong sign allowed, and
    shortly with two, and plates far apart may differ in more signs: many more pairs, few right.
    """
    packed, open_ = _packed(codes)
    first, then = _near(packed, open_, time_s, near_s, wide)
    long_first, long_then = _far(codes, packed, open_, time_s, far_s, wide)
    count = len(codes)
    keys = np.sort(np.concatenate([first * count + then, long_first * count + long_then]))
    # Sorted by hand: numpy's unique hashes integers first, which is slower by far here.
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // max(count, 1), keys % max(count, 1)


def _packed(codes: Codes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    packed, open_ = np.zeros(len(codes), np.uint64), np.zeros(len(codes), np.uint64)
    for slot in range(SLOTS):
        packed |= codes[:, slot].astype(np.uint64) << np.uint64(6 * slot)
        open_ |= (codes[:, slot] == OPEN).astype(np.uint64) << np.uint64(6 * slot)
    return packed, open_


def _differing(x: NDArray[_Word]) -> NDArray[_Word]:
    """Return words with the lowest bit of each slot set where the slot of `x` is not zero."""
    word = x.dtype.type
    x = x | (x >> word(3))
    x = x | (x >> word(2)) | (x >> word(1))
    return x & word(int(_ONES) & np.iinfo(word).max)


def _near(
    packed: NDArray[np.uint64],
    open_: NDArray[np.uint64],
    time_s: NDArray[np.float64],
    near_s: float,
    wide: bool,
) -> tuple[Ints, Ints]:
    wrong_in_line = _WRONG_IN_LINE if wide else 0
    found_i, found_j = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    stop = np.searchsorted(time_s, time_s + near_s, side="right")
    lower = (packed >> _LOW_SHIFT).astype(np.uint32)
    partly = open_ > 0
    for at in range(0, len(packed), _BLOCK):
        rows = slice(at, min(at + _BLOCK, len(packed)))
        columns = slice(at + 1, int(stop[rows].max()))
        if columns.stop <= columns.start:
            continue
        # Most pairs share no two lower signs: they go on half of the bits.
        differing = _differing(lower[rows, None] ^ lower[None, columns])
        worth = np.bitwise_count(differing) <= _LOWER_SLOTS - 2
        worth |= partly[rows, None]
        worth |= partly[None, columns]
        i, j = np.nonzero(worth)
        i, j = i + at, j + columns.start
        ok = (j > i) & (time_s[j] - time_s[i] <= near_s)
        i, j = i[ok], j[ok]
        unknown = open_[i] | open_[j]
        wrong = _differing(packed[i] ^ packed[j]) & ~unknown
        count = np.bitwise_count(wrong)
        seen = SLOTS - np.bitwise_count(unknown)
        low_right = np.bitwise_count(~wrong & ~unknown & _LOW_ONES)
        # A lone upper line is shared by many: it is followed the longer the more it agrees.
        alike = ((count <= _MOST_WRONG) & (low_right >= 2)) | (
            (seen <= 5) & (count <= wrong_in_line)
        )
        alike &= seen > 0
        lone = (np.bitwise_count(unknown) >= 5) & (np.bitwise_count(unknown & _LOW_ONES) > 0)
        most_s = np.where(count < wrong_in_line, near_s, _LINE_S)
        alike &= ~lone | (time_s[j] - time_s[i] <= most_s)
        found_i.append(i[alike])
        found_j.append(j[alike])
    return np.concatenate(found_i), np.concatenate(found_j)


def _far(
    codes: Codes,
    packed: NDArray[np.uint64],
    open_: NDArray[np.uint64],
    time_s: NDArray[np.float64],
    far_s: float,
    wide: bool,
) -> tuple[Ints, Ints]:
    """Return pairs whose lower lines differ in one sign at most, however long apart.

    Where `wide`, in two where the series are equal.
    """
    whole = np.flatnonzero((open_ & _LOW_ONES) == 0)
    found_i, found_j = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    compared = [[slot for slot in _LOWER if slot != left_out] for left_out in _LOWER]
    if wide:
        compared += [
            [*_SERIES, *(slot for slot in _LOWER if slot not in two)]
            for two in combinations(_LOWER, 2)
        ]
    for slots in compared:
        key = np.zeros(len(whole), np.int64)
        for slot in slots:
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
    most = _MOST_WRONG_FAR + wide
    ok = (np.bitwise_count(wrong) <= most) & (time_s[j] - time_s[i] <= far_s)
    return i[ok], j[ok]
