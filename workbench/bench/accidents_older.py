"""The rule of collisions before :mod:`workbench.collisions.touching`, to compare with on one run.

Outlines overlapped, errors counted, and one of the two gave a second sign: braking harder than
calm drivers do, a jerk of its heading, or a stop that took too short. Kept as it was measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import norm

from workbench.collisions import candidates
from workbench.collisions.footprints import STEP_S, GroundTrack

SCORE = 0.6
_OVERLAP, _TOUCH_S = 0.5, 0.3
_SIGN_BEFORE_S, _SIGN_AFTER_S = 0.5, 1.5
HARD_BRAKE_M_S2 = STOP_M_S2 = 4.5
JERK_RAD = math.radians(30)
_NOBODY_TURNS_RAD = math.radians(120)
_DOUBT_M_S2, _DOUBT_RAD = 0.5, math.radians(5)
_STANDS_M_S, _STOP_FROM_M_S = 0.7, 3.0
_MOVES_M_S = 1.5


def overlap_and_sign(
    tracks: Sequence[GroundTrack], *, least: float = SCORE
) -> list[candidates.Candidate]:
    """Return the pairs that overlapped and gave a second sign."""
    found = []
    enough = min(least, _OVERLAP)
    for a, b in candidates._pairs(tracks):
        pair = candidates.compared(a, b)
        if pair is None:
            continue
        touched = candidates._lasting(pair.chance_overlap, _TOUCH_S)
        overlapped = touched >= enough
        if not overlapped.any():
            continue
        first = int(np.argmax(overlapped))
        at_s = float(pair.a.time_s[first])
        signs = [
            one
            for track in (a, b)
            for one in _signs(track, at_s - _SIGN_BEFORE_S, at_s + _SIGN_AFTER_S)
        ]
        score = float(touched.max()) * max(signs, default=0.0)
        if score >= least:
            found.append(candidates._overlap(pair, first, score))
    return found


def _signs(track: GroundTrack, low: float, high: float) -> Iterator[float]:
    near = np.flatnonzero((track.time_s >= low) & (track.time_s <= high))
    if len(near) < 3:
        return
    speed, velocity, push = track.speed_m_s, track.state[:, 2:4], track.state[:, 4:]
    fast = near[speed[near] >= _MOVES_M_S]
    if not len(fast):
        return
    along = velocity[fast] / speed[fast][:, None]
    brake = -(push[fast] * along).sum(axis=1)
    k = int(np.argmax(brake))
    sigma = math.sqrt(float(along[k] @ track.covariance[fast[k], 4:, 4:] @ along[k])) + _DOUBT_M_S2
    yield float(norm.cdf((float(brake[k]) - HARD_BRAKE_M_S2) / sigma))
    # A stop: how long from the last time above the pace to the first below a tenth of it.
    top = float(speed[near].max())
    after = near[int(np.argmax(speed[near])) :]
    rests = after[speed[after] < _STANDS_M_S]
    if len(rests) and top >= _STOP_FROM_M_S:
        begun = after[(speed[after] >= 0.8 * top) & (after < rests[0])]
        took = float(track.time_s[rests[0]] - track.time_s[begun[-1]])
        yield float(norm.cdf((0.8 * top / STOP_M_S2 - took) / 0.15))
    half = round(0.5 / STEP_S)
    pairs = [(k, k + half) for k in near.tolist() if k + half < len(speed)]
    pairs = [(i, j) for i, j in pairs if min(speed[i], speed[j]) >= _STOP_FROM_M_S]
    if pairs:
        first, last = np.array(pairs).T
        turn = np.abs((track.heading[last] - track.heading[first] + np.pi) % (2 * np.pi) - np.pi)
        turn[turn > _NOBODY_TURNS_RAD] = 0.0
        k = int(np.argmax(turn))
        sigma = _DOUBT_RAD + _heading_sigma(track, int(first[k])) + _heading_sigma(track, last[k])
        yield float(norm.cdf((float(turn[k]) - JERK_RAD) / sigma))


def _heading_sigma(track: GroundTrack, k: int) -> float:
    speed = float(track.speed_m_s[k])
    left = np.array([-track.state[k, 3], track.state[k, 2]]) / speed
    return math.sqrt(float(left @ track.covariance[k, 2:4, 2:4] @ left)) / speed
