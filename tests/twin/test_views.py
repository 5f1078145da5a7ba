from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.records import Camera
from workbench.twin.views import overview_view, plate_view

CAMERA = Camera("C", "S", "", "plate", 105.96, 21.09, 30.0, 20, 25, "rear", "E1")


@given(st.integers(0, 10_000), st.floats(-6, 6), st.floats(6, 60), st.booleans())
def test_the_ground_homography_undoes_projection(seed, x, y, tight):
    view = (plate_view if tight else overview_view)(CAMERA, seed=seed, clock_offset_ns=0)
    pixels, depth = view.project(np.array([[x, y, 0.0]]))
    assert depth[0] > 0.05
    back = view.ground_homography() @ [*pixels[0], 1]
    np.testing.assert_allclose(back[:2] / back[2], (x, y), atol=1e-6)


@given(st.integers(0, 10_000), st.sampled_from(["rear", "front", "both"]))
def test_a_motorcycle_s_plate_spans_90_px_at_the_sweet_spot(seed, sees):
    camera = dataclasses.replace(CAMERA, sees=sees)
    view = plate_view(camera, seed=seed, clock_offset_ns=0)
    ends = np.array([(view.lane_m + dx, view.sweet_m, 0.65) for dx in (-0.095, 0.095)])
    pixels, _ = view.project(ends)
    assert np.linalg.norm(pixels[1] - pixels[0]) >= 90
    assert (pixels > 0).all()
    assert (pixels < (view.width_px, view.height_px)).all()


def test_away_is_up_and_right_is_right():
    view = overview_view(CAMERA, seed=1, clock_offset_ns=0)
    (near, far, right), _ = view.project(np.array([(0, 15, 0), (0, 30, 0), (2, 15, 0)], float))
    assert far[1] < near[1]
    assert right[0] > near[0]


def test_rays_agree_with_projection():
    view = plate_view(CAMERA, seed=4, clock_offset_ns=0)
    ray = view.rays()[100, 200]
    pixels, _ = view.project((view.eye + 9.0 * ray)[None].astype(float))
    np.testing.assert_allclose(pixels[0], (200.5, 100.5), atol=0.02)
