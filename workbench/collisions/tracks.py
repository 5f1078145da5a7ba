"""Ground tracks and speeds: where a vehicle was, how fast, and how sure that is.

A track is the point where the wheels touch the ground, frame by frame, at the frames' own
presentation times. It is smoothed on the ground by a model of motion (constant acceleration that
drifts, Rauch-Tung-Striebel), once for each disturbed calibration; how lively the vehicle moved is
chosen by the likelihood of its own track. The spread over calibrations, the smoother's own
covariance and the error of the clock's rate together make the interval of each figure.

Assumed: errors of the contact point are independent from frame to frame and as large as stated;
a detector whose boxes are off the same way all along a pass (a shadow, a cut) breaks that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats, GroundModel, map_points, undistort
from workbench.errors import N_, BadInput
from workbench.records import Box

KMH = 3.6
CONTACT_SIGMA_PX = 2.0
_LIVELINESS = np.array([0.05, 0.15, 0.5, 1.5, 4.0, 12.0, 36.0])
"""Power of the drift of acceleration, m^2/s^5, from a straight ride to an emergency stop."""
_SEED = 20_260_102
_FEWEST = 5
_STANDING_M_S = 0.5  # below, a heading says nothing
_LONGEST_GAP_S = 2.0


@dataclass(frozen=True, slots=True)
class TimeBase:
    """How ticks become seconds, and what is not known about it.

    Attributes
    ----------
    tick_s
        Seconds a tick.
    source
        "file": as the container says; "override": as an operator stated it.
    jitter_s
        One standard deviation of a frame's own time.
    rate_sigma
        One standard deviation of the rate, as a share: every speed is off by as much.
    """

    tick_s: Fraction
    source: Literal["file", "override"] = "file"
    jitter_s: float = 0.002
    rate_sigma: float = 0.001

    def seconds(self, pts: Sequence[int] | NDArray[np.int64]) -> Floats:
        """Return seconds since the first frame, from whole ticks.

        >>> TimeBase(Fraction(1, 20)).seconds([7, 8, 27]).tolist()
        [0.0, 0.05, 1.0]
        """
        first = int(pts[0])
        return np.array([float((int(one) - first) * self.tick_s) for one in pts])

    def statement(self) -> str:
        """Return the template that tells a reader which time base was used."""
        if self.source == "override":
            return N_("time: the rate an operator stated ({tick} s a tick), not the file's")
        return N_("time: presentation times of the file ({tick} s a tick)")


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """A smoothed track: every figure as 2.5 %, 50 % and 97.5 % at each time, (3, n).

    ``position_m`` is (n, 2) and ``position_sigma_m`` (n,), in the direction of the largest error;
    ``position_covariance_m2`` is (n, 2, 2).
    ``heading_deg`` is clockwise from north, NaN where the vehicle (nearly) stands.
    ``mean_speed_km_h`` is (3,): of the whole track, from its length on the ground.
    """

    time_s: Floats
    position_m: Floats
    position_sigma_m: Floats
    speed_km_h: Floats
    acceleration_m_s2: Floats
    lateral_m_s2: Floats
    heading_deg: Floats
    mean_speed_km_h: Floats
    kind: str
    time_base: TimeBase
    position_covariance_m2: Floats


def contact_point(box: Box, *, share: float = 0.0) -> tuple[float, float]:
    """Return the pixel where a box's vehicle touches the ground: the middle of its lower edge.

    Parameters
    ----------
    share
        How far up the box, 0 to 1, the wheels are; a camera high up sees the near wheels below the
        middle of the vehicle.

    >>> contact_point(Box(10, 20, 30, 40))
    (25.0, 60.0)
    """
    return (box.x + box.w / 2, box.y + box.h * (1 - share))


def measure_motion(
    model: GroundModel,
    points_px: Floats | Sequence[tuple[float, float]],
    pts: Sequence[int] | NDArray[np.int64],
    time_base: TimeBase,
    *,
    sigma_px: float = CONTACT_SIGMA_PX,
) -> Motion:
    """Return speed, acceleration and heading over time, each with its 95 % interval.

    Parameters
    ----------
    model
        Of the camera, for the view it had then.
    points_px
        (n, 2) contact points; a row of NaN is a frame in which the vehicle was not seen.
    pts
        (n,) strictly increasing ticks of the file.
    time_base
        How ticks become seconds; an override changes every speed.
    sigma_px
        One standard deviation of a contact point, per axis.

    Raises
    ------
    BadInput
        With too few points, times that do not increase, a gap longer than two seconds, or points
        outside the calibrated part of the picture.
    """
    px = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
    times = np.asarray(pts, dtype=np.int64)
    if len(px) != len(times):
        raise BadInput(N_("there are not as many times as points"), N_("give one for each"))
    seen = np.isfinite(px).all(axis=1)
    px, times = px[seen], times[seen]
    if len(px) < _FEWEST:
        raise BadInput(
            N_("{count} points are too few for a speed"),
            N_("mark at least {least} frames"),
            count=len(px),
            least=_FEWEST,
        )
    if (np.diff(times) <= 0).any():
        raise BadInput(N_("the times of the points do not increase"), N_("sort them by frame"))
    seconds = time_base.seconds(times)
    if np.diff(seconds).max() > _LONGEST_GAP_S:
        raise BadInput(
            N_("the track has a gap of {gap:.1f} s"),
            N_("measure the parts apart"),
            gap=float(np.diff(seconds).max()),
        )
    outside = ~model.covered(px)
    if outside.any():
        raise BadInput(
            N_("{count} of {total} points lie outside the calibrated part of the picture"),
            N_("leave them out, or calibrate with points around them"),
            count=int(outside.sum()),
            total=len(px),
        )
    return _smoothed(model, px, seconds, time_base, sigma_px)


def _smoothed(
    model: GroundModel, px: Floats, seconds: Floats, time_base: TimeBase, sigma_px: float
) -> Motion:
    noise = _noise(model, px, seconds, sigma_px, time_base.jitter_s)
    best = model.ground(px)
    about = best.mean(axis=0)
    drawn = model.ground_draws(px) - about
    drawn = drawn[np.isfinite(drawn).all(axis=(1, 2))]
    states, spread = _likely_states(best[None] - about, drawn, seconds, noise)
    rng = np.random.default_rng(_SEED)
    # Every draw of the calibration gets a draw of the smoother's own error, at each time.
    root = np.linalg.cholesky(spread + 1e-12 * np.eye(6))  # (d, n, 6, 6)
    states = states + (root @ rng.standard_normal((len(drawn), len(seconds), 6, 1)))[..., 0]
    rate = 1.0 + time_base.rate_sigma * rng.standard_normal(len(drawn))[:, None, None]
    place, velocity, push = states[..., :2], states[..., 2:4] / rate, states[..., 4:] / rate**2
    typical = np.median(velocity, axis=0)
    spread_m2 = _covariance(place)
    along = typical / np.maximum(np.linalg.norm(typical, axis=1), 1e-9)[:, None]
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    # Along the usual direction: the length of a noisy vector is always too long.
    speed = np.maximum((velocity * along).sum(axis=2), 0.0)
    # Along the way, too: there the errors between cancel, and those of its two ends remain.
    way = along[1:] + along[:-1]
    way /= np.maximum(np.linalg.norm(way, axis=1), 1e-9)[:, None]
    path = (np.diff(place, axis=1) * way).sum(axis=2)
    mean = np.maximum(path.sum(axis=1), 0.0) / (seconds[-1] * rate[:, 0, 0])
    return Motion(
        time_s=seconds,
        position_m=np.median(place, axis=0) + about,
        position_sigma_m=np.sqrt(np.linalg.eigvalsh(spread_m2)[:, -1]),
        speed_km_h=KMH * _interval(speed),
        acceleration_m_s2=_interval((push * along).sum(axis=2)),
        lateral_m_s2=_interval((push * left).sum(axis=2)),
        heading_deg=_headings(velocity, typical),
        mean_speed_km_h=KMH * _interval(mean[:, None])[:, 0],
        kind=model.kind,
        time_base=time_base,
        position_covariance_m2=spread_m2,
    )


def _likely_states(
    best: Floats, drawn: Floats, seconds: Floats, noise: Floats
) -> tuple[Floats, Floats]:
    """Return states (d, n, 6) and their covariances (d, n, 6, 6), over how lively the ride was.

    Each draw gets a liveliness with the chance the track gives it: the likeliest alone would be
    too sure of itself, most of all where a short track says little.
    """
    score = np.array([_filter(best, seconds, noise, q).likelihood for q in _LIVELINESS])
    share = np.exp(score - score.max())
    share /= share.sum()
    upto = np.round(np.cumsum(share) * len(drawn)).astype(int)
    order = np.random.default_rng(_SEED).permutation(len(drawn))
    n = len(seconds)
    states, spread = np.empty((len(drawn), n, 6)), np.empty((len(drawn), n, 6, 6))
    first = 0
    for lively, last in zip(_LIVELINESS.tolist(), upto.tolist(), strict=True):
        some = order[first:last]
        first = last
        if len(some):
            forward = _filter(drawn[some], seconds, noise, lively)
            states[some], spread[some] = _smooth(forward, seconds, lively)
    return states, spread


def _interval(values: Floats) -> Floats:
    return np.asarray(np.percentile(values, [2.5, 50.0, 97.5], axis=0))


def _covariance(place: Floats) -> Floats:
    """Return (n, 2, 2) of draws (d, n, 2)."""
    off = place - place.mean(axis=0)
    return np.asarray(np.einsum("dni,dnj->nij", off, off) / len(place))


def _headings(velocity: Floats, typical: Floats) -> Floats:
    """Return (3, n) degrees; the interval may pass 360 or fall below 0, so that it is in order."""
    middle = np.degrees(np.arctan2(typical[:, 0], typical[:, 1])) % 360.0
    each = np.degrees(np.arctan2(velocity[..., 0], velocity[..., 1]))
    off = (each - middle + 180.0) % 360.0 - 180.0
    headings = middle + _interval(off)
    headings[:, np.linalg.norm(typical, axis=1) < _STANDING_M_S] = np.nan
    return headings


def _noise(
    model: GroundModel, px: Floats, seconds: Floats, sigma_px: float, jitter_s: float
) -> Floats:
    """Return (n, 2, 2) covariances on the ground of pixel error and of the frame's time."""
    jacobians = model.jacobians(px)
    noise = sigma_px**2 * jacobians @ np.swapaxes(jacobians, 1, 2)
    ground = model.ground(px)
    reach = min(len(px) - 1, 5)
    rough = (ground[reach:] - ground[:-reach]) / (seconds[reach:] - seconds[:-reach])[:, None]
    pace = np.median(rough, axis=0)
    return np.asarray(noise + jitter_s**2 * np.outer(pace, pace))


@dataclass(frozen=True, slots=True, eq=False)
class _Filtered:
    """Forward pass: states (d, n, 6), covariances (n, 6, 6) before and after each measurement."""

    likelihood: float
    before: Floats
    after: Floats
    spread_before: Floats
    spread_after: Floats


def _steps(gaps_s: Floats, lively: float) -> tuple[Floats, Floats]:
    """Return (n, 6, 6) transitions of position, velocity, acceleration, and their noise."""
    t = np.asarray(gaps_s, float)
    zero, one = np.zeros_like(t), np.ones_like(t)
    move = np.array([[one, t, t * t / 2], [zero, one, t], [zero, zero, one]])
    noise = lively * np.array(
        [
            [t**5 / 20, t**4 / 8, t**3 / 6],
            [t**4 / 8, t**3 / 3, t**2 / 2],
            [t**3 / 6, t**2 / 2, t],
        ]
    )
    return _of_both_axes(move), _of_both_axes(noise)


def _of_both_axes(each: Floats) -> Floats:
    """Return (n, 6, 6) of (3, 3, n): the same for either axis, and nothing between them."""
    both = np.zeros((each.shape[2], 3, 2, 3, 2))
    for axis in (0, 1):
        both[:, :, axis, :, axis] = np.moveaxis(each, 2, 0)
    return both.reshape(-1, 6, 6)


def _filter(places: Floats, seconds: Floats, noise: Floats, lively: float) -> _Filtered:
    """Run the Kalman filter over (d, n, 2) places at once: gains do not depend on them."""
    count, n = places.shape[:2]
    before, after = np.zeros((count, n, 6)), np.zeros((count, n, 6))
    spread_before, spread_after = np.zeros((n, 6, 6)), np.zeros((n, 6, 6))
    state = np.zeros((count, 6))
    state[:, :2] = places[:, 0]
    spread = np.diag([100.0, 100.0, 900.0, 900.0, 9.0, 9.0])  # wide: up to 100 km/h, 3 m/s^2
    likelihood = 0.0
    moves, drifts = _steps(np.diff(seconds), lively)
    eye = np.eye(6)
    for k in range(n):
        if k:
            move = moves[k - 1]
            state, spread = state @ move.T, move @ spread @ move.T + drifts[k - 1]
        before[:, k], spread_before[k] = state, spread
        innovation = places[:, k] - state[:, :2]
        expected = spread[:2, :2] + noise[k]
        (a, b), (_, d) = expected.tolist()
        det = a * d - b * b
        inverse = np.array([[d, -b], [-b, a]]) / det
        gain = spread[:, :2] @ inverse
        state = state + innovation @ gain.T
        keep = eye.copy()
        keep[:, :2] -= gain
        spread = keep @ spread @ keep.T + gain @ noise[k] @ gain.T
        after[:, k], spread_after[k] = state, spread
        off = innovation[0]
        likelihood -= 0.5 * (float(off @ inverse @ off) + math.log(det))
    return _Filtered(likelihood, before, after, spread_before, spread_after)


def _smooth(forward: _Filtered, seconds: Floats, lively: float) -> tuple[Floats, Floats]:
    """Return states (d, n, 6) and covariances (n, 6, 6) given the whole track."""
    states: Floats = forward.after.copy()
    spread: Floats = forward.spread_after.copy()
    moves, _ = _steps(np.diff(seconds), lively)
    for k in range(len(seconds) - 2, -1, -1):
        gain = forward.spread_after[k] @ moves[k].T @ np.linalg.inv(forward.spread_before[k + 1])
        states[:, k] += (states[:, k + 1] - forward.before[:, k + 1]) @ gain.T
        spread[k] += gain @ (spread[k + 1] - forward.spread_before[k + 1]) @ gain.T
        spread[k] = (spread[k] + spread[k].T) / 2
    return states, np.asarray(spread)


def distance_m(model: GroundModel, from_px: Floats, to_px: Floats, sigma_px: float) -> Floats:
    """Return the distance on the ground between two pixels, (3,): 2.5 %, 50 %, 97.5 %."""
    ends = np.array([from_px, to_px], dtype=np.float64)
    rng = np.random.default_rng(_SEED)
    moved = ends + sigma_px * rng.standard_normal((len(model.draws), 2, 2))
    flat = undistort(moved, model.size_px, model.lens_draws[:, None, None])
    placed = map_points(model.draws, flat)
    return _interval(np.linalg.norm(placed[:, 1] - placed[:, 0], axis=1)[:, None])[:, 0]
