"""When a collision may have begun, from points followed in the picture: a candidate, no finding.

A collision is an impulse. Points that moved as one change their pace within a few frames, by far
more than the trend of braking, of turning or of the perspective goes on to change it, in sizes of
what moves a second, so that no metres are needed; they were seen before and stay in sight; none of
what moves about where they would be goes on as they did; what is beside them may be knocked along.
One log-odds over these signs, fitted on drawn and on mixed clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from workbench.collisions.calibration import Floats
from workbench.collisions.onset import SCORE
from workbench.collisions.points import Followed, Grey, follow_points
from workbench.errors import N_
from workbench.records import Wording

_WINDOW_S, _TOUCH_S = 0.24, 0.12
"""A pace is measured so long, before and after a touch that is over so soon."""
_FEWEST, _REACH_PX, _REACH_S = 7, (13.0, 45.0), 0.15
"""Points of one mover; how near they lie to one another, as far as they go in that time."""
_LEAST_PX_S, _JITTER_PX_S, _ALIKE = 6.0, 3.0, 0.25
_LEAST_JUMP, _LEAST_SHARE = 1.0, 0.35
"""A change of fewer sizes a second, or of a smaller share of the pace, is no candidate: a car that
brakes as hard as it can changes its pace by about one of its sizes a second in that time."""
_SAME_S, _UNSEEN = 2.0, 0.3
_DRIFTS, _UNSURE = 0.05, 0.5
"""Of the picture's width a second: a camera that moves; in that share of the time: said."""
SIGNS = ("jump", "before", "after", "many", "knocked", "unlike", "back")
"""How much the pace changes, sizes a second (log); how far it was what it is before, and stays what
it is after, of the change; how many points (log); how much what is beside is knocked the other way;
how unlike the points move after; how far it goes back, as limbs do."""
_WEIGHTS = np.array([2.44, 3.56, 4.70, 1.54, 2.79, -3.55, -4.26])
_BIAS = -13.2


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant (s) at which what moves at a place may have been hit, its signs and score."""

    at_s: float
    place_px: tuple[float, float]
    size_px: float
    signs: tuple[float, ...]
    score: float
    words: Wording


@dataclass(frozen=True, slots=True)
class Watched:
    """Moments, the likeliest first, in how many pictures; ``moving`` is the share of the time in
    which the camera moved, or nobody can say: nothing is told then.
    """

    moments: tuple[Moment, ...]
    pictures: int
    moving: float

    @property
    def unsure(self) -> bool:
        """Whether so much of the time was left out that no moment found means nothing."""
        return self.moving > _UNSURE


def watch(pictures: Iterable[tuple[float, Grey]], *, least: float = SCORE) -> Watched:
    """Look for impulses in pictures; see :func:`~.points.follow_points` for what they are.

    Parameters
    ----------
    least
        Moments with a lower score are left out.
    """
    found: list[Moment] = []
    count = moved = 0
    until = -math.inf
    for seen in follow_points(pictures):
        fresh = seen.time_s > until
        moves = camera_moves(seen)
        count, moved = count + int(fresh.sum()), moved + int((moves & fresh).sum())
        until = float(seen.time_s[-1])
        found += [
            one for one in candidates(seen)
            if one.score >= least and not moves[np.abs(seen.time_s - one.at_s) <= 1.0].any()
        ]  # fmt: skip
    kept: list[Moment] = []
    for one in sorted(found, key=lambda each: -each.score):  # a crash of three is one moment
        if all(abs(one.at_s - other.at_s) > _SAME_S for other in kept):
            kept.append(one)
    return Watched(tuple(kept), count, moved / max(1, count))


def camera_moves(seen: Followed) -> NDArray[np.bool_]:
    """Return at which frames the whole picture moves on, or moves as no one camera can, (n,)."""
    t, held = seen.time_s, seen.held_px
    second = np.searchsorted(t, t - 1.0)
    far = np.linalg.norm(held - held[second], axis=2).max(axis=1)
    drifts = far > _DRIFTS * seen.size_px[0]
    lost = np.array([seen.agree[a : k + 1].mean() < 0.5 for k, a in enumerate(second)])
    return drifts | lost


def candidates(seen: Followed) -> list[Moment]:
    """Return the likeliest moment of each mover and time in a stretch, whatever its score."""
    t, p = seen.time_s, seen.at_px.astype(np.float64)
    if len(t) < 8:
        return []
    step = float(np.median(np.diff(t)))
    n, gap = max(2, round(_WINDOW_S / step)), max(1, round(_TOUCH_S / step))
    pace = [_slope(t, p, k, n) for k in range(len(t) - n)]
    found = [
        one
        for k in range(n, len(t) - n - gap)
        for mine in _movers(p[k], pace[k - n])
        if (one := _moment(t, p, pace, (k, n, gap), mine)) is not None
    ]
    kept: list[Moment] = []
    for one in sorted(found, key=lambda each: -each.score):
        if all(
            abs(one.at_s - other.at_s) > 0.6
            or math.dist(one.place_px, other.place_px) > 1.5 * max(one.size_px, other.size_px)
            for other in kept
        ):
            kept.append(one)
    return kept


def _slope(t: Floats, p: Floats, k: int, n: int) -> Floats:
    """Return the pace of each point from frame `k` on, px a second; NaN where it is not seen."""
    lag = t[k : k + n + 1] - t[k : k + n + 1].mean()
    return np.asarray(np.einsum("k,knc->nc", lag, p[k : k + n + 1]) / (lag @ lag))


def _movers(at: Floats, pace: Floats) -> Iterator[NDArray[np.intp]]:
    """Yield points that move as one: each near others of a like pace."""
    speed = np.nan_to_num(np.linalg.norm(pace, axis=1))
    moving = np.flatnonzero(speed > _LEAST_PX_S)
    if len(moving) < _FEWEST:
        return
    pairs = cKDTree(at[moving]).query_pairs(_REACH_PX[1], output_type="ndarray")
    a, b = moving[pairs[:, 0]], moving[pairs[:, 1]]
    # who is fast in the picture is near and large: its points lie further apart
    reach = np.clip(_REACH_S * np.minimum(speed[a], speed[b]), *_REACH_PX)
    alike = _ALIKE * np.maximum(speed[a], speed[b]) + _JITTER_PX_S
    one = (np.linalg.norm(pace[a] - pace[b], axis=1) < alike) & (
        np.linalg.norm(at[a] - at[b], axis=1) < reach
    )
    links = coo_array((np.ones(int(one.sum())), tuple(pairs[one].T)), (len(moving), len(moving)))
    _, label = connected_components(links, directed=False)
    for number in np.flatnonzero(np.bincount(label) >= _FEWEST):
        yield moving[label == number]


def _moment(
    t: Floats, p: Floats, pace: Sequence[Floats], frames: tuple[int, int, int],
    mine: NDArray[np.intp],
) -> Moment | None:  # fmt: skip
    """Return the signs of a mover about a frame; None where its pace hardly changes."""
    k, n, gap = frames
    at, end = p[k, mine], k + gap + n
    low, high = np.percentile(at, [8, 92], axis=0)
    size = math.sqrt(float(np.prod(np.maximum(high - low, 6.0) + 4.0)))
    stay = mine[np.isfinite(pace[k + gap][mine, 0])]
    if len(stay) < max(4, 0.3 * len(mine)):
        return None
    before, after = np.median(pace[k - n][mine], axis=0), np.median(pace[k + gap][stay], axis=0)
    speed = float(np.linalg.norm(before))
    earlier = _middle(pace[k - 2 * n][mine]) if k >= 2 * n else None
    # the least change that speaks against each way in which it may have gone on by itself
    grows = _growth(at, pace[k - n][mine])
    changes = [after - one for one in _expected(t, before, earlier, grows, frames)]
    change = min(changes, key=lambda one: float(np.linalg.norm(one)))
    jump = float(np.linalg.norm(change))
    if jump < _LEAST_JUMP * size or jump < _LEAST_SHARE * speed:
        return None
    if _goes_on(t, p, (k, end, n), before, np.median(at, axis=0), 0.8 * size + 6) > len(mine) / 2:
        return None
    signs = (
        math.log1p(min(jump / size, 6.0)),
        _steady(t, pace, (k - n, k - 2 * n, k - 3 * n), mine, (before, jump, grows)),
        _steady(t, pace, (k + gap, end, end + n), stay, (after, jump, 0.0)),
        min(3.0, math.log(len(mine) / _FEWEST)),
        _knocked(p[k], pace[k - n], pace[k + gap], mine, change, 0.6 * size + 8),
        min(0.5, float(np.median(np.linalg.norm(pace[k + gap][stay] - after, axis=1))) / jump),
        min(1.0, max(0.0, -float(after @ before) / speed**2)),
    )
    score = 1 / (1 + math.exp(-float(_WEIGHTS @ np.array(signs) + _BIAS)))
    words = N_(
        "{count} points in the picture that moved as one changed their pace by {jump} of their own "
        "sizes a second within {tenths} s"
    )
    told = (
        ("count", str(len(mine))), ("jump", f"{jump / size:.1f}"),
        ("tenths", f"{float(t[end] - t[k]):.1f}"),
    )  # fmt: skip
    x, y = np.median(at, axis=0).tolist()
    return Moment(
        float(t[k] + t[k + gap]) / 2, (x, y), size, signs, min(score, 0.99), Wording(words, told)
    )


def _steady(
    t: Floats, pace: Sequence[Floats], frames: tuple[int, int, int], mine: NDArray[np.intp],
    known: tuple[Floats, float, float],
) -> float:  # fmt: skip
    """Return how far a pace is what it was or will be at other times, of a change.

    As it is, or as growth makes it, whichever is nearer.
    """
    now, jump, grows = known
    first, *others = frames
    least = _UNSEEN
    for number, k in enumerate(others):
        other = _middle(pace[k][mine]) if 0 <= k < len(pace) else None
        if other is None:
            break
        grown = other * math.exp(2 * grows * float(t[first] - t[k]))
        off = min(float(np.linalg.norm(one - now)) for one in (other, grown))
        held = 1 - min(1.0, off / jump)
        least = min(least, held) if number else held
    return least


def _middle(paces: Floats) -> Floats | None:
    known = paces[np.isfinite(paces[:, 0])]
    return np.median(known, axis=0) if len(known) >= 3 else None


def _growth(at: Floats, paces: Floats) -> float:
    """Return how fast a mover grows in the picture, of its size a second; few tell little."""
    off = at - at.mean(axis=0)
    grows = float((off * (paces - paces.mean(axis=0))).sum() / max(1e-6, float((off**2).sum())))
    return min(max(grows, -1.5), 1.5) * len(at) / (len(at) + 8)


def _expected(
    t: Floats, before: Floats, earlier: Floats | None, grows: float, frames: tuple[int, int, int]
) -> list[Floats]:
    """Return paces that a mover may have after the touch if nothing touched it.

    The same; one that changes as the square of its size in the picture, as who goes away or comes
    near at an even pace does; one that goes on changing as it did, as who brakes does.
    """
    k, n, gap = frames
    span = float(t[k + gap] + t[k + gap + n] - t[k - n] - t[k]) / 2
    found = [before, before * math.exp(2 * grows * span)]
    if earlier is not None:
        gone_on = before + (before - earlier) * span / float(t[k] - t[k - n])
        found.append(gone_on if gone_on @ before > 0 else np.zeros(2))
    return found


def _goes_on(
    t: Floats, p: Floats, frames: tuple[int, int, int], before: Floats, middle: Floats, reach: float
) -> int:
    """Return how many points go on as a mover did, about where it would be."""
    k, end, n = frames
    since = max(2, n // 2)
    there = np.linalg.norm(p[end] - middle - before * (t[end] - t[k]), axis=1) < reach
    paces = (p[end] - p[end - since]) / (t[end] - t[end - since])
    alike = 0.4 * float(np.linalg.norm(before)) + _JITTER_PX_S
    return int((there & (np.linalg.norm(paces - before, axis=1) < alike)).sum())


def _knocked(
    at: Floats, before: Floats, after: Floats, mine: NDArray[np.intp], change: Floats, reach: float
) -> float:
    """Return how much what is beside a mover changes its pace the other way, of the mover's own."""
    seen = np.isfinite(before[:, 0]) & np.isfinite(after[:, 0])
    seen[mine] = False
    others = np.flatnonzero(seen)
    if not len(others):
        return 0.0
    apart, _ = cKDTree(at[mine]).query(at[others], distance_upper_bound=reach)
    others = others[np.isfinite(apart)]
    jump = float(np.linalg.norm(change))
    against = (after[others] - before[others]) @ (-change) / jump
    hit = against[against > 0.12 * jump + _JITTER_PX_S]
    if len(hit) < 4 or len(hit) < 0.1 * len(mine):
        return 0.0
    return min(1.5, float(np.median(hit)) / jump)
