"""Calibration with its error: what is fitted, what is refused, whether the error holds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.calibrations import EIGHT, ORIGIN, SIX, SIZE, pairs, pinhole
from numpy.typing import NDArray

from workbench.collisions.calibration import (
    GroundModel,
    PointClass,
    PointPair,
    fit_ground,
    map_points,
    undistort,
)
from workbench.errors import BadInput


def off_by(point: PointPair, metres: float) -> PointPair:
    return replace(point, x_m=point.x_m + metres)


def test_exact_points_give_the_exact_ground() -> None:
    model = fit_ground(pairs(EIGHT), SIZE)
    there = np.array([(1.0, 17.0), (-2.0, 26.0)])
    assert model.ground(map_points(pinhole(), there)) == pytest.approx(there + ORIGIN, abs=1e-5)
    assert model.residual_m.max() < 1e-5
    assert np.nanmax(model.left_out_m) < 1e-4
    assert (model.kind, model.inflation, model.lens) == ("surveyed", 1.0, 0.0)


@settings(max_examples=15, deadline=None)
@given(turn=st.floats(0, 6.28), east=st.floats(-1e6, 1e6), order=st.permutations(range(8)))
def test_it_does_not_matter_where_north_is_nor_which_point_comes_first(
    turn: float, east: float, order: list[int]
) -> None:
    points = pairs(EIGHT, pick_px=1.0, off_m=0.03)
    about = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    moved = [
        PointPair(p.x_px, p.y_px, *(about @ (np.array((p.x_m, p.y_m)) - ORIGIN) + (east, 5.0)))
        for p in (points[k] for k in order)
    ]
    px = np.array([(500.0, 400.0), (700.0, 300.0)])
    before = fit_ground(points, SIZE, draws=20).ground(px) - ORIGIN
    after = fit_ground(moved, SIZE, draws=20).ground(px) - (east, 5.0)
    assert after == pytest.approx(before @ about.T, abs=1e-4)


@pytest.mark.parametrize(
    ("points", "word"),
    [
        (pairs(EIGHT[:5]), "too few"),
        (pairs(EIGHT[:4]), "too few"),
        (pairs(np.array([(0.01 * (k % 2), 10.0 + 3 * k) for k in range(8)])), "line"),
        (pairs(EIGHT * [0.08, 0.08] + [0, 20]), "of the picture"),
        ([*pairs(EIGHT)[:7], off_by(pairs(EIGHT)[7], 3.0)], "disagree"),
        ([*pairs(EIGHT)[:7], PointPair(640, 360, math.nan, 0)], "no position"),
        ([*pairs(SIX, "map")[:5], off_by(pairs(SIX)[5], 9.0)], "disagree"),
    ],
)
def test_unfit_points_are_refused_with_the_reason(points: list[PointPair], word: str) -> None:
    with pytest.raises(BadInput, match=word):
        fit_ground(points, SIZE)


def test_uncertain_points_are_refused() -> None:
    vague = [PointPair(p.x_px, p.y_px, p.x_m, p.y_m, "map", 6.0) for p in pairs(SIX)]
    with pytest.raises(BadInput, match="unsure by"):
        fit_ground(vague, SIZE)


def test_places_far_outside_the_points_are_not_covered() -> None:
    model = fit_ground(pairs(EIGHT), SIZE)
    px = map_points(pinhole(), np.array([(0.0, 18.0), (0.0, 60.0), (40.0, 20.0)]))
    assert model.covered(px).tolist() == [True, False, False]


def _holds(model: GroundModel, there: NDArray) -> NDArray:
    drawn = model.ground_draws(map_points(pinhole(), there))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return (low <= there + ORIGIN) & (there + ORIGIN <= high)


@pytest.mark.parametrize(("kind", "off_m", "m"), [("surveyed", 0.03, EIGHT), ("map", 0.3, SIX)])
def test_the_95_per_cent_interval_of_a_place_holds_95_times_in_100(
    kind: PointClass, off_m: float, m: NDArray
) -> None:
    there = np.array([(0.0, 14.0), (2.0, 20.0), (-2.0, 26.0)])
    held = [
        _holds(fit_ground(pairs(m, kind, 1.0, off_m, seed), SIZE, draws=120), there)
        for seed in range(24)
    ]
    assert np.mean(held) >= 0.87


def test_a_lens_is_found_where_many_points_show_it_and_left_alone_where_not() -> None:
    many = np.array([(x, y) for y in (9.0, 14.0, 20.0, 30.0) for x in (-6.0, -2.0, 2.0, 6.0)])
    straight = pairs(many, pick_px=1.0)
    assert fit_ground(straight, SIZE).lens == 0.0
    flat = np.array([(p.x_px, p.y_px) for p in straight])
    bent = flat.copy()
    for _ in range(30):  # the pixels a lens of .1 turns into these
        bent = flat - (undistort(bent, SIZE, 0.1) - bent)
    points = [
        PointPair(x, y, p.x_m, p.y_m) for (x, y), p in zip(bent.tolist(), straight, strict=True)
    ]
    model = fit_ground(points, SIZE)
    assert model.lens == pytest.approx(0.1, abs=0.03)
    assert model.residual_px.max() < 4


def test_points_that_disagree_a_little_more_than_stated_widen_the_error() -> None:
    wide = fit_ground(pairs(EIGHT, pick_px=2.3, seed=102), SIZE)
    assert wide.inflation > 1.2
