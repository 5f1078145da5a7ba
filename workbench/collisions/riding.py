"""How one vehicle rides: weaving, far too fast, against the way of the others. Candidates, no more.

Weaving (*lạng lách, đánh võng*) is a swing to both sides of the rider's own course, again and
again: the track, turned into along and across, is fitted by a bent line with and without a sine
of two to six seconds. A brisk change of lane looks alike to who sees only that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats
from workbench.collisions.candidates import MOST, Candidate, What
from workbench.collisions.footprints import GroundTrack
from workbench.collisions.tracks import KMH
from workbench.errors import N_
from workbench.later import later

stats = later("scipy.stats")

WEAVING_M = 0.2
"""Swing to either side from which riding is called weaving."""
_PERIODS_S = np.linspace(2.0, 6.0, 17)
_LEAST_S = 3.0
_LEAST_M_S = 3.0
_ORDER = 2  # the course itself: a bent line
_TWO_WHEELS = ("motorcycle", "bicycle")
_CELL_M = 2.0
_LEAST_PASSES = 20
_ONE_WAY = 0.95
_AGAINST = math.radians(150)
_AGAINST_SHARE = 0.7
FAST_SHARE = 1.5
"""So many times the limit is called extreme."""

Flow = Mapping[tuple[int, int], tuple[float, int]]
"""Of each cell of two metres: the way most ride (radians), and how many passes say so."""


def swing(track: GroundTrack) -> tuple[float, float, float]:
    """Return (swing to either side in metres, its error, period in seconds); 0 where none fits.

    Only the longest stretch that it rides is looked at. Turned or moved, the figures are the same.
    """
    rides = _longest(track.speed_m_s >= _LEAST_M_S)
    time_s = track.time_s[rides]
    if len(time_s) < 8 or np.ptp(time_s) < _LEAST_S:
        return 0.0, math.inf, math.nan
    place = track.state[rides, :2]
    across, sigma = _across(place, track.covariance[rides, :2, :2])
    t = time_s - time_s.mean()
    reach = np.ptp(t) / 2
    course = np.vander(t / reach, _ORDER + 1)
    bare = _rest(course, across)
    best, lowest = (0.0, math.inf, math.nan), float(bare @ bare)
    for period in _PERIODS_S[1.3 * np.ptp(t) >= _PERIODS_S].tolist():
        turn = 2 * np.pi * t / period
        design = np.column_stack([course, np.sin(turn), np.cos(turn)])
        fit, *_ = np.linalg.lstsq(design, across, rcond=None)
        left = across - design @ fit
        cost = float(left @ left)
        if cost < lowest:
            lowest = cost
            # What the sine alone explains: a course that it merely helps to bend counts little.
            own = _rest(course, design[:, -2:] @ fit[-2:])
            error = math.hypot(float(sigma.mean()), math.sqrt(cost / len(t)))
            best = (math.sqrt(2 * float((own**2).mean())), error, period)
    return best


def _longest(rides: NDArray[np.bool_]) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rides.astype(int), [0]])))
    if not len(edges):
        return slice(0, 0)
    runs = edges.reshape(-1, 2)
    first, last = runs[int(np.argmax(runs[:, 1] - runs[:, 0]))].tolist()
    return slice(first, last)


def _across(place: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Return metres across the main direction, and the error of each."""
    centred = place - place.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    across = axes[1]
    sigma = np.sqrt(np.einsum("i,nij,j->n", across, covariance, across))
    return np.asarray(centred @ across), np.asarray(sigma)


def _rest(design: Floats, values: Floats) -> Floats:
    fit, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(values - design @ fit)


def weaving_score(track: GroundTrack) -> float:
    """Return 0 to .99: how much the swing stands out of what is not explained beside it."""
    size, error, _ = swing(track)
    if not size:
        return 0.0
    return min(MOST, float(stats.norm.cdf((size - WEAVING_M) / (0.5 * error + 0.05))))


def weaving(tracks: Sequence[GroundTrack], *, least: float = 0.5) -> list[Candidate]:
    """Return riders of two wheels who weave."""
    found = []
    for track in tracks:
        score = weaving_score(track) if track.kind in _TWO_WHEELS else 0.0
        if score >= least:
            size, _, period = swing(track)
            values = {"kind": track.kind, "swing": size, "period": period}
            found.append(_one(track, "weaving", score, _WEAVES, values))
    return found


_WEAVES = N_("{kind} swung {swing:.1f} m to either side of its way, once in {period:.1f} s")
_FAST = N_("{kind} rode {speed:.0f} km/h, at least {low:.0f}, where {limit:.0f} is the limit")
_AGAINST_ALL = N_("{kind} rode against the way of all {count} others over {share:.0%} of its way")


def too_fast(
    tracks: Sequence[GroundTrack], *, limit_km_h: float, least: float = 0.5
) -> list[Candidate]:
    """Return who rode above one and a half times the limit, the error of the speed counted."""
    found = []
    for track in tracks:
        speed = track.speed_m_s
        middle = float(np.median(speed))
        spread = track.covariance[:, 2:4, 2:4]
        sigma = float(np.median(np.sqrt(np.linalg.eigvalsh(spread)[:, -1]))) + 0.02 * middle
        score = float(stats.norm.cdf((KMH * middle - FAST_SHARE * limit_km_h) / (KMH * sigma)))
        if score >= least:
            values = {
                "kind": track.kind, "speed": KMH * middle, "low": KMH * (middle - 2 * sigma),
                "limit": limit_km_h,
            }  # fmt: skip
            found.append(_one(track, "speed", score, _FAST, values))
    return found


def usual_ways(tracks: Sequence[GroundTrack]) -> Flow:
    """Return which way tracks ride in each cell of two metres; cells of both ways are left out."""
    seen: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for track in tracks:
        for cell, heading in dict(_cells(track)).items():  # a pass counts once
            seen[cell].append(heading)
    flow = {}
    for cell, each in seen.items():
        if len(each) >= _LEAST_PASSES:
            turn = np.array(each)
            main = math.atan2(float(np.median(np.sin(turn))), float(np.median(np.cos(turn))))
            off = np.abs((turn - main + np.pi) % (2 * np.pi) - np.pi)
            if (off < math.pi / 4).mean() >= _ONE_WAY:
                flow[cell] = (main, len(each))
    return flow


def wrong_way(tracks: Sequence[GroundTrack], flow: Flow, *, least: float = 0.5) -> list[Candidate]:
    """Return who rode against what nearly all others do; the others may be wrong, too.

    Nothing is known of signs: a flow of at least twenty passes stands for them.
    """
    found = []
    for track in tracks:
        told = [(heading, *flow[cell]) for cell, heading in _cells(track) if cell in flow]
        if len(told) < 8:
            continue
        off = np.array([abs((a - b + math.pi) % (2 * math.pi) - math.pi) for a, b, _ in told])
        share = float((off >= _AGAINST).mean())
        if share >= _AGAINST_SHARE:
            count = min(n for _, _, n in told)
            score = share * (1 - 1 / (count + 2))
            if score >= least:
                values = {"kind": track.kind, "count": count, "share": min(share, MOST)}
                found.append(_one(track, "wrong way", score, _AGAINST_ALL, values))
    return found


def _cells(track: GroundTrack) -> list[tuple[tuple[int, int], float]]:
    rides = track.speed_m_s >= _LEAST_M_S
    at = np.floor(track.state[rides, :2] / _CELL_M).astype(int)
    turn = np.arctan2(track.state[rides, 3], track.state[rides, 2])
    return [((x, y), h) for (x, y), h in zip(at.tolist(), turn.tolist(), strict=True)]


def _one(
    track: GroundTrack, what: What, score: float, reason: str, values: Mapping[str, object]
) -> Candidate:
    middle = len(track.time_s) // 2
    x, y = track.state[middle, :2].tolist()
    return Candidate(
        what, (track.name,), (track.kind,), float(track.time_s[0]), float(track.time_s[middle]),
        float(track.time_s[-1]), min(MOST, score), reason, values, place_m=(x, y),
    )  # fmt: skip
