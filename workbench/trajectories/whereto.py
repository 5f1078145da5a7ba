"""Which camera-minutes to look at next, and what it is worth that nothing was seen. Pure.

Both start from :func:`workbench.trajectories.reach.reach` and from what was recorded and searched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Literal

import numpy as np
import pandas as pd

from workbench.errors import N_
from workbench.roads import Position
from workbench.timeline import SECOND_NS, Span, gaps, union
from workbench.trajectories.reach import Node, Reached, Roads, Seen

Basis = Literal["rides", "roads", "slack"]
"""What a weight rests on: rides of this case, even turns of the road, or time to spare."""

CORE_SHARE = 0.85
"""How many rides are taken to go on without a stop, where nothing was learned."""
CORE_S = 30.0
DETOUR_S = 60.0
"""Seconds of detour that make a passing e times less likely, where it need not have passed."""
_MOST_RIDES_SHARE = 0.3
_PRIOR_RIDES = 4.0
_AHEAD = 0.95
_LEAST_MASS = 1e-3
_RIDE_S = 900.0
_SAME_HEADING_DEG = 60.0

# What an absence is worth: by the likelihood ratio of "nothing seen" if it passed over if not.
SAYS_NOTHING = N_("says nothing: hardly any of the time was recorded and searched")
SAYS_LITTLE = N_("says little: a pass would often have gone unseen")
SPEAKS_AGAINST = N_("speaks weakly against its having passed")
SPEAKS_MORE = N_("speaks moderately against its having passed")


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was recorded of a camera and, of that, what nobody searched; sorted spans of UTC."""

    recorded: tuple[Span, ...] = ()
    not_searched: tuple[Span, ...] = ()

    def of(self, span: Span) -> tuple[float, float, float]:
        """Return seconds of a span that were searched, recorded only, and not recorded.

        >>> half = Coverage((Span(0, 8 * SECOND_NS),), (Span(6 * SECOND_NS, 8 * SECOND_NS),))
        >>> half.of(Span(0, 10 * SECOND_NS))
        (6.0, 2.0, 2.0)
        """
        recorded = _seconds_in(self.recorded, span)
        only = min(_seconds_in(self.not_searched, span), recorded)
        return recorded - only, only, span.duration_ns / SECOND_NS - recorded


@dataclass(frozen=True, slots=True)
class Window:
    """A camera and a time to look at.

    ``share`` (0 to 1) is how much of the chance that it is seen next, or between, lies here, on
    what ``basis``; ``worth`` is what there is still to be found of it per minute of footage:
    nothing where nothing is recorded. Seconds say what was searched, recorded only, not recorded.
    """

    camera_id: str
    span: Span
    share: float
    basis: Basis
    worth: float
    searched_s: float
    recorded_only_s: float
    not_recorded_s: float

    @property
    def state(self) -> Literal["searched", "not searched", "not recorded"]:
        """The state that most of it is in."""
        seconds = (self.searched_s, self.recorded_only_s, self.not_recorded_s)
        states: tuple[Literal["searched", "not searched", "not recorded"], ...] = (
            "searched", "not searched", "not recorded",
        )  # fmt: skip
        # of equals the one that leaves more to be done
        return states[max(range(3), key=lambda k: (seconds[k], k))]


@dataclass(frozen=True, slots=True)
class Absence:
    """What it is worth that a site has no sighting of it.

    ``looked`` is the share of the time it can have passed that was recorded and searched at the
    camera covered least; ``ratio`` the probability of seeing nothing if it passed, over that if it
    did not (1 says nothing); never below the share of passes that are missed.
    """

    site_id: str
    looked: float
    miss: float
    ratio: float
    words: str


@dataclass(frozen=True, slots=True)
class Rides:
    """Rides from one camera that this case holds: by camera, the times to the next sighting, s."""

    to: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.to.values()))


def rides_from(sightings: pd.DataFrame, first: Seen, *, but: str | None = None) -> Rides:
    """Return the rides that equal plates made from a sighting's camera, heading as it did.

    Parameters
    ----------
    sightings
        SIGHTINGS with plates: camera_id, utc, plate and, where there, bearing_deg.
    but
        A plate to leave out: that of the vehicle asked about.
    """
    read = sightings[sightings["plate"].notna()]
    if but is not None:
        read = read[read["plate"] != but]
    read = read.sort_values(["plate", "utc"], kind="stable")
    at = read["utc"].astype("int64").to_numpy() / SECOND_NS
    plates, cameras = read["plate"].to_numpy(), read["camera_id"].to_numpy()
    elapsed = np.diff(at)
    ride = (plates[1:] == plates[:-1]) & (cameras[:-1] == first.camera_id) & (elapsed <= _RIDE_S)
    ride &= cameras[1:] != first.camera_id
    if first.bearing_deg is not None and "bearing_deg" in read:
        turned = read["bearing_deg"].to_numpy(float)[:-1] - first.bearing_deg
        apart = np.abs((turned + 180.0) % 360.0 - 180.0)
        ride &= np.isnan(apart) | (apart <= _SAME_HEADING_DEG)
    found: dict[str, list[float]] = defaultdict(list)
    for k in np.flatnonzero(ride):
        found[str(cameras[k + 1])].append(float(elapsed[k]))
    return Rides({camera: tuple(times) for camera, times in found.items()})


def next_by_roads(
    road: Roads, first: Seen, cameras: Mapping[str, Position], *, miss: float
) -> dict[str, float]:
    """Return by camera the chance that it sees a vehicle next, turns at crossings being even.

    It goes on the way it was heading, where that is known; each camera misses a share.
    """
    start = road.node(first.at)
    seers: dict[Node, list[str]] = defaultdict(list)
    for camera, at in cameras.items():
        if camera != first.camera_id:
            seers[road.node(at)].append(camera)
    seers.pop(start, None)
    ahead = _leaving(road, first)
    waiting: dict[tuple[Node, Node], float] = {(node, start): m for node, m in ahead.items()}
    found: dict[str, float] = defaultdict(float)
    for _ in range(400):
        moved: dict[tuple[Node, Node], float] = defaultdict(float)
        for (node, came), mass in waiting.items():
            for camera in seers.get(node, ()):
                found[camera] += mass * (1.0 - miss) / len(seers[node])
            left = mass * miss if node in seers else mass
            exits = [other for other in road.net.successors(node) if other != came] or [came]
            if left >= _LEAST_MASS:
                for other in exits:
                    moved[other, node] += left / len(exits)
        waiting = moved
        if not waiting:
            break
    return dict(found)


def _leaving(road: Roads, first: Seen) -> dict[Node, float]:
    """Return where it goes first: most likely the way it was heading."""
    start = road.node(first.at)
    exits = list(road.net.successors(start))
    if not exits:
        return {}
    even = {node: 1.0 / len(exits) for node in exits}
    if first.bearing_deg is None or isinstance(start, str):
        return even
    along = road.graph.bearing(first.at)
    forward = abs((first.bearing_deg - along + 180.0) % 360.0 - 180.0) <= 90.0
    edge_id, at_m = start
    last = next(p.b for p in road.pieces if p.edge_id == edge_id and p.start_m == at_m)
    before = next(p.a for p in road.pieces if p.edge_id == edge_id and p.stop_m == at_m)
    towards = last if forward else before
    if towards not in even or len(exits) == 1:
        return even
    rest = (1.0 - _AHEAD) / (len(exits) - 1)
    return {node: _AHEAD if node == towards else rest for node in exits}


def windows(
    found: Reached,
    coverage: Mapping[str, Coverage],
    cameras: Mapping[str, Position],
    *,
    rides: Rides | None = None,
    within: Span | None = None,
) -> list[Window]:
    """Return camera-minutes to look at, most useful a minute first.

    Only cameras in `coverage` are listed; each span is cut to `within`. With one sighting the
    chance is that of being seen *next*, by rides of the case where there are some and else by even
    turns; with two it is that of having passed between: of a site it must have passed, nearly sure.
    """
    seen = {one.camera_id for one in (found.first, found.then) if one is not None}
    left = {camera: found.cameras[camera] for camera in coverage
            if camera in found.cameras and camera not in seen}  # fmt: skip
    if found.then is None:
        drafts = _onward(found, left, cameras, rides or Rides())
    else:
        must = {site.site_id for site in found.sites if site.verdict == "must"}
        sure = {camera for camera in left if _site_of(found, camera) in must}
        drafts = [
            (camera, span, 0.99 if camera in sure else
             0.9 * exp(-found.detour_s[camera] / DETOUR_S), "slack")
            for camera, span in left.items()
        ]  # fmt: skip
    made = []
    for camera, span, share, basis in drafts:
        cut = span if within is None else span.overlap(within)
        if cut is None or not cut.duration_ns or share <= 0.0:
            continue
        searched, only, none = coverage[camera].of(cut)
        whole = cut.duration_ns / SECOND_NS
        left_share = share * (only + found.assumed.miss * searched) / whole
        minutes = (searched + only) / 60.0
        worth = left_share / minutes if minutes > 0 else 0.0
        made.append(Window(camera, cut, share, basis, worth, searched, only, none))
    return sorted(made, key=lambda one: (-one.worth, -one.share, one.camera_id, one.span))


def _onward(
    found: Reached, left: Mapping[str, Span], cameras: Mapping[str, Position], rides: Rides
) -> list[tuple[str, Span, float, Basis]]:
    """Return windows after one sighting: the ride without a stop first, then what a stop allows."""
    assumed, first = found.assumed, found.first
    even = next_by_roads(found.road, first, cameras, miss=assumed.miss)
    drafts: list[tuple[str, Span, float, Basis]] = []
    basis: Basis = "rides" if rides.count else "roads"
    for camera, span in left.items():
        times = rides.to.get(camera, ())
        share = even.get(camera, 0.0)
        if rides.count:
            # only what was read counts as a ride: even turns keep in what goes by unread
            weight = _MOST_RIDES_SHARE * rides.count / (rides.count + _PRIOR_RIDES)
            share = weight * len(times) / rides.count + (1.0 - weight) * share
        slow_s = found.after_s[camera] / assumed.slowest + CORE_S
        early_ns = span.start_ns
        blur_ns = round(assumed.sigmas * first.sigma_s * SECOND_NS)
        core_ns = min(first.utc_ns + round(slow_s * SECOND_NS) + blur_ns, span.stop_ns)
        last_ns = min(core_ns + round(assumed.stop_s * SECOND_NS), span.stop_ns)
        if core_ns > early_ns:
            drafts.append((camera, Span(early_ns, core_ns), share * CORE_SHARE, basis))
        if last_ns > core_ns:
            tail = Span(max(core_ns, span.start_ns), last_ns)
            drafts.append((camera, tail, share * (1.0 - CORE_SHARE), basis))
    return drafts


def absences(
    found: Reached, coverage: Mapping[str, Coverage], sites: Mapping[str, Sequence[str]]
) -> dict[str, Absence]:
    """Return, by site it can have passed, what it is worth that nothing was seen there.

    A site none of whose cameras is in `coverage` is left out: nobody may look there.
    """
    made: dict[str, Absence] = {}
    miss = found.assumed.miss
    for site in found.sites:
        if site.verdict not in ("must", "could"):
            continue
        here = [c for c in sites[site.site_id] if c in found.cameras]
        if not any(c in coverage for c in here):
            continue
        shares = []
        for camera in here:
            span = found.cameras[camera]
            searched, _, _ = coverage.get(camera, Coverage()).of(span)
            shares.append(searched / max(span.duration_ns / SECOND_NS, 1e-9))
        looked = min(shares, default=0.0)  # it may have gone by the one that saw least
        ratio = 1.0 - looked * (1.0 - miss)
        made[site.site_id] = Absence(site.site_id, looked, miss, ratio, _worth(ratio))
    return made


def _worth(ratio: float) -> str:
    """Return the words for a likelihood ratio; steps of ten, as forensic guides have them."""
    if ratio > 0.95:
        return SAYS_NOTHING
    if ratio > 0.5:
        return SAYS_LITTLE
    return SPEAKS_AGAINST if ratio > 0.1 else SPEAKS_MORE


def _site_of(found: Reached, camera: str) -> str:
    return found.site_of.get(camera, "")


def _seconds_in(spans: Iterable[Span], within: Span) -> float:
    covered = [cut for one in union(spans) if (cut := one.overlap(within)) is not None]
    lost = sum(gap.duration_ns for gap in gaps(covered, within))
    return (within.duration_ns - lost) / SECOND_NS
