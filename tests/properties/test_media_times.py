"""Conversions of media and archive hold for any input: order, idempotence, equality of forms."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from make.rows import segment

from workbench.archive.access import coverage_grid, stamped_ns, utc_ns
from workbench.media import gop_runs
from workbench.media.timestamps import Packets, settle, typical_interval
from workbench.records import FrameIndex
from workbench.timeline import ClockFix, Span, correct_span, union

TICK = Fraction(1, 90_000)
NS = st.integers(0, 2 * 10**18)
TICKS = st.sampled_from(
    [Fraction(1, 90_000), Fraction(1001, 30_000), Fraction(1, 11_988), Fraction(123_457, 10**9 + 7)]
)


def packets(pts: list[int | None], dts: list[int | None], keys: list[bool]) -> Packets:
    return Packets(pts, dts, np.array(keys, bool), np.ones(len(pts), bool))


@given(st.data(), st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=40))
def test_settled_times_are_all_different_and_keep_their_order(
    data: st.DataObject, pts: list[int]
) -> None:
    keys = data.draw(st.lists(st.booleans(), min_size=len(pts), max_size=len(pts)))
    dts = data.draw(
        st.lists(st.one_of(st.none(), st.integers(0, 2**40)), min_size=len(pts), max_size=len(pts))
    )
    settled = settle(packets(pts, dts, keys), None, TICK)
    assert len(set(settled.pts.tolist())) == len(pts)
    again = settle(packets(settled.pts.tolist(), list(range(len(pts))), keys), None, TICK)
    assert not again.ours
    assert again.pts.tolist() == settled.pts.tolist()


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=50), st.integers(-(2**40), 2**40))
def test_sound_times_pass_untouched(steps: list[int], start: int) -> None:
    dts = (start + np.cumsum(steps)).tolist()
    # Any reordering whose PTS are not before their DTS, as B-frames make them.
    pts = [dts[i ^ 1] if i ^ 1 < len(dts) else dts[i] for i in range(len(dts))]
    settled = settle(packets(pts, dts, [False] * len(dts)), None, TICK)
    assert settled.pts.tolist() == pts
    assert not settled.ours
    assert settled.notes == ()


@given(
    st.lists(st.lists(st.integers(1, 9_000), min_size=2, max_size=9), min_size=1, max_size=5),
    st.data(),
)
def test_pieces_of_a_restarting_clock_follow_each_other(
    pieces: list[list[int]], data: st.DataObject
) -> None:
    pts: list[int] = []
    keys: list[bool] = []
    for steps in pieces:
        # Each piece starts before the last time of the one before it: its clock went back.
        latest = pts[-1] if pts else 0
        start = latest - data.draw(st.integers(1, 10**9)) if pts else 0
        pts += (start + np.cumsum([0, *steps])).tolist()
        keys += [True] + [False] * len(steps)
    settled = settle(packets(list(pts), list(pts), keys), None, TICK)
    assert (np.diff(settled.pts) > 0).all()
    assert settled.ours == (len(pieces) > 1)
    at = 0
    for steps in pieces:
        inside = settled.pts[at : at + len(steps) + 1]
        assert np.diff(inside).tolist() == steps
        at += len(steps) + 1


@given(st.permutations(range(12)), st.booleans())
def test_missing_times_are_counted_in_display_order(order: list[int], with_dts: bool) -> None:
    rank = np.array(order)
    dts = [100 + 40 * i for i in range(12)] if with_dts else [None] * 12
    settled = settle(packets([None] * 12, dts, [True] * 12), rank, TICK)
    assert np.argsort(settled.pts).tolist() == np.argsort(rank).tolist()
    assert settled.counted != with_dts
    assert settled.ours
    assert sorted(settled.pts.tolist()) == (dts if with_dts else list(range(12)))


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(1, 30))
def test_gop_runs_tile_the_index(keys: list[bool], at_most: int) -> None:
    index = FrameIndex(np.arange(len(keys)), np.array(keys, bool))
    runs = gop_runs(index, at_most)
    assert [n for first, stop in runs for n in range(first, stop)] == list(range(len(keys)))
    assert all(first == 0 or keys[first] for first, _ in runs)
    for first, stop in runs:
        assert stop - first <= at_most or not any(keys[first + 1 : stop])


@given(TICKS, NS, st.lists(st.integers(0, 2**42), min_size=1, max_size=20), st.integers(0, 2**41))
def test_times_of_many_frames_equal_those_of_each(
    tick_s: Fraction, start_ns: int, ticks: list[int], first_pts: int
) -> None:
    ticks = [min(t, int(10**18 / (tick_s * 10**9))) for t in ticks]
    one = segment(stamped_start_ns=start_ns, first_pts=first_pts, tick_s=tick_s)
    pts = np.array([first_pts + t for t in ticks])
    assert stamped_ns(one, pts).tolist() == [one.stamped_ns(p) for p in pts.tolist()]


FIXES = st.lists(
    st.builds(
        lambda start, length, offset, drift: ClockFix(
            "C01", Span(start, start + length), offset, 10**9, "operator", drift
        ),
        st.integers(10**18, 10**18 + 10**13),
        st.integers(0, 10**13),
        st.integers(-(10**12), 10**12),
        st.integers(-100_000, 100_000),
    ),
    max_size=4,
)


@given(FIXES, st.lists(st.integers(0, 90_000 * 10_000), min_size=1, max_size=20))
def test_corrected_times_of_many_frames_equal_those_of_each(
    fixes: list[ClockFix], ticks: list[int]
) -> None:
    one = segment(stamped_start_ns=10**18)
    utc, sigma = utc_ns(one, np.array(ticks), fixes)
    assert list(zip(utc.tolist(), sigma.tolist(), strict=True)) == [
        one.utc(t, fixes) for t in ticks
    ]


@given(st.integers(10**18, 10**18 + 10**12), st.integers(1, 10**12), st.integers(-(10**11), 10**11))
def test_a_fix_as_long_as_a_file_moves_both_its_ends(start: int, length: int, offset: int) -> None:
    stamped = Span(start, start + length)
    fixes = [ClockFix("C01", stamped, offset, 1, "operator")]
    assert correct_span(stamped, fixes) == Span(start + offset, start + length + offset)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8),
    st.integers(1, 10**6),
)
def test_the_grid_holds_what_the_spans_hold(pairs: list[tuple[int, int]], step: int) -> None:
    step = max(step, 1000)
    spans = [Span(min(p), max(p)) for p in pairs]
    grid = coverage_grid({"C": spans}, Span(0, 10**6), step)
    total = sum(s.duration_ns for s in union(spans))
    assert abs(float(grid.recorded.astype("float64").sum()) * step - total) <= 1 + total * 1e-4
    assert ((grid.recorded >= 0) & (grid.recorded <= 1)).all()


@given(st.lists(st.integers(0, 2**50), max_size=30))
def test_the_typical_interval_is_never_less_than_a_tick(pts: list[int]) -> None:
    assert typical_interval(np.array(pts, np.int64)) >= 1
