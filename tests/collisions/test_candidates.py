"""Time to collision, post-encroachment time, and what is a candidate and what is none."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.collisions import (
    GroundTrack,
    collisions,
    near_misses,
    post_encroachment,
    separation_m,
    time_to_collision,
    too_fast,
    usual_ways,
    weaving,
    wrong_way,
)
from workbench.collisions.candidates import overlaps
from workbench.collisions.footprints import headings, near_pairs, outlines

Floats = np.ndarray


def track(
    name: str, place: Floats, *, t0: float = 0.0, kind: str = "car", sigma_m: float = 0.02,
    size_m: tuple[float, float] = (4.0, 2.0),
) -> GroundTrack:  # fmt: skip
    """Return the track of places 0.1 s apart."""
    velocity = np.gradient(place, 0.1, axis=0)
    push = np.gradient(velocity, 0.1, axis=0)
    spread = np.diag(np.repeat([sigma_m, 3 * sigma_m, 10 * sigma_m], 2) ** 2)
    return GroundTrack(
        name, kind, t0 + 0.1 * np.arange(len(place)), np.hstack([place, velocity, push]),
        np.repeat(spread[None], len(place), 0), headings(velocity), size_m,
    )  # fmt: skip


def straight(start: tuple[float, float], pace: tuple[float, float], count: int = 60) -> Floats:
    return np.array(start) + 0.1 * np.arange(count)[:, None] * np.array(pace)


def box(x: float, y: float, vx: float, vy: float, size: tuple[float, float], turn: float):
    return outlines(np.array([[x, y, vx, vy]]), np.array([turn]), size)


numbers = st.floats(-30, 30)
paces = st.floats(-15, 15)
turns = st.floats(-math.pi, math.pi)
sizes = st.tuples(st.floats(0.5, 12), st.floats(0.4, 2.6))


@given(gap=st.floats(0.1, 60), fast=st.floats(0.5, 20), slow=st.floats(0, 0.4), turn=turns)
def test_two_behind_each_other_touch_after_gap_over_closing_speed(gap, fast, slow, turn):
    way = np.array([math.cos(turn), math.sin(turn)])
    behind = box(0, 0, *(fast * way), (4, 2), turn)
    ahead = box(*((gap + 4) * way), *(slow * way), (4, 2), turn)
    assert time_to_collision(behind, ahead)[0] == pytest.approx(gap / (fast - slow), rel=1e-6)


@given(numbers, numbers, paces, paces, paces, paces, sizes, sizes, turns, turns)
def test_time_to_collision_is_when_the_outlines_first_touch(x, y, a, b, c, d, one, other, t, u):
    first, second = box(0, 0, a, b, one, t), box(x, y, c, d, other, u)
    soon = float(time_to_collision(first, second)[0])
    at = np.linspace(0, min(soon, 20.0), 50)[:-1]
    moved = [box(a * s, b * s, a, b, one, t) for s in at]
    others = [box(x + c * s, y + d * s, c, d, other, u) for s in at]
    apart = [float(separation_m(p, q)[0]) for p, q in zip(moved, others, strict=True)]
    assert min(apart) >= -1e-6 or soon == 0
    if soon < 1e3:
        touch = (box(a * soon, b * soon, a, b, one, t),
                 box(x + c * soon, y + d * soon, c, d, other, u))  # fmt: skip
        assert separation_m(*touch)[0] <= 1e-6


@given(numbers, numbers, paces, paces, paces, paces, turns, turns, turns, numbers, numbers)
def test_a_turned_and_moved_world_has_the_same_times(x, y, a, b, c, d, t, u, spin, dx, dy):
    cos, sin = math.cos(spin), math.sin(spin)
    turn = np.array([[cos, -sin], [sin, cos]])

    def moved(px, py, vx, vy, heading):
        place, pace = turn @ (px, py) + (dx, dy), turn @ (vx, vy)
        return box(*place, *pace, (4, 2), heading + spin)

    first, second = box(0, 0, a, b, (4, 2), t), box(x, y, c, d, (4, 2), u)
    before = time_to_collision(first, second)[0]
    after = time_to_collision(moved(0, 0, a, b, t), moved(x, y, c, d, u))[0]
    swapped = time_to_collision(second, first)[0]
    assert swapped == pytest.approx(before, rel=1e-6, abs=1e-6)
    # Where they only just touch, rounding may say never.
    if math.isfinite(before) != math.isfinite(after):
        return
    assert after == pytest.approx(before, rel=1e-4, abs=1e-4)


@settings(max_examples=30)
@given(late=st.floats(0, 3), pace=st.floats(4, 14))
def test_encroachment_is_symmetric_and_grows_with_the_delay(late, pace):
    a = track("a", straight((-20, 0), (pace, 0)))
    b = track("b", straight((0, -20), (0, pace)), t0=round(late, 1))
    one = post_encroachment(a, b, longest_s=5.0)
    other = post_encroachment(b, a, longest_s=5.0)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.pet_s == pytest.approx(other.pet_s)
        assert one.angle == pytest.approx(math.pi / 2, abs=1e-6)
        # b reaches the square of both ways when a has left it: 3 m and 3 m at their pace
        expected = max(0.0, round(late, 1) - 6 / pace)
        assert one.pet_s == pytest.approx(expected, abs=0.21)


def test_following_is_no_encroachment_on_crossing_ways():
    a = track("a", straight((0, 0), (10, 0)))
    b = track("b", straight((-8, 0), (10, 0)))
    assert post_encroachment(a, b, longest_s=2.0) is not None
    assert post_encroachment(a, b, longest_s=2.0, least_angle=0.5) is None
    assert near_misses([a, b]) == []


def test_a_near_miss_says_who_when_and_why():
    braking = np.cumsum(np.r_[np.full(20, 1.2), np.linspace(1.2, 0.2, 12), np.full(20, 0.2)])
    a = track("a", np.column_stack([braking, np.zeros(len(braking))]), kind="motorcycle")
    b = track("b", straight((40.5, 0), (1, 0), len(braking)))
    (one,) = near_misses([a, b])
    assert one.names == ("a", "b")
    assert one.ttc_s is not None
    assert one.ttc_s < 1.5
    assert 0.5 <= one.score <= 0.99
    assert one.start_s < one.at_s < one.stop_s
    assert "motorcycle and car would have touched within" in one.text()
    assert near_misses([a, dataclasses.replace(b, time_s=b.time_s + 60)]) == []


def test_crossing_within_a_second_is_a_near_miss():
    a = track("a", straight((-20, 0), (10, 0)))
    b = track("b", straight((0, -20), (0, 10)), t0=1.2)
    (one,) = near_misses([a, b])
    assert one.pet_s == pytest.approx(0.6, abs=0.2)
    assert "were at the same place" in one.text()


def test_overlap_alone_is_no_collision_and_a_stop_in_it_is():
    a = straight((-30, 0.0), (10, 0), 70)
    calm = track("b", straight((-30, 1.7), (10.0, 0), 70))  # outlines overlap by 0.3 m
    assert len(overlaps([track("a", a), calm])) == 1
    assert collisions([track("a", a), calm]) == []
    hit = a.copy()
    hit[30:] = a[30] + np.c_[np.minimum(np.arange(40) * 0.1, 1) * 1.5, np.zeros(40)]
    standing = track("c", np.r_[straight((-3, 0.0), (1.6, 0), 20), np.full((50, 2), (0.2, 0.0))])
    (one,) = collisions([track("a", hit), standing])
    assert one.what == "collision"
    assert one.at_s == pytest.approx(2.9, abs=0.6)
    assert 0.5 <= one.score <= 0.99


@given(swing=st.floats(0.5, 0.9), period=st.floats(2.6, 4.6), turn=turns)
@settings(max_examples=20)
def test_a_rider_who_swings_weaves_whichever_way_it_rides(swing, period, turn):
    t = 0.1 * np.arange(70)
    way = np.column_stack([9 * t, swing * np.sin(2 * np.pi * t / period)])
    cos, sin = math.cos(turn), math.sin(turn)
    swung = track("w", way @ np.array([[cos, sin], [-sin, cos]]), kind="motorcycle")
    (one,) = weaving([swung])
    assert "to either side of its way" in one.text()
    assert weaving([dataclasses.replace(swung, kind="car")]) == []


def test_a_bend_and_an_easy_change_of_lane_are_no_weaving():
    t = 0.1 * np.arange(60)
    bend = np.column_stack([40 * np.sin(9 * t / 40), 40 * (1 - np.cos(9 * t / 40))])
    lane = np.column_stack([9 * t, 1.0 / (1 + np.exp(-1.2 * (t - 3)))])
    riders = [track(str(n), way, kind="motorcycle") for n, way in enumerate((bend, lane))]
    assert weaving(riders) == []


def test_far_above_the_limit_and_against_the_others():
    riders = [track(str(n), straight((0, 0.1 * n), (9, 0))) for n in range(25)]
    flow = usual_ways(riders)
    against = track("x", straight((50, 1.0), (-9, 0)))
    (one,) = wrong_way([*riders[:3], against], flow)
    assert one.names == ("x",)
    assert too_fast(riders, limit_km_h=50) == []
    (fast,) = too_fast([track("f", straight((0, 0), (30, 0)))], limit_km_h=50)
    assert "108 km/h" in fast.text()


def test_pairs_far_apart_in_time_or_place_are_not_compared():
    a, b = track("a", straight((0, 0), (1, 0))), track("b", straight((500, 0), (1, 0)))
    c = track("c", straight((0, 0), (1, 0)), t0=100.0)
    d = track("d", straight((1, 1), (1, 0)), t0=3.0)
    assert near_pairs([a, b, c, d], within_s=2, within_m=40) == [(0, 3)]
