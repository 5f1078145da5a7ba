"""Where vehicles' outlines are on the ground: tracks with covariance, rectangles, TTC and PET.

Time to collision (Hayward 1972): the time until two vehicles touch if both keep their speed and
heading. Post-encroachment time (Allen, Shin and Cooper 1978): the time between the one leaving a
place and the other reaching it. Both of rectangles as large as the class of vehicle, turned the
way it rides, not of points: vehicles touch with their corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats, GroundModel
from workbench.collisions.tracks import CONTACT_SIGMA_PX, _filter, _noise, _smooth
from workbench.errors import N_, BadInput

STEP_S = 0.1
"""The common grid of times on which pairs are compared."""
DIMENSIONS_M: dict[str, tuple[float, float]] = {
    "motorcycle": (1.9, 0.75),
    "bicycle": (1.7, 0.6),
    "car": (4.4, 1.8),
    "truck": (7.5, 2.3),
    "bus": (10.0, 2.5),
    "person": (0.5, 0.5),
    "unknown": (1.9, 0.75),
}
"""Usual length and width of a class of vehicle; what is not known is taken as small."""
_LIVELINESS = (0.15, 1.5, 12.0, 60.0)
_RIDES_M_S = 1.0  # below, the way it moves does not tell the way it stands
_FEWEST = 5
_PARALLEL = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class GroundTrack:
    """One vehicle on the ground over time.

    Attributes
    ----------
    name, kind
        Who it is here, and its class (a word of ``records.KINDS``).
    time_s
        (n,) seconds, increasing; of all tracks from the same origin.
    state
        (n, 6): middle of its outline x, y, velocity, acceleration; metres and seconds.
    covariance
        (n, 6, 6) of the state.
    heading
        (n,) radians from east that its body faces: while it stands, the way it came or will go;
        NaN: it never moved (:func:`headings`).
    size_m
        Length and width.
    """

    name: str
    kind: str
    time_s: Floats
    state: Floats
    covariance: Floats
    heading: Floats
    size_m: tuple[float, float]

    @property
    def speed_m_s(self) -> Floats:
        """(n,) speed."""
        return np.asarray(np.linalg.norm(self.state[:, 2:4], axis=1))

    def on_grid(self, step_s: float = STEP_S) -> GroundTrack:
        """Return it at whole multiples of a step, between its first time and its last."""
        first = int(np.ceil(self.time_s[0] / step_s - 1e-6))
        last = int(np.floor(self.time_s[-1] / step_s + 1e-6))
        at: Floats = step_s * np.arange(first, last + 1, dtype=np.float64)
        right = np.clip(np.searchsorted(self.time_s, at), 1, len(self.time_s) - 1)
        gap = self.time_s[right] - self.time_s[right - 1]
        share = np.clip((at - self.time_s[right - 1]) / gap, 0.0, 1.0)
        w = share[:, None]
        state = (1 - w) * self.state[right - 1] + w * self.state[right]
        v = w[:, None]
        spread = (1 - v) * self.covariance[right - 1] + v * self.covariance[right]
        heading = headings(state[:, 2:4])
        return GroundTrack(self.name, self.kind, at, state, spread, heading, self.size_m)

    def __getitem__(self, key: slice) -> GroundTrack:
        return GroundTrack(
            self.name, self.kind, self.time_s[key], self.state[key], self.covariance[key],
            self.heading[key], self.size_m,
        )  # fmt: skip

    def outlines(self) -> Outlines:
        """Return its rectangle at each time."""
        return outlines(self.state, self.heading, self.size_m)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Rectangles on the ground, arrays of one shape: ``centre`` and ``velocity`` (..., 2), the
    way they face ``along`` (..., 2), half their length and width (...).
    """

    centre: Floats
    velocity: Floats
    along: Floats
    half_length: Floats
    half_width: Floats

    def __getitem__(self, key: object) -> Outlines:
        return Outlines(*(getattr(self, one)[key] for one in _PARTS))


_PARTS = ("centre", "velocity", "along", "half_length", "half_width")


def outlines(state: Floats, heading: Floats, size_m: tuple[float, float]) -> Outlines:
    """Return rectangles of states (..., 4 or more) that face a heading (...), in radians.

    What never moved (NaN) is a square as wide as it is: how it stands is not known.
    """
    known = np.isfinite(heading)
    turn = np.where(known, heading, 0.0)
    length = np.where(known, size_m[0], size_m[1])
    return Outlines(
        centre=state[..., :2],
        velocity=state[..., 2:4],
        along=np.stack([np.cos(turn), np.sin(turn)], axis=-1),
        half_length=length / 2,
        half_width=np.full(length.shape, size_m[1] / 2),
    )


def headings(velocity: Floats) -> Floats:
    """Return (n,) radians of (n, 2) velocities; the last one known where it (nearly) stands."""
    rides = np.linalg.norm(velocity, axis=1) >= _RIDES_M_S
    if not rides.any():
        return np.full(len(velocity), np.nan)
    known = np.flatnonzero(rides)
    last = np.searchsorted(known, np.arange(len(velocity)), side="right") - 1
    at = known[np.maximum(last, 0)]
    return np.asarray(np.arctan2(velocity[at, 1], velocity[at, 0]))


def ground_track(
    model: GroundModel,
    points_px: Floats,
    seconds: Floats,
    *,
    name: str,
    kind: str,
    sigma_px: float = CONTACT_SIGMA_PX,
    jitter_s: float = 0.002,
    nearest_edge: bool = False,
) -> GroundTrack:
    """Return a vehicle's smoothed track on the ground; points beyond the calibration left out.

    The calibration's own error is left out on purpose: it moves both of a pair alike.

    Parameters
    ----------
    points_px
        (n, 2) wheel-contact points.
    nearest_edge
        The points are the edge of the vehicle next to the camera (the lower edge of a box): its
        middle lies half its extent farther away.

    Raises
    ------
    BadInput
        With fewer than five usable points, or times that do not increase.
    """
    px, at = np.asarray(points_px, float), np.asarray(seconds, float)
    good = np.isfinite(px).all(axis=1)
    good &= model.covered(np.nan_to_num(px, nan=-1e6))
    px, at = px[good], at[good]
    if len(px) < _FEWEST or (np.diff(at) <= 0).any():
        raise BadInput(
            N_("{count} points in the calibrated part of the picture are too few for a track"),
            N_("take a vehicle that is seen longer"),
            count=len(px),
        )
    size_m = DIMENSIONS_M.get(kind, DIMENSIONS_M["unknown"])
    noise = _noise(model, px, at, sigma_px, jitter_s)
    place = model.ground(px)
    about = place.mean(axis=0)
    tried = [(_filter((place - about)[None], at, noise, q), q) for q in _LIVELINESS]
    best, lively = max(tried, key=lambda one: one[0].likelihood)
    states, spread = _smooth(best, at, lively)
    state = states[0].copy()
    state[:, :2] += about
    heading = headings(state[:, 2:4])
    if nearest_edge:
        state[:, :2] += _to_the_middle(model, px, heading, size_m)
    return GroundTrack(name, kind, at, state, spread, heading, size_m)


def _to_the_middle(
    model: GroundModel, px: Floats, heading: Floats, size_m: tuple[float, float]
) -> Floats:
    """Return (n, 2) metres from the edge next to the camera to a vehicle's middle."""
    away = -model.jacobians(px)[:, :, 1]  # up in the picture
    away /= np.linalg.norm(away, axis=1)[:, None]
    off = np.where(np.isfinite(heading), heading, 0.0) - np.arctan2(away[:, 1], away[:, 0])
    reach = (size_m[0] * np.abs(np.cos(off)) + size_m[1] * np.abs(np.sin(off))) / 2
    return np.asarray(away * reach[:, None])


def _slabs(a: Outlines, b: Outlines) -> tuple[Floats, Floats, Floats]:
    """Return on the four axes of two rectangles their offset, reach and closing speed, (4, ...)."""
    axes = []
    for one in (a, b):
        axes += [one.along, np.stack([-one.along[..., 1], one.along[..., 0]], axis=-1)]
    offset, reach, closing = [], [], []
    for axis in axes:
        offset.append(((b.centre - a.centre) * axis).sum(axis=-1))
        closing.append(((b.velocity - a.velocity) * axis).sum(axis=-1))
        reach.append(sum(_reach(one, axis) for one in (a, b)))
    return np.stack(offset), np.stack(reach), np.stack(closing)


def _reach(one: Outlines, axis: Floats) -> Floats:
    along = np.abs((one.along * axis).sum(axis=-1))
    across = np.abs(one.along[..., 0] * axis[..., 1] - one.along[..., 1] * axis[..., 0])
    return np.asarray(one.half_length * along + one.half_width * across)


def separation_m(a: Outlines, b: Outlines) -> Floats:
    """Return how far rectangles are apart along the axis that parts them best; below 0: overlap.

    Never more than the distance between them, and 0 where they touch.
    """
    offset, reach, _ = _slabs(a, b)
    return np.asarray((np.abs(offset) - reach).max(axis=0))


def time_to_collision(a: Outlines, b: Outlines) -> Floats:
    """Return seconds until rectangles touch at constant velocity; 0: they do, inf: never.

    Exact: on each of the four axes of separation they overlap during one interval of time; they
    touch when all four do.
    """
    offset, reach, closing = _slabs(a, b)
    still = np.abs(closing) < _PARALLEL
    rate = np.where(still, 1.0, closing)
    ends = np.stack([(-reach - offset) / rate, (reach - offset) / rate])
    apart = np.abs(offset) > reach
    enter = np.where(still, np.where(apart, np.inf, -np.inf), ends.min(axis=0)).max(axis=0)
    leave = np.where(still, np.where(apart, -np.inf, np.inf), ends.max(axis=0)).min(axis=0)
    return np.where((enter <= leave) & (leave >= 0), np.maximum(enter, 0.0), np.inf)


@dataclass(frozen=True, slots=True)
class Encroachment:
    """The nearest in time that two were to one place: seconds between, and when each was there.

    ``angle`` is between their headings there, radians, 0 to pi.
    """

    pet_s: float
    a: int
    b: int
    angle: float


def post_encroachment(
    a: GroundTrack, b: GroundTrack, *, longest_s: float, least_angle: float = 0.0
) -> Encroachment | None:
    """Return the least time between one's outline leaving a place and the other's reaching it.

    Parameters
    ----------
    longest_s
        More is no encroachment: None.
    least_angle
        Of headings, radians: in following along one lane each reaches the other's place as well,
        which is a headway and no encroachment.
    """
    apart_s = np.abs(a.time_s[:, None] - b.time_s[None])
    reach = (np.hypot(*a.size_m) + np.hypot(*b.size_m)) / 2
    far = np.abs(a.state[:, None, :2] - b.state[None, :, :2]).max(axis=2)
    i, j = np.nonzero((apart_s <= longest_s) & (far <= reach))
    if not len(i):
        return None
    angle = np.abs((a.heading[i] - b.heading[j] + np.pi) % (2 * np.pi) - np.pi)
    hit = separation_m(a.outlines()[i], b.outlines()[j]) <= 0
    hit &= np.nan_to_num(angle, nan=-1.0) >= least_angle
    if not hit.any():
        return None
    i, j, angle = i[hit], j[hit], angle[hit]
    at = int(np.argmin(apart_s[i, j]))
    return Encroachment(float(apart_s[i[at], j[at]]), int(i[at]), int(j[at]), float(angle[at]))


def near_pairs(
    tracks: Sequence[GroundTrack], *, within_s: float, within_m: float
) -> list[tuple[int, int]]:
    """Return the pairs whose boxes around the whole track come near in time and place."""
    if len(tracks) < 2:
        return []
    low = np.array([[*one.state[:, :2].min(axis=0), one.time_s[0]] for one in tracks])
    high = np.array([[*one.state[:, :2].max(axis=0), one.time_s[-1]] for one in tracks])
    slack = np.array([within_m, within_m, within_s])
    order = np.argsort(low[:, 2], kind="stable")
    pairs: list[tuple[int, int]] = []
    starts = low[order, 2]
    for rank, k in enumerate(order.tolist()):
        stop = int(np.searchsorted(starts, high[k, 2] + within_s, side="right"))
        later: NDArray[np.int64] = order[rank + 1 : stop]
        near = ((low[later] <= high[k] + slack) & (high[later] >= low[k] - slack)).all(axis=1)
        pairs += [(min(k, int(j)), max(k, int(j))) for j in later[near]]
    return pairs
