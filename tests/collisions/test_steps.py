"""Corrections by hand are steps: they replay, undo and outlive a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.collisions.steps import Cut, Move, Omit, Step, from_json, replay, to_json
from workbench.errors import BadInput

PTS = np.arange(10) * 40
POINTS = np.column_stack([np.arange(10.0), np.arange(10.0) + 100])
FRAMES = st.sampled_from(PTS.tolist())
STEPS = st.lists(
    st.one_of(
        st.builds(Move, FRAMES, st.floats(0, 2000), st.floats(0, 2000), st.text(max_size=5)),
        st.builds(Omit, FRAMES, reason=st.text(max_size=5)),
        st.builds(Cut, FRAMES, FRAMES),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(STEPS)
def test_steps_come_back_from_json_and_replay_the_same(steps: list[Step]) -> None:
    again = from_json(to_json(steps))
    assert again == steps
    before = POINTS.copy()
    np.testing.assert_array_equal(replay(PTS, POINTS, steps), replay(PTS, POINTS, again))
    np.testing.assert_array_equal(POINTS, before)


@settings(max_examples=40)
@given(STEPS, STEPS)
def test_the_last_word_on_a_frame_counts(first: list[Step], then: list[Step]) -> None:
    both = replay(PTS, POINTS, [*first, *then])
    np.testing.assert_array_equal(both, replay(PTS, replay(PTS, POINTS, first), then))


def test_a_moved_an_omitted_and_a_cut_frame() -> None:
    points = replay(PTS, POINTS, [Move(80, 5, 6), Omit(120), Cut(40, 320)])
    assert points[2].tolist() == [5, 6]
    assert np.isnan(points[[0, 3, 9]]).all()


def test_a_step_about_another_track_is_refused() -> None:
    with pytest.raises(BadInput, match="step 2 names frame 7"):
        replay(PTS, POINTS, [Omit(40), Move(7, 0, 0)])
    with pytest.raises(BadInput, match="no known kind"):
        from_json('[{"kind": "paint"}]')
    with pytest.raises(BadInput, match="no known kind"):
        from_json('[{"kind": "omit", "pts": 1, "colour": 2}]')


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("pts,x_px", "no steps"), ("{}", "no steps"), ("[1]", "no steps"),
     ('[{"kind": "move", "pts": 1}]', "step 1 lacks a field"),
     ('[{"kind": "omit", "pts": "a"}]', "step 1: 'pts' is not"),
     ('[{"kind": "omit", "pts": 1, "at_ns": -4}]', "step 1: 'at_ns' is not"),
     ('[{"kind": "move", "pts": 1, "x_px": NaN, "y_px": 0}]', "step 1: 'x_px' is not")],
)  # fmt: skip
def test_what_is_no_list_of_steps_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(BadInput, match=sentence):
        from_json(text)
