"""The sightings lake: idempotent, whole under several processes, pruned, closed to categories."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import store_processes
from make.rows import START_NS, fix, index, segment, sha, sighting_row, sightings_table
from make.store_processes import paused_at_flush

from workbench.errors import BadInput, Damaged
from workbench.records import SIGHTINGS
from workbench.store import Store
from workbench.store.lake import TIMES
from workbench.timeline import SECOND_NS, Span

DAY_NS = 86_400 * SECOND_NS
MIDNIGHT_NS = START_NS // DAY_NS * DAY_NS


def ids(table: pa.Table) -> list[str]:
    return table["sighting_id"].to_pylist()


def spread(count: int = 60) -> pa.Table:
    return sightings_table(store_processes.spread_rows(count))


# --- what goes in comes out -----------------------------------------------------------------------


def test_rows_come_back_as_they_went_in(store: Store) -> None:
    row = sighting_row(plate="99B1-123.45", utc_ns=START_NS + 123_456_789, motion_dx=None)
    table = sightings_table([row, sighting_row(7)])
    assert store.append_sightings(table) == 2
    found = store.sightings()
    assert found.schema.equals(SIGHTINGS, check_metadata=True)
    assert found.to_pylist() == table.to_pylist()
    assert found["utc"].cast(pa.int64())[0].as_py() == START_NS + 123_456_789


def test_an_empty_lake_answers(store: Store) -> None:
    assert store.sightings().schema == SIGHTINGS
    assert store.sightings(columns=["plate"]).schema.names == ["plate"]
    assert store.sightings(ids=["x"], span=Span(0, 1)).num_rows == 0
    assert store.plates().num_rows == 0
    assert store.append_sightings(sightings_table()) == 0


def test_columns_may_come_in_another_order_and_type(store: Store) -> None:
    table = sightings_table([sighting_row(plate="30F-123.45")])
    wide = table.select(list(reversed(table.column_names)))
    wide = wide.set_column(0, "model_ref", wide["model_ref"].cast(pa.large_string()))
    assert store.append_sightings(wide) == 1
    assert store.append_sightings(table) == 0
    assert store.sightings().to_pylist() == table.to_pylist()


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(0, 40), max_size=4), order=st.randoms(use_true_random=False))
def test_any_regrouping_adds_nothing(
    tmp_path_factory: pytest.TempPathFactory, small_ward: Path, cuts: list[int], order: object
) -> None:
    fresh = Store.create(tmp_path_factory.mktemp("lake") / "root", small_ward)
    rows = store_processes.spread_rows(40)
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = [0, *sorted(cuts), 40]
    groups = [shuffled[a:b] for a, b in pairwise(ends)]
    assert sum(fresh.append_sightings(sightings_table(group)) for group in groups) == 40
    files = fresh._lake.files()
    assert fresh.append_sightings(sightings_table(rows)) == 0
    assert fresh._lake.files() == files
    assert fresh.sightings().to_pylist() == sightings_table(rows).to_pylist()


def test_a_part_of_known_rows_adds_the_rest(store: Store) -> None:
    rows = store_processes.spread_rows(30)
    assert store.append_sightings(sightings_table(rows[:20])) == 20
    assert store.append_sightings(sightings_table(rows[10:])) == 10
    assert store.sightings().num_rows == 30


def test_a_repeated_row_counts_once_and_two_rows_of_one_id_are_refused(store: Store) -> None:
    row = sighting_row()
    assert store.append_sightings(sightings_table([row, row])) == 1
    other = row | {"score": 0.1, "sighting_id": "other"}
    with pytest.raises(BadInput, match="two different sightings have the same sighting_id"):
        store.append_sightings(sightings_table([other, other | {"score": 0.2}]))


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        "name", "race", "gender", "age", "emotion", "risk", "embedding", "face_embedding",
        "personName", "risk_score", "Ethnicity", "estimated_ages", "identity", "face_id",
    ],
)  # fmt: skip
def test_a_column_about_a_person_is_refused_by_name(store: Store, column: str) -> None:
    table = sightings_table([sighting_row()]).append_column(column, pa.array([0.5]))
    with pytest.raises(BadInput, match=f"may not carry {column}") as refused:
        store.append_sightings(table)
    assert "refused on purpose" in str(refused.value)
    assert store._lake.files() == []


@pytest.mark.parametrize("column", ["image", "stage", "pts2", "average_speed"])
def test_any_other_column_is_refused_too(store: Store, column: str) -> None:
    table = sightings_table([sighting_row()]).append_column(column, pa.array([0.5]))
    with pytest.raises(BadInput, match=f"the table of sightings has no column {column}"):
        store.append_sightings(table)


def test_our_own_columns_pass_the_forbidden_words() -> None:
    from workbench.store.sightings import refuse_columns

    refuse_columns(SIGHTINGS.names)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "suspect"}, "is of an unknown kind. Use one of car, motorcycle"),
        ({"camera_id": "../C01"}, "camera name that cannot name a folder"),
        ({"camera_id": ""}, "camera name that cannot name a folder"),
        ({"score": 1.01}, "a score that is not between 0 and 1"),
        ({"plate_score": float("nan")}, "a plate_score that is not between 0 and 1"),
        ({"first_pts": 10**9}, "has first_pts after pts"),
        ({"last_pts": 0}, "has pts after last_pts"),
        ({"track_box": [1.0, 2.0]}, "not four track_box numbers"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_sighting(
    store: Store, changes: dict[str, object], sentence: str
) -> None:
    rows = [sighting_row(1), sighting_row(2, **changes)]
    with pytest.raises(BadInput, match=sentence.replace(".", r"\.")) as refused:
        store.append_sightings(sightings_table(rows))
    assert rows[1]["sighting_id"] in str(refused.value)
    assert store.sightings().num_rows == 0


def test_missing_empty_mistyped_and_doubled_columns(store: Store) -> None:
    table = sightings_table([sighting_row()])
    with pytest.raises(BadInput, match="have no column pts, score"):
        store.append_sightings(table.drop_columns(["pts", "score"]))
    loose = pa.table(table.columns, names=table.column_names)
    empty = loose.set_column(0, "sighting_id", pa.array([None], pa.string()))
    with pytest.raises(BadInput, match="column sighting_id of the sightings has 1 empty values"):
        store.append_sightings(empty)
    at = table.column_names.index("pts")
    text = loose.set_column(at, "pts", pa.array(["twelve"]))
    with pytest.raises(BadInput, match="column pts of the sightings is string and cannot become"):
        store.append_sightings(text)
    with pytest.raises(BadInput, match="have column pts twice"):
        store.append_sightings(loose.append_column("pts", loose["pts"]))
    with pytest.raises(BadInput, match="sightings have no column name"):
        store.sightings(columns=["name"])


# --- queries --------------------------------------------------------------------------------------


def test_each_condition_keeps_what_it_says(store: Store) -> None:
    rows = [
        sighting_row(0, "C01", kind="car", plate="99A-123.45"),
        sighting_row(1, "C02", plate="99B1-123.45"),
        sighting_row(2, "C01", kind="person", segment_sha256=sha("other")),
        sighting_row(3, "C02", plate="99B1-123.45"),
    ]
    store.append_sightings(sightings_table(reversed(rows)))
    every = [row["sighting_id"] for row in rows]
    assert ids(store.sightings()) == every
    assert ids(store.sightings(cameras=["C01"])) == [every[0], every[2]]
    assert ids(store.sightings(cameras=[])) == []
    assert ids(store.sightings(cameras=["C0"])) == []
    assert ids(store.sightings(kinds=["car", "person"])) == [every[0], every[2]]
    assert ids(store.sightings(kinds=[])) == []
    assert ids(store.sightings(ids=[every[3], every[0], "no"])) == [every[0], every[3]]
    assert ids(store.sightings(segment=sha("other"))) == [every[2]]
    assert ids(store.sightings(with_plate=True, cameras=["C02"])) == [every[1], every[3]]
    span = Span(START_NS + SECOND_NS, START_NS + 3 * SECOND_NS)
    assert ids(store.sightings(span=span)) == [every[1], every[2]]
    assert ids(store.sightings(span=Span(START_NS, START_NS))) == []
    two = store.sightings(columns=["utc", "camera_id"], cameras=["C02"])
    assert two.column_names == ["utc", "camera_id"]
    assert two["camera_id"].to_pylist() == ["C02", "C02"]
    assert store.plates().select(["plate", "count"]).to_pylist() == [
        {"plate": "99A-123.45", "count": 1},
        {"plate": "99B1-123.45", "count": 2},
    ]
    assert store.plates(cameras=["C01"])["plate"].to_pylist() == ["99A-123.45"]
    assert store.plates(span=span)["count"].to_pylist() == [1]


def test_a_value_is_never_taken_for_sql(store: Store) -> None:
    store.append_sightings(sightings_table([sighting_row()]))
    for text in ("' OR 1=1 --", "x'; DROP VIEW lake; --"):
        assert store.sightings(segment=text).num_rows == 0
        assert store.sightings(kinds=[text], ids=[text]).num_rows == 0


def test_spans_to_the_nanosecond_and_to_the_ends_of_time(store: Store) -> None:
    at = START_NS + 123_456_789
    store.append_sightings(sightings_table([sighting_row(utc_ns=at)]))
    assert store.sightings(span=Span(at, at + 1)).num_rows == 1
    assert store.sightings(span=Span(at + 1, at + 2)).num_rows == 0
    assert store.sightings(span=Span(at - 1, at)).num_rows == 0
    for always in (Span(0, 2**63 - 1), Span(-(2**63), 2**63), Span(-(2**70), 2**70)):
        assert store.sightings(span=always).num_rows == 1
    assert store.sightings(span=Span(-(2**70), -(2**69))).num_rows == 0
    assert store.sightings(span=Span(2**69, 2**70)).num_rows == 0


def test_only_files_of_the_days_and_cameras_asked_for_are_opened(store: Store) -> None:
    store.append_sightings(spread(60))
    assert len(store._lake.files()) == 6  # three UTC days, two cameras
    day = Span(START_NS // DAY_NS * DAY_NS + DAY_NS, START_NS // DAY_NS * DAY_NS + 2 * DAY_NS)
    (only,) = store._lake.files(["C01"], day)
    assert only.relative_to(store.root / "sightings").parts[:2] == ("day=2026-11-21", "camera=C01")
    expected = store.sightings(cameras=["C01"], span=day).to_pylist()
    assert len(expected) == 10
    for path in store._lake.files():
        if path != only:
            path.write_bytes(b"unreadable")  # would fail the query if it were opened
    assert store.sightings(cameras=["C01"], span=day).to_pylist() == expected
    with pytest.raises(Damaged, match="cannot be read"):
        store.sightings()


def test_time_before_1970_has_its_day(store: Store) -> None:
    store.append_sightings(sightings_table([sighting_row(utc_ns=-1)]))
    assert store._lake.files()[0].parent.parent.name == "day=1969-12-31"
    assert store.sightings(span=Span(-2, 0)).num_rows == 1


# --- files ----------------------------------------------------------------------------------------


def test_the_same_rows_make_the_same_files(store: Store, tmp_path: Path, small_ward: Path) -> None:
    other = Store.create(tmp_path / "other", small_ward)
    table = spread()
    store.append_sightings(table)
    other.append_sightings(table.take(pc.sort_indices(table["sighting_id"])))
    relative = [
        [path.relative_to(s.root).as_posix() for path in s._lake.files()] for s in (store, other)
    ]
    assert relative[0] == relative[1]


def test_an_altered_file_of_sightings_is_found(store: Store) -> None:
    store.append_sightings(spread())
    assert store.check_sightings() == []
    victim = store._lake.files()[3]
    table = pq.read_table(victim)
    plate = table.column_names.index("kind")
    pq.write_table(table.set_column(plate, "kind", pa.array(["car"] * len(table))), victim)
    (found,) = store.check_sightings()
    assert found.where == str(victim)
    assert "not those that were written" in str(found)


# --- corrected times ------------------------------------------------------------------------------


def with_footage(store: Store) -> None:
    """Store 20 s of sightings of C01 around midnight UTC and one of C02, with their segments."""
    for camera_id in ("C01", "C02"):
        clip = segment(
            f"{camera_id}:clip", camera_id, stamped_start_ns=MIDNIGHT_NS - 11 * SECOND_NS
        )
        store.add_segment(clip, index())
    rows = [sighting_row(n, utc_ns=MIDNIGHT_NS + (n - 10) * SECOND_NS) for n in range(20)]
    store.append_sightings(sightings_table([*rows, sighting_row(0, "C02")]))


def utc_ns(store: Store, **conditions: object) -> list[int]:
    return store.sightings(**conditions)["utc"].cast(pa.int64()).to_pylist()  # type: ignore[arg-type]


def test_a_clock_fix_reaches_stored_sightings(store: Store) -> None:
    with_footage(store)
    before = store.sightings(cameras=["C01"])
    other = store.sightings(cameras=["C02"]).to_pylist()
    store.add_clock_fix(fix("C01", offset_ns=5 * SECOND_NS, sigma_ns=2 * SECOND_NS))
    assert store.retime("C01") == 20
    after = store.sightings(cameras=["C01"])
    assert ids(after) == ids(before)
    moved = [at + 5 * SECOND_NS for at in before["utc"].cast(pa.int64()).to_pylist()]
    assert utc_ns(store, cameras=["C01"]) == moved
    assert set(after["sigma_s"].to_pylist()) == {2.0}
    assert after.drop_columns(list(TIMES)).equals(before.drop_columns(list(TIMES)))
    next_day = Span(MIDNIGHT_NS, MIDNIGHT_NS + DAY_NS)
    assert len(utc_ns(store, cameras=["C01"], span=next_day)) == 15  # was 10
    assert store.sightings(cameras=["C02"]).to_pylist() == other
    assert store.retime("C01") == 0
    assert store.append_sightings(before) == 0
    assert store.check_sightings() == []
    assert len(store._lake.files(["C01"])) == 2


def test_times_under_the_same_fixes_do_not_move(store: Store) -> None:
    with_footage(store)
    store.add_clock_fix(fix("C01"))
    files = store._lake.files()
    assert store.retime("C01") == 0
    assert store._lake.files() == files
    assert store.retime("C09") == 0


# Flushes: a file and its folder, for two days; 5 is of the journal's bytes, 6 of it in place.
@pytest.mark.parametrize(("turn", "moved"), [(1, False), (5, False), (6, True)])
def test_a_rewriter_killed_anywhere_leaves_old_or_new(store: Store, turn: int, moved: bool) -> None:
    with_footage(store)
    before = utc_ns(store, cameras=["C01"])
    store.add_clock_fix(fix("C01", offset_ns=5 * SECOND_NS))
    with paused_at_flush(store.root, "retime", turn) as writer:
        writer.kill()
    expected = [at + 5 * SECOND_NS * moved for at in before]
    assert utc_ns(store, cameras=["C01"]) == expected
    assert store.retime("C01") == (0 if moved else 20)
    assert utc_ns(store, cameras=["C01"]) == [at + 5 * SECOND_NS for at in before]
    assert store.check_sightings() == []
    assert [path.name for path in (store.root / "sightings").iterdir() if path.is_file()] == []


def test_a_swap_broken_off_in_the_middle_is_finished_by_a_reader(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_footage(store)
    expected = [at + 5 * SECOND_NS for at in utc_ns(store, cameras=["C01"])]
    store.add_clock_fix(fix("C01", offset_ns=5 * SECOND_NS))
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".parquet":
            raise InterruptedError
        real(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(InterruptedError):
            store.retime("C01")
    assert len(store._lake.files(["C01"])) == 4  # old and new
    assert utc_ns(store, cameras=["C01"]) == expected
    assert len(store._lake.files(["C01"])) == 2


# --- many small files -----------------------------------------------------------------------------


def test_many_small_files_of_a_day_become_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.store.lake._CROWD", 3)
    rows = [sighting_row(n, f"C{n % 2:02d}") for n in range(20)]
    for row in rows:
        assert store.append_sightings(sightings_table([row])) == 1
        assert len(store._lake.files()) <= 6
    assert store.sightings().to_pylist() == sightings_table(rows).to_pylist()
    assert store.append_sightings(sightings_table(rows)) == 0
    assert store.check_sightings() == []


def test_a_row_under_an_older_clock_is_known_on_any_day(store: Store) -> None:
    with_footage(store)
    before = store.sightings()
    store.add_clock_fix(fix("C01", offset_ns=-400 * DAY_NS))
    assert store.retime("C01") == 20
    assert store.append_sightings(before) == 0  # a worker that began before the fix ends now
    assert store.sightings().num_rows == before.num_rows


# --- several processes ----------------------------------------------------------------------------


def test_writers_and_a_reader_at_once(store: Store) -> None:
    # Ranges overlap: every row is offered by two processes, in other groupings.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        tasks = [
            pool.submit(store_processes.append_rows, store.root, first, first + 60, batch)
            for first, batch in ((0, 7), (30, 11), (60, 5), (0, 30), (90, 30))
        ]
        seen = [0]
        while not all(task.done() for task in tasks):
            found = store.sightings()
            assert len(set(ids(found))) == found.num_rows
            assert found.num_rows >= seen[-1]
            seen.append(found.num_rows)
    assert sum(task.result() for task in tasks) == 150
    assert store.sightings().num_rows == 150
    assert store.check_sightings() == []


# Flush 1 is of the first file's bytes, before its new name; 2 of its folder, after it.
@pytest.mark.parametrize(("turn", "visible"), [(1, 0), (2, 50)])
def test_a_killed_writer_leaves_no_half_file_and_no_lock(
    store: Store, turn: int, visible: int
) -> None:
    with paused_at_flush(store.root, "sightings", turn) as writer:
        assert store.sightings().num_rows == visible  # readers do not wait for a writer
        writer.kill()
    assert store.sightings().num_rows == visible
    rows = sightings_table(sighting_row(n) for n in range(50))
    assert store.append_sightings(rows) == 50 - visible
    assert store.sightings().num_rows == 50
    assert list((store.root / "sightings").rglob(".workbench-tmp-*")) == []
