"""What explains a gap: never an act of the recorder that costs seconds, where hours are missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.records import Loss
from workbench.streams.gaps import SWITCH_S, WORD_S, clock_set, derive_gaps
from workbench.timeline import SECOND_NS, Span

ACTS = ("switched", "clock")
REAL = ("stalled", "unreachable", "killed", "paused")


def seconds(start_s, stop_s):
    return Span(round(start_s * SECOND_NS), round(stop_s * SECOND_NS))


def loss(at_s, cause, leap_s=0.0):
    detail = clock_set(round(leap_s * SECOND_NS)) if cause == "clock" else "main -> sub"
    return Loss("C1", round(at_s * SECOND_NS), cause, detail)


def cause_of(gap_s, *losses, start_s=104.0):
    covered = [seconds(0, start_s), seconds(start_s + gap_s, 9000)]
    (gap,) = derive_gaps("C1", covered, losses, seconds(0, 9000))
    return gap.cause


def test_an_outage_after_a_change_has_its_own_cause_or_none():
    assert cause_of(3896, loss(100, "switched"), loss(106, "stalled")) == "stalled"
    assert cause_of(3896, loss(100, "switched")) is None
    assert cause_of(3896, loss(104, "switched")) is None
    assert cause_of(3, loss(104, "switched")) == "switched"
    assert cause_of(3, loss(100, "switched")) is None


@pytest.mark.parametrize(
    ("gap_s", "leap_s", "cause"),
    [(90, 90, "clock"), (90.9, 90, "clock"), (3600, 90, None), (90, -90, None), (2, -90, None)],
)
def test_a_clock_explains_as_much_as_it_leapt(gap_s, leap_s, cause):
    assert cause_of(gap_s, loss(104, "clock", leap_s)) == cause
    assert cause_of(gap_s, loss(104, "clock", leap_s), loss(105, "killed")) == "killed"


words = st.lists(
    st.tuples(
        st.floats(0, 400), st.sampled_from(ACTS + REAL), st.integers(-400, 400).filter(bool)
    ).map(lambda one: loss(*one)),
    max_size=12,
)


@given(words, st.lists(st.tuples(st.integers(0, 380), st.integers(1, 60)), min_size=1, max_size=8))
def test_an_act_explains_a_short_gap_at_once_and_is_never_before_a_loss(losses, files):
    losses.sort(key=lambda one: one.at_ns)
    covered = [seconds(at, at + length) for at, length in files]
    within = Span(min(one.start_ns for one in covered), seconds(0, 500).stop_ns)
    found = derive_gaps("C1", covered, losses, within)
    without = derive_gaps("C1", covered, [one for one in losses if one.cause in REAL], within)
    for gap, real in zip(found, without, strict=True):
        assert gap.span == real.span
        # what really was lost explains as if the recorder had done nothing
        assert gap.losses[: len(real.losses)] == real.losses
        for act in gap.losses[len(real.losses) :]:
            assert act.cause in ACTS
            assert abs(act.at_ns - gap.span.start_ns) <= WORD_S * SECOND_NS
            leap_s = float(act.detail.split()[-2]) if act.cause == "clock" else 0.0
            most_s = leap_s + WORD_S if act.cause == "clock" else SWITCH_S
            assert gap.span.duration_ns <= most_s * SECOND_NS
