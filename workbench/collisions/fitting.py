"""The numbers of a calibration: a homography from points, from known lengths, or from both.

A point says where on the ground a pixel lies, with two numbers; a known length how far two pixels
lie apart there, with one. Residuals are weighed by the errors of picks and of what was measured.
Lengths alone leave open where the ground's origin is and where its north: such fits are laid onto
each other, so that only what the lengths do say is left to differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench import optics
from workbench.errors import N_, BadInput

Floats = NDArray[np.float64]

_FOCAL = np.geomspace(0.5, 3.0, 12)  # of the picture's width: from a wide to a long lens
_TILT = np.radians(np.linspace(4.0, 76.0, 25))
_ROLL = np.radians([-8.0, -4.0, 0.0, 4.0, 8.0])
_STARTS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a calibration is fitted to; pixels as picked, metres about some origin.

    Attributes
    ----------
    px, m, sigma_m
        (n, 2) picks, (n, 2) places, (n,) error of a place per axis.
    ends, length_m, length_sigma_m
        (k, 2, 2) picks of both ends of a length, (k,) as measured, (k,) its error.
    size_px, pick_px
        Size of the picture; one standard deviation of a pick, per axis.
    """

    px: Floats
    m: Floats
    sigma_m: Floats
    ends: Floats
    length_m: Floats
    length_sigma_m: Floats
    size_px: tuple[int, int]
    pick_px: float

    def without_point(self, k: int) -> Given:
        """Return all but one point."""
        keep = np.arange(len(self.px)) != k
        return replace(self, px=self.px[keep], m=self.m[keep], sigma_m=self.sigma_m[keep])

    def without_length(self, k: int) -> Given:
        """Return all but one length."""
        keep = np.arange(len(self.ends)) != k
        return replace(
            self, ends=self.ends[keep], length_m=self.length_m[keep],
            length_sigma_m=self.length_sigma_m[keep],
        )  # fmt: skip

    @property
    def free(self) -> int:
        """How many more numbers are given than fitted."""
        return 2 * len(self.px) + len(self.ends) - (8 if len(self.px) else 5)


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What gives residuals unit covariance: (n, 2, 2) of points, (k, k) of lengths."""

    points: Floats
    lengths: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Undistorted pixels and metres of many fits at once: (d, n, 2) twice, (d, k, 2, 2), (d, k)."""

    px: Floats
    m: Floats
    ends: Floats
    length_m: Floats


def shown(given: Given, lens: float | Floats) -> Shown:
    """Return what is given as a lens without distortion shows it; `lens` one number or (d,)."""
    bend = np.atleast_1d(np.asarray(lens, dtype=np.float64))
    d = len(bend)
    px = undistort(given.px[None], given.size_px, bend[:, None, None])
    ends = undistort(given.ends[None], given.size_px, bend[:, None, None, None])
    return Shown(px, np.repeat(given.m[None], d, 0), ends, np.repeat(given.length_m[None], d, 0))


def undistort(px: Floats, size_px: tuple[int, int], lens: float | Floats) -> Floats:
    """Return pixels as a lens without distortion would show them (one radial parameter).

    The parameter is the share by which a corner of the picture moves outwards.
    """
    centre = np.array(size_px) / 2.0
    reach = np.hypot(*centre)
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


def distances(h: Floats, ends: Floats) -> Floats:
    """Return how far ends (..., k, 2, 2) lie apart on the ground, by one fit or many: (..., k)."""
    at = map_points(h, ends.reshape(*ends.shape[:-3], -1, 2))
    at = at.reshape(*at.shape[:-2], -1, 2, 2)
    return np.linalg.norm(at[..., 1, :] - at[..., 0, :], axis=-1)


def fitted(given: Given, lens: float, start: Floats | None = None) -> tuple[Floats, Weights]:
    """Return the best homography (3, 3), and the whitening of its residuals.

    Raises
    ------
    BadInput
        Where nothing fits.
    """
    one = shown(given, lens)
    if start is None:
        if not len(given.px):
            return _from_lengths(given, one)
        start = np.reshape(optics.start_homography(one.px[0], given.m), (3, 3))
    h, weights = start, whitening(start, given, one)
    for _ in range(3):  # the weights depend on the fit
        h = refine(h[None], one, weights)[0]
        weights = whitening(h, given, one)
    return h, weights


def whitening(h: Floats, given: Given, one: Shown) -> Weights:
    """Return what gives the residuals of a fit unit covariance."""
    points = one.px[0]
    spread = given.pick_px**2 * _squared(_jacobians(h, points))
    spread = spread + (given.sigma_m**2)[:, None, None] * np.eye(2)
    return Weights(np.linalg.inv(np.linalg.cholesky(spread)), _whitened_lengths(h, given, one))


def _whitened_lengths(h: Floats, given: Given, one: Shown) -> Floats:
    """Return (k, k): a pick that ends two lengths puts both off together."""
    count = len(given.ends)
    if not count:
        return np.zeros((0, 0))
    flat = one.ends[0].reshape(-1, 2)
    at, jacobians = map_points(h, flat).reshape(-1, 2, 2), _jacobians(h, flat)
    along = at[:, 1] - at[:, 0]
    along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    pulls = np.einsum("ki,kjix->kjx", along, jacobians.reshape(-1, 2, 2, 2)) * [[[-1.0], [1.0]]]
    _, which = np.unique(given.ends.reshape(-1, 2), axis=0, return_inverse=True)
    which = which.reshape(-1, 2)
    slope = np.zeros((count, which.max() + 1, 2))
    for side in (0, 1):
        slope[np.arange(count), which[:, side]] += pulls[:, side]
    slope = slope.reshape(count, -1)
    spread = np.diag(given.length_sigma_m**2) + given.pick_px**2 * slope @ slope.T
    return np.asarray(np.linalg.inv(np.linalg.cholesky(spread)))


def _jacobians(h: Floats, px: Floats) -> Floats:
    """Return (n, 2, 2) metres per pixel."""
    depth = px @ h[2, :2] + h[2, 2]
    if not (depth > 0).all():
        raise BadInput(
            N_("the points lie on both sides of the horizon"),
            N_("check that pixels and metres are in the same order"),
        )
    at = map_points(h, px)
    return np.asarray((h[None, :2, :2] - at[:, :, None] * h[None, 2:, :2]) / depth[:, None, None])


def _squared(jacobians: Floats) -> Floats:
    return np.asarray(jacobians @ np.swapaxes(jacobians, 1, 2))


def refine(h: Floats, one: Shown, weights: Weights, rounds: int = 8) -> Floats:
    """Return (d, 3, 3) after damped Gauss-Newton steps on the weighted distances on the ground."""
    d = len(one.px)
    # About the points' middle, and about 1: else the normal matrix loses its digits, and the last
    # number, held at 1, would be 0 for a horizon through the corner of the picture.
    every = np.concatenate([one.px.reshape(-1, 2), one.ends.reshape(-1, 2)])
    middle = every.mean(axis=0)
    s = float(np.abs(every - middle).max())
    scale = np.array([[1 / s, 0, -middle[0] / s], [0, 1 / s, -middle[1] / s], [0, 0, 1.0]])
    h = h @ np.linalg.inv(scale)
    near = replace(one, px=(one.px - middle) / s, ends=(one.ends - middle) / s)
    h = h / h[:, 2:, 2:]
    damping = np.full((d, 1, 1), 1e-4)
    # lengths leave three numbers open, which nothing but the damping holds
    least = 0.0 if one.px.shape[1] else 1e-6
    cost, normal, slope = _normal_equations(h, near, weights)
    for _ in range(rounds):
        diagonal = damping * np.eye(8) * np.diagonal(normal, axis1=1, axis2=2)[:, None]
        step = np.linalg.solve(normal + diagonal, slope)[..., 0]
        tried = h + np.concatenate([step, np.zeros((d, 1))], axis=1).reshape(d, 3, 3)
        tried_cost, tried_normal, tried_slope = _normal_equations(tried, near, weights)
        better = tried_cost < cost
        take = better[:, None, None]
        h, cost = np.where(take, tried, h), np.where(better, tried_cost, cost)
        normal, slope = np.where(take, tried_normal, normal), np.where(take, tried_slope, slope)
        damping = np.where(take, np.maximum(damping / 10, least), damping * 10)
    return np.asarray(h @ scale)


def _normal_equations(h: Floats, one: Shown, weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Return cost (d,), normal matrices (d, 8, 8) and gradients (d, 8, 1) of fits.

    Infinite where a point would lie behind the camera.
    """
    d, n = one.px.shape[:2]
    at, rows, behind = _mapped_rows(h, one.px)
    jacobian = (weights.points @ rows).reshape(d, 2 * n, 8)
    residual = (weights.points @ (one.m - at)[..., None]).reshape(d, 2 * n, 1)
    k = one.ends.shape[1]
    if k:
        at, rows, hidden = _mapped_rows(h, one.ends.reshape(d, 2 * k, 2))
        at, rows = at.reshape(d, k, 2, 2), rows.reshape(d, k, 2, 2, 8)
        apart = at[:, :, 1] - at[:, :, 0]
        long = np.maximum(np.linalg.norm(apart, axis=2), 1e-9)
        along = apart / long[..., None]
        grows = np.einsum("dki,dkij->dkj", along, rows[:, :, 1] - rows[:, :, 0])
        jacobian = np.concatenate([jacobian, weights.lengths @ grows], axis=1)
        off = weights.lengths @ (one.length_m - long)[..., None]
        residual = np.concatenate([residual, off], axis=1)
        behind = behind | hidden
    across = np.swapaxes(jacobian, 1, 2)
    cost = (residual**2).sum(axis=(1, 2))
    return np.where(behind, np.inf, cost), across @ jacobian, across @ residual


def _mapped_rows(h: Floats, px: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return places (d, n, 2), how the eight numbers move them (d, n, 2, 8), who is behind (d,)."""
    ones = np.concatenate([px, np.ones((*px.shape[:2], 1))], axis=2)
    mapped = ones @ np.swapaxes(h, 1, 2)
    w = mapped[..., 2]
    behind = np.asarray((w <= 0).any(axis=1))
    w = np.where(np.abs(w) < 1e-12, 1e-12, w)
    at = mapped[..., :2] / w[..., None]
    by_w = ones / w[..., None]
    zero = np.zeros_like(by_w)
    row_x = np.concatenate([by_w, zero, -at[..., :1] * by_w[..., :2]], axis=2)
    row_y = np.concatenate([zero, by_w, -at[..., 1:] * by_w[..., :2]], axis=2)
    return at, np.stack([row_x, row_y], axis=2), behind


def off_points(h: Floats, given: Given, lens: float, weights: Weights) -> Floats:
    """Return (n,) squared distances on the ground, in units of their errors."""
    px = undistort(given.px, given.size_px, lens)
    off = weights.points @ (map_points(h, px) - given.m)[..., None]
    squared: Floats = (off**2).sum(axis=(1, 2))
    return squared


def off_lengths(h: Floats, given: Given, lens: float, weights: Weights) -> Floats:
    """Return (k,) squared residuals of lengths, in units of their errors."""
    ends = undistort(given.ends, given.size_px, lens)
    return np.asarray((weights.lengths @ (given.length_m - distances(h, ends))) ** 2)


def cost_of(h: Floats, given: Given, lens: float, weights: Weights) -> float:
    """Return the sum of squared residuals, in units of their errors."""
    return float(
        off_points(h, given, lens, weights).sum() + off_lengths(h, given, lens, weights).sum()
    )


def _from_lengths(given: Given, one: Shown) -> tuple[Floats, Weights]:
    """Return the fit to lengths alone: from the likeliest of many cameras on a pole."""
    starts = _cameras(one.ends[0], given.length_m, given.size_px)
    if len(starts):
        many = Shown(*(np.repeat(each, len(starts), 0) for each in (
            one.px, one.m, one.ends, one.length_m,
        )))  # fmt: skip
        # a hundredth of each length for its picks, until a fit says how much they weigh
        rough = Weights(
            np.zeros((0, 2, 2)), np.diag(1 / (given.length_sigma_m + 0.01 * given.length_m))
        )
        fits = refine(starts, many, rough, rounds=12)
        costs = _normal_equations(fits, many, rough)[0]
        for k in np.argsort(costs, kind="stable").tolist():
            try:
                h, weights = fitted(given, 0.0, fits[k])
            except (BadInput, np.linalg.LinAlgError):
                continue
            return upright(h, one.ends[0].reshape(-1, 2)), weights
    raise BadInput(
        N_("no camera sees these lengths so: no ground fits them"),
        N_("check their ends and metres, and that all lie on the road's surface"),
    )


def _cameras(ends: Floats, length_m: Floats, size_px: tuple[int, int]) -> Floats:
    """Return homographies (s, 3, 3) of nearly level cameras that lengths speak for, best first."""
    focal, tilt, roll = (
        one.ravel() for one in np.meshgrid(_FOCAL * size_px[0], _TILT, _ROLL, indexing="ij")
    )
    zero, one = np.zeros_like(focal), np.ones_like(focal)
    cx, cy = size_px[0] / 2, size_px[1] / 2
    ray = np.stack([
        np.stack([one / focal, zero, -cx / focal], -1),
        np.stack([zero, one / focal, -cy / focal], -1),
        np.stack([zero, zero, one], -1),
    ], axis=1)  # fmt: skip
    turned = ray.copy()
    turned[:, 0] = np.cos(roll)[:, None] * ray[:, 0] - np.sin(roll)[:, None] * ray[:, 1]
    turned[:, 1] = np.sin(roll)[:, None] * ray[:, 0] + np.cos(roll)[:, None] * ray[:, 1]
    sin, cos = np.sin(tilt)[:, None], np.cos(tilt)[:, None]
    ahead = cos * turned[:, 2] - sin * turned[:, 1]
    below = cos * turned[:, 1] + sin * turned[:, 2]
    h = np.stack([turned[:, 0], ahead, below], axis=1)
    seen = distances(h, np.repeat(ends[None], len(h), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(length_m) - np.log(seen)
    scatter = np.where(np.isfinite(ratio).all(axis=1), ratio.std(axis=1), np.inf)
    best = np.argsort(scatter, kind="stable")[:_STARTS]
    best = best[np.isfinite(scatter[best])]
    high_m = np.exp(ratio[best].mean(axis=1))
    return np.asarray(h[best] * np.stack([high_m, high_m, np.ones_like(high_m)], 1)[:, :, None])


def upright(h: Floats, px: Floats) -> Floats:
    """Return a fit moved so that pixels lie about 0 and up the picture is the second axis."""
    middle = px.mean(axis=0)
    foot, ahead = map_points(h, np.array([middle, middle - (0.0, 1.0)]))
    away = (ahead - foot) / max(float(np.linalg.norm(ahead - foot)), 1e-12)
    turn = np.array([[away[1], -away[0]], [away[0], away[1]]])
    moved = np.eye(3)
    moved[:2, :2] = turn
    moved[:2, 2] = -turn @ foot
    return np.asarray(moved @ h)


def laid_onto(draws: Floats, h: Floats, px: Floats) -> Floats:
    """Return fits (d, 3, 3) turned and shifted to lie as near as they can to one of them.

    What lengths alone do not say, where the origin is and where north, must not look like error.
    """
    here, there = map_points(draws, px), map_points(h, px)
    foot, to = here.mean(axis=1), there.mean(axis=0)
    off, goal = here - foot[:, None], there - to
    across = (off[..., 0] * goal[..., 1] - off[..., 1] * goal[..., 0]).sum(axis=1)
    turn = np.arctan2(across, (off * goal).sum(axis=(1, 2)))
    moved = np.repeat(np.eye(3)[None], len(draws), 0)
    moved[:, 0, 0] = moved[:, 1, 1] = np.cos(turn)
    moved[:, 0, 1], moved[:, 1, 0] = -np.sin(turn), np.sin(turn)
    moved[:, :2, 2] = to - np.einsum("dij,dj->di", moved[:, :2, :2], foot)
    return np.asarray(moved @ draws)
