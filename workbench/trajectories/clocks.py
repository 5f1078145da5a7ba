"""Clocks of cameras against each other, from vehicles that drove between them both ways.

Two passes of one vehicle differ by the ride and by the two clocks. Headings tell which way the ride
went. The quick rides of each pair of cameras, each way, are what the road says they are, nearly:
with the clocks unknown that is a set of linear equations, solved so that no single pair decides.
From there :mod:`workbench.trajectories.delays` goes on, which knows that delays only add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories import delays
from workbench.trajectories.delays import Rides

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_WITHIN_S = 150.0
_FARTHEST_S, _FAR_S = 60.0, 5.0
_LEAST_RIDES = 2
_QUICK = 0.1
"""The share of rides that is quicker than the one that is compared with the road."""
_ROUNDS = 8
_KNOWN_S = 6.0
_ALONG_DEG = 75.0
_PACE, _PACE_SPREAD = 1.03, 0.08
_CROSSING_S, _CROSSING_SPREAD_S = 2.0, 1.0
_PACES = delays.Pace(_PACE, _PACE_SPREAD, _CROSSING_S, _CROSSING_SPREAD_S, _FAR_S)
_TURNS = {False: (250, 100), True: (500, 150)}
_MORE_SPREAD, _LEAST_SIGMA_S = 1.2, 0.3
"""Draws lie a little nearer each other than the truth does: roads are not as regular as assumed."""
_COARSE = (16.0, 8.0, 4.0, 2.0, 1.0)
_LEAST_SPREAD_S, _RIDE_SPREAD = 0.7, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Roads:
    """Between cameras: seconds at the limits, and the bearings a way leaves and arrives in; NaN."""

    fastest_s: Floats
    leaves_deg: Floats
    arrives_deg: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Clocks:
    """What to take off each camera's times: ``offset_s``, one standard deviation ``sigma_s``.

    ``known`` is False where nothing ties a camera to the others: its sigma is what it stated.
    """

    offset_s: Floats
    sigma_s: Floats
    known: NDArray[np.bool_]


def estimate(
    i: Ints,
    j: Ints,
    time_s: Floats,
    camera: Ints,
    bearing_deg: Floats,
    stated_s: Floats,
    roads: Roads,
    *,
    last: bool = True,
) -> Clocks:
    """Return offsets of cameras from pairs of reads (i, j), each of one vehicle shortly apart.

    Parameters
    ----------
    i, j
        Rows of the reads that are taken for one vehicle, in any order; a few may be wrong.
    stated_s
        One standard deviation of each camera's clock as stated; offsets are drawn to 0 by it, and
        by how far they turn out to be spread.
    last
        False where pairs will be found anew with this answer: fewer draws do then.
    """
    count = len(stated_s)
    rides = _quick_rides(i, j, time_s, camera, bearing_deg, roads)
    tied = np.bincount(rides.start, minlength=count) + np.bincount(rides.end, minlength=count) > 0
    if not tied.any():
        return Clocks(np.zeros(count), stated_s.copy(), np.zeros(count, bool))
    several = rides.rides >= _LEAST_RIDES
    start = _solve(rides, several, stated_s) if several.any() else np.zeros(count)
    turns, warm_up = _TURNS[last]
    offset, spread = delays.offsets(rides, stated_s, start, _PACES, turns=turns, warm_up=warm_up)
    sigma = np.where(tied, np.hypot(_MORE_SPREAD * spread, _LEAST_SIGMA_S), stated_s)
    known = tied & (sigma < np.minimum(_KNOWN_S, np.maximum(stated_s, 0.1)))
    return Clocks(np.where(known, offset, 0.0), np.where(known, sigma, stated_s), known)


def pairs_within(label: Ints, time_s: Floats, camera: Ints, stated_s: float) -> tuple[Ints, Ints]:
    """Return pairs of reads with one label at two cameras, shortly apart."""
    rows = np.lexsort((time_s, label))
    mine = label[rows]
    found = [np.zeros((2, 0), np.int64)]
    for ahead in (1, 2, 3):
        i, j = rows[:-ahead], rows[ahead:]
        ok = (mine[:-ahead] == mine[ahead:]) & (camera[i] != camera[j])
        found.append(np.stack([i[ok], j[ok]]))
    i, j = np.concatenate(found, axis=1)
    return near(i, j, time_s, stated_s)


def near(i: Ints, j: Ints, time_s: Floats, stated_s: float) -> tuple[Ints, Ints]:
    """Return the pairs that lie near enough in time, clocks allowing, to be one ride."""
    ok = np.abs(time_s[j] - time_s[i]) < _WITHIN_S + 3.0 * stated_s
    return i[ok], j[ok]


def _quick_rides(
    i: Ints, j: Ints, time_s: Floats, camera: Ints, bearing_deg: Floats, roads: Roads
) -> Rides:
    forth = _fits(bearing_deg, i, j, camera, roads)
    back = _fits(bearing_deg, j, i, camera, roads)
    sure = forth != back
    first, then = np.where(back, j, i)[sure], np.where(back, i, j)[sure]
    count = len(roads.fastest_s)
    pair = camera[first] * count + camera[then]
    apart = time_s[then] - time_s[first]
    order = np.lexsort((apart, pair))
    bounds = np.flatnonzero(np.diff(pair[order], prepend=-1, append=-1))
    rows = []
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):  # noqa: RUF007 - arrays
        start, end = divmod(int(pair[order[low]]), count)
        fastest = float(roads.fastest_s[start, end])
        if not fastest <= _FARTHEST_S:
            continue
        seconds = apart[order[low:high]]
        quick, slower = np.quantile(seconds, [_QUICK, 0.5])
        rows.append((start, end, high - low, float(quick), fastest, float(slower - quick)))
    table = np.array(rows, np.float64).reshape(-1, 6)
    whole = table[:, :3].astype(np.int64)
    return Rides(whole[:, 0], whole[:, 1], table[:, 3], table[:, 4], whole[:, 2], table[:, 5])


def _fits(bearing_deg: Floats, i: Ints, j: Ints, camera: Ints, roads: Roads) -> NDArray[np.bool_]:
    """Return whether headings fit a ride from read i to read j; an unknown one fits any."""
    a, b = camera[i], camera[j]
    leaves = _apart(bearing_deg[i], roads.leaves_deg[a, b])
    arrives = _apart(bearing_deg[j], roads.arrives_deg[a, b])
    return np.asarray((leaves < _ALONG_DEG) & (arrives < _ALONG_DEG))


def _apart(one: Floats, other: Floats) -> Floats:
    return np.nan_to_num(np.abs((one - other + 180.0) % 360.0 - 180.0), nan=0.0)


def _solve(rides: Rides, several: NDArray[np.bool_], stated_s: Floats) -> Floats:
    """Return offsets by least squares, outliers weighed down, to start from.

    Unknown with them are the pace of quick rides against the limit, and the seconds that crossing a
    place takes besides; how far clocks are spread is estimated along the way. Pairs that are jammed
    or wrong are let go step by step: first only what is off by far, at last all that is off.
    """
    start, end, apart_s = rides.start[several], rides.end[several], rides.apart_s[several]
    fastest_s = rides.fastest_s[several]
    # How sure a quantile is: by how far apart rides are there, and their number.
    own = (rides.slower_s[several] + 1.0) / np.sqrt(rides.rides[several])
    spread_s = np.hypot(_RIDE_SPREAD * fastest_s + _LEAST_SPREAD_S, 1.5 * own)
    count, size = len(stated_s), len(start)
    tied = np.unique(np.concatenate([start, end]))
    design = np.zeros((size, count + 2))
    design[np.arange(size), end] = 1.0
    design[np.arange(size), start] = -1.0
    design[:, count], design[:, count + 1] = fastest_s, fastest_s < _FAR_S
    prior = np.concatenate([np.zeros(count), [_PACE, _CROSSING_S]])
    spread: Floats = np.concatenate(
        [np.maximum(stated_s, 0.05), [_PACE_SPREAD, _CROSSING_SPREAD_S]]
    )
    weight = 1.0 / spread_s**2
    answer: Floats = prior
    for coarse in np.repeat(_COARSE, _ROUNDS):
        normal = design.T @ (design * weight[:, None]) + np.diag(1.0 / spread**2)
        pull = design.T @ (weight * apart_s) + prior / spread**2
        answer = np.asarray(np.linalg.solve(normal, pull), np.float64)
        off = (apart_s - design @ answer) / spread_s / coarse
        weight = np.asarray(1.0 / (1.0 + (off / 2.0) ** 2) ** 2 / spread_s**2)
        typical = 1.48 * float(np.median(np.abs(answer[:count][tied])))
        spread[:count] = np.clip(1.3 * typical, 0.5, np.maximum(stated_s, 0.05))
    return answer[:count]
