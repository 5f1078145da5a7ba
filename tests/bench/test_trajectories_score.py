"""The scores of linking: as others compute them, and moved by planted faults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from make.passes import sightings
from trackeval.metrics import Identity

from workbench.bench import trajectories_score as score


def by_trackeval(true: list[int], claimed: list[int]) -> float:
    """Return trackeval's IDF1, each sighting a frame of its own with one right box."""
    data = {
        "num_gt_dets": len(true),
        "num_tracker_dets": len(claimed),
        "num_gt_ids": max(true) + 1,
        "num_tracker_ids": max(claimed) + 1,
        "gt_ids": [np.array([one]) for one in true],
        "tracker_ids": [np.array([one]) for one in claimed],
        "similarity_scores": [np.ones((1, 1))] * len(true),
    }
    return float(Identity({"PRINT_CONFIG": False}).eval_sequence(data)["IDF1"])


@pytest.mark.parametrize("seed", range(8))
def test_idf1_is_that_of_trackeval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 12, 150)
    claimed = np.where(rng.random(150) < 0.3, rng.integers(0, 20, 150), true)
    _, true = np.unique(true, return_inverse=True)
    _, claimed = np.unique(claimed, return_inverse=True)
    ours = score.idf1(true.tolist(), claimed.tolist())
    assert ours == pytest.approx(by_trackeval(true.tolist(), claimed.tolist()))


def test_a_swap_of_two_vehicles_costs_identity_and_links() -> None:
    true = ["a"] * 4 + ["b"] * 4
    swapped = ["x", "x", "y", "y", "y", "y", "x", "x"]
    assert score.idf1(true, true) == 1.0
    assert score.idf1(true, swapped) == 0.5
    links = {("1", "2"), ("2", "3")}
    assert score.f1(links, links)[2] == 1.0
    assert score.f1({("1", "3")}, links) == (0.0, 0.0, 0.0)


def test_claims_that_are_too_sure_show() -> None:
    rng = np.random.default_rng(1)
    claimed = rng.random(20_000)
    honest = rng.random(20_000) < claimed
    assert score.ece(claimed, honest) < 0.02
    assert score.ece(np.sqrt(claimed), honest) > 0.1


def test_exact_and_near_joins() -> None:
    table = sightings(
        [
            ("1", "A", 0, "99B1-123.45"),
            ("2", "B", 40, "99B1-123.45"),
            ("m", "C", 80, "99B1-123.46"),
            ("3", "D", 120, "99B1-123.45"),
            ("u", "D", 121, None),
            ("4", "A", 3000, "99B1-123.45"),
        ]
    )
    assert score.exact_join(table) == {("1", "2"), ("2", "3")}
    assert score.near_join(table) == {("1", "2"), ("2", "m"), ("m", "3")}


def test_nearest_in_time_takes_who_comes_when_expected() -> None:
    table = sightings([("1", "A", 0, "a"), ("2", "B", 10, "b"), ("3", "B", 26, "c")])
    fastest = np.array([[0.0, 20.0], [20.0, 0.0]])
    assert ("1", "3") in score.nearest_in_time(table, ["A", "B"], fastest)


def test_identities_follow_links() -> None:
    found = score.identities(["c", "b", "a", "z"], {("a", "b"), ("b", "c")})
    assert found == {"a": "a", "b": "a", "c": "a", "z": "z"}
    assert pd.Series(found).nunique() == 2
