"""The moment of a collision from followed points: an impulse is told, ordinary life is not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from make.crash_film import TOUCH_S, brakes, film, passes, pushed, rider, stands

from workbench.collisions import impulse
from workbench.collisions.impulse import camera_moves, candidates, watch
from workbench.collisions.onset import WITHIN_S
from workbench.collisions.points import STRETCH_S, follow_points, small


@pytest.mark.parametrize(("after", "other"), [(0.0, stands), (10.0, pushed)])
def test_who_is_stopped_at_another_is_marked_within_a_second(after, other):
    seen = watch(film(other, rider(110.0, after)))
    (first,) = seen.moments
    assert abs(first.at_s - TOUCH_S) <= WITHIN_S
    assert 0.5 <= first.score <= 0.99
    assert "points in the picture that moved as one" in first.words.sentence()
    assert seen.moving == 0.0
    assert not seen.unsure
    assert seen.pictures == len(list(film()))


@pytest.mark.parametrize("way", [brakes, passes])
def test_who_brakes_behind_another_and_who_passes_are_not_marked(way):
    assert watch(film(stands, way)).moments == ()


def test_what_swings_to_and_fro_is_a_candidate_and_scores_low():
    def swings(t: float) -> tuple[float, float]:
        return 150.0 + 30.0 * np.sin(4.0 * t), 60.0

    found = watch(film(swings), least=0.0).moments
    assert found
    assert max(one.score for one in found) < 0.1


def test_nothing_that_moves_gives_no_candidate():
    assert watch(film(stands)).moments == ()
    assert watch(iter(())).pictures == 0
    assert watch(itertools.islice(film(), 3)).moments == ()


def test_a_camera_that_shakes_is_held_still():
    def shaken(t: float) -> tuple[float, float]:
        return 2.5 * np.sin(9 * t), 2.0 * np.cos(7 * t)

    seen = watch(film(stands, rider(110.0, 0.0), sways=shaken))
    assert seen.moving < 0.1
    assert [abs(one.at_s - TOUCH_S) <= WITHIN_S for one in seen.moments] == [True]


def test_of_a_camera_that_moves_nothing_is_told_and_that_is_said():
    seen = watch(film(stands, rider(110.0, 0.0), sways=lambda t: (-45.0 * (t - 3.5), 0.0)))
    assert seen.moments == ()
    assert seen.unsure


def test_a_long_film_is_looked_at_in_stretches_of_bounded_size():
    turns = itertools.cycle(range(8))
    again = ((9 * n + t, g) for n, k in zip(range(3), turns, strict=False)
             for t, g in film(stands, rider(110.0, 0.0)) if k >= 0)  # fmt: skip
    lengths = []
    for seen in follow_points(again):
        lengths.append(float(np.ptp(seen.time_s)))
        assert np.diff(seen.time_s).max() < 0.5  # a hole ends every track
        assert not camera_moves(seen).any()
    assert max(lengths) <= STRETCH_S + 0.1


def test_pictures_are_made_small_and_never_larger():
    assert small(np.zeros((1080, 1920), np.uint8)).shape == (360, 640)
    assert small(np.zeros((100, 200), np.uint8)).shape == (100, 200)


def test_the_signs_are_those_that_are_weighed():
    (seen,) = follow_points(film(stands, rider(110.0, 0.0)))
    best = candidates(seen)[0]
    assert len(best.signs) == len(impulse.SIGNS) == len(impulse._WEIGHTS)
