"""Clocks from rides that are late, never early: nearer than least squares, and honest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.trajectories import clocks, delays

CAMERAS = 24
PACE = delays.Pace(1.03, 0.08, 2.0, 1.0, 5.0)


def town(seed: int) -> tuple[delays.Rides, NDArray[np.float64]]:
    """Return rides one way round a ring and across it, most of them late, a few broken; clocks."""
    rng = np.random.default_rng(seed)
    clock = rng.normal(0.0, 5.0, CAMERAS)
    start = np.repeat(np.arange(CAMERAS), 3)
    end = (start + np.tile([1, 2, 21], CAMERAS)) % CAMERAS
    fastest = rng.uniform(8.0, 40.0, len(start))
    late = rng.choice([0.0, 4.0, 30.0], len(start), p=[0.5, 0.35, 0.15])
    late = late * rng.exponential(1.0, len(start)) + rng.normal(0.0, 0.6, len(start))
    late[rng.random(len(start)) < 0.04] -= 60.0
    apart = 1.03 * fastest + late + clock[end] - clock[start]
    few = np.full(len(start), 5)
    return delays.Rides(start, end, apart, fastest, few, np.full(len(start), 2.0)), clock


def found(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rides, clock = town(seed)
    stated, start = np.full(CAMERAS, 30.0), np.zeros(CAMERAS)
    start = clocks._solve(rides, np.ones(len(rides.start), bool), stated)
    offset, sigma = delays.offsets(rides, stated, start, PACE, turns=300, warm_up=100)

    def off(one: NDArray[np.float64]) -> NDArray[np.float64]:
        error = one - clock
        return np.asarray(error - np.median(error))

    return off(start), off(offset), sigma


def test_clocks_are_nearer_than_by_least_squares_and_as_sure_as_said() -> None:
    runs = [found(seed) for seed in range(4)]
    before, after, sigma = (np.concatenate(part) for part in zip(*runs, strict=True))
    assert (np.abs(after) < 2).mean() > (np.abs(before) < 2).mean() + 0.1
    assert np.sqrt((after**2).mean()) < 0.75 * np.sqrt((before**2).mean())
    assert (np.abs(after) < 2.0 * np.hypot(1.2 * sigma, 0.3)).mean() > 0.9


def test_a_clock_far_off_is_found_and_the_same_is_found_again() -> None:
    rides, clock = town(3)
    wrong = np.where(np.arange(CAMERAS) == 7, 50.0, 0.0)
    moved = delays.Rides(
        rides.start, rides.end, rides.apart_s + wrong[rides.end] - wrong[rides.start],
        rides.fastest_s, rides.rides, rides.slower_s,
    )  # fmt: skip
    stated, start = np.full(CAMERAS, 30.0), np.zeros(CAMERAS)
    one, other = (
        delays.offsets(moved, stated, start, PACE, turns=200, warm_up=80) for _ in range(2)
    )
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
    error = one[0] - clock - wrong
    assert abs(float(error[7] - np.median(error))) < 6.0


@pytest.mark.parametrize("delay_s", [3.0, 45.0])
def test_densities_of_late_rides_sum_to_one(delay_s: float) -> None:
    at = np.linspace(-30.0, 900.0, 200_001)
    density = np.exp(delays._delayed_log(at, np.full(len(at), 1.7), delay_s))
    assert float(np.trapezoid(density, at)) == pytest.approx(1.0, abs=1e-3)
