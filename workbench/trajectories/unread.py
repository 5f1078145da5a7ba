"""Sightings without a plate, as possible stops on the way of a vehicle that was read.

Each may belong to one leg of a vehicle, or to the time after its last or before its first read, and
a vehicle passes a camera once on a leg. Only reads are hosts: no identity is carried through unread
ones. When and where a vehicle may have been is weighed along its whole way, its other possible
unread sightings included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.trajectories.beliefs import Believed, Reads
from workbench.trajectories.matching import marginals
from workbench.trajectories.travel import SECTORS, TravelModel, rides_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_OPEN_S = 120.0
"""How long after its last read, or before its first, a vehicle is looked for."""
_SLACK_S = 3.0
_BLOCK = 1 << 16
"""Candidates looked at together: as many as stay in the processor's cache."""
_ROUNDS = 3
_BINS = np.array([2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0])
_SHRUNK = 6.0
_WORTH_KEEPING = -9.0
_FARTHEST_S = 40.0
_WORTH_CHAINING = 0.003
_TURNS, _WARM_UP = 14, 4
_ANEW = 0.5
"""The share of unread sightings given anew in a turn: neighbours must not swap for ever."""
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
    share: float = 0.0
    """How many of all sightings that were linked have no plate."""

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
    share = len(unread.ids) / max(len(unread.ids) + len(believed.reads.ids), 1)
    if not len(row):
        return Possible(unread, hosts, row, host, np.zeros(0), share)
    reads, rides = believed.reads, believed.travel_model
    kind = _kind(believed, unread, row, hosts.before[host], hosts.after[host])
    keep = _density(reads, unread, rides, row, hosts, host) + kind > _WORTH_KEEPING
    row, host, kind = row[keep], host[keep], kind[keep]
    cameras, size = len(rides.fastest_s), len(unread.ids) + len(row)
    slot = _numbered(host * cameras + unread.camera[row])[0]
    slot += len(unread.ids)
    learnt = _Rates(believed, unread, hosts, row, host)
    probability = np.zeros(len(row))
    for _ in range(_ROUNDS):
        density = _density(reads, unread, rides, row, hosts, host)
        weight = density + kind + learnt.log_odds(probability)
        probability = marginals(row, slot, weight, np.zeros(size), size)
        rides = _with_unread(believed, unread, hosts, row, host, probability)
    keep = probability > _WORTH_CHAINING
    if not keep.any():
        return Possible(unread, hosts, row, host, probability, share)
    row, host, kind, slot = row[keep], host[keep], kind[keep], slot[keep]
    chained = _chained(believed, unread, hosts, row, host, kind, slot, probability[keep], rides)
    return Possible(unread, hosts, row, host, chained, share)


def _chained(
    believed: Believed,
    unread: Reads,
    hosts: Hosts,
    row: Ints,
    host: Ints,
    kind: Floats,
    slot: Ints,
    probability: Floats,
    rides: TravelModel,
) -> Floats:
    """Return probabilities in which unread sightings of one vehicle must follow one another.

    In each turn every sighting is given to a vehicle by lot, as likely as that is, and then each is
    weighed against the two that lie next to it in that vehicle's way, read or unread. What is
    returned is the mean over turns. Lots are drawn from a fixed seed: same input, same output.
    """
    everyone = _joined(believed.reads, unread)
    count, size = len(unread.ids), len(believed.reads.ids)
    rng = np.random.default_rng(0)
    given = np.full(count, -1, np.int64)
    summed = np.zeros(len(row))
    learnt = _Rates(believed, unread, hosts, row, host)
    whole = count + len(row)
    for turn in range(_TURNS):
        drawn = _drawn(row, host, probability, count, rng)
        again = rng.random(count) < _ANEW if turn else np.ones(count, bool)
        given = np.where(again, drawn, given)
        before, after, links = _around(everyone, size, hosts, given, row, host)
        learnt.along(everyone, before, after, links)
        density = _between(everyone, rides, before, row + size, after)
        weight = density + kind + learnt.log_odds(probability)
        probability = marginals(row, slot, weight, np.zeros(whole), whole)
        rides = _along(believed, everyone, rides, links)
        if turn >= _WARM_UP:
            summed += probability
    return summed / (_TURNS - _WARM_UP)


@dataclass(frozen=True, slots=True, eq=False)
class _Everyone:
    """All sightings, the reads first."""

    time_s: Floats
    camera: Ints
    state: Ints
    sigma_s: Floats


def _joined(reads: Reads, unread: Reads) -> _Everyone:
    return _Everyone(
        np.concatenate([reads.time_s, unread.time_s]),
        np.concatenate([reads.camera, unread.camera]),
        np.concatenate([reads.state, unread.state]),
        np.concatenate([reads.sigma_s, unread.sigma_s]),
    )


def _drawn(
    row: Ints, host: Ints, probability: Floats, count: int, rng: np.random.Generator
) -> Ints:
    """Return for each unread sighting a host by lot; -1: none. Candidates lie in any order."""
    order = np.argsort(row, kind="stable")
    mine = row[order]
    summed = np.cumsum(probability[order])
    begins = np.searchsorted(mine, np.arange(count))
    base = np.concatenate([[0.0], summed])[begins]
    wanted = base + rng.random(count)
    at = np.searchsorted(summed, wanted)
    ends = np.searchsorted(mine, np.arange(count), side="right")
    found = np.full(count, -1, np.int64)
    hit = at < ends
    found[hit] = host[order[at[hit]]]
    return found


def _around(
    everyone: _Everyone, size: int, hosts: Hosts, given: Ints, row: Ints, host: Ints
) -> tuple[Ints, Ints, tuple[Ints, Ints]]:
    """Return the sightings before and after each candidate in its host's way, without itself.

    Also all neighbours in all ways, as pairs; -1 stands for an open end.
    """
    inside = np.flatnonzero(given >= 0)
    rows = size + inside
    order = np.lexsort((everyone.time_s[rows], given[inside]))
    rows, owner = rows[order], given[inside][order]
    since = everyone.time_s - everyone.time_s.min()
    span = float(since.max()) + 1.0
    at = np.searchsorted(owner * span + since[rows], host * span + since[row + size])
    padded = np.concatenate([[-1, -1], rows, [-1, -1]])
    owners = np.concatenate([[-1, -1], owner, [-1, -1]])
    me = row + size

    def taken(first: Ints, second: Ints, end: Ints) -> Ints:
        one = np.where(padded[first] == me, second, first)
        return np.where(owners[one] == host, padded[one], end)

    before = taken(at + 1, at, hosts.before[host])
    after = taken(at + 2, at + 3, hosts.after[host])
    heads = np.concatenate([[True], owner[1:] != owner[:-1]]) if len(owner) else np.zeros(0, bool)
    tails = np.concatenate([heads[1:], [True]]) if len(owner) else heads
    first = np.where(heads, hosts.before[owner], np.concatenate([[-1], rows[:-1]])[: len(rows)])
    alone = np.ones(len(hosts.before), bool)
    alone[owner] = False
    links = (
        np.concatenate([first, rows[tails], hosts.before[alone]]),
        np.concatenate([rows, hosts.after[owner[tails]], hosts.after[alone]]),
    )
    return before, after, links


def _ride_log(everyone: _Everyone, rides: TravelModel, a: Ints, b: Ints) -> Floats:
    """Return log densities of rides from sightings a to b; 0 where one of them is none."""
    total = np.zeros(len(a))
    there = np.flatnonzero((a >= 0) & (b >= 0))
    i, j = a[there], b[there]
    ci, cj = everyone.camera[i], everyone.camera[j]
    sigma = np.where(ci == cj, 0.0, np.hypot(everyone.sigma_s[i], everyone.sigma_s[j]))
    elapsed = everyone.time_s[j] - everyone.time_s[i]
    total[there] = rides.log_time(ci, cj, elapsed, _LEFT_OF_CLOCKS * sigma)
    return total


def _between(
    everyone: _Everyone, rides: TravelModel, before: Ints, mine: Ints, after: Ints
) -> Floats:
    parts = _ride_log(everyone, rides, before, mine) + _ride_log(everyone, rides, mine, after)
    return np.asarray(parts - _ride_log(everyone, rides, before, after))


def _along(
    believed: Believed, everyone: _Everyone, rides: TravelModel, links: tuple[Ints, Ints]
) -> TravelModel:
    """Return the model of rides counted anew between neighbours on the ways of this turn."""
    i, j = links
    both = (i >= 0) & (j >= 0)
    edges = believed.edges
    kept = believed.links
    i = np.concatenate([i[both], edges.i[kept]])
    j = np.concatenate([j[both], edges.j[kept]])
    elapsed = everyone.time_s[j] - everyone.time_s[i]
    return rides_of(rides, everyone.camera[i], everyone.camera[j], elapsed, np.ones(len(i)))


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
        self._heads_share, self._travel, self._camera = heads * share, rides, unread.camera[row]
        self._near = np.digitize(_detours(rides), _BINS)
        self._rate = 0.8 * np.exp(-np.arange(len(_BINS) + 1) * 0.9)
        ends = _state(reads, hosts.before), _state(reads, hosts.after)
        self._set_context(ends[0], ends[1], ends[0][host], ends[1][host])

    def along(
        self, everyone: _Everyone, before: Ints, after: Ints, links: tuple[Ints, Ints]
    ) -> None:
        """Take what lies around each candidate for the leg it is on."""
        ends = [_state(everyone, end) for end in (*links, before, after)]
        self._set_context(*ends)

    def _set_context(self, si: Ints, sj: Ints, mine_i: Ints, mine_j: Ints) -> None:
        """Count legs by the states at their ends, and by their cameras; find each candidate's."""
        cameras = len(self._travel.fastest_s)
        states = cameras * SECTORS
        ends = (_of_state(side) for side in (si, sj, mine_i, mine_j))
        ci, cj, mine_ci, mine_cj = ends
        known, self._hosts, self._context = _counted(
            (ci + 1) * (cameras + 1) + cj + 1, (mine_ci + 1) * (cameras + 1) + mine_cj + 1
        )
        a, b = known // (cameras + 1) - 1, known % (cameras + 1) - 1
        near = self._near[a, b]
        by_camera = self._heads_share.reshape(cameras, SECTORS).sum(1)
        exposure = self._hosts[:, None] * by_camera[None]
        self._exposed = np.bincount(near.ravel(), exposure.ravel(), minlength=len(_BINS) + 1)
        self._bins = self._near[mine_ci, mine_cj, self._camera]
        self._key = _numbered(self._context * states + self._state)[0]
        _, self._finer_hosts, self._finer = _counted(
            (si + 1) * (states + 1) + sj + 1, (mine_i + 1) * (states + 1) + mine_j + 1
        )
        self._finer_key = _numbered(self._finer * states + self._state)[0]

    def log_odds(self, probability: Floats) -> Floats:
        """Return log odds of being seen so on the leg, over the rate of what nobody claims."""
        if probability.any():
            joined = np.bincount(self._bins, probability, minlength=len(self._rate))
            self._rate = (joined + 1.0) / (self._exposed + 5.0)
        seen = self._rate[self._bins] * self._typical
        for key, context, hosts in (
            (self._key, self._context, self._hosts),
            (self._finer_key, self._finer, self._finer_hosts),
        ):
            if probability.any():
                # Without itself: nothing becomes likely by having been thought likely.
                others = np.bincount(key, probability)[key] - probability
                legs = np.maximum(hosts[context] - 1.0, others)
                seen = (others + _SHRUNK * seen) / (legs + _SHRUNK)
        seen = np.clip(seen * self._likely / self._typical, 1e-5, 0.95)
        shape = self._unread.shape
        cell = self._state * shape[1] + self._kind
        claimed = np.bincount(cell, probability, minlength=self._unread.size).reshape(shape)
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
    """Return the pairs that a vehicle can have driven; most fail by the way, then by the time."""
    reads, rides = believed.reads, believed.travel_model
    ends = _camera(reads, hosts.before), _camera(reads, hosts.after)
    near = _detours(rides) <= _FARTHEST_S
    kept = []
    for at in range(0, len(row), _BLOCK):
        mine, its = row[at : at + _BLOCK], host[at : at + _BLOCK]
        v = unread.camera[mine]
        left = np.flatnonzero(near[ends[0][its], ends[1][its], v])
        for side, sign in ((0, 1.0), (1, -1.0)):
            one, owner, camera = mine[left], its[left], v[left]
            end = (hosts.before, hosts.after)[side][owner]
            its_camera = ends[side][owner]
            a, b = (its_camera, camera) if sign > 0 else (camera, its_camera)
            elapsed = sign * (unread.time_s[one] - reads.time_s[end])
            sigma = np.hypot(unread.sigma_s[one], reads.sigma_s[end])
            ok = (end < 0) | (elapsed + 3.0 * sigma + 1.0 >= rides.fastest_s[a, b] / 1.7)
            left = left[ok]
        kept.append(left + at)
    which = np.concatenate([np.zeros(0, np.int64), *kept])
    return row[which], host[which]


def _detours(rides: TravelModel) -> Floats:
    """Return detours [from, to, camera] in seconds; an index of -1 is an open end."""
    cameras = len(rides.fastest_s)
    ends = np.r_[np.arange(cameras), -1]
    every = np.broadcast_arrays(ends[:, None, None], ends[None, :, None], np.arange(cameras))
    return _detour(rides, *every)


def _counted(every: Ints, mine: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the keys there are, how many of ``every`` have each, and which each of mine is."""
    inverse, known = _numbered(np.concatenate([every, mine]))
    size = len(every)
    return known, np.bincount(inverse[:size], minlength=len(known)), inverse[size:]


def _numbered(key: Ints) -> tuple[Ints, Ints]:
    """Return which of the keys there are (ascending) each is, and those keys.

    >>> _numbered(np.array([7, 3, 7]))
    (array([1, 0, 1]), array([3, 7]))
    """
    # By hash, then the few distinct ones sorted: faster by far than sorting all.
    number, found = pd.factorize(key)
    order = np.argsort(found)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[number], np.asarray(found)[order]


def _of_state(state: Ints) -> Ints:
    return np.where(state >= 0, state // SECTORS, -1)


def _state(sightings: Reads | _Everyone, row: Ints) -> Ints:
    return np.where(row >= 0, sightings.state[row], -1)


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
