"""Near misses and collisions as candidates: a score, and the reason in words. A person decides.

A near miss is a pair whose time to collision fell to 1.5 s or less (Hydén 1987 and the field since)
or whose ways crossed within 1 s of each other. Position and velocity are only known with an error:
each figure is asked of draws from the smoother's covariance, and the score is the share of draws
that say so over half a second. What a
collision needs beside overlap is told in :mod:`.touching`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats
from workbench.collisions.footprints import (
    STEP_S,
    Encroachment,
    GroundTrack,
    Outlines,
    near_pairs,
    outlines,
    post_encroachment,
    separation_m,
    time_to_collision,
)
from workbench.collisions.touching import AFTER_S, Touch, touches
from workbench.errors import N_
from workbench.later import later

stats = later("scipy.stats")

What = Literal["near miss", "collision", "weaving", "speed", "wrong way"]
TTC_LIMIT_S = 1.5
PET_LIMIT_S = 1.0
NEAR_MISS_SCORE = 0.5
COLLISION_SCORE = 0.35
"""Scores from which a pair is listed; tuned on simulated crossings (:mod:`.touching`)."""
_OVERLAP = 0.5
MOST = 0.99
"""No score is ever shown as certain."""
_PET_ANGLE = math.radians(30)
_DRAWS = 48
_SEED = 20_260_106
_SUSTAINED_S = 0.5
_TOUCH_S = 0.3
_PET_LOOK_S = 2.0
_BEFORE_S, _AFTER_S = 4.0, 4.0
_LOOKS_AHEAD_S = 4.0  # pairs with a longer time to collision are not drawn
_FASTEST_M = 40.0  # metres two may close in that time
_MOVES_M_S = 1.5
"""One of the two must be faster: what stands beside each other is no conflict."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What somebody should look at: when, who, how likely, why.

    Attributes
    ----------
    what
        Kind of candidate.
    names, kinds
        The tracks, and their classes.
    start_s, at_s, stop_s
        Of the clip to look at, and its moment; on the tracks' own time.
    score
        0 to 0.99.
    ttc_s, pet_s
        Least time to collision and post-encroachment time; None where there is none.
    place_m
        Where.
    reason, values
        A template (``N_``) and what stands in it; :meth:`text` is both in English.
    """

    what: What
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    start_s: float
    at_s: float
    stop_s: float
    score: float
    reason: str
    values: Mapping[str, object] = field(default_factory=dict)
    ttc_s: float | None = None
    pet_s: float | None = None
    place_m: tuple[float, float] = (math.nan, math.nan)

    def text(self) -> str:
        """Return the reason in English."""
        return self.reason.format(**self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two tracks at the same times, and what draws of both say."""

    a: GroundTrack
    b: GroundTrack
    ttc_s: Floats
    separation_m: Floats
    chance_ttc: Floats
    chance_overlap: Floats


def near_misses(
    tracks: Sequence[GroundTrack], *, least: float = NEAR_MISS_SCORE
) -> list[Candidate]:
    """Return the pairs that came too near, by time; those that touched are among them.

    Parameters
    ----------
    tracks
        Of one place, on one time.
    least
        Score from which a pair is listed.
    """
    found = []
    for a, b in _pairs(tracks):
        one = _near_miss(a, b, least)
        if one is not None:
            found.append(one)
    return sorted(found, key=lambda one: (one.at_s, one.names))


def collisions(tracks: Sequence[GroundTrack], *, least: float = COLLISION_SCORE) -> list[Candidate]:
    """Return the pairs that touched as those do who collide, by time (:mod:`.touching`)."""
    found = []
    for a, b in _pairs(tracks):
        hit = max(touches(a, b), key=lambda one: one.chance, default=None)
        if hit is not None and hit.chance >= least:
            found.append(_collision(a, b, hit))
    return sorted(found, key=lambda one: (one.at_s, one.names))


def overlaps(tracks: Sequence[GroundTrack], *, least: float = _OVERLAP) -> list[Candidate]:
    """Return the pairs that overlapped, a second sign or not: collisions are compared with it."""
    found = []
    for a, b in _pairs(tracks):
        pair = compared(a, b)
        if pair is not None:
            touched = _lasting(pair.chance_overlap, _TOUCH_S)
            at = int(np.argmax(touched))
            if touched[at] >= least:
                found.append(_overlap(pair, at, float(touched[at])))
    return found


def _pairs(tracks: Sequence[GroundTrack]) -> Iterator[tuple[GroundTrack, GroundTrack]]:
    grid = [one for one in (track.on_grid() for track in tracks) if len(one.time_s) > 1]
    for i, j in near_pairs(grid, within_s=PET_LIMIT_S + 1.0, within_m=_FASTEST_M):
        if not grid[i].kind == grid[j].kind == "person":  # who walks together is no conflict
            yield grid[i], grid[j]


def compared(a: GroundTrack, b: GroundTrack) -> Pair | None:
    """Return two tracks over the times they share; None where they never come near.

    Both on the same grid (:meth:`GroundTrack.on_grid`).
    """
    first = max(a.time_s[0], b.time_s[0]) - STEP_S / 2
    last = min(a.time_s[-1], b.time_s[-1]) + STEP_S / 2
    if last <= first:
        return None
    a, b = (
        one[int(np.searchsorted(one.time_s, first)) : int(np.searchsorted(one.time_s, last))]
        for one in (a, b)
    )
    if not len(a.time_s):
        return None
    one, other = a.outlines(), b.outlines()
    ttc, apart = time_to_collision(one, other), separation_m(one, other)
    moves = np.maximum(a.speed_m_s, b.speed_m_s) >= _MOVES_M_S
    look = ((ttc <= _LOOKS_AHEAD_S) | (apart < 1.0)) & moves
    if not look.any():
        return None
    chance_ttc, chance_overlap = np.zeros(len(ttc)), np.zeros(len(ttc))
    at = np.flatnonzero(look)
    drawn, drawn_other = _drawn(a, at, 0), _drawn(b, at, 1)
    soon = time_to_collision(drawn, drawn_other)
    chance_ttc[at] = (soon <= TTC_LIMIT_S).mean(axis=0)
    chance_overlap[at] = (separation_m(drawn, drawn_other) <= 0).mean(axis=0)
    return Pair(a, b, np.where(moves, ttc, np.inf), apart, chance_ttc, chance_overlap)


def _drawn(track: GroundTrack, at: NDArray[np.int64], stream: int) -> Outlines:
    """Return (d, n) outlines drawn from a track's error; of one draw it is alike at all times."""
    noise = np.random.default_rng([_SEED, stream]).standard_normal((_DRAWS, 1, 4, 1))
    root = np.linalg.cholesky(track.covariance[at, :4, :4] + 1e-12 * np.eye(4))
    state = track.state[at, :4] + (root @ noise)[..., 0]
    rides = np.linalg.norm(state[..., 2:], axis=-1) >= _MOVES_M_S
    heading = np.where(rides, np.arctan2(state[..., 3], state[..., 2]), track.heading[at])
    return outlines(state, heading, track.size_m)


def _lasting(chance: Floats, over_s: float) -> Floats:
    """Return the mean over some time about each instant; nobody knows of what was before."""
    width = round(over_s / STEP_S)
    return np.convolve(chance, np.full(width, 1 / width), mode="same")[: len(chance)]


def _near_miss(a: GroundTrack, b: GroundTrack, least: float) -> Candidate | None:
    pair = compared(a, b)
    by_ttc = by_pet = 0.0
    at = 0
    if pair is not None:
        chance = _lasting(pair.chance_ttc, _SUSTAINED_S)
        at = int(np.argmax(chance))
        by_ttc = float(chance[at])
    met = post_encroachment(a, b, longest_s=_PET_LOOK_S, least_angle=_PET_ANGLE)
    if met is not None:
        by_pet = _pet_chance(a, b, met)
    if max(by_ttc, by_pet) < least:
        return None
    pet_s = None if met is None else met.pet_s
    values: dict[str, object] = {"a": a.kind, "b": b.kind}
    ttc_s = None
    if pair is not None and np.isfinite(pair.ttc_s).any():
        ttc_s = float(pair.ttc_s[_about(pair.ttc_s, at)].min())
    if by_ttc >= by_pet and pair is not None:
        at_s, place = float(pair.a.time_s[at]), pair.a.state[at, :2]
        values |= {"ttc": ttc_s if ttc_s is not None else TTC_LIMIT_S}
        values |= {"gap": max(0.0, float(pair.separation_m.min()))}
        reason = _SOON
    else:
        assert met is not None
        at_s, place = float(max(a.time_s[met.a], b.time_s[met.b])), a.state[met.a, :2]
        values |= {"pet": met.pet_s, "angle": math.degrees(met.angle)}
        reason = _CROSSED
    return Candidate(
        "near miss", (a.name, b.name), (a.kind, b.kind),
        at_s - _BEFORE_S, at_s, at_s + _AFTER_S, min(MOST, max(by_ttc, by_pet)),
        reason, values, ttc_s, pet_s, (float(place[0]), float(place[1])),
    )  # fmt: skip


_SOON = N_(
    "{a} and {b} would have touched within {ttc:.1f} s had neither changed speed or heading; "
    "nearest {gap:.1f} m"
)
_CROSSED = N_(
    "{a} and {b} were at the same place {pet:.1f} s apart, on ways {angle:.0f} degrees apart"
)


def _about(values: Floats, at: int) -> slice:
    half = round(_SUSTAINED_S / STEP_S / 2)
    return slice(max(0, at - half), min(len(values), at + half + 1))


def _pet_chance(a: GroundTrack, b: GroundTrack, met: Encroachment) -> float:
    """Return the chance that the time between is within the limit: places are off by seconds."""
    variance = (STEP_S / 2) ** 2
    for one, k in ((a, met.a), (b, met.b)):
        speed = max(float(one.speed_m_s[k]), _MOVES_M_S)
        along = one.state[k, 2:4] / max(float(np.linalg.norm(one.state[k, 2:4])), 1e-6)
        variance += float(along @ one.covariance[k, :2, :2] @ along) / speed**2
    return float(stats.norm.cdf((PET_LIMIT_S - met.pet_s) / math.sqrt(variance)))


_OVERLAPPED = N_("the outlines of {a} and {b} overlapped")
_TOUCHED = N_(
    "{a} and {b} touched with {closing:.0f} km/h between them, their outlines {depth:.1f} m into "
    "each other, and {after:.0f} s later the faster of them went at {pace:.0f} km/h"
)


def _overlap(pair: Pair, at: int, score: float) -> Candidate:
    place = pair.a.state[at, :2]
    return _candidate(
        pair.a, pair.b, float(pair.a.time_s[at]), (float(place[0]), float(place[1])), score,
        _OVERLAPPED, {},
    )  # fmt: skip


def _collision(a: GroundTrack, b: GroundTrack, hit: Touch) -> Candidate:
    values = {
        "closing": 3.6 * hit.closing_m_s, "depth": max(0.0, hit.depth_m), "after": AFTER_S[0],
        "pace": 3.6 * hit.pace_m_s,
    }  # fmt: skip
    return _candidate(a, b, hit.at_s, hit.place_m, hit.chance, _TOUCHED, values)


def _candidate(
    a: GroundTrack, b: GroundTrack, at_s: float, place_m: tuple[float, float], score: float,
    reason: str, values: Mapping[str, object],
) -> Candidate:  # fmt: skip
    return Candidate(
        "collision", (a.name, b.name), (a.kind, b.kind),
        at_s - _BEFORE_S, at_s, at_s + _AFTER_S, min(MOST, score),
        reason, {"a": a.kind, "b": b.kind, **values}, 0.0, None, place_m,
    )  # fmt: skip
