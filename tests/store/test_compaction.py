"""Drops of long ago become a row a camera and day, and everything asked of them stays the same."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3

import pytest
from make.rows import FRAME_TICKS, index, segment

from workbench.store import Store, compaction, journal
from workbench.streams.gaps import JOIN_S
from workbench.timeline import SECOND_NS, Span, format_utc, union

S, DAY = SECOND_NS, 86_400 * SECOND_NS
NOON = 20_000 * DAY + DAY // 2
EVER = Span(0, 2**62)


def drop(store: Store, camera: str, at_ns: int, starts_s, *, why="age", length_s=10):
    """Drop files of a camera that began so many seconds after noon of the day before."""
    made = []
    for start in starts_s:
        one = segment(
            (camera, at_ns, start), camera, stamped_start_ns=at_ns - DAY + round(start * S),
            stop_pts=10 * length_s * FRAME_TICKS,
        )  # fmt: skip
        path = store.root / one.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"film")
        store.add_segment(one, index())
        made.append(one)
    store.keeping.drop(made, why=why, at_ns=at_ns, tell=lambda _said: None)
    return made


def rows(store: Store, table: str):
    with store._catalogue.read() as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def whole(store: Store, cameras=("C01", "C02")):
    """Return what was dropped of each camera, as gaps and reports take it."""
    found = store.keeping.dropped(list(cameras), EVER)
    return {
        camera: union(
            (one.span for one in found if one.camera_id == camera), join_ns=round(JOIN_S * S)
        )
        for camera in cameras
    }


def days_of_drops(store: Store, days: int = 4):
    made = []
    for day in range(days):
        for camera in ("C01", "C02"):
            # two files that follow each other, then a hole of a minute, then one more
            made += drop(store, camera, NOON + day * DAY, (0, 10.1, 80))
        made += drop(store, "C01", NOON + day * DAY + S, (200,), why="disk")
    return made


def test_a_row_a_camera_day_and_reason_says_the_same(store: Store) -> None:
    made = days_of_drops(store)
    before, sizes = whole(store), sum(one.size_bytes for one in made)
    assert store.keeping.compact(NOON + 2 * DAY, NOON + 9 * DAY) == 14
    assert len(rows(store, "dropped")) == 14
    assert len(rows(store, "dropped_days")) == 6
    assert whole(store) == before
    found = store.keeping.dropped(["C01", "C02"], EVER)
    assert sum(one.files for one in found) == len(made)
    assert sum(one.size_bytes for one in found) == sizes
    first = next(row for row in rows(store, "dropped_days") if row[1:3] == ("C01", "age"))
    hashes = sorted(one.sha256 for one in made[:3])
    assert first[11] == hashlib.sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest()
    assert [files for _, _, files, _ in json.loads(first[7])] == [2, 1]
    # a part of a day is asked for as before
    part = Span(made[0].stamped_start_ns + 12 * S, made[0].stamped_start_ns + 13 * S)
    (one,) = store.keeping.dropped(["C01"], part)
    assert (one.files, one.files_in(part)) == (2, 1)
    assert store.keeping.compact(NOON + 2 * DAY, NOON + 9 * DAY) == 0
    # the newest row stays: its number is not given twice
    assert store.keeping.compact(NOON + 90 * DAY, NOON + 99 * DAY) == 13
    assert len(rows(store, "dropped")) == 1
    (again,) = drop(store, "C02", NOON + 99 * DAY, (0,))
    assert max(row[0] for row in rows(store, "dropped")) == len(made) + 1
    assert any(
        not isinstance(line, type(store.root)) and line.row.get("sha256") == again.sha256
        for line in store.journal.lines()
    )


def test_the_span_that_counts_as_whole_is_that_of_the_gaps() -> None:
    assert round(JOIN_S * S) == compaction.WHOLE_NS


def test_the_journal_goes_with_its_rows_and_keeps_every_other_line(store: Store) -> None:
    days_of_drops(store)
    store.keeping.protect([], Span(0, 1), number="1", reason="r", made_by="me", at_ns=NOON)
    path = store.root / "journal" / f"{format_utc(NOON)[:10]}.jsonl"
    with path.open("a") as file:
        file.write('{"table": "dropped", "torn\n')
    (kept,) = (text for text in path.read_text().splitlines() if '"protections"' in text)
    store.keeping.compact(NOON + 2 * DAY, NOON + 9 * DAY)
    assert path.read_text() == kept + '\n{"table": "dropped", "torn\n'
    later = store.root / "journal" / f"{format_utc(NOON + 3 * DAY)[:10]}.jsonl"
    assert later.read_text().count('"table": "dropped"') == 7


@pytest.mark.parametrize("where", ["first group", "settle", "thin", "one file thinned"])
def test_killed_in_the_middle_the_next_one_carries_on(store: Store, monkeypatch, where) -> None:
    made = days_of_drops(store)
    before = whole(store)

    class Killed(BaseException):
        pass

    def die(*_given, **_more):
        raise Killed

    def after(count, real):
        seen = []

        def act(*given):
            seen.append(1)
            return die() if len(seen) > count else real(*given)

        return act

    with monkeypatch.context() as patch:
        if where == "first group":
            patch.setattr("workbench.store.keeping.put_together", after(1, compaction.put_together))
        elif where == "settle":
            patch.setattr(store.journal, "settle", die)
        elif where == "thin":
            patch.setattr(store.journal, "thin", die)
        else:
            patch.setattr(journal, "_thinned", after(1, journal._thinned))
        with pytest.raises(Killed):
            store.keeping.compact(NOON + 3 * DAY, NOON + 9 * DAY)
    again = Store.open(store.root)
    assert whole(again) == before
    again.keeping.compact(NOON + 3 * DAY, NOON + 9 * DAY)
    assert whole(again) == before
    assert len(rows(again, "dropped")) == 7
    assert sum(row[5] for row in rows(again, "dropped_days")) == len(made) - 7
    told = [line for line in again.journal.lines() if getattr(line, "table", "") == "dropped"]
    assert len(told) == 7


def test_what_is_stuck_waits_and_no_row_goes_that_no_other_stands_for(store: Store) -> None:
    days_of_drops(store)
    with pytest.raises(sqlite3.IntegrityError, match="stays told"), store._catalogue.write() as db:
        db.execute("DELETE FROM dropped WHERE drop_id = 1")
    (one,) = drop(store, "C01", NOON, ()) or drop(store, "C01", NOON + 4 * DAY, (0,))
    bad = store.root / one.path
    bad.mkdir()
    told = {"why": "age", "at_ns": 1, "segments": [], "stuck": [[one.sha256, "C01", one.path, 1]]}
    (store.root / "journal" / "dropping.json").write_text(json.dumps(told))
    assert store.keeping.compact(NOON + 9 * DAY, NOON + 9 * DAY) == 0
    bad.rmdir()
    store.keeping.finish(lambda _said: None)
    assert store.keeping.compact(NOON + 2 * DAY, NOON + 9 * DAY) == 14
    for act in ("DELETE FROM dropped_days", "UPDATE dropped_days SET files = 0"):
        with (
            pytest.raises(sqlite3.IntegrityError, match="stays told"),
            store._catalogue.write() as db,
        ):
            db.execute(act)


def test_random_drops_put_together_at_random_days_leave_no_other_answer(store: Store) -> None:
    rng = random.Random(20261126)
    at_ns = NOON
    for _ in range(25):
        at_ns += rng.randrange(-DAY // 4, DAY)  # clocks are set back, too
        camera = rng.choice(("C01", "C02"))
        drop(store, camera, at_ns, [rng.uniform(0, 300) for _ in range(rng.randrange(1, 4))])
    before = whole(store)
    count = len(rows(store, "dropped"))
    while at_ns > NOON:
        at_ns -= rng.randrange(DAY * 4)
        store.keeping.compact(at_ns, at_ns)
        assert whole(store) == before
        together = sum(row[5] for row in rows(store, "dropped_days"))
        assert together + len(rows(store, "dropped")) == count
