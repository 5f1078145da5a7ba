"""Offsets of clocks where delays only add, drawn by Gibbs' sampler: so their spread is known.

The quick ride of a pair of cameras is the road's time, later by a delay that is never below zero:
in the middle a second or two, on a jammed road a minute. Least squares take part of it for a clock.
Here each ride has a delay of its own, of one of five sorts: none, short, long, jammed, and *broken*
(another trip, another way round: off to either side). How often each is met is counted on the way,
by how many rides a pair has and how far it is. What is returned is the mean of what was drawn, and
how far the draws lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.later import later

special = later("scipy.special")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_DELAYS_S = np.array([3.0, 12.0, 45.0])
_BROKEN_S = 50.0
_FIRST_SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
_FIRST_COUNT = 10.0
_COARSE = 16.0
_BY_RIDES, _BY_SECONDS = (2, 5, 20, 100), (5.0, 30.0)
_ROAD_SPREAD, _LEAST_SPREAD_S, _OWN_SPREAD = 0.1, 0.7, 0.7
_LOG_SQRT_2PI = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Rides:
    """Quick rides by pair of cameras, each way.

    ``start``, ``end`` are cameras, ``apart_s`` seconds by their clocks, ``fastest_s`` at the
    limits; ``rides`` how many there were, ``slower_s`` by how much the middle one was slower.
    """

    start: Ints
    end: Ints
    apart_s: Floats
    fastest_s: Floats
    rides: Ints
    slower_s: Floats


@dataclass(frozen=True, slots=True)
class Pace:
    """The common pace against the limit, and seconds a crossing takes, each with its spread."""

    pace: float
    pace_spread: float
    crossing_s: float
    crossing_spread_s: float
    crossing_below_s: float


def offsets(
    rides: Rides,
    stated_s: Floats,
    start_s: Floats,
    pace: Pace,
    *,
    turns: int,
    warm_up: int,
) -> tuple[Floats, Floats]:
    """Return offsets of cameras and one standard deviation, of those tied by a ride.

    Same input, same output: draws come from a fixed seed. A common shift of all tied clocks shows
    in no ride; it is taken off each draw, as the middle of them.

    Parameters
    ----------
    stated_s
        One standard deviation of each clock as stated; the common one is learned, up to that.
    start_s
        Offsets to begin with.
    """
    rng = np.random.default_rng(0)
    count = len(stated_s)
    tied = np.unique(np.concatenate([rides.start, rides.end]))
    design = _Design(rides, count, pace)
    prior = np.concatenate([np.zeros(count), [pace.pace, pace.crossing_s]])
    own = _OWN_SPREAD * (rides.slower_s + 1.0) / np.sqrt(rides.rides)
    spread = np.hypot(_ROAD_SPREAD * rides.fastest_s + _LEAST_SPREAD_S, own)
    group = np.digitize(rides.rides, _BY_RIDES) * (len(_BY_SECONDS) + 1)
    group = group + np.digitize(rides.fastest_s, _BY_SECONDS)
    groups = (len(_BY_RIDES) + 1) * (len(_BY_SECONDS) + 1)
    shares = np.tile(_FIRST_SHARES, (groups, 1))
    drawn = np.concatenate([start_s, prior[count:]])
    common_s = float(stated_s.max())
    total, squares = np.zeros(count), np.zeros(count)
    for turn in range(turns):
        late = rides.apart_s - design.of(drawn)
        # Coarse at first, so that a clock far off is not held where the draws began.
        wide = spread * max(1.0, _COARSE * (1.0 - 2.0 * turn / warm_up))
        sort, delay = _delays(late, wide, shares[group], rng)
        if turn > warm_up // 2:
            shares = _shares(sort, group, groups, rng)
        broken = sort == len(_DELAYS_S) + 1
        weight = 1.0 / (wide**2 + np.where(broken, _BROKEN_S**2, 0.0))
        free = np.maximum(np.minimum(stated_s, common_s), 0.05)
        drawn_to = np.concatenate([free, [pace.pace_spread, pace.crossing_spread_s]])
        normal = design.normal(weight) + np.diag(1.0 / drawn_to**2)
        pull = design.pull(weight * (rides.apart_s - delay)) + prior / drawn_to**2
        lower = np.linalg.cholesky(normal)
        answer = np.linalg.solve(normal, pull)
        drawn = answer + np.linalg.solve(lower.T, rng.normal(size=count + 2))
        mine = drawn[:count][tied]
        common_s = float(np.sqrt((mine @ mine) / rng.chisquare(len(tied))))
        if turn >= warm_up:
            shifted = drawn[:count] - np.median(mine)
            total += shifted
            squares += shifted**2
    mean = total / (turns - warm_up)
    return mean, np.sqrt(np.maximum(squares / (turns - warm_up) - mean**2, 0.0))


class _Design:
    """Each ride is the clock at its end less that at its start, and the road: two unknowns more.

    Of so many zeros only what is not zero is multiplied.
    """

    def __init__(self, rides: Rides, count: int, pace: Pace) -> None:
        near = (rides.fastest_s < pace.crossing_below_s).astype(np.float64)
        self._start, self._end, self._size = rides.start, rides.end, count + 2
        self._road = np.stack([rides.fastest_s, near], 1)
        self._crossed = (
            rides.start * self._size + rides.end,
            rides.end * self._size + rides.start,
        )

    def of(self, answer: Floats) -> Floats:
        """Return what rides would be with such clocks and roads."""
        return np.asarray(answer[self._end] - answer[self._start] + self._road @ answer[-2:])

    def pull(self, weighed: Floats) -> Floats:
        """Return the transpose times a value a ride."""
        clocks: Floats = np.bincount(self._end, weighed, minlength=self._size).astype(np.float64)
        clocks = clocks - np.bincount(self._start, weighed, minlength=self._size)
        clocks[-2:] = self._road.T @ weighed
        return clocks

    def normal(self, weight: Floats) -> Floats:
        """Return the matrix of the normal equations, rides weighed."""
        size = self._size
        alone = np.bincount(self._end, weight, minlength=size)
        alone = alone + np.bincount(self._start, weight, minlength=size)
        table = np.zeros(size * size)
        for crossed in self._crossed:
            table -= np.bincount(crossed, weight, minlength=size * size)
        found = table.reshape(size, size) + np.diag(alone)
        for at in (0, 1):
            found[:, at - 2] = self.pull(weight * self._road[:, at])
        found[-2:] = found[:, -2:].T
        return found


def _delays(
    late: Floats, spread: Floats, shares: Floats, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Return which sort of delay each ride has, and how long it is, by lot."""
    sorts = [_normal_log(late, spread)]
    sorts += [_delayed_log(late, spread, delay_s) for delay_s in _DELAYS_S]
    sorts.append(_normal_log(late, np.hypot(spread, _BROKEN_S)))
    log = np.stack(sorts, 1) + np.log(shares)
    likely = np.exp(log - log.max(1, keepdims=True)).cumsum(1)
    lot = rng.random(len(late))[:, None] * likely[:, -1:]
    sort = np.minimum((likely < lot).sum(1), len(sorts) - 1)
    delay = np.zeros(len(late))
    held = np.flatnonzero((sort >= 1) & (sort <= len(_DELAYS_S)))
    # Given its sort, a delay is normal about what is late, and not below zero.
    middle = late[held] - spread[held] ** 2 / _DELAYS_S[sort[held] - 1]
    below = special.ndtr(-middle / spread[held])
    at = np.clip(below + rng.random(len(held)) * (1.0 - below), 1e-12, 1.0 - 1e-12)
    delay[held] = np.maximum(middle + spread[held] * special.ndtri(at), 0.0)
    return sort, delay


def _shares(sort: Ints, group: Ints, groups: int, rng: np.random.Generator) -> Floats:
    """Return by group of rides how often each sort of delay is met, by lot around the counts."""
    counts = np.zeros((groups, len(_FIRST_SHARES)))
    np.add.at(counts, (group, sort), 1.0)
    general = 0.5 * counts.sum(0) / counts.sum() + 0.5 * _FIRST_SHARES
    gamma = rng.standard_gamma(counts + _FIRST_COUNT * general)
    return np.asarray(np.maximum(gamma / gamma.sum(1, keepdims=True), 1e-9))


def _normal_log(late: Floats, spread: Floats) -> Floats:
    return np.asarray(-0.5 * (late / spread) ** 2 - np.log(spread) - _LOG_SQRT_2PI)


def _delayed_log(late: Floats, spread: Floats, delay_s: float) -> Floats:
    """Return the log density of a normal plus an exponential delay.

    >>> _delayed_log(np.array([0.0, 5.0]), np.full(2, 1e-3), 5.0).round(2).tolist()
    [-2.3, -2.61]
    """
    short = spread / delay_s - late / spread
    scaled = np.log(np.maximum(special.erfcx(np.maximum(short, 0.0) / np.sqrt(2)), 1e-300))
    near = scaled - 0.5 * (late / spread) ** 2
    far = 0.5 * (spread / delay_s) ** 2 - late / delay_s
    far = far + np.log(np.maximum(2.0 * special.ndtr(-short), 1e-300))
    return np.asarray(np.where(short > 0, near, far) - np.log(2.0 * delay_s))
