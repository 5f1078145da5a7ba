"""What is left out: the least important first, all of what waits, and nothing without need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.recognition.runs.shedding import to_shed

BOUND_S = 10.0
waits = st.dictionaries(st.sampled_from("ABCDEF"), st.floats(0, 60), max_size=6)


@given(waits, st.permutations("ABCDEF"))
def test_no_camera_loses_footage_while_a_lesser_one_keeps_some(
    waiting: dict[str, float], priority: list[str]
) -> None:
    shed = to_shed(waiting, priority, BOUND_S)
    for camera in shed:
        below = priority[priority.index(camera) + 1 :]
        assert all(waiting.get(one, 0) == 0 or one in shed for one in below)
    assert [one for one in reversed(priority) if one in shed] == shed


@given(waits, st.permutations("ABCDEF"))
def test_nothing_is_left_out_without_need(waiting: dict[str, float], priority: list[str]) -> None:
    over = [camera for camera, seconds in waiting.items() if seconds > BOUND_S]
    shed = to_shed(waiting, priority, BOUND_S)
    assert not shed or over
    assert all(waiting[camera] > 0 for camera in shed)


@given(waits, st.permutations("ABCDEF"))
def test_the_backlog_is_bounded_in_the_end(waiting: dict[str, float], priority: list[str]) -> None:
    left, out = dict(waiting), 0.0
    for _ in range(10):
        for camera in to_shed(left, priority, BOUND_S):
            out += left.pop(camera)
    assert all(seconds <= 2 * BOUND_S for seconds in left.values())
    assert abs(sum(left.values()) + out - sum(waiting.values())) < 1e-6
