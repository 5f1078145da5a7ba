"""Picture geometry: boxes, direction of motion, homographies with their error, view cones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.wards import camera
from numpy.typing import NDArray
from pyproj import Geod

from workbench.errors import BadInput
from workbench.optics import (
    bearing_of_motion,
    compass,
    fit_homography,
    iou,
    to_ground,
    view_cone,
)
from workbench.records import Box, Camera

GEOD = Geod(ellps="WGS84")
ORIGIN_M = (600_444.0, 2_332_111.0)  # a place in UTM 48N: coordinates as large as real ones
GRID_M = np.array([(x, y) for y in (8.0, 15.0, 25.0) for x in (-3.5, 0.5, 4.0)])


def pinhole(
    height_m: float = 6.0, tilt_deg: float = 20.0, focal_px: float = 1100.0
) -> NDArray[np.float64]:
    """Return the homography, metres across and ahead to pixels, of a level 1280x720 camera."""
    sin, cos = math.sin(math.radians(tilt_deg)), math.cos(math.radians(tilt_deg))
    # A ground point (x, y): x across, y ahead. In camera axes: right x, down, depth.
    down = np.array([0.0, -sin, height_m * cos])
    depth = np.array([0.0, cos, height_m * sin])
    right = np.array([1.0, 0.0, 0.0])
    return np.stack([focal_px * right + 640 * depth, focal_px * down + 360 * depth, depth])


def project(h: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mapped = np.column_stack([points, np.ones(len(points))]) @ h.T
    flat: NDArray[np.float64] = mapped[:, :2] / mapped[:, 2:]
    return flat


def calibrated(
    points_m: NDArray[np.float64] = GRID_M, noise_px: float = 0.0, seed: int = 1, **pose: float
) -> Camera:
    rng = np.random.default_rng(seed)
    px = project(pinhole(**pose), points_m) + rng.normal(0, noise_px or 1e-12, points_m.shape)
    fit = fit_homography(px, points_m + ORIGIN_M)
    return camera("S01-P1", "E1", 0, 0, pixel_to_ground=fit.pixel_to_ground)


# -- boxes -----------------------------------------------------------------------------------

sides = st.floats(0.1, 500)
boxes = st.builds(Box, st.floats(-500, 500), st.floats(-500, 500), sides, sides)


@given(a=boxes, b=boxes)
def test_iou_is_a_symmetric_share(a: Box, b: Box) -> None:
    assert 0 <= iou(a, b) <= 1
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert iou(a, a) == pytest.approx(1)


def test_iou_of_known_boxes() -> None:
    assert iou(Box(0, 0, 10, 10), Box(5, 5, 10, 10)) == pytest.approx(25 / 175)
    assert iou(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0
    assert iou(Box(0, 0, 0, 0), Box(0, 0, 0, 0)) == 0


# -- direction -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dx", "dy", "bearing"),
    [(0, -50, 30), (50, 0, 120), (0, 50, 210), (-50, 0, 300), (50, -50, 75)],
)
def test_motion_turns_with_the_camera(dx: float, dy: float, bearing: float) -> None:
    assert bearing_of_motion(dx, dy, 30) == pytest.approx(bearing)


def test_too_little_motion_has_no_direction() -> None:
    assert bearing_of_motion(2, 2, 30) is None
    assert bearing_of_motion(2, 2, 30, least_px_s=1) == pytest.approx(165)
    assert bearing_of_motion(math.nan, 2, 30) is None


@given(
    dx=st.floats(-500, 500), dy=st.floats(-500, 500), heading=st.floats(0, 360),
    foreshortening=st.floats(0.1, 1),
)  # fmt: skip
def test_opposite_motion_is_the_opposite_direction(
    dx: float, dy: float, heading: float, foreshortening: float
) -> None:
    there = bearing_of_motion(dx, dy, heading, foreshortening=foreshortening)
    back = bearing_of_motion(-dx, -dy, heading, foreshortening=foreshortening)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert 0 <= there < 360
        assert abs((there - back) % 360 - 180) < 1e-6


def test_foreshortening_undoes_what_a_low_camera_does_to_the_picture() -> None:
    # A vehicle drives north-east in front of a camera that looks north, 18 m ahead of it.
    h = pinhole()
    (x0, y0), (x1, y1) = project(h, np.array([[0.0, 18.0], [0.1, 18.1]]))
    naive = bearing_of_motion((x1 - x0) * 10, (y1 - y0) * 10, 0)
    ray = math.sin(math.atan2(6.0, 18.0))
    better = bearing_of_motion((x1 - x0) * 10, (y1 - y0) * 10, 0, foreshortening=ray)
    assert naive is not None
    assert better is not None
    assert naive > 65  # exaggerates sideways motion, as its description says
    assert better == pytest.approx(45, abs=3)


def test_compass_words() -> None:
    assert [compass(x) for x in (0, 45, 90, 135, 180, 225, 270, 315, 359.9, -45)] == [
        "N", "NE", "E", "SE", "S", "SW", "W", "NW", "N", "NW",
    ]  # fmt: skip


# -- ground ----------------------------------------------------------------------------------


def test_uncalibrated_camera_says_so() -> None:
    ground = to_ground(camera("S01-P1", "E1", 0, 0), 10, 10)
    assert math.isnan(ground.x)
    assert math.isnan(ground.y)
    assert math.isnan(ground.sigma)
    assert ground.why == "the camera is not calibrated"


def test_missing_pixel_says_so() -> None:
    assert to_ground(calibrated(), math.nan, 10).why == "there is no pixel position"


def test_horizon_is_no_ground() -> None:
    one = calibrated()
    horizon_px = 360 - 1100 * math.tan(math.radians(20))
    assert "above the horizon" in to_ground(one, 640, horizon_px - 30).why
    assert "too near the horizon" in to_ground(one, 640, horizon_px + 5).why
    assert to_ground(one, 640, 500).why == ""


@settings(deadline=None)
@given(x=st.floats(-6, 6), y=st.floats(7, 30), height=st.floats(4, 9), tilt=st.floats(12, 35))
def test_pixel_to_ground_and_back(x: float, y: float, height: float, tilt: float) -> None:
    one = calibrated(height_m=height, tilt_deg=tilt)
    (px,) = project(pinhole(height, tilt), np.array([[x, y]]))
    ground = to_ground(one, *px)
    assert ground.why == ""
    assert (ground.x - ORIGIN_M[0], ground.y - ORIGIN_M[1]) == pytest.approx((x, y), abs=1e-3)


def test_stated_error_is_the_scatter_of_pixel_errors() -> None:
    one = calibrated()
    rng = np.random.default_rng(3)
    for at in ((0.0, 10.0), (3.0, 20.0), (-2.0, 28.0)):
        (px,) = project(pinhole(), np.array([at]))
        stated_m = to_ground(one, *px).sigma
        picked = px + rng.normal(0, one.pixel_sigma_px, (4000, 2))
        found = np.array([(g.x, g.y) for g in (to_ground(one, *p) for p in picked)])
        scatter_m = math.sqrt(np.linalg.eigvalsh(np.cov(found.T))[-1])
        assert stated_m == pytest.approx(scatter_m, rel=0.06)


def test_error_grows_with_distance() -> None:
    one = calibrated()
    sigmas = [
        to_ground(one, *project(pinhole(), np.array([[0.0, y]]))[0]).sigma for y in (8, 15, 30)
    ]
    assert sigmas == sorted(sigmas)
    assert sigmas[0] < 0.1 < sigmas[-1]


# -- calibration -----------------------------------------------------------------------------


def test_fit_recovers_an_exact_homography() -> None:
    fit = fit_homography(project(pinhole(), GRID_M), GRID_M)
    assert fit.rms_px < 1e-6
    assert project(np.reshape(fit.pixel_to_ground, (3, 3)), project(pinhole(), GRID_M)) == (
        pytest.approx(GRID_M, abs=1e-6)
    )


def test_rms_tells_the_picking_error() -> None:
    found = []
    for seed in range(60):
        px = project(pinhole(), GRID_M) + np.random.default_rng(seed).normal(0, 1.5, GRID_M.shape)
        found.append(fit_homography(px, GRID_M).rms_px ** 2)
    assert math.sqrt(float(np.mean(found)) / 2) == pytest.approx(1.5, rel=0.1)


def test_least_squares_in_the_picture_beats_the_linear_fit() -> None:
    """The refinement earns its place: smaller error in the picture on the points themselves."""
    from workbench import optics

    px = project(pinhole(), GRID_M) + np.random.default_rng(5).normal(0, 2, GRID_M.shape)
    to_px, from_px = optics._normalising(px)
    to_m, _ = optics._normalising(GRID_M)
    linear = optics._direct_linear(optics._apply(to_m, GRID_M), optics._apply(to_px, px))
    off = np.hypot(*(optics._apply(from_px @ linear @ to_m, GRID_M) - px).T)
    linear_rms = math.sqrt(float((off**2).sum()) / (len(px) - 4))
    assert fit_homography(px, GRID_M).rms_px < linear_rms


def test_speed_over_a_noisy_calibration_is_within_a_few_percent() -> None:
    off = []
    for seed in range(20):
        one = calibrated(noise_px=1.0, seed=seed)
        a, b = (to_ground(one, *project(pinhole(), np.array([[1.5, y]]))[0]) for y in (12.0, 22.0))
        off.append(math.hypot(b.x - a.x, b.y - a.y) / 10 - 1)
    assert float(np.std(off)) < 0.03
    assert max(map(abs, off)) < 0.08


@pytest.mark.parametrize(
    ("px", "m", "words"),
    [
        (GRID_M[:5], GRID_M[:5], "5 points are too few"),
        (GRID_M, GRID_M[:7], "no list of pairs"),
        (np.where(GRID_M == 8.0, np.nan, GRID_M), GRID_M, "no position"),
        (np.vstack([GRID_M, GRID_M[:1]]), np.vstack([GRID_M, GRID_M[:1]]), "same position in px"),
        ([(i, 2 * i) for i in range(9)], GRID_M, "on one line (in px)"),
        (GRID_M, [(i, 2 * i) for i in range(9)], "on one line (in m)"),
    ],
)
def test_points_that_cannot_calibrate_are_refused(
    px: NDArray[np.float64], m: NDArray[np.float64], words: str
) -> None:
    with pytest.raises(BadInput) as raised:
        fit_homography(px, m)
    assert words in str(raised.value)


def test_all_but_one_point_on_a_line_is_refused() -> None:
    m = np.array([(0.0, y) for y in (8, 10, 13, 17, 22, 28)] + [(4.0, 15.0)])
    with pytest.raises(BadInput, match="too many of the points lie on one line"):
        fit_homography(project(pinhole(), m), m)


def test_swapped_pair_is_named() -> None:
    px = project(pinhole(), GRID_M)
    px[4] += (90, 0)
    with pytest.raises(BadInput, match=r"point 5 most") as raised:
        fit_homography(px, GRID_M)
    assert "do not fit one plane" in str(raised.value)


@pytest.mark.footage
def test_the_five_surveyed_points_of_a_real_crossing_are_too_few(footage: Path) -> None:
    path = next((footage / "otvision").glob("*.otrfpts"))
    points = json.loads(path.read_text("utf-8")).values()
    with pytest.raises(BadInput, match="5 points are too few"):
        fit_homography(
            [(p["x_px"], p["y_px"]) for p in points],
            [(p["lon_utm"], p["lat_utm"]) for p in points],
        )


# -- cones -----------------------------------------------------------------------------------


@given(
    heading=st.floats(0, 360), fov=st.floats(1, 180), range_m=st.floats(1, 500),
    steps=st.integers(1, 20),
)  # fmt: skip
def test_cone_lies_within_range_and_view(
    heading: float, fov: float, range_m: float, steps: int
) -> None:
    one = camera("S01-P1", "E1", 0, 0, heading_deg=heading, fov_deg=fov, range_m=range_m)
    ring = view_cone(one, steps=steps)
    apex = (one.lon_deg, one.lat_deg)
    assert ring[0] == ring[-1] == apex
    assert len(ring) == steps + 3
    for corner in ring[1:-1]:
        towards, _, away_m = GEOD.inv(*apex, *corner)
        assert away_m == pytest.approx(range_m, rel=1e-6)
        assert abs((towards - heading + 180) % 360 - 180) <= fov / 2 + 1e-3
