"""The moment of a collision from boxes alone: told where it is plain, and not in calm traffic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.bench.accidents_onset import boxes_of
from workbench.collisions.onset import WITHIN_S, BoxTrack, onsets

AT = np.arange(0.0, 12.0, 0.1)
TOUCH_S = 4.0


def ride(name: str, x: np.ndarray, y: np.ndarray, heading: float, kind: str = "car"):
    return pd.DataFrame({"id": name, "kind": kind, "time": AT, "x": x, "y": y, "heading": heading})


def seen(*rides: pd.DataFrame, seed: int = 101) -> list[BoxTrack]:
    rng = np.random.default_rng(seed)
    return boxes_of(pd.concat(rides), np.pi / 2, np.zeros(2), rng)


def driven(speed: float, stops_s: float, brakes: float) -> np.ndarray:
    """Return the way along a road: steady, then braking (m/s^2) to a stand, 0 at `stops_s`."""
    since = np.maximum(AT - stops_s, 0.0)
    slowed = np.minimum(since, speed / brakes)
    return speed * np.minimum(AT - stops_s, 0.0) + speed * slowed - brakes * slowed**2 / 2


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_crash_at_an_angle_is_marked_within_a_second(seed: int) -> None:
    along = ride("a", driven(9.0, TOUCH_S, 12.0) - 1.5, np.zeros(len(AT)), 0.0)
    across = ride("b", np.zeros(len(AT)), driven(7.0, TOUCH_S, 12.0) - 1.5, np.pi / 2, "motorcycle")
    (first, *_) = onsets(seen(along, across, seed=seed))
    assert abs(first.at_s - TOUCH_S) <= WITHIN_S
    assert 0.5 <= first.score <= 0.99
    assert "of its own sizes a second" in first.words.sentence()


@pytest.mark.parametrize("seed", [101, 102, 103])
def test_a_queue_and_one_who_passes_are_not_marked(seed: int) -> None:
    waits = ride("a", np.full(len(AT), 3.0), np.zeros(len(AT)), 0.0)
    joins = ride("b", driven(8.0, 3.0, 2.5) - 12.8, np.zeros(len(AT)), 0.0)
    passes = ride("c", 8.0 * (AT - 6.0), np.full(len(AT), 3.0), 0.0, "motorcycle")
    assert onsets(seen(waits, joins, passes, seed=seed)) == []


def test_nothing_and_scraps_give_nothing() -> None:
    assert onsets([]) == []
    scrap = BoxTrack("a", np.array([0.0, 0.1]), np.array([[0, 0, 9, 9], [1, 0, 10, 9.0]]))
    assert onsets([scrap, scrap]) == []
