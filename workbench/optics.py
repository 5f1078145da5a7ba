"""Pure geometry of pictures: boxes, direction of motion, pixels to ground metres, view cones.

Pixels are those of the displayed frame, x to the right and y downwards. A homography is nine
numbers, row by row, from pixels to metres, with its sign chosen so that the third coordinate is
positive on the ground in front of the camera and negative above the horizon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

from workbench.errors import N_, BadInput
from workbench.records import Box, Camera

_GEOD = Geod(ellps="WGS84")
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

MIN_POINTS = 6
"""Fewest surveyed points of a calibration: four leave speeds wrong by 17 km/h, six by 2.6."""
_MAX_RMS_PX = 8.0  # points picked by hand agree within a few pixels; more is a wrong pair
_MIN_SPREAD = 0.03  # narrow over wide extent of the points; below, they are all but on one line
_STEEP = 0.1  # share of the depth that one sigma may change it before first order stops holding


@dataclass(frozen=True, slots=True)
class Ground:
    """A point on the ground in metres of the camera's ``ground_crs``, or NaN and ``why``.

    ``sigma`` is one standard deviation in metres, in the direction in which it is largest.
    ``why`` is a template for the catalogue, empty where there is a point.
    """

    x: float
    y: float
    sigma: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted homography: `pixel_to_ground` as in :class:`Camera`, and how well points agree.

    ``rms_px`` is the root mean square distance in pixels between the points as picked and as
    predicted, per point and corrected for the eight numbers fitted: an estimate of
    ``pixel_sigma_px`` times the square root of two.
    """

    pixel_to_ground: tuple[float, ...]
    rms_px: float
    worst_point: int
    worst_px: float


def iou(a: Box, b: Box) -> float:
    """Return the shared area of two boxes over the area of both, 0..1.

    >>> round(iou(Box(0, 0, 2, 2), Box(1, 0, 2, 2)), 4)
    0.3333
    """
    wide = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    high = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return min(shared / (a.w * a.h + b.w * b.h - shared), 1.0)


POLE_FORESHORTENING = 0.35
"""Of a camera on a pole that looks about 20 degrees down, for those nobody has calibrated."""


def bearing_of_motion(
    dx_px_s: float,
    dy_px_s: float,
    heading_deg: float,
    *,
    foreshortening: float = 1.0,
    least_px_s: float = 4.0,
) -> float | None:
    """Return the direction of travel, degrees clockwise from north, of motion in a picture.

    Motion up the picture leads away from the camera, along its heading.

    Parameters
    ----------
    dx_px_s, dy_px_s
        Image motion to the right and downwards, pixels a second.
    heading_deg
        Direction of the optical axis, clockwise from north.
    foreshortening
        How much a metre away shrinks against a metre across, 0..1: the sine of the angle at which
        the ray meets the ground. 1 (from straight above) is right for motion along the axis and
        exaggerates sideways motion otherwise.
    least_px_s
        Slower motion has no direction worth stating: None.

    >>> bearing_of_motion(0, -50, 90), bearing_of_motion(0, 50, 90), bearing_of_motion(1, 1, 90)
    (90.0, 270.0, None)
    """
    away = -dy_px_s / foreshortening
    if not math.hypot(dx_px_s, dy_px_s) >= least_px_s:  # also for NaN
        return None
    return (heading_deg + math.degrees(math.atan2(dx_px_s, away))) % 360.0 % 360.0


def compass(bearing_deg: float) -> str:
    """Return the nearest of the eight compass directions, as a key for words.

    >>> compass(0), compass(22.4), compass(22.6), compass(350)
    ('N', 'N', 'NE', 'N')
    """
    return _COMPASS[math.floor((bearing_deg % 360.0) / 45.0 + 0.5) % 8]


def to_ground(camera: Camera, x_px: float, y_px: float) -> Ground:
    """Return where on the ground a pixel lies, with its error; NaN and why where that is unknown.

    Give the point where the wheels or feet touch the ground: anything higher lands too far away.
    The error is the camera's ``pixel_sigma_px`` carried through the homography to first order; it
    leaves out the error of the calibration itself.
    """
    if camera.pixel_to_ground is None:
        return _nowhere(N_("the camera is not calibrated"))
    if not (math.isfinite(x_px) and math.isfinite(y_px)):
        return _nowhere(N_("there is no pixel position"))
    h = np.array(camera.pixel_to_ground, dtype=np.float64).reshape(3, 3)
    u, v, w = h @ (x_px, y_px, 1.0)
    if w <= 0:
        return _nowhere(N_("the pixel lies on or above the horizon"))
    slope = math.hypot(h[2, 0], h[2, 1]) * camera.pixel_sigma_px
    if slope > _STEEP * w:
        return _nowhere(N_("the pixel lies too near the horizon to be measured"))
    x, y = float(u / w), float(v / w)
    jacobian = (h[:2, :2] - np.outer((x, y), h[2, :2])) / w
    sigma = float(np.linalg.norm(jacobian, 2)) * camera.pixel_sigma_px
    return Ground(x, y, sigma)


def _nowhere(why: str) -> Ground:
    return Ground(math.nan, math.nan, math.nan, why)


def fit_homography(
    points_px: Sequence[tuple[float, float]] | NDArray[np.float64],
    points_m: Sequence[tuple[float, float]] | NDArray[np.float64],
) -> Calibration:
    """Fit the homography from pixels to metres that surveyed points support best.

    Least squares of the distances in the picture, where the error of picking is, started from the
    normalised direct linear transform (Hartley and Zisserman, Multiple View Geometry, 4.4).

    Parameters
    ----------
    points_px, points_m
        (n, 2) each, n at least 6, in the same order: pixels, and metres in one projected system.

    Raises
    ------
    BadInput
        With too few points, points (nearly) on one line or twice the same, points on both sides
        of the horizon, or points that no plane fits.
    """
    px, m = np.asarray(points_px, dtype=np.float64), np.asarray(points_m, dtype=np.float64)
    refuse_unfit(px, m)
    to_px, from_px = _normalising(px)
    to_m, _ = _normalising(m)
    a, b = _apply(to_px, px), _apply(to_m, m)
    back = _refine(_direct_linear(b, a), b, a)  # metres to pixels: the error is in the pixels
    ground_to_px = from_px @ back @ to_m
    pixel_to_ground = np.linalg.inv(ground_to_px)
    depth = px @ pixel_to_ground[2, :2] + pixel_to_ground[2, 2]
    if (depth > 0).any() and (depth < 0).any():
        raise BadInput(
            N_("the points lie on both sides of the horizon"),
            N_("check that pixels and metres are in the same order"),
        )
    pixel_to_ground *= np.sign(depth[0]) / np.abs(depth).max()
    off_px = np.hypot(*(_apply(ground_to_px, m) - px).T)
    # Each point gives two numbers; eight are spent on the homography.
    rms_px = math.sqrt(float((off_px**2).sum()) / (len(px) - 4))
    worst = int(off_px.argmax())
    if rms_px > _MAX_RMS_PX:
        raise BadInput(
            N_("the points do not fit one plane: {rms:.0f} px off, point {point} most ({off:.0f})"),
            N_("check that point, and that all lie on the road's surface"),
            rms=rms_px,
            point=worst + 1,
            off=float(off_px[worst]),
        )
    return Calibration(tuple(pixel_to_ground.ravel().tolist()), rms_px, worst, float(off_px[worst]))


def start_homography(px: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a first (3, 3) homography from (n, 2) pixels to (n, 2) metres, by linear algebra.

    Its third coordinate is positive for most of the points. It weighs no error: a start to refine.

    Raises
    ------
    BadInput
        When more than one homography fits as well.
    """
    to_px, _ = _normalising(px)
    to_m, from_m = _normalising(m)
    h = from_m @ _direct_linear(_apply(to_px, px), _apply(to_m, m)) @ to_px
    return np.asarray(h * np.sign(np.median(px @ h[2, :2] + h[2, 2])))


def refuse_unfit(px: NDArray[np.float64], m: NDArray[np.float64]) -> None:
    """Refuse lists that are no pairs, too few, not finite, twice the same or nearly on a line.

    Raises
    ------
    BadInput
        Saying which of these, and what to do.
    """
    if px.shape != m.shape or px.ndim != 2 or px.shape[1] != 2:
        raise BadInput(
            N_("{pixels} pixel points and {metres} ground points are no list of pairs"),
            N_("give x and y of each point in both, in the same order"),
            pixels=len(px),
            metres=len(m),
        )
    if len(px) < MIN_POINTS:
        raise BadInput(
            N_("{count} points are too few to calibrate a camera by"),
            N_("survey at least {wanted}, spread over the road; eight are better"),
            count=len(px),
            wanted=MIN_POINTS,
        )
    if not (np.isfinite(px).all() and np.isfinite(m).all()):
        raise BadInput(N_("a point has no position"), N_("leave it out or measure it again"))
    for points, unit in ((px, "px"), (m, "m")):
        if len(np.unique(points, axis=0)) < len(points):
            raise BadInput(
                N_("two points have the same position in {unit}"),
                N_("leave one out"),
                unit=unit,
            )
        spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
        if spread[1] < _MIN_SPREAD * spread[0]:
            raise BadInput(
                N_("the points lie nearly on one line (in {unit})"),
                N_("add points on both sides of the road"),
                unit=unit,
            )


def _normalising(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the similarity that centres points at distance sqrt(2) on average, and its inverse."""
    cx, cy = points.mean(axis=0)
    s = math.sqrt(2.0) / float(np.hypot(*(points - (cx, cy)).T).mean())
    there = np.array([[s, 0.0, -s * cx], [0.0, s, -s * cy], [0.0, 0.0, 1.0]])
    back = np.array([[1.0 / s, 0.0, cx], [0.0, 1.0 / s, cy], [0.0, 0.0, 1.0]])
    return there, back


def _apply(h: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mapped = np.column_stack([points, np.ones(len(points))]) @ h.T
    with np.errstate(divide="ignore", invalid="ignore"):
        flat: NDArray[np.float64] = mapped[:, :2] / mapped[:, 2:]
    return flat


def _direct_linear(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    _, values, vectors = np.linalg.svd(np.array(rows))
    # A second vanishing singular value: another homography fits as well (four points on a line...).
    if values[7] < 1e-6 * values[0]:
        raise BadInput(
            N_("too many of the points lie on one line"),
            N_("let no line hold all points but one or two"),
        )
    return np.asarray(vectors[-1], dtype=np.float64).reshape(3, 3)


def _refine(
    h: NDArray[np.float64], source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `h` after damped Gauss-Newton steps on the distances in the target's plane."""
    h = h / np.linalg.norm(h)
    damping = 1e-3
    cost = float(((_apply(h, source) - target) ** 2).sum())
    for _ in range(30):
        mapped = np.column_stack([source, np.ones(len(source))])
        w = mapped @ h[2]
        u, v = (mapped @ h[0]) / w, (mapped @ h[1]) / w
        by_w = mapped / w[:, None]
        zero = np.zeros_like(by_w)
        jacobian = np.concatenate(
            [
                np.hstack([by_w, zero, -u[:, None] * by_w]),
                np.hstack([zero, by_w, -v[:, None] * by_w]),
            ]
        )
        residual = np.concatenate([target[:, 0] - u, target[:, 1] - v])
        normal = jacobian.T @ jacobian
        step = np.linalg.solve(normal + damping * np.eye(9), jacobian.T @ residual)
        tried = h + step.reshape(3, 3)
        tried = tried / np.linalg.norm(tried)
        tried_cost = float(((_apply(tried, source) - target) ** 2).sum())
        if tried_cost < cost:
            gain, h, cost, damping = cost - tried_cost, tried, tried_cost, damping / 5
            if gain < 1e-14:
                break
        else:
            damping *= 10
    return h


def view_cone(camera: Camera, *, steps: int = 8) -> list[tuple[float, float]]:
    """Return the ground a camera sees, as a closed ring of (lon, lat) degrees for the map.

    The first and last point are the camera; the others lie ``range_m`` away across its field of
    view, `steps` sides of an arc.

    >>> c = Camera("C", "S", "", "plate", 106, 21, 0, 90, 100, "rear", "E")
    >>> ring = view_cone(c, steps=2)
    >>> len(ring), ring[0] == ring[-1] == (106, 21), round(ring[2][0], 6)
    (5, True, 106.0)
    """
    turns = np.linspace(-camera.fov_deg / 2, camera.fov_deg / 2, steps + 1) + camera.heading_deg
    apex = (camera.lon_deg, camera.lat_deg)
    arc = [
        _GEOD.fwd(camera.lon_deg, camera.lat_deg, float(turn), camera.range_m)[:2] for turn in turns
    ]
    return [apex, *((float(lon), float(lat)) for lon, lat in arc), apex]
