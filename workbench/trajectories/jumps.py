"""One vehicle that was once too quick: a way the map lacks, or a time that is wrong.

Two reads between which nobody can have driven are two vehicles, or one and a single ride that only
looks so: over a yard that is on no map, or by a recorder that stamped a stretch of time wrongly.
Then everything before that ride and everything after it is the way of one vehicle, and what
follows is what usually does. Of two vehicles with one plate neither is to be expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories.beliefs import Believed

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LEAST_SHARE = 1e-9
_MOST_READS = 200


def log_jump(
    believed: Believed, one: Sequence[int], other: Sequence[int], first: Ints, then: Ints
) -> float:
    """Return the log ratio of one vehicle with a single ride too quick, against two vehicles.

    Ways are weighed by the times of rides and the successions that linking learned. Of two
    vehicles the second begins anywhere where vehicles do, at any time at which the two could
    meet, and every way to part the reads among the two counts.

    Parameters
    ----------
    one, other
        Rows of the reads of two chains; the same twice where one chain holds all of them.
    first, then
        Rows of pairs that nobody can have driven, each earlier and later.

    Returns
    -------
    float
        Minus infinity where no single ride explains all the pairs.
    """
    after, before = int(first.max()), int(then.min())
    if after >= before:
        return -inf
    reads, model = believed.reads, believed.travel_model
    whole = np.array(sorted({*one, *other}), np.int64)
    middle = int(np.searchsorted(whole, after))
    whole = whole[max(middle - _MOST_READS // 2, 0) : middle + _MOST_READS // 2]
    steps = _steps(believed, whole)
    at = _broken(believed, whole, after, before)
    a, b = int(whole[at]), int(whole[at + 1])
    least_s = max(float(model.fastest_s[reads.camera[a], reads.camera[b]]), 1.0)
    way = np.diagonal(steps, 1)
    ends = np.log(np.maximum(model.ends[reads.state[whole]], _LEAST_SHARE))
    # It could have been any of its rides.
    quick = float(_place(believed, whole)[at, at + 1]) - log(least_s) - log(len(way))
    single = float(way.sum() - way[at]) + quick + float(ends[-1])
    known = model.fastest_s[np.isfinite(model.fastest_s)]
    window_s = float(np.ptp(reads.time_s[whole])) + 2.0 * float(np.quantile(known, 0.95)) + 1.0
    share = model.begins_hz / max(float(model.begins_hz.sum()), _LEAST_SHARE)
    begins = np.log(np.maximum(share[reads.state[whole]], _LEAST_SHARE)) - log(window_s)
    return single - _parted(steps, begins, ends)


def _parted(steps: Floats, begins: Floats, ends: Floats) -> float:
    """Return the log weight of all ways to part reads among two vehicles, each with one at least.

    ``steps`` [from, to], ``begins`` and ``ends`` are of the reads in order of time.
    """
    count = len(begins)
    alone = 0.0
    # By the last read of the vehicle that did not make the latest one.
    beside = np.full(count, -inf)
    for at in range(1, count):
        after = steps[:at, at]
        turned = float(
            np.logaddexp.reduce([*(beside[: at - 1] + after[: at - 1]), alone + begins[at]])
        )
        beside[: at - 1] += after[at - 1]
        beside[at - 1] = turned
        alone += float(after[at - 1])
    return float(np.logaddexp.reduce(beside[: count - 1] + ends[: count - 1]) + ends[-1])


def _broken(believed: Believed, whole: Ints, after: int, before: int) -> int:
    """Return which step of a way lacks most time, of those that all undrivable pairs span."""
    low, high = (int(np.searchsorted(whole, row)) for row in (after, before))
    steps = np.arange(low, high)
    a, b = whole[steps], whole[steps + 1]
    reads = believed.reads
    least = believed.travel_model.fastest_s[reads.camera[a], reads.camera[b]]
    return int(steps[np.argmax(least - (reads.time_s[b] - reads.time_s[a]))])


def _place(believed: Believed, rows: Ints) -> Floats:
    """Return ``[from, to]``: log share of one being followed by the other."""
    model, state = believed.travel_model, believed.reads.state[rows]
    follows = np.maximum(model.follows[np.ix_(state, state)], _LEAST_SHARE)
    return np.asarray(np.log((1.0 - model.ends[state])[:, None] * follows))


def _steps(believed: Believed, rows: Ints) -> Floats:
    """Return ``[from, to]``: log density of what follows, and after what time."""
    reads, count = believed.reads, len(rows)
    a, b = np.repeat(rows, count), np.tile(rows, count)
    same = reads.camera[a] == reads.camera[b]
    sigma = np.where(same, 0.0, np.hypot(reads.sigma_s[a], reads.sigma_s[b]))
    elapsed = reads.time_s[b] - reads.time_s[a]
    ride = believed.travel_model.log_time(reads.camera[a], reads.camera[b], elapsed, sigma)
    return np.asarray(ride.reshape(count, count) + _place(believed, rows))
