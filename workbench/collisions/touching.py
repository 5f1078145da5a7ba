"""When outlines of two first touch, and what speaks for a collision there, as one log-odds.

Overlap alone is no collision: outlines are a class's usual size, queues stand closer than that,
and a track that begins on top of another is a broken track. What tells them apart is what was seen
about the first touch: how far they were apart in the two seconds before, how deep the outlines went
into each other, how hard one of them slowed down there, whether they faced the same way (a queue
does), and whether both stood soon after. Each adds to the log-odds with a weight fitted by logistic
regression on simulated crossings of seeds 101 to 103 and 111 to 135 (351 true collisions among 2633
touches); all of it stands in this module. How fast the two closed added nothing beside these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats
from workbench.collisions.footprints import STEP_S, GroundTrack, separation_m

SEEN_BEFORE_S = 0.4
"""Both must have been seen so long before they touch: a track born on another is no witness."""
NEAR_M = 0.3
"""Outlines nearer than this count as one touch until they part for longer than half a second."""
_PART_S, _DEEP_S = 0.5, 1.2
_CLOSING_S, _BEFORE_S = 0.3, 2.0
_BRAKE_S = 0.8
AFTER_S = (2.0, 3.5)
"""When after the touch it is asked whether they stand."""

# Log-odds: a constant, and a weight of each sign within the limits it was seen in.
_ALWAYS = -4.25
_OF_DEPTH, _DEPTH_M = 4.81, (-0.4, 0.5)
_OF_PACE, _PACE_M_S = -1.72, (0.0, 3.0)
_OF_APART, _APART_M = 1.14, (0.0, 3.0)
_OF_BRAKE, _BRAKE_M_S2 = 0.21, (0.0, 12.0)
_OF_ALIKE = -0.82  # of the cosine between their headings: 1 behind each other, -1 head on
_CREEPS_M_S = 0.5  # below, the way it moves is noise: braking is counted along no shorter a step


@dataclass(frozen=True, slots=True)
class Touch:
    """Two that came to touch.

    Attributes
    ----------
    at_s
        First instant of touch, on the tracks' time; ``place_m`` is the one's middle then.
    depth_m
        How deep the outlines went into each other within 1.2 s; below 0: they only came near.
    closing_m_s
        Length of the difference of their velocities just before.
    apart_m
        How far apart the outlines were at most in the two seconds before.
    pace_m_s
        The faster one's speed 2 to 3.5 s later, or where its track ended before that.
    brake_m_s2
        How hard the one that slowed down more did so, from the touch to 0.8 s after it.
    angle_rad
        Between the ways they faced, 0 to pi; NaN: one of them never moved.
    """

    at_s: float
    place_m: tuple[float, float]
    depth_m: float
    closing_m_s: float
    apart_m: float
    pace_m_s: float
    brake_m_s2: float = 0.0
    angle_rad: float = math.nan

    @property
    def chance(self) -> float:
        """Return how likely it was a collision, 0 to 1, as far as simulated traffic tells."""
        odds = (
            _ALWAYS
            + _OF_DEPTH * _within(self.depth_m, _DEPTH_M)
            + _OF_PACE * _within(self.pace_m_s, _PACE_M_S)
            + _OF_APART * _within(self.apart_m, _APART_M)
            + _OF_BRAKE * _within(self.brake_m_s2, _BRAKE_M_S2)
            + _OF_ALIKE * (0.0 if math.isnan(self.angle_rad) else math.cos(self.angle_rad))
        )
        return 1.0 / (1.0 + math.exp(-odds))


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def touches(a: GroundTrack, b: GroundTrack) -> Iterator[Touch]:
    """Yield each time two tracks come to touch, by time.

    Both on the same grid (:meth:`GroundTrack.on_grid`).
    """
    first = max(a.time_s[0], b.time_s[0]) - STEP_S / 2
    last = min(a.time_s[-1], b.time_s[-1]) + STEP_S / 2
    one, other = (
        track[int(np.searchsorted(track.time_s, first)) : int(np.searchsorted(track.time_s, last))]
        for track in (a, b)
    )
    if not len(one.time_s):
        return
    apart = separation_m(one.outlines(), other.outlines())
    closing = np.linalg.norm(one.state[:, 2:4] - other.state[:, 2:4], axis=1)
    near = np.flatnonzero(apart < NEAR_M)
    if not len(near):
        return
    parted = np.flatnonzero(np.diff(near) > _steps(_PART_S)) + 1
    for run in np.split(near, parted):
        some = run[run <= run[0] + _steps(_DEEP_S)]
        deepest = float(apart[some].min())
        # the touch begins where they overlap, or, where they never do, where they come nearest
        k = int(some[apart[some] <= max(0.0, deepest + 0.05)][0])
        if k * STEP_S < SEEN_BEFORE_S - STEP_S / 2:
            continue
        at_s = float(one.time_s[k])
        yield Touch(
            at_s,
            (float(one.state[k, 0]), float(one.state[k, 1])),
            -deepest,
            float(np.median(closing[max(0, k - _steps(_CLOSING_S)) : k + 1])),
            float(apart[max(0, k - _steps(_BEFORE_S)) : k + 1].max()),
            max(_pace_after(track, at_s) for track in (a, b)),
            max(_brake(track[max(0, k - 1) : k + _steps(_BRAKE_S)]) for track in (one, other)),
            abs((float(one.heading[k] - other.heading[k]) + math.pi) % (2 * math.pi) - math.pi),
        )


def _pace_after(track: GroundTrack, at_s: float) -> float:
    speed: Floats = track.speed_m_s
    low, high = at_s + AFTER_S[0] - STEP_S / 2, at_s + AFTER_S[1] + STEP_S / 2
    then: NDArray[np.bool_] = (track.time_s >= low) & (track.time_s <= high)
    return float(np.median(speed[then])) if then.sum() > _steps(_CLOSING_S) else float(speed[-1])


def _brake(track: GroundTrack) -> float:
    """Return the hardest deceleration along the way it moves, m/s^2."""
    slower = -(track.state[:, 4:] * track.state[:, 2:4]).sum(axis=1)
    return float((slower / np.maximum(track.speed_m_s, _CREEPS_M_S)).max())


def _steps(seconds: float) -> int:
    return round(seconds / STEP_S)
