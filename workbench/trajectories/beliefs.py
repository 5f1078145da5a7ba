"""Link sightings by what they teach: signs, rides, clocks; every link with a probability.

:func:`link_by_belief` is the whole of it: clocks first, then rounds of *who follows whom* and *what
does that teach*. Identity is carried by what was read; :mod:`workbench.trajectories.unread` adds
the rest as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from workbench.plates import compact
from workbench.timeline import SECOND_NS
from workbench.trajectories import clocks as clock_model
from workbench.trajectories import signs, travel
from workbench.trajectories.candidates import pairs
from workbench.trajectories.hops import Ways, cached, way_ends
from workbench.trajectories.matching import chosen, marginals, neighbours

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Sightings: TypeAlias = pd.DataFrame | pa.Table

_ROUNDS = 4
_LEAST_SIGNS = 3
_WORTH_KEEPING, _LEAST_ALIKE = -9.0, -2.0
_SURE = 0.8
_LIKELY = 0.5
KINDS = ("car", "motorcycle", "bus", "truck", "bicycle", "person", "unknown")
_FORWARD_SIGMAS = 3.0
_CLOCKS_MATTER_S = 1.0
_NEIGHBOURS_S, _NEAR_S, _CLEARLY_ALIKE = 120.0, 150.0, 9.0
_CLOCK_ROUNDS, _FIRST_ROUNDS = 1, 2
_AGAIN = (1, 2)
"""After these rounds pairs are looked for anew, by what whole chains were read as."""


@dataclass(frozen=True, slots=True, eq=False)
class Reads:
    """Sightings with a plate as arrays, in order of (corrected) time."""

    ids: NDArray[np.object_]
    text: NDArray[np.object_]
    time_s: Floats
    camera: Ints
    state: Ints
    bearing_deg: Floats
    kind: Ints
    sigma_s: Floats
    plates: signs.Lattices

    def take(self, order: Ints) -> Reads:
        """Return the rows of an index array."""
        return Reads(
            self.ids[order], self.text[order], self.time_s[order], self.camera[order],
            self.state[order], self.bearing_deg[order], self.kind[order],
            self.sigma_s[order], self.plates.take(order),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Possible successions ``i -> j`` of reads, with what speaks for each (natural logs).

    ``order`` is the log probability that it was this way round, where clocks leave that open;
    ``probability`` is that of this succession among all ways to pair the sightings off.
    """

    i: Ints
    j: Ints
    plate: Floats
    time: Floats
    place: Floats
    kind: Floats
    order: Floats
    probability: Floats

    def where(self, keep: NDArray[np.bool_]) -> Edges:
        """Return the edges of a mask."""
        return Edges(
            self.i[keep], self.j[keep], self.plate[keep], self.time[keep], self.place[keep],
            self.kind[keep], self.order[keep], self.probability[keep],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Believed:
    """What linking came to: reads, successions, which of them are links, and what was learned."""

    cameras: tuple[str, ...]
    reads: Reads
    edges: Edges
    links: NDArray[np.bool_]
    none: Floats
    sign_model: signs.SignModel
    travel_model: travel.TravelModel
    kinds: Floats
    clocks: clock_model.Clocks
    unread: Reads

    @property
    def share_unread(self) -> float:
        """Share of all sightings that had no plate."""
        return len(self.unread.ids) / max(len(self.unread.ids) + len(self.reads.ids), 1)

    def chains(self) -> list[list[int]]:
        """Return rows of `reads` by vehicle, each chain in order of time."""
        to_next, before = neighbours(self.edges.i, self.edges.j, self.links, len(self.reads.ids))
        found = []
        for start in np.flatnonzero(before < 0).tolist():
            chain = [start]
            while to_next[chain[-1]] >= 0:
                chain.append(int(self.edges.j[to_next[chain[-1]]]))
            found.append(chain)
        return found


def frame_of(sightings: Sightings) -> pd.DataFrame:
    """Return sightings as a DataFrame."""
    return sightings if isinstance(sightings, pd.DataFrame) else sightings.to_pandas()


def read_arrays(sightings: Sightings, cameras: Sequence[str]) -> tuple[Reads, NDArray[np.bool_]]:
    """Return all sightings as arrays in order of time, and which of them have a plate."""
    frame = frame_of(sightings)
    at = {name: number for number, name in enumerate(cameras)}
    camera: Ints = np.array([at[name] for name in frame["camera_id"]], np.int64)
    utc = pd.DatetimeIndex(pd.to_datetime(frame["utc"], utc=True)).as_unit("ns").asi8
    bearing = (
        pd.to_numeric(frame["bearing_deg"], errors="coerce").to_numpy(np.float64)
        if "bearing_deg" in frame
        else np.full(len(frame), np.nan)
    )
    kinds = {name: number for number, name in enumerate(KINDS)}
    named = frame["kind"] if "kind" in frame else [KINDS[-1]] * len(frame)
    kind: Ints = np.array([kinds.get(name, len(KINDS) - 1) for name in named], np.int64)
    texts = _texts(frame)
    lattices = frame["plate_lattice"].tolist() if "plate_lattice" in frame else None
    plates = signs.encode(texts, lattices)
    read = np.array([len(text) >= _LEAST_SIGNS for text in texts], bool)
    origin = int(utc.min()) if len(utc) else 0
    reads = Reads(
        frame["sighting_id"].to_numpy(object),
        np.array(texts, object),
        (utc - origin) / SECOND_NS,
        camera,
        travel.states(camera, bearing),
        bearing,
        kind,
        frame["sigma_s"].to_numpy(np.float64),
        plates,
    )
    # Ties by identity, so that the order of rows never decides.
    order = np.lexsort((reads.ids.astype(str), reads.time_s))
    return reads.take(order), read[order]


def _texts(frame: pd.DataFrame) -> list[str]:
    """Return the signs of each sighting; where no whole plate was read, what was seen of it."""
    raw = frame["plate_raw"] if "plate_raw" in frame else [None] * len(frame)
    found = []
    for plate, seen in zip(frame["plate"], raw, strict=True):
        text = plate if isinstance(plate, str) else seen
        signs_read = compact(text) if isinstance(text, str) else ""
        found.append(signs_read if len(signs_read) >= _LEAST_SIGNS else "")
    return found


def roads_between(cameras: Sequence[str], ways: Ways) -> clock_model.Roads:
    """Return seconds at the limits between cameras, and how ways leave and arrive."""
    ask = cached(ways)
    fastest, leaves, arrives = (np.full((len(cameras), len(cameras)), np.nan) for _ in range(3))
    for a, first in enumerate(cameras):
        fastest[a, a] = 0.0
        for b, then in enumerate(cameras):
            way = None if a == b else ask(first, then)
            if way is None:
                continue
            fastest[a, b] = way.fastest_s
            if way.fastest_s < _NEIGHBOURS_S:
                ends = way_ends(way)
                leaves[a, b], arrives[a, b] = (np.nan if e is None else e for e in ends)
    return clock_model.Roads(fastest, leaves, arrives)


def link_by_belief(sightings: Sightings, ways: Ways, *, rounds: int = _ROUNDS) -> Believed:
    """Return who follows whom among the sightings that were read, with probabilities.

    Everything it weighs by is estimated from the sightings: rates of wrong signs, times of travel,
    how often a vehicle is not seen again, clocks. The result does not depend on the order of rows.
    """
    frame = frame_of(sightings)
    cameras = tuple(sorted(frame["camera_id"].unique()))
    everything, is_read = read_arrays(frame, cameras)
    roads = roads_between(cameras, ways)
    fastest = roads.fastest_s
    reads = everything.take(np.flatnonzero(is_read))
    clocks = _clocks(reads, cameras, roads)
    believed = _rounds(corrected(reads, clocks), cameras, fastest, clocks, rounds, wide=True)
    rest = everything.take(np.flatnonzero(~is_read))
    return replace(believed, unread=corrected(rest, clocks))


def _clocks(reads: Reads, cameras: tuple[str, ...], roads: clock_model.Roads) -> clock_model.Clocks:
    """Return what to take off each camera's times; nothing where clocks are said to be right."""
    count = len(cameras)
    reads_of = np.maximum(np.bincount(reads.camera, minlength=count), 1)
    stated = np.bincount(reads.camera, reads.sigma_s, minlength=count) / reads_of
    if float(stated.max(initial=0.0)) <= _CLOCKS_MATTER_S:
        return clock_model.Clocks(np.zeros(count), stated, np.ones(count, bool))
    widest = float(stated.max())
    i, j = pairs(reads.plates.top, reads.time_s, near_s=_NEAR_S + 3.0 * widest, far_s=0.0)
    i, j = clock_model.near(i, j, reads.time_s, widest)
    model = signs.first_model(reads.plates)
    belief = model.belief(model.evidence(reads.plates))
    alike = signs.log_ratio(model, belief, belief, i, j) > _CLEARLY_ALIKE
    i, j = i[alike], j[alike]
    for turn in range(_CLOCK_ROUNDS + 1):
        clocks = clock_model.estimate(
            i, j, reads.time_s, reads.camera, reads.bearing_deg, stated, roads,
            last=turn == _CLOCK_ROUNDS,
        )  # fmt: skip
        if turn == _CLOCK_ROUNDS:
            break
        first = _rounds(corrected(reads, clocks), cameras, roads.fastest_s, clocks, _FIRST_ROUNDS)
        label_of = {
            first.reads.ids[row]: number
            for number, chain in enumerate(first.chains())
            for row in chain
        }
        labels = np.array([label_of[name] for name in reads.ids], np.int64)
        shown = reads.time_s - clocks.offset_s[reads.camera]
        i, j = clock_model.pairs_within(labels, shown, reads.camera, 0.0)
    return clocks


def corrected(reads: Reads, clocks: clock_model.Clocks) -> Reads:
    """Return reads on corrected time, in its order."""
    moved = replace(
        reads,
        time_s=reads.time_s - clocks.offset_s[reads.camera],
        sigma_s=clocks.sigma_s[reads.camera],
    )
    return moved.take(np.lexsort((moved.ids.astype(str), moved.time_s)))


def _rounds(
    reads: Reads,
    cameras: tuple[str, ...],
    fastest: Floats,
    clocks: clock_model.Clocks,
    rounds: int,
    *,
    wide: bool = False,
) -> Believed:
    count = len(reads.ids)
    sign_model = signs.first_model(reads.plates)
    seconds = max(float(np.ptp(reads.time_s)), 60.0) if count else 60.0
    rides = travel.first_travel(fastest, reads.state, seconds, len(cameras))
    kinds = np.zeros((len(KINDS), len(KINDS)))
    i = j = np.zeros(0, np.int64)
    if count:
        i, j = pairs(reads.plates.top, reads.time_s, wide=wide)
    i, j = _possible(reads, rides, i, j)
    belief = sign_model.belief(sign_model.evidence(reads.plates))
    plate = signs.log_ratio(sign_model, belief, belief, i, j)
    keep = plate > _LEAST_ALIKE
    edges = _weighed(reads, rides, kinds, i[keep], j[keep], plate[keep])
    none = np.zeros(count)
    for turn in range(rounds + 1):
        none = _no_next(reads, rides)
        total = edges.plate + edges.time + edges.place + edges.kind
        paired = marginals(edges.i, edges.j, total, none, count)
        edges = replace(edges, probability=paired * np.exp(edges.order))
        if turn == rounds:
            break
        if turn == 0:
            keep = total > _WORTH_KEEPING
            edges = edges.where(keep)
        links = chosen(edges.i, edges.j, edges.probability, _LIKELY)
        evidence = sign_model.evidence(reads.plates)
        before, after = histories(evidence, edges, links, count)
        sign_model = _learn_signs(sign_model, reads, evidence, before, after, edges, links)
        rides = travel.learned(
            rides, reads.state, reads.time_s, edges.i, edges.j, edges.probability
        )
        kinds = _learn_kinds(reads, edges)
        evidence = sign_model.evidence(reads.plates)
        before, after = histories(evidence, edges, links, count)
        i, j = edges.i, edges.j
        if wide and turn in _AGAIN:
            more = _of_histories(reads, rides, before, after, edges, links)
            i, j = np.concatenate([i, more[0]]), np.concatenate([j, more[1]])
        plate = signs.log_ratio(
            sign_model, sign_model.belief(before), sign_model.belief(after), i, j
        )
        keep = (plate > _LEAST_ALIKE) | (np.arange(len(i)) < len(edges.i))
        edges = _weighed(reads, rides, kinds, i[keep], j[keep], plate[keep])
    links = chosen(edges.i, edges.j, edges.probability, 0.4)
    return Believed(
        cameras,
        reads,
        edges,
        links,
        none,
        sign_model,
        rides,
        kinds,
        clocks,
        reads.take(np.zeros(0, np.int64)),
    )


def _of_histories(
    reads: Reads,
    rides: travel.TravelModel,
    before: signs.Floats,
    after: signs.Floats,
    edges: Edges,
    links: NDArray[np.bool_],
) -> tuple[Ints, Ints]:
    """Return pairs of reads that are worth comparing for what their vehicles were read as.

    The last read of one chain and the first of another can both be misread, and be of one plate
    for all that was read before and after. Pairs there are already are left out.
    """
    count = len(reads.ids)
    to_next, from_before = neighbours(edges.i, edges.j, links, count)
    tails, heads = np.flatnonzero(to_next < 0), np.flatnonzero(from_before < 0)
    rows = np.concatenate([tails, heads])
    known = np.concatenate([before[tails], after[heads]])
    codes = known.argmax(-1).astype(np.uint8)
    codes[np.ptp(known, axis=-1) == 0.0] = signs.OPEN
    order = np.lexsort((np.arange(len(rows)), rows))
    a, b = pairs(codes[order], reads.time_s[rows[order]], wide=True)
    a, b = order[a], order[b]
    onward = (a < len(tails)) & (b >= len(tails)) & (rows[a] != rows[b])
    i, j = _possible(reads, rides, rows[a[onward]], rows[b[onward]])
    taken = np.concatenate([edges.i * count + edges.j, edges.j * count + edges.i])
    fresh = ~np.isin(i * count + j, taken)
    return i[fresh], j[fresh]


def _possible(reads: Reads, rides: travel.TravelModel, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """Return the pairs that a vehicle can have driven, clocks allowing."""
    least = rides.fastest_s[reads.camera[i], reads.camera[j]] / 1.7
    sigma = _clock_sigma(reads, i, j)
    ok = reads.time_s[j] - reads.time_s[i] + _FORWARD_SIGMAS * sigma + 2.0 >= least
    return i[ok], j[ok]


def _clock_sigma(reads: Reads, i: Ints, j: Ints) -> Floats:
    same = reads.camera[i] == reads.camera[j]
    return np.where(same, 0.0, np.hypot(reads.sigma_s[i], reads.sigma_s[j]))


def _weighed(
    reads: Reads, rides: travel.TravelModel, kinds: Floats, i: Ints, j: Ints, plate: Floats
) -> Edges:
    """Return weighed edges; where clocks leave the order open, the likelier way round."""
    time, place = _ride(reads, rides, i, j)
    sure = np.zeros(len(i))
    sigma = _clock_sigma(reads, i, j)
    open_ = np.flatnonzero(np.abs(reads.time_s[j] - reads.time_s[i]) <= _FORWARD_SIGMAS * sigma)
    if len(open_):
        back_time, back_place = _ride(reads, rides, j[open_], i[open_])
        more = back_time + back_place - time[open_] - place[open_]
        turned = open_[more > 0]
        time[turned], place[turned] = back_time[more > 0], back_place[more > 0]
        i, j = i.copy(), j.copy()
        i[turned], j[turned] = j[turned], i[turned]
        sure[open_] = -np.log1p(np.exp(-np.abs(more)))
    kind = kinds[reads.kind[i], reads.kind[j]]
    return Edges(i, j, plate, time, place, kind, sure, np.zeros(len(i)))


def _ride(reads: Reads, rides: travel.TravelModel, i: Ints, j: Ints) -> tuple[Floats, Floats]:
    """Return the weights of the time of a ride and of the succession of its two places."""
    elapsed = reads.time_s[j] - reads.time_s[i]
    sigma = _clock_sigma(reads, i, j)
    time = rides.log_time(reads.camera[i], reads.camera[j], elapsed, sigma)
    a, b = reads.state[i], reads.state[j]
    # A first sighting near the start of the data may be of a vehicle seen before it.
    early = rides.unseen_after(reads.time_s[j] - reads.time_s[0] if len(reads.ids) else elapsed)
    begins = rides.begins_hz[b] + early * np.maximum(rides.seen_hz[b] - rides.begins_hz[b], 0.0)
    place = np.log((1.0 - rides.ends[a]) * rides.follows[a, b]) - np.log(begins)
    return time, np.asarray(place)


def _no_next(reads: Reads, rides: travel.TravelModel) -> Floats:
    if not len(reads.ids):
        return np.zeros(0)
    ends = rides.ends[reads.state]
    return np.asarray(
        np.log(ends + (1 - ends) * rides.unseen_after(reads.time_s[-1] - reads.time_s))
    )


def histories(
    evidence: signs.Floats, edges: Edges, links: NDArray[np.bool_], count: int
) -> tuple[signs.Floats, signs.Floats]:
    """Return what was read of each sighting's vehicle up to it, and from it on.

    A link that is unsure passes on as much of its evidence as it is sure.
    """
    to_next, from_before = neighbours(edges.i, edges.j, links, count)
    before, after = evidence.copy(), evidence.copy()
    # Step by step along all chains at once: the k-th read of each takes from the one before it.
    for at in _generations(from_before, edges.i):
        edge = from_before[at]
        share = edges.probability[edge][:, None, None]
        before[at] += share * before[edges.i[edge]]
    for at in _generations(to_next, edges.j):
        edge = to_next[at]
        share = edges.probability[edge][:, None, None]
        after[at] += share * after[edges.j[edge]]
    return before, after


def _generations(edge: Ints, source: Ints) -> list[Ints]:
    """Return rows with an edge (-1: none), those first whose source has none, and so on."""
    found: list[Ints] = []
    ready = edge < 0
    left = np.flatnonzero(~ready)
    while len(left):
        now = ready[source[edge[left]]]
        rows = left[now]
        found.append(rows)
        ready[rows] = True
        left = left[~now]
    return found


def _learn_signs(
    model: signs.SignModel,
    reads: Reads,
    evidence: signs.Floats,
    before: signs.Floats,
    after: signs.Floats,
    edges: Edges,
    links: NDArray[np.bool_],
) -> signs.SignModel:
    sure = links & (edges.probability > _SURE)
    linked = np.zeros(len(reads.ids), np.int64)
    np.add.at(linked, edges.i[sure], 1)
    np.add.at(linked, edges.j[sure], 1)
    rows = np.flatnonzero(linked >= 1)
    if len(rows) < 30:
        return model
    belief = model.belief(before[rows] + after[rows] - evidence[rows])
    return signs.learned(model, belief, reads.plates.take(rows))


def _learn_kinds(reads: Reads, edges: Edges) -> Floats:
    """Return log ratios [kind, kind]: one vehicle called these two things, against two vehicles."""
    kinds = len(KINDS)
    counts = np.zeros((kinds, kinds))
    np.add.at(counts, (reads.kind[edges.i], reads.kind[edges.j]), edges.probability)
    counts = counts + counts.T
    share = (np.bincount(reads.kind, minlength=kinds) + 1.0) / (len(reads.ids) + kinds)
    apart = np.outer(share, share)
    joint = (counts + 30.0 * apart) / (counts.sum() + 30.0)
    return np.asarray(np.clip(np.log(joint / apart), -4.0, 4.0))
