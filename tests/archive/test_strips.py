"""Which frame shows an instant: the last one not after it, for any files, clocks and instants."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from make.rows import START_NS, fix, index, segment

from workbench.archive.access import stamped_ns, utc_ns
from workbench.archive.strips import GAP, strip
from workbench.records import FrameIndex
from workbench.timeline import SECOND_NS, ClockFix, Span

MS = 1_000_000
SPAN = Span(START_NS + 10 * SECOND_NS, START_NS + 20 * SECOND_NS)


def frames(pts):
    return FrameIndex(np.array(pts, np.int64), np.ones(len(pts), bool))


@st.composite
def footage(draw):
    """Files of one camera in order, with holes, overlaps and gaps between them; and its fixes."""
    files, at_ns = [], START_NS
    for number in range(draw(st.integers(1, 4))):
        steps = draw(
            st.lists(
                st.sampled_from([3000, 3600, 3601, 9000, 30_000, 400_000]), min_size=1, max_size=30
            )
        )
        pts = (draw(st.integers(-90_000, 90_000)) + np.cumsum([0, *steps])).tolist()
        one = segment(
            number,
            stamped_start_ns=at_ns,
            first_pts=pts[0],
            stop_pts=pts[-1] + draw(st.sampled_from([1, 3600])),
        )
        files.append((one, frames(pts)))
        at_ns = one.stamped.stop_ns + draw(
            st.sampled_from([0, 7, 20 * MS, 40 * MS, 300 * MS, 5 * SECOND_NS, -400 * MS])
        )
    fixes = draw(
        st.lists(
            st.builds(
                lambda offset, drift, late: fix(
                    valid=Span(START_NS + late, 2**62), offset_ns=offset, drift_ppb=drift
                ),
                st.integers(-2 * SECOND_NS, 2 * SECOND_NS),
                st.sampled_from([0, 40_000, -40_000]),
                st.sampled_from([-SECOND_NS, 5 * SECOND_NS]),
            ),
            max_size=2,
        )
    )
    return files, fixes


def kept(files, fixes):
    """Return (utc, pts, stated end) of the frames that stay, by the rule in words."""
    found, latest = [], -(2**63)
    for one, listed in files:
        utc, _ = utc_ns(one, listed.pts, fixes)
        ends = np.append(listed.pts[1:], one.stop_pts)
        hold = stamped_ns(one, ends) - stamped_ns(one, listed.pts)
        for at, pts, held in zip(utc.tolist(), listed.pts.tolist(), hold.tolist(), strict=True):
            if at > latest:
                found.append((at, pts, at + held))
            latest = max(latest, at)
    return found


@settings(max_examples=80, deadline=None)
@given(footage(), st.lists(st.integers(-SECOND_NS, 40 * SECOND_NS), min_size=1, max_size=30))
def test_what_shows_an_instant_is_the_last_frame_not_after_it_or_nothing(made, later):
    files, fixes = made
    span = Span(START_NS + 500 * MS, START_NS + 30 * SECOND_NS)
    found = strip("C01", files, fixes, span)
    assert (np.diff(found.utc_ns) > 0).all()
    frames_ = kept(files, fixes)
    edges = [START_NS + d for d in later] + found.utc_ns.tolist() + (found.utc_ns - 1).tolist()
    for at in edges:
        number = found.at(at)
        in_gap = any(at in gap for gap in found.gaps)
        if at not in span:
            assert number == GAP
            continue
        assert in_gap == (number == GAP)
        before = [one for one in frames_ if one[0] <= at]
        if number == GAP:
            # nothing covers it, or a frame that stands longer than its file ever says
            assert (
                not before or at >= before[-1][2] or before[-1][2] - before[-1][0] > 2 * SECOND_NS
            )
            continue
        assert (found.utc_ns[number], found.pts[number]) == before[-1][:2]
        residual = found.residual_ns(at)
        assert residual == before[-1][0] - at <= 0
        # never an old picture: no longer than its file says, and a seam of one usual step
        assert -residual <= max(2 * SECOND_NS, before[-1][2] - before[-1][0]) + found.step_ns


@settings(max_examples=40, deadline=None)
@given(footage(), st.integers(0, 40), st.integers(1, 100))
def test_steps_back_lead_where_the_steps_on_began(made, start, count):
    files, fixes = made
    found = strip("C01", files, fixes, Span(START_NS, START_NS + 60 * SECOND_NS))
    inside = found.utc_ns[found.utc_ns >= found.span.start_ns].tolist()
    if len(inside) < 2:
        return
    at = inside[start % len(inside)]
    count = min(count, len(inside) - 1 - inside.index(at))
    there = found.step(at, count)
    assert there == inside[inside.index(at) + count]
    assert found.step(there, -count) == at
    one_by_one = at
    for _ in range(count):
        one_by_one = found.step(one_by_one, 1)
    assert one_by_one == there


@settings(max_examples=40, deadline=None)
@given(footage())
def test_each_frame_lies_in_the_stretch_of_its_file(made):
    files, fixes = made
    span = Span(START_NS + SECOND_NS, START_NS + 30 * SECOND_NS)
    found = strip("C01", files, fixes, span)
    by_hash = {one.sha256: listed for one, listed in files}
    assert [one.first for one in found.stretches] == sorted({s.first for s in found.stretches})
    for number, (at, pts) in enumerate(zip(found.utc_ns, found.pts, strict=True)):
        mine = found.stretch(number)
        assert pts in by_hash[mine.segment.sha256].pts
        assert utc_ns(mine.segment, np.array([pts]), fixes) == (at, mine.sigma_ns)


def test_a_span_begins_with_the_frame_that_is_shown_then():
    found = strip("C01", [(segment(), index())], [], replace_start(SPAN, 30 * MS))
    assert found.utc_ns[0] == SPAN.start_ns
    assert found.residual_ns(SPAN.start_ns + 30 * MS) == -30 * MS
    assert found.gaps == ()
    # what the case does not hold is not shown, even for a tenth of a second
    inside = replace_start(SPAN, 30 * MS)
    narrow = strip("C01", [(segment(), index())], [], inside, within=inside)
    assert narrow.gaps == (Span(inside.start_ns, SPAN.start_ns + 100 * MS),)


def replace_start(span, by_ns):
    return Span(span.start_ns + by_ns, span.stop_ns)


def test_a_gap_is_a_gap_until_the_first_frame_after_it():
    first = segment("a", stop_pts=135 * 9_000)
    second = segment("b", stamped_start_ns=START_NS + 17 * SECOND_NS)
    found = strip("C01", [(first, index(135)), (second, index())], [], SPAN)
    lost = Span(START_NS + 13_500 * MS, START_NS + 17 * SECOND_NS)
    assert found.gaps == (lost,)
    assert found.at(lost.start_ns) == GAP
    assert found.residual_ns(lost.stop_ns) == 0
    assert found.stretch(found.at(lost.stop_ns)).segment is second
    assert found.step(lost.start_ns + 1, 1) == lost.stop_ns
    assert found.step(lost.start_ns + 1, -1) == lost.start_ns - 100 * MS


def test_a_hole_inside_a_file_is_a_gap():
    pts = [9_000 * n for n in range(120)] + [9_000 * n for n in range(150, 300)]
    found = strip("C01", [(segment(stop_pts=300 * 9_000), frames(pts))], [], SPAN)
    assert found.gaps == (Span(START_NS + 12 * SECOND_NS, START_NS + 15 * SECOND_NS),)


def test_nothing_recorded_is_one_gap():
    found = strip("C01", [], [], SPAN)
    assert found.gaps == (SPAN,)
    assert found.at(SPAN.start_ns) == GAP
    assert found.step(SPAN.start_ns, 5) == SPAN.start_ns


def test_a_clock_fix_moves_the_frames_and_states_its_sigma():
    late = ClockFix("C01", Span(0, 2**62), -300 * MS, 40 * MS, "overlay")
    found = strip("C01", [(segment(), index())], [late], SPAN)
    assert found.at(SPAN.start_ns) == 0
    assert found.pts[0] == 103 * 9_000
    assert found.stretches[0].sigma_ns == 40 * MS


def test_an_overridden_rate_moves_the_frames():
    slow = replace(segment(), tick_s=Fraction(1, 45_000), stop_pts=600 * 9_000)
    found = strip("C01", [(slow, index())], [], SPAN)
    assert found.step_ns == 200 * MS
    assert found.pts[0] == 50 * 9_000
