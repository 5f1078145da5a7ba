"""Sightings without a plate, as possible stops on the way of a vehicle that was read.

Each may belong to one leg of a vehicle, or to the time after its last or before its first read, and
a vehicle passes a camera once on a leg. Only reads are hosts: one unread sighting never leads to
another, so that no identity is carried through them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories.beliefs import Believed, Reads
from workbench.trajectories.matching import marginals
from workbench.trajectories.travel import SECTORS, TravelModel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_OPEN_S = 240.0
"""How long after its last read, or before its first, a vehicle is looked for."""
_SLACK_S = 3.0
_ROUNDS = 4
_BINS = np.array([2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0])
_SHRUNK = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Hosts:
    """Legs between reads ``before`` and ``after`` (rows of the reads; -1 at an open end)."""

    before: Ints
    after: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Possible:
    """Unread sightings (rows of ``unread``) that may belong to hosts, each with its probability."""

    unread: Reads
    hosts: Hosts
    row: Ints
    host: Ints
    probability: Floats

    def best(self) -> tuple[Ints, Floats]:
        """Return, for each unread sighting, its likeliest host (-1: none) and the probability."""
        host = np.full(len(self.unread.ids), -1, np.int64)
        probability = np.zeros(len(self.unread.ids))
        order = np.argsort(self.probability, kind="stable")
        host[self.row[order]] = self.host[order]
        probability[self.row[order]] = self.probability[order]
        return host, probability


def join_unread(believed: Believed, unread: Reads) -> Possible:
    """Return which unread sightings may belong to which vehicles that were read.

    ``unread`` is on corrected time, in its order.
    """
    hosts = _hosts(believed)
    row, host = _near(believed, unread, hosts)
    if not len(row):
        return Possible(unread, hosts, row, host, np.zeros(0))
    reads, rides = believed.reads, believed.travel_model
    cameras = len(rides.fastest_s)
    first, last = hosts.before[host], hosts.after[host]
    ci, cj = _camera(reads, first), _camera(reads, last)
    v, state = unread.camera[row], unread.state[row]
    density = _density(reads, unread, rides, row, first, last)
    kind = _kind(believed, unread, row, first, last)
    detour = _detour(rides, ci, cj, v)
    bins = np.digitize(detour, _BINS)
    context = (ci + 1) * (cameras + 1) + cj + 1
    keep = np.flatnonzero(density + kind > -14.0)
    row, host, state, bins = row[keep], host[keep], state[keep], bins[keep]
    evidence, context, v = (density + kind)[keep], context[keep], v[keep]
    slot = np.unique(host * cameras + v, return_inverse=True)[1].ravel() + len(unread.ids)
    learnt = _Rates(believed, unread, hosts, context, state, bins)
    probability = np.full(len(row), 0.0)
    for _ in range(_ROUNDS):
        weight = evidence + learnt.log_odds(probability, row)
        size = len(unread.ids) + len(keep)
        probability = marginals(row, slot, weight, np.zeros(size), size)
    return Possible(unread, hosts, row, host, probability)


class _Rates:
    """How often a vehicle on a leg is seen, unread, in a state: counted, leaning on the detour."""

    def __init__(
        self,
        believed: Believed,
        unread: Reads,
        hosts: Hosts,
        context: Ints,
        state: Ints,
        bins: Ints,
    ) -> None:
        reads, rides = believed.reads, believed.travel_model
        cameras = len(rides.fastest_s)
        states = cameras * SECTORS
        self._seconds = max(float(np.ptp(reads.time_s)), 60.0)
        self._unread = np.bincount(unread.state, minlength=states).astype(float)
        self._share = (self._unread + 1.0) / (
            self._unread + np.bincount(reads.state, minlength=states) + 2.0
        )
        # Where a camera sees one side of the road, no vehicle is seen heading to the others.
        total = self._unread + np.bincount(reads.state, minlength=states)
        side = total.reshape(cameras, SECTORS)
        self._share *= (side / np.maximum(side.sum(1, keepdims=True), 1.0)).ravel()
        ci, cj = _camera(reads, hosts.before), _camera(reads, hosts.after)
        every = (ci + 1) * (cameras + 1) + cj + 1
        self._known, at, self._hosts = np.unique(every, return_index=True, return_counts=True)
        detour = np.stack(
            [_detour(rides, ci[at], cj[at], np.full(len(at), camera)) for camera in range(cameras)],
            1,
        )
        near = np.repeat(np.digitize(detour, _BINS), SECTORS, axis=1)
        exposure = self._hosts[:, None] * self._share[None]
        self._exposed = np.bincount(near.ravel(), exposure.ravel(), minlength=len(_BINS) + 1)
        self._context = np.searchsorted(self._known, context)
        self._state, self._bins = state, bins
        keys = self._context * states + state
        self._keys, self._key = np.unique(keys, return_inverse=True)
        self._rate = 0.8 * np.exp(-np.arange(len(_BINS) + 1) * 0.9)

    def log_odds(self, probability: Floats, row: Ints) -> Floats:
        """Return log odds of being seen so on the leg, over the rate of what nobody claims."""
        states = len(self._unread)
        if probability.any():
            joined = np.bincount(self._bins, probability, minlength=len(self._rate))
            self._rate = (joined + 1.0) / (self._exposed + 5.0)
        counted = np.bincount(self._key.ravel(), probability, minlength=len(self._keys))
        general = np.minimum(self._rate[self._bins] * self._share[self._state], 0.9)
        own = counted[self._key.ravel()]
        weight = np.where(probability.any(), 1.0, 0.0)
        seen = (weight * own + _SHRUNK * general) / (weight * self._hosts[self._context] + _SHRUNK)
        seen = np.clip(seen, 1e-5, 0.95)
        claimed = np.bincount(self._state, probability, minlength=states)
        free = np.maximum(self._unread - claimed, 0.0) + 1.0 + 0.02 * self._unread
        return np.asarray(np.log(seen / (1 - seen)) - np.log(free[self._state] / self._seconds))


def _hosts(believed: Believed) -> Hosts:
    edges = believed.edges
    count = len(believed.reads.ids)
    has_next, has_before = np.zeros(count, bool), np.zeros(count, bool)
    i, j = edges.i[believed.links], edges.j[believed.links]
    has_next[i], has_before[j] = True, True
    tails, heads = np.flatnonzero(~has_next), np.flatnonzero(~has_before)
    none = np.full
    return Hosts(
        np.concatenate([i, tails, none(len(heads), -1)]),
        np.concatenate([j, none(len(tails), -1), heads]),
    )


def _near(believed: Believed, unread: Reads, hosts: Hosts) -> tuple[Ints, Ints]:
    """Return (unread, host) pairs near enough in time."""
    time_s = believed.reads.time_s
    slack = _SLACK_S + 2.0 * float(np.median(unread.sigma_s)) if len(unread.ids) else _SLACK_S
    first = np.where(hosts.before >= 0, time_s[hosts.before], np.nan)
    last = np.where(hosts.after >= 0, time_s[hosts.after], np.nan)
    found = []
    # After its first read, and before its last: a long leg is searched near both of its ends.
    whole = (last - first) <= 2 * _OPEN_S
    spans = (
        (np.where(whole, first, np.nan), np.where(whole, last, np.nan)),
        (np.where(whole, np.nan, first), np.where(whole, np.nan, first) + _OPEN_S),
        (np.where(whole, np.nan, last) - _OPEN_S, np.where(whole, np.nan, last)),
    )
    for start, stop in spans:
        which = np.flatnonzero(np.isfinite(start) & np.isfinite(stop))
        low = np.searchsorted(unread.time_s, start[which] - slack)
        high = np.searchsorted(unread.time_s, stop[which] + slack)
        size = np.maximum(high - low, 0)
        host = np.repeat(which, size)
        row = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
        found.append(np.stack([row + np.repeat(low, size), host]))
    row, host = np.concatenate(found, axis=1).astype(np.int64)
    return _reachable(believed, unread, hosts, row, host)


def _reachable(
    believed: Believed, unread: Reads, hosts: Hosts, row: Ints, host: Ints
) -> tuple[Ints, Ints]:
    reads, fastest = believed.reads, believed.travel_model.fastest_s
    ok = np.ones(len(row), bool)
    v = unread.camera[row]
    for end, sign in ((hosts.before[host], 1.0), (hosts.after[host], -1.0)):
        there = end >= 0
        camera = _camera(reads, end)
        least = np.where(sign > 0, fastest[camera, v], fastest[v, camera]) / 1.7
        elapsed = sign * (unread.time_s[row] - reads.time_s[end])
        sigma = np.hypot(unread.sigma_s[row], reads.sigma_s[end])
        ok &= ~there | (elapsed + 3.0 * sigma + 1.0 >= least)
    return row[ok], host[ok]


def _camera(reads: Reads, row: Ints) -> Ints:
    return np.where(row >= 0, reads.camera[row], -1)


def _detour(rides: TravelModel, ci: Ints, cj: Ints, v: Ints) -> Floats:
    """Return how many seconds longer the way over a camera is; from an open end, how far it is."""
    out, back = rides.fastest_s[ci, v], rides.fastest_s[v, cj]
    direct = rides.fastest_s[ci, cj]
    between = out + back - direct
    return np.where(ci < 0, back, np.where(cj < 0, out, between))


def _density(
    reads: Reads, unread: Reads, rides: TravelModel, row: Ints, first: Ints, last: Ints
) -> Floats:
    """Return the log density (per second) of passing the camera then, on that leg."""
    v, ci, cj = unread.camera[row], _camera(reads, first), _camera(reads, last)
    since = unread.time_s[row] - reads.time_s[first]
    until = reads.time_s[last] - unread.time_s[row]
    sigma_i = np.where(ci == v, 0.0, np.hypot(unread.sigma_s[row], reads.sigma_s[first]))
    sigma_j = np.where(cj == v, 0.0, np.hypot(unread.sigma_s[row], reads.sigma_s[last]))
    after = np.exp(rides.log_time(ci, v, since, sigma_i))
    before = np.exp(rides.log_time(v, cj, until, sigma_j))
    whole = reads.time_s[last] - reads.time_s[first]
    out, back = rides.mean_s[ci, v], rides.mean_s[v, cj]
    share = out / np.maximum(out + back, 1e-9)
    spread_i = np.hypot(rides.spread_s[ci, v], sigma_i)
    spread_j = np.hypot(rides.spread_s[v, cj], sigma_j)
    spread = spread_i * spread_j / np.hypot(spread_i, spread_j)
    spread = np.sqrt(
        spread**2 + (0.12 * np.maximum(whole, 0)) ** 2 * 4 * share * (1 - share) + 0.25
    )
    on_the_way = np.exp(-0.5 * ((since - share * whole) / spread) ** 2) / (2.5066 * spread)
    slow = np.clip((whole - out - back) / np.maximum(3.0 * (spread_i + spread_j), 10.0), 0.0, 1.0)
    between = (1 - 0.9 * slow) * on_the_way + 0.9 * slow * 0.5 * (after + before)
    density = np.where(first < 0, before, np.where(last < 0, after, between))
    return np.asarray(np.log(density + 1e-9))


def _kind(believed: Believed, unread: Reads, row: Ints, first: Ints, last: Ints) -> Floats:
    ratio = believed.kinds
    reads = believed.reads
    ours = unread.kind[row]
    one = np.where(first >= 0, ratio[reads.kind[first], ours], ratio[ours, reads.kind[last]])
    two = np.where(last >= 0, ratio[ours, reads.kind[last]], one)
    return np.asarray(0.5 * (one + two))
