"""How well a camera's pixels are known in metres: fit, covariance by resampling, what is refused.

A calibration is made from pairs of a picked pixel and a position on the ground. Each pair has two
errors: of the pick, in pixels, and of the position, in metres, which depends on how it was got (its
class). Both enter the fit as weights and the resampling as noise, so that a calibration from a map
is never as sure as one from a survey, even where its points happen to agree. Known lengths add to
the points, or stand in their place.

Coordinates are reduced by the mean of the ground points while fitting: eastings and northings are
large and would cost half the digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench import optics
from workbench.collisions.fitting import (
    Floats,
    Given,
    Shown,
    Weights,
    cost_of,
    distances,
    fitted,
    laid_onto,
    map_points,
    off_lengths,
    off_points,
    refine,
    shown,
    undistort,
    whitening,
)
from workbench.collisions.lengths import KnownLength, ends_of, refuse_few, refuse_one_way
from workbench.errors import N_, BadInput
from workbench.later import later

__all__ = [
    "PICK_SIGMA_PX", "SIGMA_M", "CalibrationClass", "Floats", "GroundModel", "PointClass",
    "PointPair", "fit_ground", "map_points", "undistort",
]  # fmt: skip

spatial = later("scipy.spatial")
stats = later("scipy.stats")

PointClass = Literal["surveyed", "map"]
CalibrationClass = Literal["surveyed", "map", "lengths"]

SIGMA_M: dict[str, float] = {"surveyed": 0.03, "map": 0.30}
"""One standard deviation, per axis, of a point's position: by instrument, and by eye on a map."""

PICK_SIGMA_PX = 1.0
DRAWS = 300
_SEED = 20_260_101  # the same points give the same intervals, whoever computes them
_MIN_AREA = 0.02  # of the picture: points closer together say nothing of the road beyond them
_BEYOND = 0.25  # a place may lie this share of the hull's extent outside it
_MAX_SIGMA_M = 3.0  # a place known worse than this gives no speed worth stating
_IMPOSSIBLE = 3.0  # points that disagree this many times more than stated hold a wrong pair
_UNLIKELY = 0.05  # chance of residuals this large below which the stated errors are raised
_DISTORTED = 0.01  # chance below which a lens parameter is taken to be more than noise
_LENS_POINTS = 10
_MAX_SHARE = 0.05  # lengths alone that leave distances on the road less sure than this are refused


@dataclass(frozen=True, slots=True)
class PointPair:
    """One point: where it was picked, in pixels, and where it lies, in metres, and how it was got.

    ``sigma_m`` is one standard deviation per axis; None takes that of the class.
    """

    x_px: float
    y_px: float
    x_m: float
    y_m: float
    kind: PointClass = "surveyed"
    sigma_m: float | None = None

    @property
    def error_m(self) -> float:
        """One standard deviation of the position, metres per axis."""
        return SIGMA_M[self.kind] if self.sigma_m is None else self.sigma_m


@dataclass(frozen=True, slots=True, eq=False)
class GroundModel:
    """Pixels to metres, with the error of the calibration as a set of equally likely rivals.

    Attributes
    ----------
    pixel_to_ground
        (3, 3), best fit, from undistorted pixels to metres about ``origin_m``.
    draws
        (d, 3, 3), fits to points disturbed by their errors.
    origin_m
        What to add to get metres of the ground system.
    lens, lens_draws
        One radial parameter of the best fit and (d,) of the draws; 0 where none is supported.
    size_px
        Width and height of the picture.
    kind
        Class of the calibration: that of its least certain point; "lengths" without points. Then
        the ground has no north: it lies as the picture does.
    hull_px
        (k, 2) corners of the convex hull of what was picked.
    residual_px, residual_m
        (n,) distance between each point as given and as predicted.
    left_out_m
        (n,) the same in metres, each point predicted from the others; NaN where those are unfit.
    inflation
        Factor by which the stated errors were raised because the points disagree by more; 1 else.
    length_off_m, length_left_out_m
        (k,) metres that each known length measured more than the calibration says, and more than
        the others say; the same for one that only checks.
    length_sigma_m
        (k,) one standard deviation of what the calibration says of each, picks included.
    """

    pixel_to_ground: Floats
    draws: Floats
    origin_m: tuple[float, float]
    lens: float
    lens_draws: Floats
    size_px: tuple[int, int]
    kind: CalibrationClass
    hull_px: Floats
    residual_px: Floats
    residual_m: Floats
    left_out_m: Floats
    inflation: float
    length_off_m: Floats = field(default_factory=lambda: np.zeros(0))
    length_left_out_m: Floats = field(default_factory=lambda: np.zeros(0))
    length_sigma_m: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def camera_matrix(self) -> tuple[float, ...]:
        """Nine numbers for ``Camera.pixel_to_ground``; they leave the lens parameter out."""
        shift = np.array([[1, 0, self.origin_m[0]], [0, 1, self.origin_m[1]], [0, 0, 1.0]])
        return tuple((shift @ self.pixel_to_ground).ravel().tolist())

    def ground(self, px: Floats) -> Floats:
        """Return (n, 2) metres of (n, 2) pixels by the best fit; NaN above the horizon."""
        flat = undistort(px, self.size_px, self.lens)
        return map_points(self.pixel_to_ground, flat) + self.origin_m

    def ground_draws(self, px: Floats) -> Floats:
        """Return (d, n, 2) metres of (n, 2) pixels, one row a draw of the calibration."""
        flat = undistort(px[None], self.size_px, self.lens_draws[:, None, None])
        return map_points(self.draws, flat) + self.origin_m

    def covered(self, px: Floats) -> NDArray[np.bool_]:
        """Return bool[n]: which pixels lie within, or not far outside, the calibrated area."""
        centre = self.hull_px.mean(axis=0)
        grown = centre + (self.hull_px - centre) * (1 + 2 * _BEYOND)
        return _inside(grown, px)

    def jacobians(self, px: Floats) -> Floats:
        """Return (n, 2, 2) metres per pixel at pixels, by differences of half a pixel."""
        steps = [
            self.ground(px + step) - self.ground(px - step) for step in ((0.5, 0.0), (0.0, 0.5))
        ]
        return np.stack(steps, axis=-1)


def fit_ground(
    points: Sequence[PointPair],
    size_px: tuple[int, int],
    *,
    lengths: Sequence[KnownLength] = (),
    pick_sigma_px: float = PICK_SIGMA_PX,
    draws: int = DRAWS,
) -> GroundModel:
    """Fit pixels to metres and find by resampling how far the fit can be trusted.

    Parameters
    ----------
    points
        At least 6, spread over the road; none where there are lengths enough.
    size_px
        Width and height of the picture the points were picked in.
    lengths
        Known lengths: those to fit add to the points, or stand alone; those to check are compared
        with what comes out.
    pick_sigma_px
        One standard deviation of a pick, per axis.
    draws
        How many disturbed fits stand for the error.

    Raises
    ------
    BadInput
        With fewer than 6 points, points on one line, too close together or across the horizon,
        points or lengths that disagree by more than their errors allow, lengths that are too few
        or all run one way, or a calibration too uncertain to use.
    """
    used = [one for one in lengths if one.use == "fit"]
    if not points and used:
        refuse_few(used)
    given, origin = _given(points, used, size_px, pick_sigma_px)
    every_px = np.concatenate([given.px, given.ends.reshape(-1, 2)])
    _refuse_clustered(every_px, size_px)
    lens = 0.0
    h, weights = fitted(given, lens)
    if not points:
        refuse_one_way(map_points(h, given.ends.reshape(-1, 2)).reshape(-1, 2, 2))
    cost = cost_of(h, given, lens, weights)
    if len(points) >= _LENS_POINTS:
        bent, lens_found, lens_weights = _fit_lens(given, h)
        gain = cost - cost_of(bent, given, lens_found, lens_weights)
        if stats.chi2.sf(max(gain, 0.0), 1) < _DISTORTED:
            h, lens, weights = bent, lens_found, lens_weights
    inflation = _inflation(given, h, lens, weights)
    drawn, drawn_lens = _resample(h, given, lens, inflation, draws)
    off_px, off_m = _residuals(given, h, lens)
    model = GroundModel(
        pixel_to_ground=h,
        draws=drawn,
        origin_m=(float(origin[0]), float(origin[1])),
        lens=lens,
        lens_draws=drawn_lens,
        size_px=size_px,
        kind=_kind(points),
        hull_px=every_px[spatial.ConvexHull(every_px).vertices],
        residual_px=off_px,
        residual_m=off_m,
        left_out_m=_left_out(given, lens),
        inflation=inflation,
    )
    _refuse_uncertain(model)
    return _compared(model, given, lengths) if lengths else model


def _kind(points: Sequence[PointPair]) -> CalibrationClass:
    if not points:
        return "lengths"
    return "map" if any(p.kind == "map" for p in points) else "surveyed"


def _given(
    points: Sequence[PointPair], lengths: Sequence[KnownLength], size_px: tuple[int, int],
    pick_px: float,
) -> tuple[Given, Floats]:  # fmt: skip
    """Return what is fitted, about the mean of the places, and that mean."""
    px = np.array([(p.x_px, p.y_px) for p in points], dtype=np.float64).reshape(-1, 2)
    m = np.array([(p.x_m, p.y_m) for p in points], dtype=np.float64).reshape(-1, 2)
    sigma_m = np.array([p.error_m for p in points], dtype=np.float64)
    if not ((sigma_m > 0).all() and pick_px > 0):
        raise BadInput(N_("a point's error is not above 0"), N_("state what it could be off by"))
    if len(points) or not lengths:
        optics.refuse_unfit(px, m)
    origin = m.mean(axis=0) if len(m) else np.zeros(2)
    ends, long, sigma = ends_of(lengths)
    return Given(px, m - origin, sigma_m, ends, long, sigma, size_px, pick_px), origin


def _refuse_clustered(px: Floats, size_px: tuple[int, int]) -> None:
    area = float(spatial.ConvexHull(px).volume) / (size_px[0] * size_px[1])
    if area < _MIN_AREA:
        raise BadInput(
            N_("the points cover {share:.1%} of the picture, too little to measure beyond them"),
            N_("spread them over the road that vehicles use"),
            share=area,
        )


def _fit_lens(given: Given, h: Floats) -> tuple[Floats, float, Weights]:
    """Return the fit with the lens parameter that lowers the cost most."""
    best: tuple[float, float] = (math.inf, 0.0)
    trials = np.linspace(-0.3, 0.3, 25)
    weights = whitening(h, given, shown(given, 0.0))
    for _ in range(3):
        fits = refine(np.repeat(h[None], len(trials), 0), shown(given, trials), weights)
        costs = [
            cost_of(fit, given, one, weights)
            for fit, one in zip(fits, trials.tolist(), strict=True)
        ]
        at = int(np.nanargmin(costs))
        best = min(best, (costs[at], float(trials[at])))
        width = trials[1] - trials[0]
        trials = best[1] + np.linspace(-width, width, 25)
    lens = best[1]
    bent, bent_weights = fitted(given, lens)
    return bent, lens, bent_weights


def _inflation(given: Given, h: Floats, lens: float, weights: Weights) -> float:
    """Return by how much the stated errors are too small; refuse what cannot be right."""
    free = given.free - (lens != 0)
    cost = cost_of(h, given, lens, weights)
    factor = math.sqrt(cost / free)
    if factor <= _IMPOSSIBLE:
        return factor if stats.chi2.sf(cost, free) < _UNLIKELY else 1.0
    points, long = (each(h, given, lens, weights) for each in (off_points, off_lengths))
    if len(long) and (not len(points) or long.max() > points.max()):
        worst = int(np.argmax(long))
        ends = undistort(given.ends, given.size_px, lens)
        raise BadInput(
            N_("length {length} disagrees with the others: {metres:.2f} m measured, {seen:.2f} m "
               "by the calibration"),
            N_("check its ends, that both lie on the road's surface, and the stated errors"),
            length=worst + 1, metres=float(given.length_m[worst]),
            seen=float(distances(h, ends)[worst]),
        )  # fmt: skip
    worst = int(np.argmax(points))
    off_px, off_m = _residuals(given, h, lens)
    raise BadInput(
        N_("point {point} disagrees with the others: {px:.0f} px or {metres:.1f} m off"),
        N_("check it, that all lie on the road's surface, and the stated errors"),
        point=worst + 1,
        px=float(off_px[worst]),
        metres=float(off_m[worst]),
    )


def _residuals(given: Given, h: Floats, lens: float) -> tuple[Floats, Floats]:
    flat = undistort(given.px, given.size_px, lens)
    off_m = np.hypot(*(map_points(h, flat) - given.m).T)
    back = np.asarray(np.linalg.inv(h), dtype=np.float64)
    return np.hypot(*(map_points(back, given.m) - flat).T), off_m


def _resample(
    h: Floats, given: Given, lens: float, inflation: float, draws: int
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(_SEED)
    one = shown(given, lens)
    pick_px = inflation * given.pick_px
    weights = whitening(h, replace(
        given, pick_px=pick_px, sigma_m=inflation * given.sigma_m,
        length_sigma_m=inflation * given.length_sigma_m,
    ), one)  # fmt: skip
    # About the fitted positions, not the given ones: else the error of the fit counts twice in the
    # curvature of the homography.
    stands = map_points(h, one.px[0])
    lenses = np.full(draws, lens)
    if lens:
        lenses = lens + _lens_sigma(h, given, lens, weights) * rng.standard_normal(draws)
    bend = lenses[:, None, None]
    off_px = pick_px * rng.standard_normal((draws, *given.px.shape))
    moved_m = stands + inflation * given.sigma_m[:, None] * rng.standard_normal(
        (draws, *given.m.shape)
    )
    ends = given.ends + _off_ends(given, off_px, pick_px, rng)
    length_m = distances(h, one.ends[0]) + inflation * given.length_sigma_m * rng.standard_normal(
        (draws, len(given.ends))
    )
    moved = Shown(
        undistort(given.px + off_px, given.size_px, bend), moved_m,
        undistort(ends, given.size_px, bend[..., None]), length_m,
    )  # fmt: skip
    drawn = refine(np.repeat(h[None], draws, 0), moved, weights, rounds=6)
    if not len(given.px):
        drawn = laid_onto(drawn, h, given.ends.reshape(-1, 2))
    return drawn, lenses


def _off_ends(given: Given, off_px: Floats, pick_px: float, rng: np.random.Generator) -> Floats:
    """Return how far picks of ends are off, (d, k, 2, 2): a pick made once is off once."""
    every = given.ends.reshape(-1, 2)
    known = {tuple(one): k for k, one in enumerate(given.px.tolist())}
    new = [one for one in dict.fromkeys(map(tuple, every.tolist())) if one not in known]
    known |= {one: len(given.px) + k for k, one in enumerate(new)}
    more = pick_px * rng.standard_normal((len(off_px), len(new), 2))
    which = [known[tuple(one)] for one in every.tolist()]
    both = np.concatenate([off_px, more], axis=1)[:, which]
    return np.asarray(both.reshape(len(off_px), -1, 2, 2))


def _lens_sigma(h: Floats, given: Given, lens: float, weights: Weights) -> float:
    """Return the standard deviation of the lens parameter, from the cost's curvature."""
    step = 0.01
    at = np.array([lens - step, lens, lens + step])
    fits = refine(np.repeat(h[None], 3, 0), shown(given, at), weights)
    low, mid, high = (
        cost_of(fit, given, one, weights) for fit, one in zip(fits, at.tolist(), strict=True)
    )
    bend = (low - 2 * mid + high) / step**2
    return math.sqrt(2.0 / bend) if bend > 0 else 0.1


def _left_out(given: Given, lens: float) -> Floats:
    """Return how far each point lies from where the others put it, metres."""
    off = np.full(len(given.px), np.nan)
    for k in range(len(given.px)):
        try:
            h, _ = fitted(given.without_point(k), lens)
        except (BadInput, np.linalg.LinAlgError):
            continue
        flat = undistort(given.px[k : k + 1], given.size_px, lens)
        off[k] = math.hypot(*(map_points(h, flat)[0] - given.m[k]))
    return off


def _refuse_uncertain(model: GroundModel) -> None:
    """Refuse a calibration whose draws scatter, or leave the ground, inside its own points."""
    spots = np.concatenate([model.hull_px, model.hull_px.mean(axis=0, keepdims=True)])
    places = model.ground_draws(spots)
    lost = float(np.isnan(places).any(axis=(1, 2)).mean())
    low, high = np.nanpercentile(places, [16, 84], axis=0)
    sigma = float((high - low).max() / 2)
    if lost > 0.01 or not sigma <= _MAX_SIGMA_M:
        raise BadInput(
            N_("the points leave places on the road unsure by {sigma:.1f} m"),
            N_("add points, farther apart and on both sides of the road"),
            sigma=sigma,
        )
    if model.kind != "lengths":
        return
    # From each corner to the middle, and to the next: without places it is distances that count.
    near, far = places[:, :-1], np.roll(places[:, :-1], -1, axis=1)
    for way in (near - places[:, -1:], near - far):
        long = np.linalg.norm(way, axis=2)
        low, middle, high = np.nanpercentile(long, [16, 50, 84], axis=0)
        share = float(((high - low) / (2 * middle)).max())
        if not share <= _MAX_SHARE:
            raise BadInput(
                N_("the known lengths leave distances on the road unsure by {share:.0%}"),
                N_("measure more of them, longer, near and far, and diagonals, too"),
                share=share,
            )


def _compared(model: GroundModel, given: Given, lengths: Sequence[KnownLength]) -> GroundModel:
    """Return a model with what it says of each known length; refuse what a check contradicts."""
    ends, long, sigma = ends_of(lengths)
    flat = undistort(ends, model.size_px, model.lens)
    off = long - distances(model.pixel_to_ground, flat)
    rng = np.random.default_rng(_SEED + 1)
    moved = ends + given.pick_px * rng.standard_normal((len(model.draws), *ends.shape))
    bent = undistort(moved, model.size_px, model.lens_draws[:, None, None, None])
    said = distances(model.draws, bent)
    unsure = np.nanstd(said, axis=0)
    left = off.copy()
    place = 0  # among those fitted
    for number, one in enumerate(lengths):
        if one.use == "fit":
            left[number] = _without(model, given, place)
            place += 1
            continue
        if not abs(off[number]) <= _IMPOSSIBLE * math.hypot(unsure[number], sigma[number]):
            raise BadInput(
                N_("length {length} contradicts the calibration: {metres:.2f} m measured, "
                   "{seen:.2f} m by the calibration, which is sure to {sigma:.2f} m"),
                N_("check its ends and its metres, and the points"),
                length=number + 1, metres=one.length_m, seen=float(one.length_m - off[number]),
                sigma=float(unsure[number]),
            )  # fmt: skip
    return replace(model, length_off_m=off, length_left_out_m=left, length_sigma_m=unsure)


def _without(model: GroundModel, given: Given, k: int) -> float:
    """Return by how much a length is longer than the others say; NaN where those are unfit."""
    try:
        h, _ = fitted(given.without_length(k), model.lens, model.pixel_to_ground)
    except (BadInput, np.linalg.LinAlgError):
        return math.nan
    flat = undistort(given.ends[k : k + 1], given.size_px, model.lens)
    return float(given.length_m[k] - distances(h, flat)[0])


def _inside(corners: Floats, px: Floats) -> NDArray[np.bool_]:
    """Return which points lie in a convex polygon with corners in counter-clockwise order."""
    after = np.roll(corners, -1, axis=0)
    edge = after - corners
    to = px[:, None] - corners[None]
    return np.asarray((edge[None, :, 0] * to[..., 1] - edge[None, :, 1] * to[..., 0] >= 0).all(1))
