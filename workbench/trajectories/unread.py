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
from workbench.trajectories.travel import SECTORS, TravelModel, rides_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_OPEN_S = 120.0
"""How long after its last read, or before its first, a vehicle is looked for."""
_SLACK_S = 3.0
_ROUNDS = 5
_BINS = np.array([2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0])
_SHRUNK = 6.0
_WORTH_KEEPING = -9.0
_FARTHEST_S = 40.0
_LEFT_OF_CLOCKS = 0.5
"""Rides by pair of cameras are learned with what the clocks are off: part of it is in them."""


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
    kind = _kind(believed, unread, row, hosts.before[host], hosts.after[host])
    keep = _density(reads, unread, rides, row, hosts, host) + kind > _WORTH_KEEPING
    row, host, kind = row[keep], host[keep], kind[keep]
    cameras, size = len(rides.fastest_s), len(unread.ids) + len(row)
    slot = np.unique(host * cameras + unread.camera[row], return_inverse=True)[1].ravel()
    slot += len(unread.ids)
    learnt = _Rates(believed, unread, hosts, row, host)
    probability = np.zeros(len(row))
    for _ in range(_ROUNDS):
        density = _density(reads, unread, rides, row, hosts, host)
        weight = density + kind + learnt.log_odds(probability)
        probability = marginals(row, slot, weight, np.zeros(size), size)
        rides = _with_unread(believed, unread, hosts, row, host, probability)
    return Possible(unread, hosts, row, host, probability)


def _with_unread(
    believed: Believed, unread: Reads, hosts: Hosts, row: Ints, host: Ints, probability: Floats
) -> TravelModel:
    """Return the model of rides with those to and from unread sightings counted too."""
    reads, rides = believed.reads, believed.travel_model
    edges, cameras = believed.edges, len(believed.travel_model.fastest_s)
    near = probability > 0.02
    row, host, probability = row[near], host[near], probability[near]
    pair, elapsed, weight = [], [], []
    for first, end in ((True, hosts.before[host]), (False, hosts.after[host])):
        there = end >= 0
        v, c = unread.camera[row[there]], reads.camera[end[there]]
        gone = unread.time_s[row[there]] - reads.time_s[end[there]]
        pair.append(c * cameras + v if first else v * cameras + c)
        elapsed.append(gone if first else -gone)
        weight.append(probability[there])
    links = believed.links
    i, j = edges.i[links], edges.j[links]
    pair.append(reads.camera[i] * cameras + reads.camera[j])
    elapsed.append(reads.time_s[j] - reads.time_s[i])
    weight.append(edges.probability[links])
    every, seconds, sure = (np.concatenate(part) for part in (pair, elapsed, weight))
    return rides_of(rides, every // cameras, every % cameras, seconds, sure)


class _Rates:
    """How often a vehicle on a leg is seen, unread, in a state: counted, leaning on the detour."""

    def __init__(
        self, believed: Believed, unread: Reads, hosts: Hosts, row: Ints, host: Ints
    ) -> None:
        reads, rides = believed.reads, believed.travel_model
        cameras = len(rides.fastest_s)
        states = cameras * SECTORS
        self._seconds = max(float(np.ptp(reads.time_s)), 60.0)
        # Which kinds stay unread in a state, each drawn to the state's own share.
        shape = (states, len(believed.kinds))
        self._unread = _table(unread.state, unread.kind, shape)
        every = self._unread + _table(reads.state, reads.kind, shape)
        total = every.sum(1, keepdims=True)
        share = (self._unread.sum(1, keepdims=True) + 1.0) / (total + 2.0)
        by_kind = (self._unread + 8.0 * share) / (every + 8.0)
        # Where a camera sees one side of the road, no vehicle is seen heading to the others.
        side = total.reshape(cameras, SECTORS)
        heads = (side / np.maximum(side.sum(1, keepdims=True), 1.0)).reshape(-1, 1)
        of_host = np.where(hosts.before >= 0, reads.kind[hosts.before], reads.kind[hosts.after])
        self._state, self._kind = unread.state[row], unread.kind[row]
        self._likely = (heads * by_kind)[self._state, of_host[host]]
        self._typical = (heads * share)[self._state, 0]
        ci, cj = _camera(reads, hosts.before), _camera(reads, hosts.after)
        context = (ci + 1) * (cameras + 1) + cj + 1
        known, at, self._hosts = np.unique(context, return_index=True, return_counts=True)
        detour = np.stack(
            [_detour(rides, ci[at], cj[at], np.full(len(at), c)) for c in range(cameras)], 1
        )
        near = np.repeat(np.digitize(detour, _BINS), SECTORS, axis=1)
        exposure = self._hosts[:, None] * (heads * share).T
        self._exposed = np.bincount(near.ravel(), exposure.ravel(), minlength=len(_BINS) + 1)
        self._context = np.searchsorted(known, context[host])
        self._bins = np.digitize(_detour(rides, ci[host], cj[host], unread.camera[row]), _BINS)
        keys, key = np.unique(self._context * states + self._state, return_inverse=True)
        self._key_count, self._key = len(keys), key.ravel()
        self._rate = 0.8 * np.exp(-np.arange(len(_BINS) + 1) * 0.9)

    def log_odds(self, probability: Floats) -> Floats:
        """Return log odds of being seen so on the leg, over the rate of what nobody claims."""
        counted: Floats = np.zeros(self._key_count)
        hosts: Floats = np.zeros(len(self._hosts))
        if probability.any():
            joined = np.bincount(self._bins, probability, minlength=len(self._rate))
            self._rate = (joined + 1.0) / (self._exposed + 5.0)
            counted = np.asarray(
                np.bincount(self._key, probability, minlength=self._key_count), np.float64
            )
            hosts = np.asarray(self._hosts, np.float64)
        general = self._rate[self._bins] * self._typical
        seen = (counted[self._key] + _SHRUNK * general) / (hosts[self._context] + _SHRUNK)
        seen = np.clip(seen * self._likely / self._typical, 1e-5, 0.95)
        claimed = np.zeros_like(self._unread)
        np.add.at(claimed, (self._state, self._kind), probability)
        free = np.maximum(self._unread - claimed, 0.0) + 0.3 + 0.03 * self._unread
        rate = free[self._state, self._kind] / self._seconds
        return np.asarray(np.log(seen / (1 - seen)) - np.log(rate))


def _table(state: Ints, kind: Ints, shape: tuple[int, int]) -> Floats:
    counts = np.zeros(shape)
    np.add.at(counts, (state, kind), 1.0)
    return counts


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
    reads, rides = believed.reads, believed.travel_model
    ok = np.ones(len(row), bool)
    v = unread.camera[row]
    ends = _camera(reads, hosts.before), _camera(reads, hosts.after)
    for end, camera, sign in (
        (hosts.before[host], ends[0][host], 1.0),
        (hosts.after[host], ends[1][host], -1.0),
    ):
        fastest = rides.fastest_s[camera, v] if sign > 0 else rides.fastest_s[v, camera]
        elapsed = sign * (unread.time_s[row] - reads.time_s[end])
        sigma = np.hypot(unread.sigma_s[row], reads.sigma_s[end])
        ok &= (end < 0) | (elapsed + 3.0 * sigma + 1.0 >= fastest / 1.7)
    ok &= _detour(rides, ends[0][host], ends[1][host], v) <= _FARTHEST_S
    return row[ok], host[ok]


def _camera(reads: Reads, row: Ints) -> Ints:
    return np.where(row >= 0, reads.camera[row], -1)


def _detour(rides: TravelModel, ci: Ints, cj: Ints, v: Ints) -> Floats:
    """Return how many seconds longer the way over a camera is; from an open end, how far it is."""
    out, back = rides.fastest_s[ci, v], rides.fastest_s[v, cj]
    between = out + back - rides.fastest_s[ci, cj]
    return np.where(ci < 0, back, np.where(cj < 0, out, between))


def _density(
    reads: Reads, unread: Reads, rides: TravelModel, row: Ints, hosts: Hosts, host: Ints
) -> Floats:
    """Return the log density (per second) of passing the camera then, on that leg.

    On a leg: the density of both parts of the ride, over that of the whole.
    """
    total = np.zeros(len(row))
    v = unread.camera[row]
    for end, sign in ((hosts.before[host], 1.0), (hosts.after[host], -1.0)):
        there = np.flatnonzero(end >= 0)
        mine, its = v[there], reads.camera[end[there]]
        gone = sign * (unread.time_s[row[there]] - reads.time_s[end[there]])
        sigma = np.hypot(unread.sigma_s[row[there]], reads.sigma_s[end[there]])
        sigma = np.where(mine == its, 0.0, _LEFT_OF_CLOCKS * sigma)
        a, b = (its, mine) if sign > 0 else (mine, its)
        total[there] += rides.log_time(a, b, gone, sigma)
    legs = np.flatnonzero((hosts.before >= 0) & (hosts.after >= 0))
    whole = np.zeros(len(hosts.before))
    i, j = hosts.before[legs], hosts.after[legs]
    ci, cj = reads.camera[i], reads.camera[j]
    sigma = _LEFT_OF_CLOCKS * np.where(ci == cj, 0.0, np.hypot(reads.sigma_s[i], reads.sigma_s[j]))
    whole[legs] = rides.log_time(ci, cj, reads.time_s[j] - reads.time_s[i], sigma)
    return np.asarray(total - whole[host])


def _kind(believed: Believed, unread: Reads, row: Ints, first: Ints, last: Ints) -> Floats:
    """Return the log probability that such a vehicle is called what the unread sighting is."""
    reads = believed.reads
    kinds = len(believed.kinds)
    share = (np.bincount(reads.kind, minlength=kinds) + 1.0) / (len(reads.ids) + kinds)
    called = np.exp(believed.kinds) * share
    called = np.log(called / called.sum(1, keepdims=True))
    ours = unread.kind[row]
    one = called[reads.kind[np.where(first >= 0, first, last)], ours]
    two = called[reads.kind[np.where(last >= 0, last, first)], ours]
    return np.asarray(0.5 * (one + two))
