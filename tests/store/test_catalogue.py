"""Segments, clock fixes, cases, searched spans and progress come back as they went in."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.rows import START_NS, case, fix, index, segment, sha

from workbench.errors import BadInput
from workbench.records import FrameIndex, Progress
from workbench.store import Searched, Store
from workbench.timeline import SECOND_NS, Span


def test_segment_and_index_round_trip(store: Store) -> None:
    strange = segment(
        "odd",
        first_pts=-9000,
        stop_pts=2**62,
        tick_s=Fraction(1001, 30_000),
        time_base=Fraction(1, 90_000),
        notes=("khung hình bị mất", "b"),
        stamped_start_ns=-5,
        path="archive/C01/odd.avi",
    )
    frames = FrameIndex(np.array([-9000, 0, 2**62 - 1]), np.array([True, False, True]), True)
    assert store.add_segment(strange, frames)
    assert store.segments() == [strange]
    read = store.frame_index(strange.sha256)
    assert read.pts.dtype == np.int64
    assert read.pts.tolist() == frames.pts.tolist()
    assert read.is_key.tolist() == [True, False, True]
    assert read.ordinal
    assert store.file(strange) == store.root / "archive" / "C01" / "odd.avi"


def test_numpy_integers_are_taken(store: Store) -> None:
    pts = np.array([900, 1800])
    one = segment(first_pts=pts[0], stop_pts=pts[1])
    store.add_segment(one, index())
    assert type(store.segments()[0].first_pts) is int
    store.add_clock_fix(fix(offset_ns=pts[0]))
    store.set_progress("j", Progress(pts[0], pts[1], "ticks"), 1)
    store.mark_searched(one.sha256, pts[0], pts[1], "m")
    assert store.searched()[0].first_pts == 900
    assert store.clock_fixes("C01")[0].offset_ns == 900


def test_segment_is_added_once_and_never_changed(store: Store) -> None:
    assert store.add_segment(segment(), index())
    assert not store.add_segment(segment(), index())
    for changes, match in (
        ({"camera_id": "C02"}, "already archived as footage of camera C01, not C02"),
        ({"stamped_start_ns": START_NS + 1}, "state the difference as a clock fix"),
        ({"tick_s": Fraction(1, 25)}, "ticks of 1/90000 s, not 1/25 s"),
    ):
        with pytest.raises(BadInput, match=match.replace("/", "."), check=_no_placeholder):
            store.add_segment(replace(segment(), **changes), index())
    assert store.segments() == [segment()]


def _no_placeholder(error: BaseException) -> bool:
    return "{" not in str(error)


def test_segments_come_by_camera_then_start(store: Store) -> None:
    made = [
        segment("b", "C02"),
        segment("late", "C01", stamped_start_ns=START_NS + 60 * SECOND_NS),
        segment("early", "C01"),
    ]
    for one in made:
        store.add_segment(one, index())
    assert store.segments() == [made[2], made[1], made[0]]
    assert store.segments(["C01"]) == [made[2], made[1]]
    assert store.segments(["C02", "C09"]) == [made[0]]
    assert store.segments([]) == []


def test_segment_by_prefix(store: Store) -> None:
    twins = [segment("x", sha256="abcd1234" + "0" * 56), segment("y", sha256="abcd1234" + "f" * 56)]
    for one in twins:
        store.add_segment(one, index())
    assert store.segment("ABCD12340") == twins[0]
    assert store.segment(twins[1].sha256) == twins[1]
    with pytest.raises(BadInput, match="more than one segment begins with abcd1234"):
        store.segment("abcd1234")
    for unknown in ("abcd123", "", "99999999", "abcd1234%", "zzzzzzzz", "_" * 64):
        with pytest.raises(BadInput, match="no segment"):
            store.segment(unknown)


def test_clock_fixes_oldest_first_and_a_repeat_of_the_newest_adds_none(store: Store) -> None:
    first, second = fix(offset_ns=1), fix(offset_ns=-2, drift_ppb=-7, method="overlay", note="đo")
    for one in (first, first, second, second, first):
        store.add_clock_fix(one)
    store.add_clock_fix(fix("C02"))
    assert store.clock_fixes("C01") == [first, second, first]
    assert store.clock_fixes("C02") == [fix("C02")]
    assert store.clock_fixes("C03") == []


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    offset=st.integers(-(2**62), 2**62),
    start=st.integers(-(2**62), 2**61),
    length=st.integers(0, 2**61),
    note=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_any_clock_fix_round_trips(
    store: Store, offset: int, start: int, length: int, note: str
) -> None:
    one = fix("C77", offset_ns=offset, valid=Span(start, start + length), note=note)
    store.add_clock_fix(one)
    assert store.clock_fixes("C77")[-1] == one


def test_case_versions_are_kept(store: Store) -> None:
    opened = case(cameras=("C01", "C02"), training=True)
    closed = replace(opened, closed=True)
    for one in (opened, opened, closed):
        store.put_case(one)
    older = case("02/2026", opened_at_ns=START_NS - 1)
    store.put_case(older)
    assert store.case("01/2026") == closed
    assert store.cases() == [older, closed]
    assert store.case_versions("01/2026") == [opened, closed]
    with pytest.raises(BadInput, match="no case 03/2026"):
        store.case("03/2026")


@pytest.mark.parametrize("statement", ["UPDATE cases SET cameras = '[]'", "DELETE FROM cases"])
def test_case_versions_refuse_change(store: Store, statement: str) -> None:
    store.put_case(case())
    with (
        pytest.raises(sqlite3.IntegrityError, match="versions of a case are kept"),
        store._catalogue.write() as db,
    ):
        db.execute(statement)
    assert store.case_versions("01/2026") == [case()]


def test_searched_a_failure_gives_way_and_a_success_stays(store: Store) -> None:
    a, b = sorted((sha("a"), sha("b")))
    store.mark_searched(b, 0, 10, "m1")
    store.mark_searched(a, 10, 20, "m1", failure="worker died")
    assert store.searched()[0] == Searched(a, 10, 20, "m1", "worker died")
    store.mark_searched(a, 10, 20, "m1")
    store.mark_searched(a, 10, 20, "m1", failure="worker died again")
    store.mark_searched(a, 10, 20, "m2", failure="unreadable")
    assert store.searched(segment=a) == [
        Searched(a, 10, 20, "m1"),
        Searched(a, 10, 20, "m2", "unreadable"),
    ]
    assert store.searched(model_ref="m1") == [Searched(a, 10, 20, "m1"), Searched(b, 0, 10, "m1")]


def test_progress_what_was_said_later_stands(store: Store) -> None:
    late = Progress(2.5, 10, "s", "đang tìm", ("clip 3: không đọc được",))
    store.set_progress("recognise", late, 200)
    store.set_progress("recognise", Progress(1, 10, "s"), 100)
    store.set_progress("ingest", Progress(1, 1, "files"), 300)
    assert store.progress() == {
        "ingest": (Progress(1, 1, "files"), 300),
        "recognise": (late, 200),
    }
    assert list(store.progress()) == ["ingest", "recognise"]


def test_a_failing_write_leaves_nothing(store: Store) -> None:
    both = "INSERT INTO progress VALUES ('j', ?, 1, 's', '', '[]', 1)"
    with (
        pytest.raises(sqlite3.IntegrityError, match="UNIQUE"),
        store._catalogue.write() as db,
    ):
        db.executemany(both, [(1,), (2,)])
    assert store.progress() == {}


def test_a_writer_has_its_turn_before_it_reads(store: Store) -> None:
    # Else two of them could read, and the second to write would fail instead of waiting.
    with (
        store._catalogue.write(),
        closing(sqlite3.connect(store._catalogue.path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_threads_share_a_store(store: Store) -> None:
    def work(number: int) -> None:
        for step in range(10):
            store.set_progress(f"job {number}", Progress(step, 9, "s"), step)
            store.add_clock_fix(fix(f"C{number:02d}", offset_ns=step))
            assert store.clock_fixes(f"C{number:02d}")[-1].offset_ns == step

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {job: said.done for job, (said, _) in store.progress().items()} == {
        f"job {number}": 9 for number in range(4)
    }
    assert [len(store.clock_fixes(f"C{number:02d}")) for number in range(4)] == [10] * 4
