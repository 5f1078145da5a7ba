"""What a touch needs to be a collision: closing, depth, and that both stand afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.collisions import GroundTrack, collisions
from workbench.collisions.candidates import COLLISION_SCORE
from workbench.collisions.footprints import headings
from workbench.collisions.touching import Touch, touches

Floats = np.ndarray


def ride(name: str, paces: Floats, *, start_m: float = 0.0, y_m: float = 0.0, t0: float = 0.0):
    """Return a motorcycle that rides east with paces 0.1 s apart."""
    east = start_m + np.r_[0.0, np.cumsum(0.1 * paces[:-1])]
    place = np.column_stack([east, np.full(len(east), y_m)])
    velocity = np.column_stack([paces, np.zeros(len(paces))])
    push = np.gradient(velocity, 0.1, axis=0)
    spread = np.repeat(1e-4 * np.eye(6)[None], len(paces), 0)
    return GroundTrack(
        name, "motorcycle", t0 + 0.1 * np.arange(len(paces)), np.hstack([place, velocity, push]),
        spread, headings(np.column_stack([np.maximum(paces, 1.1), 0 * paces])), (1.9, 0.75),
    )  # fmt: skip


def standing(count: int = 90, at_m: float = 0.0, **kept: float) -> GroundTrack:
    return ride("b", np.full(count, 0.01), start_m=at_m, **kept)


def hit(pace: float, *, brake: float = 40.0) -> Floats:
    """Ride for two seconds, then brake."""
    return np.maximum(pace - brake * 0.1 * np.maximum(np.arange(90) - 20, 0), 0.0)


def test_who_rides_into_another_and_stands_with_it_collided():
    moving = ride("a", hit(7.0), start_m=-16.0)
    (one,) = collisions([moving, standing(at_m=0.3)])
    assert one.what == "collision"
    assert abs(one.at_s - 2.1) < 0.3
    assert COLLISION_SCORE <= one.score <= 0.99
    assert "km/h between them" in one.text()


def test_who_rides_on_stops_short_or_rolls_up_slowly_did_not():
    on = ride("a", np.full(90, 7.0), start_m=-16.0)
    assert collisions([on, standing(at_m=0.0)]) == []
    short = ride("a", hit(7.0), start_m=-18.0)
    assert collisions([short, standing(at_m=0.6)]) == []
    slow = ride("a", hit(1.2, brake=2.0), start_m=-4.4)
    assert collisions([slow, standing(at_m=0.0)]) == []


def test_a_track_born_on_another_is_no_witness():
    whole = ride("a", hit(7.0), start_m=-16.0)
    assert list(touches(whole.on_grid(), standing(at_m=0.3).on_grid()))
    assert list(touches(whole[20:].on_grid(), standing(at_m=0.3).on_grid())) == []


def test_how_hard_one_slowed_down_at_the_touch_is_a_sign():
    (hard,) = touches(ride("a", hit(7.0), start_m=-16.0).on_grid(), standing(at_m=0.3).on_grid())
    (soft,) = touches(
        ride("a", hit(7.0, brake=4.0), start_m=-16.0).on_grid(), standing(at_m=0.3).on_grid()
    )
    # a rider who braked long before, or hardly, is told from one whom the other stopped
    assert hard.brake_m_s2 > 15 > 5 > soft.brake_m_s2 > 3


def braked(*, at_s: float, by: float) -> Floats:
    """Ride at 5 m/s, and be 3 m/s slower within a fifth of a second, so long after 2 s."""
    paces = np.full(90, 5.0)
    first = 20 + round(10 * at_s)
    paces[first : first + 2] = 5.0 - 0.1 * by * np.arange(1, 3)
    paces[first + 2 :] = 5.0 - 0.2 * by
    return paces


@pytest.mark.parametrize(
    ("at_s", "counts"), [(-1.0, False), (0.0, True), (0.5, True), (1.4, False)]
)
def test_only_braking_from_the_touch_to_a_little_later_counts(at_s: float, counts: bool):
    # the outlines overlap from 2 s on
    moving = ride("a", braked(at_s=at_s, by=15.0), start_m=-10.95 if at_s >= 0 else -8.1)
    first = next(iter(touches(moving.on_grid(), standing(at_m=0.3).on_grid())))
    assert first.at_s == pytest.approx(2.0, abs=0.15)
    assert (first.brake_m_s2 > 6) is counts
    assert first.brake_m_s2 < 16


def test_who_hardly_moves_brakes_for_nothing():
    still = standing(at_m=0.3)
    shaken = GroundTrack(
        "b", still.kind, still.time_s, np.hstack([still.state[:, :4], np.full((90, 2), -8.0)]),
        still.covariance, still.heading, still.size_m,
    )  # fmt: skip
    rolling = ride("a", np.full(90, 2.0), start_m=-6.0)
    first = next(iter(touches(rolling.on_grid(), shaken.on_grid())))
    assert first.brake_m_s2 < 0.5  # 8 m/s^2 of noise along a way that is noise itself


def test_how_far_they_were_apart_is_that_of_two_seconds_before():
    first = next(iter(touches(
        ride("a", np.full(90, 2.0), start_m=-8.0).on_grid(), standing(at_m=0.3).on_grid()
    )))  # fmt: skip
    assert first.apart_m == pytest.approx(2 * 2.0, abs=0.25)


def test_who_was_seen_for_less_than_half_a_second_before_is_a_witness_yet():
    whole = ride("a", hit(7.0), start_m=-16.0).on_grid()
    (told,) = touches(whole, standing(at_m=0.3).on_grid())
    born = round(10 * (told.at_s - 0.5))
    assert [one.at_s for one in touches(whole[born:], standing(at_m=0.3).on_grid())] == [told.at_s]


def test_each_touch_is_told_once():
    back_and_forth = np.r_[hit(7.0)[:60], np.full(30, -3.0), np.full(30, 3.0), np.full(30, 0.0)]
    moving = ride("a", back_and_forth, start_m=-15.5)
    times = [one.at_s for one in touches(moving.on_grid(), standing(150, 0.6).on_grid())]
    assert len(times) == 2
    assert times[0] < 3 < 6 < times[1]


def test_those_never_seen_together_never_touch():
    later = standing(at_m=0.3, t0=100.0)
    assert list(touches(ride("a", hit(7.0), start_m=-16.0).on_grid(), later.on_grid())) == []


any_touch = st.builds(
    Touch, st.just(0.0), st.just((0.0, 0.0)), st.floats(-1, 5), st.floats(0, 30), st.floats(-1, 9),
    st.floats(0, 40), st.floats(-5, 40), st.floats(0, np.pi),
)  # fmt: skip


@given(any_touch, st.floats(0, 3))
def test_more_of_a_sign_never_speaks_the_other_way(one: Touch, more: float):
    def chance(**changed: float) -> float:
        kept = {"depth_m": one.depth_m, "closing_m_s": one.closing_m_s, "apart_m": one.apart_m,
                "pace_m_s": one.pace_m_s, "brake_m_s2": one.brake_m_s2,
                "angle_rad": one.angle_rad}  # fmt: skip
        return Touch(0.0, (0.0, 0.0), **(kept | changed)).chance

    assert 0 < one.chance < 1
    assert chance(depth_m=one.depth_m + more) >= one.chance
    assert chance(brake_m_s2=one.brake_m_s2 + more) >= one.chance
    assert chance(apart_m=one.apart_m + more) >= one.chance
    assert chance(pace_m_s=one.pace_m_s + more) <= one.chance
    assert chance(angle_rad=min(one.angle_rad + more, np.pi)) >= one.chance
    # of whom nobody knows which way they faced counts as one across the other
    assert chance(angle_rad=np.nan) == pytest.approx(chance(angle_rad=np.pi / 2))
