"""A question about a day reads that day: the same answers as from everything, by an index."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.rows import FRAME_TICKS, fix, index, segment, sha

from workbench.store import Store, upkeep
from workbench.store.catalogue import _BY_START, _LENGTH_S
from workbench.timeline import SECOND_NS, Span, correct, stamped_spans, union

S = SECOND_NS
instants = st.integers(-100_000, 100_000)
spans = st.tuples(instants, st.integers(0, 50_000)).map(lambda pair: Span(pair[0], sum(pair)))
fixes = st.builds(
    lambda valid, offset, drift: fix(valid=valid, offset_ns=offset, drift_ppb=drift),
    spans,
    instants,
    st.sampled_from([0, 0, 7, -7, 10**8, -(10**8), 3 * 10**9, -(10**9), -(2 * 10**9)]),
)


@given(spans, st.lists(fixes, max_size=4), st.lists(instants, min_size=1, max_size=30))
def test_no_stamped_instant_is_left_out(span, known, stamps):
    wanted = stamped_spans(span, known)
    for stamped in stamps:
        if correct(stamped, known)[0] in span:
            assert any(stamped in one for one in wanted)


def seconds(start, stop):
    return Span(round(start * S), round(stop * S))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_span_gives_every_file_that_holds_an_instant_of_it(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("bounds")
    (folder / "tables").mkdir()
    store = Store.create(folder / "root", folder / "tables")
    cameras = ("C1", "C2", "C3")
    for number in range(data.draw(st.integers(0, 12))):
        length = data.draw(st.sampled_from([1, 30, 600]))
        made = segment(
            number,
            data.draw(st.sampled_from(cameras)),
            stamped_start_ns=data.draw(st.integers(0, 2000)) * S,
            stop_pts=length * 10 * FRAME_TICKS,
        )
        store._catalogue.add_segment(made)
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, 2000))
        store.add_clock_fix(
            fix(
                data.draw(st.sampled_from(cameras)),
                valid=seconds(start, start + data.draw(st.integers(1, 2000))),
                offset_ns=data.draw(st.integers(-3000, 3000)) * S,
                drift_ppb=data.draw(st.sampled_from([0, 50_000, -50_000])),
            )
        )
    start = data.draw(st.integers(-3000, 4000))
    span = seconds(start, start + data.draw(st.integers(1, 500)))
    known = {camera: store.clock_fixes(camera) for camera in cameras}
    every = store.segments()
    assert store._catalogue.cameras() == sorted({one.camera_id for one in every})
    holding, near = set(), set()
    for one in every:
        fixed = known[one.camera_id]
        if one.utc_span(fixed).overlap(span):
            near.add(one.sha256)
        # corrected time is linear between whole seconds here: its ends tell
        first, last = one.stamped.start_ns // S, one.stamped.stop_ns // S
        for second in range(first, last):
            low = correct(second * S, fixed)[0]
            high = correct((second + 1) * S - 1, fixed)[0]
            if low < span.stop_ns and high >= span.start_ns:
                holding.add(one.sha256)
    for asked in (None, ["C1"], ["C3", "C2"]):
        found = store.segments(asked, span)
        names = {one.sha256 for one in found}
        ours = {one.sha256 for one in every if asked is None or one.camera_id in asked}
        # where two fixes meet inside a file its time leaps, and it may hold nothing in between
        assert holding & ours <= names <= near & ours
        assert found == [one for one in every if one.sha256 in names]
    for join_ns in (0, S // 5):
        joined = store.upkeep.stamped(cameras, span, join_ns=join_ns)
        for camera, covered in store.upkeep.stamped(cameras, span).items():
            assert union(joined[camera], join_ns=join_ns) == union(covered, join_ns=join_ns)
            assert len(joined[camera]) <= len(covered)
    for camera, covered in store.upkeep.stamped(cameras, span).items():
        own = [one.stamped for one in every if one.camera_id == camera]
        assert {one for one in own if one.overlap(span)} <= set(covered) <= set(own)
        before = [one for one in own if one.start_ns < span.start_ns]
        assert not before or max(before, key=lambda one: one.start_ns).start_ns in {
            one.start_ns for one in covered
        }
    for camera in cameras:
        inside = store.clock_fixes(camera, span)
        assert inside == [one for one in known[camera] if one.valid.overlap(span)]


def test_the_search_in_time_goes_by_an_index(store: Store) -> None:
    queries = {
        f"SELECT sha256 {_BY_START}": ("C1", 0, 1),
        f"SELECT {_LENGTH_S} FROM segments WHERE camera_id = ? ORDER BY {_LENGTH_S} DESC LIMIT 1": (
            "C1",
        ),
        "SELECT sha256 FROM segments WHERE size_bytes = ?": (1,),
    }
    with store._catalogue.read() as db:
        for query, values in queries.items():
            steps = {row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)}
            (step,) = {step for step in steps if not step.startswith("USE TEMP B-TREE FOR")}
            assert step.startswith("SEARCH segments USING"), step


def test_an_index_of_an_earlier_workbench_is_still_found(store: Store) -> None:
    store.add_segment(segment(), index())
    path = store.index_path(sha("clip"))
    assert path.parent.name == sha("clip")[:2]
    flat = store.root / "index" / path.name
    path.rename(flat)
    assert store.index_path(sha("clip")) == flat
    assert len(store.frame_index(sha("clip"))) == 600


def test_health_opens_only_the_days_asked_for(store: Store) -> None:
    day_ns = 86_400 * S
    table = pa.table({"at_ns": [1]})
    for day in range(5):
        store.upkeep.append_health(table, 1_795_133_700 * S + day * day_ns)
    # a day that is not asked for is not even opened
    for path in sorted(Path(store.root / "health").glob("*/*"))[3:]:
        path.write_bytes(b"no table")
    first = 1_795_133_700 * S
    unread: dict[str, str] = {}
    assert len(store.upkeep.health(Span(first, first + day_ns), unread=unread)) == 2
    assert len(unread) == 0
    store.upkeep.health(Span(first, 2**63 - 1), unread=unread)
    assert len(unread) == 2


def test_health_of_one_camera_leaves_the_others_unread(store: Store) -> None:
    first = 1_795_133_700 * S
    table = pa.table(
        {
            "camera_id": ["A", "B", "A"],
            "at_ns": [first, first, first + 9 * S],
            "fps": [1.0, 2.0, 3.0],
        }
    )
    store.upkeep.append_health(table, first + 10 * S)
    (found,) = store.upkeep.health(Span(first, first + 9 * S), ["A"], ["fps"])
    assert found.to_pydict() == {"at_ns": [first], "camera_id": ["A"], "fps": [1.0]}
    (every,) = store.upkeep.health(Span(first, first + 10 * S))
    assert every.num_rows == 3


HOUR = 3600 * S
NINE = 1_795_132_800 * S  # on the hour


def health_hours(store: Store, hours: int = 3, each: int = 4) -> list[dict]:
    """Write checks of two cameras, some files an hour, and return them as they are told."""
    told = []
    for at_ns in range(NINE, NINE + hours * HOUR, HOUR // each):
        rows = [
            {"camera_id": name, "at_ns": at_ns - n * S, "faults": ["dark"] * n}
            for n, name in enumerate(("B", "A"))
        ]
        store.upkeep.append_health(pa.Table.from_pylist(rows), at_ns)
        told += rows
    return told


def as_told(store: Store, span: Span, cameras=None) -> list[dict]:
    found = [row for table in store.upkeep.health(span, cameras) for row in table.to_pylist()]
    return sorted(found, key=lambda row: (row["at_ns"], row["camera_id"]))


ALL = Span(NINE - HOUR, NINE + 90 * HOUR)


def test_hours_that_are_over_become_one_file_and_say_the_same(store: Store) -> None:
    health_hours(store)
    before = as_told(store, ALL)
    (day,) = (store.root / "health").iterdir()
    assert store.upkeep.join_health(NINE + 2 * HOUR + S) == 2
    names = [path.name for path in day.iterdir()]
    assert (len(names), sum("-" in name for name in names)) == (2 + 4, 2)
    assert as_told(store, ALL) == before
    one = Span(NINE + HOUR, NINE + HOUR + 1)
    assert as_told(store, one) == [row for row in before if row["at_ns"] in one]
    assert as_told(store, ALL, ["A"]) == [row for row in before if row["camera_id"] == "A"]
    assert store.upkeep.join_health(NINE + 2 * HOUR + S) == 0


def test_a_camera_is_read_alone_from_a_joined_hour(store: Store) -> None:
    health_hours(store)
    store.upkeep.join_health(NINE + 9 * HOUR)
    path = min((store.root / "health").glob("*/*-*.parquet"))
    asked = (["A"], ["B"], ["C"], None)
    found = [upkeep._groups(pq.ParquetFile(path), names) for names in asked]
    assert found == [[0], [1], [], [0, 1]]


def test_a_kill_while_joining_neither_loses_nor_doubles_a_check(store: Store, monkeypatch) -> None:
    health_hours(store)
    before = as_told(store, ALL)

    def killed(*_given, **_how):
        raise KeyboardInterrupt

    for step in ("replace", "unlink"):
        with monkeypatch.context() as patched:
            patched.setattr(Path, step, killed)
            with pytest.raises(KeyboardInterrupt):
                store.upkeep.join_health(NINE + 9 * HOUR)
        assert as_told(store, ALL) == before, step
    # and a check that a clock set back puts among them is neither
    late = pa.Table.from_pylist([{"camera_id": "A", "at_ns": NINE + 7 * S, "faults": []}])
    store.upkeep.append_health(late, NINE + 8 * S)
    assert len(as_told(store, ALL)) == len(before) + 1
    while store.upkeep.join_health(NINE + 9 * HOUR):
        pass
    assert len(as_told(store, ALL)) == len(before) + 1
    assert not [path for path in (store.root / "health").glob("*/*") if "-" not in path.stem]


def test_a_file_that_goes_while_it_is_read_is_found_where_it_went(
    store: Store, monkeypatch
) -> None:
    health_hours(store)
    before, plain = as_told(store, ALL), upkeep._read_each_once

    def joined_meanwhile(*asked):
        monkeypatch.setattr(upkeep, "_read_each_once", plain)
        store.upkeep.join_health(NINE + 9 * HOUR)
        return plain(*asked)

    monkeypatch.setattr(upkeep, "_read_each_once", joined_meanwhile)
    assert as_told(store, ALL) == before


def test_an_archive_of_months_is_joined_little_by_little_and_what_cannot_be_read_is_set_aside(
    store: Store,
) -> None:
    for day in range(4):
        for minute in range(3):
            at_ns = NINE + day * 24 * HOUR + minute * 60 * S
            table = pa.Table.from_pylist([{"camera_id": "A", "at_ns": at_ns, "faults": []}])
            store.upkeep.append_health(table, at_ns)
    broken = min((store.root / "health").glob("*/*.parquet"))
    broken.write_bytes(b"no table")
    now_ns = NINE + 4 * 24 * HOUR
    assert [store.upkeep.join_health(now_ns, most=3) for _ in range(3)] == [3, 1, 0]
    assert len(as_told(store, Span(NINE, now_ns))) == 11
    assert broken.with_suffix(".unreadable").exists()


def test_a_file_spoilt_inside_is_set_aside_and_one_of_a_failing_disk_is_not(
    store: Store, monkeypatch
) -> None:
    health_hours(store)
    count = len(as_told(store, ALL))
    spoilt, other = sorted((store.root / "health").glob("*/*.parquet"))[:2]
    lost = pq.read_metadata(spoilt).num_rows
    data = bytearray(spoilt.read_bytes())
    data[60:84] = bytes(24)  # its ends are whole: what a power cut may leave
    spoilt.write_bytes(data)
    read = pq.read_table

    def failing(path):
        if path == other:
            raise OSError(errno.EIO, "Input/output error")
        return read(path)

    with monkeypatch.context() as patched:
        patched.setattr(upkeep.pq, "read_table", failing)
        store.upkeep.join_health(NINE + 9 * HOUR)
    assert other.exists()
    assert len(as_told(store, ALL)) == count - lost
    while store.upkeep.join_health(NINE + 9 * HOUR):
        pass
    assert spoilt.with_suffix(".unreadable").exists()
    assert len(as_told(store, ALL)) == count - lost


@pytest.mark.parametrize("what", ["garbage", "inside", "other table", "disk", "joined"])
def test_a_spoilt_file_is_left_out_and_named_and_the_rest_is_read(
    store: Store, monkeypatch, what: str
) -> None:
    health_hours(store)
    before = as_told(store, ALL)
    if what == "joined":
        store.upkeep.join_health(NINE + HOUR)
    spoilt = min((store.root / "health").glob("*/*.parquet"))
    lost = pq.read_table(spoilt)
    data = bytearray(spoilt.read_bytes())
    if what == "inside":
        data[60:84] = bytes(24)
        spoilt.write_bytes(data)
    elif what == "other table":
        pq.write_table(pa.table({"x": [1]}), spoilt)
    elif what == "disk":
        plain = pq.ParquetFile

        def open_file(path):
            if path == spoilt:
                raise OSError(errno.EIO, "Input/output error")
            return plain(path)

        monkeypatch.setattr(upkeep.pq, "ParquetFile", open_file)
    else:
        spoilt.write_bytes(b"no table")
    (spoilt.parent / "notes.parquet").write_bytes(b"nobody's")
    unread: dict[str, str] = {}
    found = [row for table in store.upkeep.health(ALL, unread=unread) for row in table.to_pylist()]
    assert len(found) == len(before) - lost.num_rows
    assert list(unread) == [str(spoilt)]
    assert all(unread.values())


def test_a_spoilt_hour_stops_no_later_hour_from_being_joined(store: Store) -> None:
    health_hours(store)
    (day,) = (store.root / "health").iterdir()
    spoilt = day / f"{NINE}-{NINE + 1}.parquet"
    spoilt.write_bytes(b"no table")
    before = as_told(store, ALL)
    assert store.upkeep.join_health(NINE + 9 * HOUR) == 3
    assert as_told(store, ALL) == before
    assert store.upkeep.spoilt_health() == [spoilt.with_suffix(".unreadable")]


def test_a_joined_hour_that_is_spoilt_later_is_set_aside_when_the_next_hour_is_joined(
    store: Store,
) -> None:
    health_hours(store)
    assert store.upkeep.join_health(NINE + HOUR) == 1
    (joined,) = (store.root / "health").glob("*/*-*.parquet")
    data = bytearray(joined.read_bytes())
    data[60:84] = bytes(24)  # its parts are gone, and no later joining of this hour comes by
    joined.write_bytes(data)
    assert store.upkeep.spoilt_health() == []
    assert store.upkeep.join_health(NINE + 2 * HOUR + S) == 1
    assert store.upkeep.spoilt_health() == [joined.with_suffix(".unreadable")]
    assert joined.with_suffix(".unreadable").read_bytes() == bytes(data)


def test_files_of_health_of_before_an_instant_go_whole(store: Store) -> None:
    health_hours(store)
    store.upkeep.join_health(NINE + HOUR)
    every = store.upkeep.health_before(NINE + 9 * HOUR)
    assert [one.path.stem.count("-") for one in every] == [1] + [0] * 8
    assert store.upkeep.health_before(NINE + HOUR // 4 * 3) == []  # the joined one is of later too
    (first,) = store.upkeep.health_before(NINE + HOUR)
    assert (first.span.start_ns, first.since_ns) == (NINE - 24 * HOUR, NINE + 45 * 60 * S)
    assert first.size_bytes == first.path.stat().st_size
    store.upkeep.drop_health([first])
    assert [row for row in as_told(store, ALL) if row["at_ns"] < NINE + HOUR - 2 * S] == []
    assert len(as_told(store, ALL)) == 16
    store.upkeep.drop_health(every)
    assert list((store.root / "health").iterdir()) == []


def test_the_size_of_a_month_counts_what_begins_in_it(store: Store) -> None:
    for n in range(4):
        one = segment(f"size {n}", "C1", stamped_start_ns=n * 100 * S, size_bytes=10**n)
        store.add_segment(one, index())
    assert store.upkeep.size_begun(["C1", "C2"], Span(100 * S, 300 * S)) == 110
    assert store.upkeep.size_begun(["C1"], Span(-(2**62), 2**63)) == 1111
