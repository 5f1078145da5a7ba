"""Ground tracks: speed, acceleration and heading with intervals that hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.calibrations import EIGHT, ORIGIN, SIX, SIZE, pairs, pinhole
from numpy.typing import NDArray

from workbench.collisions import tracks
from workbench.collisions.calibration import PointClass, fit_ground, map_points
from workbench.collisions.tracks import TimeBase, distance_m, measure_motion
from workbench.errors import BadInput

TICK = Fraction(1, 90_000)
EXACT = TimeBase(TICK, jitter_s=1e-4, rate_sigma=0.0)


def ride(
    speed_m_s: float = 10.0,
    push: float = 0.0,
    count: int = 30,
    seed: int = 0,
    sigma_px: float = 2.0,
) -> tuple[NDArray, NDArray]:
    """Return pixels and ticks of a vehicle that comes from afar at 20 pictures a second."""
    rng = np.random.default_rng(seed)
    pts = 4500 * np.arange(count) + 1_000_000
    t = np.arange(count) / 20
    m = np.column_stack([np.full(count, 1.0), 28.0 - speed_m_s * t - push * t**2 / 2])
    return map_points(pinhole(), m) + sigma_px * rng.standard_normal((count, 2)), pts


@pytest.mark.parametrize(("speed_m_s", "sigma_px"), [(3.3, 2.0), (3.3, 4.0), (10.0, 2.0)])
def test_the_interval_of_the_mean_speed_holds(speed_m_s: float, sigma_px: float) -> None:
    model = fit_ground(pairs(EIGHT), SIZE)
    held = 0
    for seed in range(20):
        px, pts = ride(speed_m_s, count=24, seed=seed, sigma_px=sigma_px)
        inside = model.covered(px)
        motion = measure_motion(model, px[inside], pts[inside], EXACT, sigma_px=sigma_px)
        low, _, high = motion.mean_speed_km_h / 3.6
        held += bool(low <= speed_m_s <= high)
    assert held >= 17  # of 20; the errors of the two ends were left out once, and half held


def test_a_steady_ride_has_its_speed_and_heading() -> None:
    motion = measure_motion(
        fit_ground(pairs(EIGHT), SIZE), *ride(sigma_px=0.5), EXACT, sigma_px=0.5
    )
    low, middle, high = motion.speed_km_h
    assert middle == pytest.approx(36.0, abs=1.5)
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert motion.heading_deg[1] == pytest.approx(180.0, abs=3)
    assert motion.mean_speed_km_h[0] < 36.0 < motion.mean_speed_km_h[2]
    assert motion.position_m[0] == pytest.approx(ORIGIN + np.array((1.0, 28.0)), abs=0.4)


def test_braking_shows_with_its_sign() -> None:
    px, pts = ride(speed_m_s=14.0, push=-6.0, count=34, sigma_px=0.5)
    motion = measure_motion(fit_ground(pairs(EIGHT), SIZE), px, pts, EXACT, sigma_px=0.5)
    assert motion.acceleration_m_s2[1, 17] == pytest.approx(-6.0, abs=1.0)
    assert np.abs(motion.lateral_m_s2[1, 5:-5]).max() < 1.0


@settings(max_examples=6, deadline=None)
@given(factor=st.sampled_from([Fraction(1, 2), Fraction(5, 4), Fraction(3)]))
def test_another_time_base_changes_speeds_by_as_much(factor: Fraction) -> None:
    model = fit_ground(pairs(EIGHT), SIZE, draws=60)
    px, pts = ride(speed_m_s=8.0)
    told = measure_motion(model, px, pts, EXACT).mean_speed_km_h[1]
    other = TimeBase(TICK * factor, "override", jitter_s=1e-4, rate_sigma=0.0)
    changed = measure_motion(model, px, pts, other)
    assert changed.mean_speed_km_h[1] * float(factor) == pytest.approx(told, rel=0.03)
    assert "operator" in changed.time_base.statement()


def test_dropped_frames_and_uneven_times_do_not_change_the_speed() -> None:
    model = fit_ground(pairs(EIGHT), SIZE)
    px, pts = ride(sigma_px=0.5)
    keep = np.array([k for k in range(30) if k % 4 != 1])
    holes = px.copy()
    holes[::5] = np.nan
    for one in (
        measure_motion(model, px[keep], pts[keep], EXACT, sigma_px=0.5),
        measure_motion(model, holes, pts, EXACT, sigma_px=0.5),
    ):
        assert np.median(one.speed_km_h[1]) == pytest.approx(36.0, abs=1.0)


@pytest.mark.parametrize(("kind", "off_m", "m"), [("surveyed", 0.03, EIGHT), ("map", 0.3, SIX)])
def test_the_95_per_cent_interval_of_a_speed_holds(
    kind: PointClass, off_m: float, m: NDArray
) -> None:
    held = []
    for seed in range(8):
        model = fit_ground(pairs(m, kind, 1.0, off_m, seed), SIZE, draws=120)
        low, _, high = measure_motion(model, *ride(seed=seed), EXACT).speed_km_h
        held.append(((low <= 36.0) & (high >= 36.0)).mean())
    assert np.mean(held) >= 0.8  # 8 rides only; workbench bench accidents counts many


def test_smoothing_is_what_all_measurements_at_once_say() -> None:
    """Against the Gaussian formula over the whole track: no recursion, no gains."""
    rng = np.random.default_rng(3)
    seconds = np.cumsum([0.0, 0.05, 0.2, 0.05, 0.1, 0.4, 0.05])
    n, lively = len(seconds), 1.5
    root = rng.standard_normal((n, 2, 2))
    noise = 0.02 * root @ np.swapaxes(root, 1, 2) + 0.01 * np.eye(2)  # with errors that are tied
    places = np.column_stack([6 * seconds, seconds**2]) + 0.2 * rng.standard_normal((n, 2))
    prior = np.diag([100.0, 100.0, 900.0, 900.0, 9.0, 9.0])
    joint = np.zeros((n, 6, n, 6))
    joint[0, :, 0] = prior
    mean = np.zeros((n, 6))
    mean[:, :2] = places[0]
    for k in range(1, n):
        t = seconds[k] - seconds[k - 1]
        move = np.kron([[1, t, t * t / 2], [0, 1, t], [0, 0, 1]], np.eye(2))
        # the drift of acceleration is white: integrated over the step, by a fine sum
        fine = (np.arange(2000) + 0.5) / 2000 * t
        push = np.stack([fine**2 / 2, fine, np.ones_like(fine)])
        drift = np.kron(lively * push @ push.T * t / 2000, np.eye(2))
        for j in range(k):
            joint[k, :, j] = move @ joint[k - 1, :, j]
            joint[j, :, k] = joint[k, :, j].T
        joint[k, :, k] = move @ joint[k - 1, :, k - 1] @ move.T + drift
    joint = joint.reshape(6 * n, 6 * n)
    seen = np.kron(np.eye(n), np.eye(2, 6))
    expected = seen @ joint @ seen.T
    for k in range(n):
        expected[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] += noise[k]
    off = (places - mean[:, :2]).ravel()
    gain = joint @ seen.T @ np.linalg.inv(expected)
    state = mean.ravel() + gain @ off
    spread = joint - gain @ seen @ joint
    likelihood = -0.5 * (off @ np.linalg.solve(expected, off) + np.linalg.slogdet(expected)[1])

    forward = tracks._filter(places[None], seconds, noise, lively)
    states, spreads = tracks._smooth(forward, seconds, lively)
    assert forward.likelihood == pytest.approx(likelihood, rel=1e-4)
    assert states[0].ravel() == pytest.approx(state, rel=1e-4, abs=1e-4)
    for k in range(n):
        at = slice(6 * k, 6 * k + 6)
        assert spreads[k] == pytest.approx(spread[at, at], rel=1e-3, abs=1e-4)


def test_a_standing_vehicle_may_stand() -> None:
    px, pts = ride(speed_m_s=0.0)
    motion = measure_motion(fit_ground(pairs(EIGHT), SIZE), px, pts, EXACT)
    assert (motion.speed_km_h[0] < 0.5).all()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda px, pts: (px[:4], pts[:4]), "too few"),
        (lambda px, pts: (px, pts[::-1]), "do not increase"),
        (lambda px, pts: (px, pts[:-1]), "as many times"),
        (lambda px, pts: (px + np.array([900, 0]), pts), "outside the calibrated"),
        (lambda px, pts: (px, pts * 100), "gap"),
        (lambda px, pts: (px * np.nan, pts), "too few"),
    ],
)
def test_tracks_that_give_no_speed_are_refused(change, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        measure_motion(fit_ground(pairs(EIGHT), SIZE, draws=20), *change(*ride()), EXACT)


def test_a_distance_has_an_interval() -> None:
    ends = map_points(pinhole(), np.array([(0.0, 14.0), (3.0, 18.0)]))
    low, middle, high = distance_m(fit_ground(pairs(EIGHT), SIZE), ends[0], ends[1], sigma_px=1.0)
    assert low < 5.0 < high
    assert middle == pytest.approx(5.0, abs=0.1)
