"""When a collision may have begun, from boxes in the picture alone: a candidate, never a finding.

Without calibration there are no metres, but a vehicle's own size is a measure: two boxes overlap,
one of them changes its pace or its way abruptly, in its own sizes a second, and both stand soon
after. Traffic that brakes for a light takes its time for it, and stands apart. One log-odds, fitted
on simulated crossings; what is hidden, far away, slow or drives on is not told by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats
from workbench.errors import N_
from workbench.records import Wording

SCORE = 0.5
"""From here on a moment is shown."""
WITHIN_S = 1.0
"""How far a moment may be off; what is shown says so."""
VEHICLES = frozenset({"car", "motorcycle", "bus", "truck", "bicycle", "unknown"})
_GRID_S = 0.1
_LONG_S, _SHORT_S = 0.7, 0.4
_NOISE_PX = 4.0  # a second: of a pace over that long, from boxes off by 2 px
_LATE_S = 0.35  # the pace is seen to change so long after the touch, the middle of the braking
_LEAST_OVERLAP = 0.1
_STANDS = 4.0
_SAME_S = 2.0
_FEWEST = 8
_WEIGHTS = np.array([-0.428, 3.056, 0.008, 3.805, -1.281, 4.073, 3.045, 0.407, -0.444])
"""Of the larger and the smaller change of pace, pace lost, overlap, overlap a second before, both
standing, standing times change, standing times loss, likeness of size: see ``_features``."""
_BIAS = -9.684


@dataclass(frozen=True, slots=True, eq=False)
class BoxTrack:
    """One vehicle's boxes (n, 4): left, top, right, bottom, px, at times (n,), s."""

    name: str
    time_s: Floats
    box_px: Floats


@dataclass(frozen=True, slots=True)
class Onset:
    """A moment when two vehicles may have collided; ``score`` is no calibrated probability."""

    at_s: float
    score: float
    names: tuple[str, str]
    words: Wording


@dataclass(frozen=True, slots=True, eq=False)
class _Paced:
    """A track on a grid: box (n, 4), size (n,) px, pace before and after (n, 2), sizes a second."""

    name: str
    first: int
    box: Floats
    size: Floats
    before: Floats
    after: Floats

    @property
    def last(self) -> int:
        return self.first + len(self.size) - 1

    def part(self, first: int, last: int) -> _Paced:
        """Return the grid's numbers from one to another, both kept."""
        cut = slice(first - self.first, last - self.first + 1)
        return _Paced(
            self.name, first, self.box[cut], self.size[cut], self.before[cut], self.after[cut]
        )


def onsets(tracks: Sequence[BoxTrack], *, least: float = SCORE) -> list[Onset]:
    """Return moments that look like the beginning of a collision, the likeliest first.

    Parameters
    ----------
    tracks
        Of vehicles in one picture, on one clock; five boxes a second or more.
    least
        Moments with a lower score are left out.
    """
    found = []
    for a, b in _meeting([one for one in map(_paced, tracks) if one is not None]):
        known = _features(a, b)
        if known is None:
            continue
        values, k, told = known
        score = 1 / (1 + math.exp(-float(_WEIGHTS @ values + _BIAS)))
        if score >= least:
            at_s = (a.first + k) * _GRID_S - _LATE_S
            found.append(Onset(at_s, min(score, 0.99), (a.name, b.name), told))
    found.sort(key=lambda one: -one.score)
    kept: list[Onset] = []
    for one in found:  # a crash of three is one moment
        if all(abs(one.at_s - other.at_s) > _SAME_S for other in kept):
            kept.append(one)
    return kept


def _paced(track: BoxTrack) -> _Paced | None:
    t, box = track.time_s, track.box_px
    if len(t) < _FEWEST:
        return None
    first, last = math.ceil(t[0] / _GRID_S), math.floor(t[-1] / _GRID_S)
    if last - first < _FEWEST:
        return None
    sides = np.maximum(box[:, 2:] - box[:, :2], 1.0)
    own = np.sqrt(sides.prod(axis=1))
    foot = np.column_stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]])
    at = np.arange(first, last + 1) * _GRID_S
    shown = np.full((len(at), 4), np.nan)
    size = np.full(len(at), np.nan)
    before, after = np.full((len(at), 2), np.nan), np.full((len(at), 2), np.nan)
    for k, now in enumerate(at.tolist()):
        off = t - now
        near = np.abs(off) <= 0.25
        if near.sum() >= 2:
            shown[k] = box[near].mean(axis=0)
        wide = np.abs(off) <= 0.6
        if not wide.any():
            continue
        size[k] = np.median(own[wide])
        for paces, here in (
            (before, (off >= -_LONG_S) & (off <= 0.05)),
            (after, (off >= -0.05) & (off <= _LONG_S)),
        ):
            if here.sum() >= 4 and np.ptp(t[here]) >= _SHORT_S:
                lag = t[here] - t[here].mean()
                paces[k] = lag @ (foot[here] - foot[here].mean(axis=0)) / (lag @ lag) / size[k]
    return _Paced(track.name, first, shown, size, before, after)


def _meeting(tracks: Sequence[_Paced]) -> Iterator[tuple[_Paced, _Paced]]:
    """Yield each two that are seen together, cut to that time."""
    ordered = sorted(tracks, key=lambda one: one.first)
    for number, a in enumerate(ordered):
        for b in ordered[number + 1 :]:
            if b.first > a.last - _FEWEST:
                break
            last = min(a.last, b.last)
            if last - b.first >= _FEWEST:
                yield a.part(b.first, last), b.part(b.first, last)


def _overlap(a: Floats, b: Floats) -> Floats:
    """Return the shared area over that of the smaller box, (n,); 0 where one is not seen."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.maximum(high - low, 0.0).prod(axis=1)
    areas = [np.maximum(one[:, 2:] - one[:, :2], 1.0).prod(axis=1) for one in (a, b)]
    return np.nan_to_num(shared / np.minimum(*areas))


def _features(a: _Paced, b: _Paced) -> tuple[Floats, int, Wording] | None:
    """Return the signs of two, the number on their grid at which they are, and them in words."""
    over = _overlap(a.box, b.box)
    if not (over > _LEAST_OVERLAP).any():
        return None
    count = len(over)
    near = np.array([over[max(0, k - 3) : k + 4].max() for k in range(count)])
    jumps, drops = [], []
    for one in (a, b):
        change = np.nan_to_num(np.linalg.norm(one.after - one.before, axis=1))
        jumps.append(np.maximum(change - 1.5 * _NOISE_PX / np.nan_to_num(one.size, nan=1.0), 0.0))
        drops.append(np.nan_to_num(_speed(one.before) - _speed(one.after)))
    most, least = np.maximum(*jumps), np.minimum(*jumps)
    drop = np.maximum(*drops)
    weighed = np.where(near > _LEAST_OVERLAP, most + 0.5 * least + 0.5 * drop, -np.inf)
    k = int(np.argmax(weighed))
    later = slice(min(k + 15, count - 1), min(k + 30, count))
    paces = [_later(_speed(one.after[later])) for one in (a, b)]
    stand = math.exp(-_STANDS * max(paces)) if all(map(math.isfinite, paces)) else math.exp(-4.0)
    sizes = float(a.size[k]), float(b.size[k])
    jump = math.log1p(min(float(most[k]), 6.0))
    fell = max(-2.0, min(float(drop[k]), 4.0))
    values = np.array([
        jump, math.log1p(min(float(least[k]), 6.0)), fell, float(near[k]),
        float(over[max(0, k - 12) : max(1, k - 7)].mean()), stand, stand * jump, stand * fell,
        min(sizes) / max(sizes),
    ])  # fmt: skip
    words = N_(
        "two boxes overlapped by {share} % while one of them changed its pace by {jump} of its own "
        "sizes a second"
    )
    told = (("share", f"{100 * float(near[k]):.0f}"), ("jump", f"{float(most[k]):.1f}"))
    return values, k, Wording(words, told)


def _speed(pace: Floats) -> Floats:
    return np.asarray(np.linalg.norm(pace, axis=1))


def _later(paces: Floats) -> float:
    known: NDArray[np.float64] = paces[np.isfinite(paces)]
    return float(np.median(known)) if len(known) > 3 else math.nan
