"""The benchmark of conflicts: the simulated crossing is whole, and counting counts right."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from workbench.bench.accidents_conflicts import Count, camera_of, shown_tracks
from workbench.bench.accidents_traffic import simulate_crossing
from workbench.collisions import Candidate


def found(a: str, b: str, at_s: float, score: float) -> Candidate:
    return Candidate("near miss", (a, b), ("car", "car"), 0.0, at_s, 0.0, score, "")


def test_a_pair_is_found_once_and_near_its_moment() -> None:
    count = Count()
    count.add(
        [found("a#0", "b#1", 10.5, 0.9), found("b#0", "a#0", 11.0, 0.8), found("c", "d", 50, 0.3)],
        [(10.0, "b", "a"), (20.0, "c", "d")],
    )
    assert count.at(0.5) == (0.5, 0.5, 2)
    assert count.figures(0.5)["precision_at_recall_85"] is None


@pytest.mark.skipif(importlib.util.find_spec("sumo") is None, reason="SUMO is not installed")
def test_a_minute_of_the_crossing_is_seen_by_a_camera() -> None:
    one = simulate_crossing(3, minutes=1.0)
    again = simulate_crossing(3, minutes=1.0)
    assert one.rows.equals(again.rows)
    assert set(one.rows["kind"]) <= {"motorcycle", "car", "truck", "bicycle"}
    step = one.rows.groupby("id")[["x", "y"]].diff().dropna()
    assert np.hypot(step["x"], step["y"]).max() < 2.5  # nobody jumps
    rng = np.random.default_rng(101)
    view = camera_of(rng, 0.3, np.zeros(2), 24.0)
    assert view is not None
    true, seen = shown_tracks(one.rows, *view, rng, 2.0, (12.0, 32.0))
    by_name = {track.name: track for track in true}
    assert seen
    off = [np.linalg.norm(track.state[0, :2] - by_name[track.name].state[0, :2]) for track in seen]
    assert np.median(off) < 3.0


def test_a_collision_that_began_out_of_view_counts_neither_way() -> None:
    count = Count()
    count.add([found("a#0", "b#1", 10.5, 0.9), found("c", "d", 12.0, 0.8)],
              [(12.0, "c", "d")], {("a", "b"), ("c", "d")})  # fmt: skip
    assert count.at(0.5) == (1.0, 1.0, 1)
