"""The audit chain: append-only, unbroken under several processes, and a cut is never lost."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from make import store_processes
from make.rows import sighting_row, sightings_table
from make.store_processes import paused_at_flush

from workbench.cases import check_chain
from workbench.store import Store

REST = "action, subject, case_id, reason, details, prev_sha256, sha256"


def append(store: Store, count: int) -> None:
    for number in range(count):
        store.append_audit(at_ns=number, actor="a", action="view", subject=f"C{number}")


def tamper(store: Store, *statements: str) -> None:
    """Do what somebody with the file and an SQLite shell can do."""
    db = sqlite3.connect(store.root / "catalogue.sqlite", isolation_level=None)
    for name in ("audit_keeps", "audit_stays", "audit_follows"):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    for statement in statements:
        db.execute(statement)
    db.close()


def findings(store: Store) -> list[str]:
    return check_chain(*store.audit_with_head())


def test_entries_come_back_chained(store: Store) -> None:
    entry = store.append_audit(
        at_ns=5,
        actor="an",
        action="search.plate",
        subject="99B1-*",
        case_id="01/2026",
        reason="tìm xe máy",
        details={"z": 1, "a": Path("x"), "ghi chú": None},
    )
    second = store.append_audit(at_ns=4, actor="an", action="view", subject="C01")
    assert store.audit() == [entry, second]
    assert (entry.seq, second.seq) == (1, 2)
    assert second.prev_sha256 == entry.sha256
    assert json.loads(entry.details) == {"a": "x", "ghi chú": None, "z": 1}
    assert findings(store) == []


def test_half_a_surrogate_from_a_browser_is_recorded(store: Store) -> None:
    store.append_audit(at_ns=1, actor="a", action="b", subject="x\ud800", details={"k": "\ud800"})
    assert store.audit()[0].subject == "x?"
    assert findings(store) == []


def test_the_empty_ledger_is_whole(store: Store) -> None:
    assert findings(store) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'better' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit",
        f"INSERT OR REPLACE INTO audit SELECT 2, at_ns, 'x', {REST} FROM audit WHERE seq = 2",
        f"INSERT INTO audit SELECT 9, at_ns, 'x', {REST} FROM audit WHERE seq = 3",
        "UPDATE OR REPLACE audit SET seq = 2 WHERE seq = 3",
    ],
)
def test_the_table_refuses(store: Store, statement: str) -> None:
    append(store, 3)
    before = store.audit()
    with (
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
        store._catalogue.write() as db,
    ):
        db.execute(statement)
    assert store.audit() == before


def test_four_processes_append_one_chain(store: Store) -> None:
    # Forked, after this process has used its connections and DuckDB's threads: the hard case.
    append(store, 1)
    store.append_sightings(sightings_table([sighting_row()]))
    store.sightings()
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=store_processes.append_entries, args=(store.root, f"w{n}", 25))
        for n in range(4)
    ]
    for worker in workers:
        worker.start()
    during = [findings(store) for _ in range(5)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    entries = store.audit()
    assert [entry.seq for entry in entries] == list(range(1, 102))
    for n in range(4):
        mine = [entry.subject for entry in entries if entry.actor == f"w{n}"]
        assert mine == [str(number) for number in range(25)]
    assert findings(store) == []
    assert during == [[]] * 5
    assert store.audit_head()[-1].seq == 101


def test_threads_append_one_chain(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: append(store, 5), range(4)))
    assert len(store.audit()) == 20
    assert findings(store) == []


def test_cut_tail_is_found_and_stays_found_after_more_entries(store: Store) -> None:
    append(store, 6)
    tamper(store, "DELETE FROM audit WHERE seq > 4")
    assert check_chain(store.audit()) == []  # without a head it cannot be seen
    (found,) = findings(store)
    assert "ends at entry 4, and entry 6 was written once: it was cut" in found
    append(store, 1)
    assert "entry 6 was written once" in findings(store)[0]
    append(store, 5)
    (found,) = findings(store)
    assert "entry 6 is not the one that was written: the ledger was cut and continued" in found


def test_emptied_ledger_is_found(store: Store) -> None:
    append(store, 2)
    tamper(store, "DELETE FROM audit")
    assert "ends at entry 0" in findings(store)[0]


def test_altered_entry_is_found_in_the_store(store: Store) -> None:
    append(store, 4)
    tamper(store, "UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    assert [f for f in findings(store) if "entry 2 was altered" in f]


@pytest.mark.parametrize("content", [None, "", "{", '{"heads": 3}', '{"heads": []}'])
def test_lost_head_is_a_finding_for_ever(store: Store, content: str | None) -> None:
    append(store, 3)
    head = store.root / "audit-head.json"
    if content is None:
        head.unlink()
    else:
        head.write_text(content)
    for _ in range(3):
        (found,) = findings(store)
        assert "the head of the ledger was missing after entry 3" in found
        append(store, 2)


def test_killed_between_entry_and_head_is_no_fault(store: Store) -> None:
    append(store, 2)
    with paused_at_flush(store.root, "audit", 1) as writer:
        # Entry is in, head is not: nobody else may write a head now, or it would go back later.
        with (store.root / ".locks" / "audit").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        writer.kill()
    assert [entry.actor for entry in store.audit()] == ["a", "a", "killed"]
    assert store.audit_head()[-1].seq == 2
    assert findings(store) == []
    append(store, 1)
    assert findings(store) == []
    assert [head.seq for head in store.audit_head()] == [4]
