"""How well a camera's pixels are known in metres: fit, covariance by resampling, what is refused.

A calibration is made from pairs of a picked pixel and a position on the ground. Each pair has two
errors: of the pick, in pixels, and of the position, in metres, which depends on how it was got (its
class). Both enter the fit as weights and the resampling as noise, so that a calibration from a map
is never as sure as one from a survey, even where its points happen to agree.

Coordinates are reduced by the mean of the ground points while fitting: eastings and northings are
large and would cost half the digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench import optics
from workbench.errors import N_, BadInput
from workbench.later import later

spatial = later("scipy.spatial")
stats = later("scipy.stats")

PointClass = Literal["surveyed", "map"]
Floats = NDArray[np.float64]

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
        Class of the calibration: that of its least certain point.
    hull_px
        (k, 2) corners of the convex hull of the picked points.
    residual_px, residual_m
        (n,) distance between each point as given and as predicted.
    left_out_m
        (n,) the same in metres, each point predicted from the others; NaN where those are unfit.
    inflation
        Factor by which the stated errors were raised because the points disagree by more; 1 else.
    """

    pixel_to_ground: Floats
    draws: Floats
    origin_m: tuple[float, float]
    lens: float
    lens_draws: Floats
    size_px: tuple[int, int]
    kind: PointClass
    hull_px: Floats
    residual_px: Floats
    residual_m: Floats
    left_out_m: Floats
    inflation: float

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
    pick_sigma_px: float = PICK_SIGMA_PX,
    draws: int = DRAWS,
) -> GroundModel:
    """Fit pixels to metres and find by resampling how far the fit can be trusted.

    Parameters
    ----------
    points
        At least 6, spread over the road.
    size_px
        Width and height of the picture the points were picked in.
    pick_sigma_px
        One standard deviation of a pick, per axis.
    draws
        How many disturbed fits stand for the error.

    Raises
    ------
    BadInput
        With fewer than 6 points, points on one line, too close together or across the horizon,
        points that disagree by more than their errors allow, or a calibration too uncertain to use.
    """
    px = np.array([(p.x_px, p.y_px) for p in points], dtype=np.float64).reshape(-1, 2)
    m = np.array([(p.x_m, p.y_m) for p in points], dtype=np.float64).reshape(-1, 2)
    optics.refuse_unfit(px, m)
    _refuse_clustered(px, size_px)
    sigma_m = np.array([p.error_m for p in points])
    if not ((sigma_m > 0).all() and pick_sigma_px > 0):
        raise BadInput(N_("a point's error is not above 0"), N_("state what it could be off by"))
    origin = m.mean(axis=0)
    local = m - origin
    lens = 0.0
    h, weights = _fitted(px, local, size_px, lens, pick_sigma_px, sigma_m)
    cost = _cost(h, px, local, weights)
    if len(px) >= _LENS_POINTS:
        bent, lens_found, lens_weights = _fit_lens(px, local, size_px, pick_sigma_px, sigma_m, h)
        gain = cost - _cost(bent, undistort(px, size_px, lens_found), local, lens_weights)
        if stats.chi2.sf(max(gain, 0.0), 1) < _DISTORTED:
            h, lens, weights, cost = bent, lens_found, lens_weights, cost - gain
    flat = undistort(px, size_px, lens)
    free = 2 * len(px) - 8 - (lens != 0)
    off_m = np.hypot(*(map_points(h, flat) - local).T)
    off_px = np.hypot(*(map_points(np.asarray(np.linalg.inv(h), dtype=np.float64), local) - flat).T)
    worst = int(np.argmax(_off(h, flat, local, weights)))
    inflation = _inflation(cost, free, worst, off_px, off_m)
    drawn, drawn_lens = _resample(
        h, px, local, size_px, lens, inflation * pick_sigma_px, inflation * sigma_m, draws
    )
    model = GroundModel(
        pixel_to_ground=h,
        draws=drawn,
        origin_m=(float(origin[0]), float(origin[1])),
        lens=lens,
        lens_draws=drawn_lens,
        size_px=size_px,
        kind="map" if any(p.kind == "map" for p in points) else "surveyed",
        hull_px=px[spatial.ConvexHull(px).vertices],
        residual_px=off_px,
        residual_m=off_m,
        left_out_m=_left_out(px, local, size_px, lens, pick_sigma_px, sigma_m),
        inflation=inflation,
    )
    _refuse_uncertain(model)
    return model


def undistort(px: Floats, size_px: tuple[int, int], lens: float | Floats) -> Floats:
    """Return pixels as a lens without distortion would show them (one radial parameter).

    The parameter is the share by which a corner of the picture moves outwards.
    """
    centre = np.array(size_px) / 2.0
    reach = math.hypot(*centre)
    off = px - centre
    return centre + off * (1.0 + lens * (off**2).sum(axis=-1, keepdims=True) / reach**2)


def map_points(h: Floats, points: Floats) -> Floats:
    """Return points mapped by one homography or by many; NaN where they meet the horizon.

    Parameters
    ----------
    h
        (3, 3) or (d, 3, 3), third coordinate positive on the ground seen.
    points
        (n, 2), or (d, n, 2) to give each homography its own.
    """
    mapped = points @ np.swapaxes(h[..., :, :2], -1, -2) + h[..., None, :, 2]
    depth = mapped[..., 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(depth > 0, mapped[..., :2] / depth, np.nan)


def _refuse_clustered(px: Floats, size_px: tuple[int, int]) -> None:
    area = float(spatial.ConvexHull(px).volume) / (size_px[0] * size_px[1])
    if area < _MIN_AREA:
        raise BadInput(
            N_("the points cover {share:.1%} of the picture, too little to measure beyond them"),
            N_("spread them over the road that vehicles use"),
            share=area,
        )


def _fitted(
    px: Floats,
    m: Floats,
    size_px: tuple[int, int],
    lens: float,
    pick_px: float,
    sigma_m: Floats,
) -> tuple[Floats, Floats]:
    """Return the best homography, and the (n, 2, 2) whitening of its residuals."""
    flat = undistort(px, size_px, lens)
    h = np.reshape(optics.start_homography(flat, m), (3, 3))
    weights = _whitening(h, flat, pick_px, sigma_m)
    for _ in range(3):  # the weights depend on the fit
        h = _refine(h[None], flat[None], m[None], weights)[0]
        weights = _whitening(h, flat, pick_px, sigma_m)
    return h, weights


def _whitening(h: Floats, px: Floats, pick_px: float, sigma_m: Floats) -> Floats:
    """Return (n, 2, 2) factors that give each point's error on the ground unit covariance."""
    depth = px @ h[2, :2] + h[2, 2]
    if not (depth > 0).all():
        raise BadInput(
            N_("the points lie on both sides of the horizon"),
            N_("check that pixels and metres are in the same order"),
        )
    at = map_points(h, px)
    jacobian = (h[None, :2, :2] - at[:, :, None] * h[None, 2:, :2]) / depth[:, None, None]
    spread = pick_px**2 * jacobian @ np.swapaxes(jacobian, 1, 2)
    spread = spread + (sigma_m**2)[:, None, None] * np.eye(2)
    return np.linalg.inv(np.linalg.cholesky(spread))


def _refine(h: Floats, px: Floats, m: Floats, weights: Floats, rounds: int = 8) -> Floats:
    """Return (d, 3, 3) after damped Gauss-Newton steps on the weighted distances on the ground.

    `h` (d, 3, 3), `px` and `m` (d, n, 2), `weights` (n, 2, 2).
    """
    d, n = px.shape[0], px.shape[1]
    # About the points' middle, and about 1: else the normal matrix loses its digits, and the last
    # number, held at 1, would be 0 for a horizon through the corner of the picture.
    middle = px.reshape(-1, 2).mean(axis=0)
    s = float(np.abs(px - middle).max())
    scale = np.array([[1 / s, 0, -middle[0] / s], [0, 1 / s, -middle[1] / s], [0, 0, 1.0]])
    h = h @ np.linalg.inv(scale)
    px = (px - middle) / s
    h = h / h[:, 2:, 2:]
    ones = np.concatenate([px, np.ones((d, n, 1))], axis=2)
    damping = np.full((d, 1, 1), 1e-4)
    cost, normal, slope = _normal_equations(h, ones, m, weights)
    for _ in range(rounds):
        diagonal = damping * np.eye(8) * np.diagonal(normal, axis1=1, axis2=2)[:, None]
        step = np.linalg.solve(normal + diagonal, slope)[..., 0]
        tried = h + np.concatenate([step, np.zeros((d, 1))], axis=1).reshape(d, 3, 3)
        tried_cost, tried_normal, tried_slope = _normal_equations(tried, ones, m, weights)
        better = tried_cost < cost
        take = better[:, None, None]
        h, cost = np.where(take, tried, h), np.where(better, tried_cost, cost)
        normal, slope = np.where(take, tried_normal, normal), np.where(take, tried_slope, slope)
        damping = np.where(take, damping / 10, damping * 10)
    return np.asarray(h @ scale)


def _normal_equations(
    h: Floats, ones: Floats, m: Floats, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return cost (d,), normal matrices (d, 8, 8) and gradients (d, 8, 1) of fits.

    Infinite where a point would lie behind the camera.
    """
    d, n = ones.shape[:2]
    mapped = ones @ np.swapaxes(h, 1, 2)
    w = mapped[..., 2]
    behind = (w <= 0).any(axis=1)
    w = np.where(np.abs(w) < 1e-12, 1e-12, w)
    at = mapped[..., :2] / w[..., None]
    by_w = ones / w[..., None]
    zero = np.zeros_like(by_w)
    row_x = np.concatenate([by_w, zero, -at[..., :1] * by_w[..., :2]], axis=2)
    row_y = np.concatenate([zero, by_w, -at[..., 1:] * by_w[..., :2]], axis=2)
    jacobian = (weights @ np.stack([row_x, row_y], axis=2)).reshape(d, 2 * n, 8)
    residual = (weights @ (m - at)[..., None]).reshape(d, 2 * n, 1)
    across = np.swapaxes(jacobian, 1, 2)
    cost = (residual**2).sum(axis=(1, 2))
    return np.where(behind, np.inf, cost), across @ jacobian, across @ residual


def _off(h: Floats, px: Floats, m: Floats, weights: Floats) -> Floats:
    """Return (n,) squared distances on the ground, in units of their errors."""
    off = weights @ (map_points(h, px) - m)[..., None]
    squared: Floats = (off**2).sum(axis=(1, 2))
    return squared


def _cost(h: Floats, px: Floats, m: Floats, weights: Floats) -> float:
    return float(_off(h, px, m, weights).sum())


def _fit_lens(
    px: Floats, m: Floats, size_px: tuple[int, int], pick_px: float, sigma_m: Floats, h: Floats
) -> tuple[Floats, float, Floats]:
    """Return the fit with the lens parameter that lowers the cost most."""
    best: tuple[float, float] = (math.inf, 0.0)
    trials = np.linspace(-0.3, 0.3, 25)
    weights = _whitening(h, px, pick_px, sigma_m)
    for _ in range(3):
        flat = undistort(px[None], size_px, trials[:, None, None])
        fits = _refine(
            np.repeat(h[None], len(trials), 0), flat, np.repeat(m[None], len(trials), 0), weights
        )
        costs = [_cost(fit, one, m, weights) for fit, one in zip(fits, flat, strict=True)]
        at = int(np.nanargmin(costs))
        best = min(best, (costs[at], float(trials[at])))
        width = trials[1] - trials[0]
        trials = best[1] + np.linspace(-width, width, 25)
    lens = best[1]
    bent, bent_weights = _fitted(px, m, size_px, lens, pick_px, sigma_m)
    return bent, lens, bent_weights


def _inflation(cost: float, free: int, worst: int, off_px: Floats, off_m: Floats) -> float:
    """Return by how much the stated errors are too small; refuse points that cannot be right."""
    factor = math.sqrt(cost / free)
    if factor > _IMPOSSIBLE:
        raise BadInput(
            N_("point {point} disagrees with the others: {px:.0f} px or {metres:.1f} m off"),
            N_("check it, that all lie on the road's surface, and the stated errors"),
            point=worst + 1,
            px=float(off_px[worst]),
            metres=float(off_m[worst]),
        )
    return factor if stats.chi2.sf(cost, free) < _UNLIKELY else 1.0


def _resample(
    h: Floats,
    px: Floats,
    m: Floats,
    size_px: tuple[int, int],
    lens: float,
    pick_px: float,
    sigma_m: Floats,
    draws: int,
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(_SEED)
    flat = undistort(px, size_px, lens)
    weights = _whitening(h, flat, pick_px, sigma_m)
    # About the fitted positions, not the given ones: else the error of the fit counts twice in the
    # curvature of the homography.
    fitted = map_points(h, flat)
    lenses = np.full(draws, lens)
    if lens:
        lenses = lens + _lens_sigma(h, px, m, size_px, lens, weights) * rng.standard_normal(draws)
    moved_px = undistort(
        px + pick_px * rng.standard_normal((draws, *px.shape)), size_px, lenses[:, None, None]
    )
    moved_m = fitted + sigma_m[:, None] * rng.standard_normal((draws, *m.shape))
    drawn = _refine(np.repeat(h[None], draws, 0), moved_px, moved_m, weights, rounds=6)
    return drawn, lenses


def _lens_sigma(
    h: Floats, px: Floats, m: Floats, size_px: tuple[int, int], lens: float, weights: Floats
) -> float:
    """Return the standard deviation of the lens parameter, from the cost's curvature."""
    step = 0.01
    at = np.array([lens - step, lens, lens + step])
    flat = undistort(px[None], size_px, at[:, None, None])
    fits = _refine(np.repeat(h[None], 3, 0), flat, np.repeat(m[None], 3, 0), weights)
    low, mid, high = (_cost(fit, one, m, weights) for fit, one in zip(fits, flat, strict=True))
    bend = (low - 2 * mid + high) / step**2
    return math.sqrt(2.0 / bend) if bend > 0 else 0.1


def _left_out(
    px: Floats, m: Floats, size_px: tuple[int, int], lens: float, pick_px: float, sigma_m: Floats
) -> Floats:
    """Return how far each point lies from where the others put it, metres."""
    off = np.full(len(px), np.nan)
    for k in range(len(px)):
        keep = np.arange(len(px)) != k
        try:
            h, _ = _fitted(px[keep], m[keep], size_px, lens, pick_px, sigma_m[keep])
        except (BadInput, np.linalg.LinAlgError):
            continue
        there = map_points(h, undistort(px[k : k + 1], size_px, lens))[0]
        off[k] = math.hypot(*(there - m[k]))
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


def _inside(corners: Floats, px: Floats) -> NDArray[np.bool_]:
    """Return which points lie in a convex polygon with corners in counter-clockwise order."""
    after = np.roll(corners, -1, axis=0)
    edge = after - corners
    to = px[:, None] - corners[None]
    return np.asarray((edge[None, :, 0] * to[..., 1] - edge[None, :, 1] * to[..., 0] >= 0).all(1))
