"""Where a vehicle is seen next and when: learned from links, from the road where they are few.

A state is a camera and the side a vehicle was heading to. From each state: how often no other
sighting follows, how often each other state is next, and a time of travel per pair of cameras with
a tail for waiting and a longer one for stops.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SECTORS = 5
"""Four sides of the compass, and unknown."""
_LONGEST_S = 6 * 3600.0
NO_WAY_S = 900.0
_BLOCK = 1 << 14
_LOG_SQRT_2PI = 0.5 * float(np.log(2 * np.pi))
_QUICK_TO_MIDDLE = 1.03
"""Standard deviations between the tenth and the fortieth percentile."""


def states(camera: Ints, bearing_deg: Floats) -> Ints:
    """Return the state of each sighting: five times its camera, plus the side it headed to.

    >>> states(np.array([2, 2, 0]), np.array([350.0, 91.0, np.nan])).tolist()
    [10, 11, 4]
    """
    side = np.full(len(camera), SECTORS - 1)
    known = np.isfinite(bearing_deg)
    side[known] = np.round(bearing_deg[known] / 90.0).astype(np.int64) % 4
    return np.asarray(camera * SECTORS + side)


@dataclass(frozen=True, slots=True, eq=False)
class TravelModel:
    """Times of travel and successions.

    ``fastest_s`` [camera, camera] at the limits. ``mean_s``, ``spread_s`` [camera, camera] of an
    undelayed ride. ``shares`` of rides undelayed, held up, stopped; ``wait_s`` the mean of being
    held up. ``follows`` [state, state]: which is next, where one is. ``ends`` [state]: no next one.
    ``begins_hz`` and ``seen_hz`` [state]: first sightings and all sightings a second.
    """

    fastest_s: Floats
    mean_s: Floats
    spread_s: Floats
    shares: tuple[float, float, float]
    wait_s: float
    follows: Floats
    ends: Floats
    begins_hz: Floats
    seen_hz: Floats
    survival: tuple[Floats, Floats] = field(default=(np.zeros(1), np.zeros(1)))

    def log_time(
        self, i_camera: Ints, j_camera: Ints, elapsed_s: Floats, sigma_s: Floats
    ) -> Floats:
        """Return the log density (per second) of times of travel, and of being held up or stopped.

        ``sigma_s`` is what the clocks add to the spread.
        """
        found = np.empty(len(elapsed_s))
        for at in range(0, len(found), _BLOCK):
            part = slice(at, at + _BLOCK)
            found[part] = self._log_time(
                i_camera[part], j_camera[part], elapsed_s[part], sigma_s[part]
            )
        return found

    def _log_time(
        self, i_camera: Ints, j_camera: Ints, elapsed_s: Floats, sigma_s: Floats
    ) -> Floats:
        mean = self.mean_s[i_camera, j_camera]
        spread = np.hypot(self.spread_s[i_camera, j_camera], sigma_s)
        late = elapsed_s - mean
        plain = np.exp(-0.5 * (late / spread) ** 2 - np.log(spread) - _LOG_SQRT_2PI)
        # The tails begin where the ride ends, blurred by its spread.
        past = 1.0 / (1.0 + np.exp(-np.clip(1.7 * late / spread, -40, 40)))
        held = past * np.exp(-np.maximum(late, 0.0) / self.wait_s) / self.wait_s
        span = np.log(_LONGEST_S / 60.0)
        stopped = past / (np.maximum(late, 60.0) * (span + 1.0))
        shares = self.shares
        return np.asarray(
            np.log(shares[0] * plain + shares[1] * held + shares[2] * stopped + 1e-12)
        )

    def stop_share(
        self, i_camera: Ints, j_camera: Ints, elapsed_s: Floats, sigma_s: Floats
    ) -> Floats:
        """Return how likely a ride of that time held a stop, of the three ways to take it."""
        whole = np.exp(self.log_time(i_camera, j_camera, elapsed_s, sigma_s))
        late = np.maximum(elapsed_s - self.mean_s[i_camera, j_camera], 60.0)
        stopped = self.shares[2] / (late * (np.log(_LONGEST_S / 60.0) + 1.0))
        return np.asarray(np.minimum(stopped / whole, 1.0))

    def unseen_after(self, left_s: Floats) -> Floats:
        """Return the share of next sightings that come later than so many seconds."""
        at_s, share = self.survival
        return np.interp(left_s, at_s, share)


def first_travel(fastest_s: Floats, state: Ints, seconds: float, camera_count: int) -> TravelModel:
    """Return what is assumed before any link is known: rides somewhat slower than the limit."""
    fastest = np.where(np.isfinite(fastest_s), fastest_s, NO_WAY_S)
    count = camera_count * SECTORS
    seen = np.asarray((np.bincount(state, minlength=count) + 0.1) / seconds, np.float64)
    camera_of = np.arange(count) // SECTORS
    near = np.exp(-fastest[camera_of][:, camera_of] / 90.0) + 1e-4
    follows = near * seen
    mean = 1.3 * fastest + 1.0
    return TravelModel(
        fastest, mean, 0.3 * mean + 2.0, (0.7, 0.25, 0.05), 40.0,
        follows / follows.sum(1, keepdims=True), np.full(count, 0.2), 0.2 * seen, seen,
        (np.array([0.0, 60.0, 300.0, 3600.0, _LONGEST_S]), np.array([1.0, 0.5, 0.15, 0.05, 0.0])),
    )  # fmt: skip


def learned(
    model: TravelModel,
    state: Ints,
    time_s: Floats,
    i: Ints,
    j: Ints,
    probability: Floats,
) -> TravelModel:
    """Return the model counted anew from possible links, each counting as much as it is likely."""
    if not len(i):
        return model
    seconds = max(float(time_s[-1] - time_s[0]), 1.0)
    camera = state // SECTORS
    elapsed = time_s[j] - time_s[i]
    mean, spread = _rides(model, camera[i], camera[j], elapsed, probability)
    shares, wait = _shares(model, camera[i], camera[j], elapsed, probability)
    follows = _follows(model, state[i], state[j], probability)
    count = len(model.ends)
    seen = np.bincount(state, minlength=count).astype(np.float64) + 0.1
    going = np.bincount(state[i], probability, minlength=count)
    coming = np.bincount(state[j], probability, minlength=count)
    general = 1.0 - probability.sum() / len(state)
    # The end of the data hides next sightings; they are taken off what is counted as an end.
    hidden = np.bincount(state, model.unseen_after(time_s[-1] - time_s), minlength=count) * 0.8
    ends = (np.maximum(seen - going - hidden, 0.0) + 10 * general) / (seen + 10)
    begins = (np.maximum(seen - coming, 0.0) + 10 * general * seen / (seen + 10)) / seconds
    order = np.argsort(elapsed)
    above = np.cumsum(probability[order][::-1])[::-1]
    at = np.linspace(0, len(order) - 1, min(400, len(order))).astype(np.int64)
    survival = (
        np.concatenate([elapsed[order][at], [_LONGEST_S]]),
        np.concatenate([above[at] / max(above[0], 1e-9), [0.0]]),
    )
    return TravelModel(
        model.fastest_s, mean, spread, shares, wait, follows,
        np.clip(ends, 0.01, 0.95), np.maximum(begins, 1e-7), seen / seconds, survival,
    )  # fmt: skip


def _rides(
    model: TravelModel, a: Ints, b: Ints, elapsed: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """Return mean and spread of undelayed rides by pair, drawn to the general pace where few.

    Delays only ever add: both come from the quicker rides of a pair.
    """
    cameras = len(model.fastest_s)
    size = cameras**2
    late = elapsed - model.mean_s[a, b]
    plain = weight * (np.abs(late) < 3.0 * model.spread_s[a, b] + 10.0)
    fastest = model.fastest_s[a, b]
    pace = float((plain * elapsed).sum() / max(float((plain * (fastest + 1.0)).sum()), 1e-9))
    prior_mean = min(max(pace, 0.7), 3.0) * (model.fastest_s.ravel() + 1.0)
    prior_var = (0.25 * prior_mean + 1.5) ** 2
    pair = a * cameras + b
    n = np.bincount(pair, plain, minlength=size)
    quick, middle = _quantiles(pair, elapsed, plain, size)
    own_spread = (middle - quick) / _QUICK_TO_MIDDLE
    k = 2.0
    mean = (n * (middle + 0.25 * own_spread) + k * prior_mean) / (n + k)
    var = (n * own_spread**2 + k * prior_var) / (n + k)
    shape = (cameras, cameras)
    return mean.reshape(shape), np.sqrt(np.maximum(var, 0.5**2)).reshape(shape)


def _quantiles(pair: Ints, value: Floats, weight: Floats, size: int) -> tuple[Floats, Floats]:
    """Return the tenth and the fortieth weighted percentile of each pair; 0 where there is none."""
    order = np.lexsort((value, pair))
    order = order[weight[order] > 0]
    if not len(order):
        return np.zeros(size), np.zeros(size)
    total = np.bincount(pair[order], weight[order], minlength=size)
    summed = np.cumsum(weight[order])
    begins = np.concatenate([[0.0], np.cumsum(total)[:-1]])
    found = []
    for share in (0.1, 0.4):
        at = np.searchsorted(summed, begins + share * total)
        found.append(np.where(total > 0, value[order][np.minimum(at, len(order) - 1)], 0.0))
    return found[0], found[1]


def rides_of(
    model: TravelModel, a: Ints, b: Ints, elapsed_s: Floats, weight: Floats
) -> TravelModel:
    """Return the model with mean and spread of rides from camera a to b counted anew."""
    mean, spread = _rides(model, a, b, elapsed_s, weight)
    return replace(model, mean_s=mean, spread_s=spread)


def _shares(
    model: TravelModel, a: Ints, b: Ints, elapsed: Floats, weight: Floats
) -> tuple[tuple[float, float, float], float]:
    late = (elapsed - model.mean_s[a, b]) / model.spread_s[a, b]
    seconds = elapsed - model.mean_s[a, b]
    stopped = model.stop_share(a, b, elapsed, np.zeros(len(a))) * (seconds > 60.0)
    plain = (late < 2.0) & (stopped < 0.5)
    total = float(weight.sum()) + 1e-9
    first = float((weight * plain).sum()) / total
    third = float((weight * stopped).sum()) / total
    held = weight * (1.0 - stopped) * ~plain
    wait = float((held * np.maximum(seconds, 1.0)).sum() + 40.0 * 20) / float(held.sum() + 20)
    third = min(max(third, 0.004), 0.4)
    second = min(max(1.0 - first - third, 0.03), 0.6)
    return (1.0 - second - third, second, third), min(max(wait, 8.0), 150.0)


def _follows(model: TravelModel, i: Ints, j: Ints, weight: Floats) -> Floats:
    """Return successions: counted by state, then by camera, then by distance and traffic."""
    count = len(model.ends)
    cameras = count // SECTORS
    camera_of = np.arange(count) // SECTORS
    by_state = np.zeros((count, count))
    np.add.at(by_state, (i, j), weight)
    by_camera = by_state.reshape(cameras, SECTORS, count).sum(1)
    bins = np.digitize(model.fastest_s, [3, 10, 20, 35, 55, 80, 120, 180, 300])
    traffic = by_camera.sum(1)[:, None] * (model.seen_hz / model.seen_hz.sum())[None]
    near = bins[:, camera_of]
    rate = (np.bincount(near.ravel(), by_camera.ravel(), minlength=10) + 1.0) / (
        np.bincount(near.ravel(), traffic.ravel(), minlength=10) + 5.0
    )
    general = rate[near] * model.seen_hz
    general /= general.sum(1, keepdims=True)
    own = by_camera.sum(1, keepdims=True)
    camera_row = (by_camera + 15.0 * general) / (own + 15.0)
    total = by_state.sum(1, keepdims=True)
    return np.asarray((by_state + 6.0 * camera_row[camera_of]) / (total + 6.0))
