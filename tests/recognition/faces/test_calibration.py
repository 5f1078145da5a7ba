"""Scores to ratios: what a large made set gives; a small one is never called calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.recognition.faces.calibration import (
    LEAST_DIFFERENT,
    LEAST_PEOPLE,
    Calibration,
    Pair,
    all_pairs,
    calibrate,
)


def made_set(people: int, pictures: int, *, apart: float = 4.0, seed: int = 3) -> list[Pair]:
    """Return pairs of a made set: scores normal, `apart` sigma of .1 between same and different."""
    rng = np.random.default_rng(seed)
    names = [f"p{n}" for n in range(people) for _ in range(pictures)]
    scores = rng.normal(0.1, 0.1, (len(names), len(names)))
    scores += 0.1 * apart * (np.array(names)[:, None] == np.array(names)[None])
    return all_pairs(scores.astype(np.float32), names)


@pytest.fixture(scope="module")
def large() -> Calibration:
    return calibrate(made_set(LEAST_PEOPLE, 2), rounds=100)


def test_ratios_are_those_of_the_set_they_were_made_from(large: Calibration) -> None:
    assert large.calibrated
    assert (large.people, large.same_pairs) == (30, 30)
    assert len(large.different) == 60 * 59 // 2 - 30
    # two normals of one sigma, 4 sigma apart: log10 LR is linear, 0 half way, 4/.1/ln 10 a unit
    assert large.log10_lr(0.3) == pytest.approx(0, abs=0.4)
    assert large.slope == pytest.approx(4 / 0.1 / np.log(10), rel=0.4)
    assert 0 < large.cllr < 0.25
    assert large.cllr_interval[0] <= large.cllr <= large.cllr_interval[1]


def test_beyond_what_the_set_has_seen_nothing_more_is_claimed(large: Calibration) -> None:
    assert large.log10_lr(5.0) == large.bounds[1] < 4
    assert large.log10_lr(-5.0) == large.bounds[0] > -3


def test_false_candidates_grow_with_the_gallery_and_are_never_none(large: Calibration) -> None:
    expected, most = large.false_positives(0.3, 1000)
    assert expected == pytest.approx(1000 * 0.0228, rel=0.4)  # two sigma
    assert most > expected
    none, at_most = large.false_positives(0.99, 1000)
    assert none == 0
    assert at_most == pytest.approx(3000 / len(large.different), rel=0.05)  # rule of three
    assert large.false_positives(0.3, 2000)[0] == pytest.approx(2 * expected)
    assert large.false_positives(-9, 10) == (10, 10)


@pytest.mark.parametrize(("people", "pictures"), [(10, 2), (LEAST_PEOPLE - 1, 3)])
def test_a_small_set_is_measured_and_not_called_calibrated(people: int, pictures: int) -> None:
    small = calibrate(made_set(people, pictures), rounds=50)
    assert not small.calibrated
    assert np.isfinite(small.cllr)


def test_people_seen_once_do_not_count_as_people(large: Calibration) -> None:
    once = [Pair(0.1, f"q{n}", f"r{n}") for n in range(400)]
    assert calibrate(made_set(5, 2) + once, rounds=20).people == 5


def test_scores_that_tell_nothing_cost_one() -> None:
    useless = calibrate(made_set(20, 2, apart=0.0), rounds=50)
    assert useless.cllr == pytest.approx(1, abs=0.2)


def test_the_interval_is_wider_with_fewer_people(large: Calibration) -> None:
    small = calibrate(made_set(6, 2), rounds=100)
    assert np.ptp(small.cllr_interval) > np.ptp(large.cllr_interval)


def test_one_kind_of_pairs_is_no_set() -> None:
    with pytest.raises(ValueError, match="both needed"):
        calibrate([Pair(0.1, "a", "b"), Pair(0.2, "a", "c")])


def test_the_rule_says_what_a_rate_needs() -> None:
    # none of 300 above: at 95 % the rate is still as large as 1 in 100
    assert pytest.approx(0.01, rel=0.01) == 1 - 0.05 ** (1 / LEAST_DIFFERENT)
