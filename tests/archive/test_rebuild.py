"""The catalogue from the disk alone: the same rows; what does not fit is said, nothing made up."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from make.clips import make_clip
from make.rows import case, fix

from workbench import archive
from workbench.cases import check_chain
from workbench.errors import Damaged
from workbench.records import Affected, IncidentRecord, Loss, Task, Wording
from workbench.store import Store, keeping
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
S = SECOND_NS


TASK = Task(START + 2 * S, (Wording("look at {camera}", (("camera", "C1"),)),))


def incident(n: int) -> IncidentRecord:
    return IncidentRecord(
        f"C1@{n}", "lost", START + n * S, (Affected("C1", START + n * S, "stalled"),)
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "tables").mkdir()
    store = Store.create(tmp_path / "root", tmp_path / "tables")
    for number, (name, rate) in enumerate(
        (("a.mp4", None), ("b.ts", Fraction(10)), ("c.h264", Fraction(20)))
    ):
        make_clip(tmp_path / name, 20, first_number=100 * number, bframes=2)
        archive.import_file(
            store, tmp_path / name, camera_id="C1", stamped_start_ns=START + number * S, rate=rate
        )
    for n in range(5):
        store.upkeep.add_loss(Loss("C1", START + n * S, "stalled", f"thing {n}"))
        store.add_clock_fix(fix("C1", offset_ns=n * S))
    store.put_case(case())
    store.keeping.protect(
        ["C1"], Span(0, START), number="TN-7", reason="r", made_by="me", at_ns=START
    )
    store.keeping.lift(1, reason="over", lifted_by="you", at_ns=START + 1)
    book = store.upkeep.incidents
    for n in range(2):
        book.keep(incident(n))
        book.keep(replace(incident(n), probability=0.75, told_ns=START + 2 * S, task=TASK))
    book.acknowledge("C1@0", START + 3 * S, "an", "đang đến")
    book.close("C1@0", START + 9 * S, "an", "plugged in", incident(0).affected)
    for n in range(3):
        store.append_audit(at_ns=n, actor="a", action="view", subject=str(n))
    return store


def rows(path: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {
            name: db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall()
            for name in names
        }


DISK = ("losses", "clock_fixes", "cases", "protections", "lifts", "dropped", "dropped_days")


def same(before, after, *, alone: bool) -> None:
    for name in DISK if alone else (*DISK, "audit", "searched", "progress", "sighting_days"):
        assert after[name] == before[name], name
    for name in ("segments", "incidents", "tasks", "versions"):
        assert after[name], name
        assert sorted(row[1:] for row in after[name]) == sorted(row[1:] for row in before[name])


def lose(store: Store) -> None:
    for path in store.root.glob("catalogue.sqlite*"):
        path.unlink()


def test_the_disk_alone_gives_the_same_tables(store: Store) -> None:
    assert archive.differs(store) == []
    path = store.root / "catalogue.sqlite"
    before = rows(path)
    lose(store)
    made = archive.rebuild(Store.lost(store.root), at_ns=START)
    assert (made.segments, made.findings, made.aside) == (3, [], None)
    same(before, rows(path), alone=True)
    assert archive.verify(Store.open(store.root)) == []
    assert archive.differs(store) == []


@pytest.mark.parametrize("hashed", [True, False])
def test_a_sound_catalogue_is_set_aside_and_nothing_of_it_is_lost(store: Store, hashed) -> None:
    path = store.root / "catalogue.sqlite"
    before = rows(path)
    store.mark_searched("0" * 64, 0, 10, "m")
    before["searched"] = rows(path)["searched"]
    made = archive.rebuild(store, at_ns=START, hashed=hashed)
    assert made.findings == []
    assert made.aside is not None
    same(before, rows(path), alone=False)
    same(before, rows(made.aside), alone=False)
    entries, head = store.audit_with_head()
    assert check_chain(entries, head) == []
    with pytest.raises(sqlite3.IntegrityError), store._catalogue.write() as db:
        db.execute("DELETE FROM audit")


def test_a_lost_log_is_never_made_to_look_whole(store: Store) -> None:
    head = (store.root / "audit-head.json").read_bytes()
    lose(store)
    archive.rebuild(Store.lost(store.root), at_ns=START)
    again = Store.open(store.root)
    assert (store.root / "audit-head.json").read_bytes() == head
    assert "it was cut" in " ".join(check_chain(*again.audit_with_head()))
    for n in range(9):  # more entries than were lost
        again.append_audit(at_ns=n, actor="a", action="b", subject="c")
    assert "cut and continued" in " ".join(check_chain(*again.audit_with_head()))


def test_a_lost_log_and_a_lost_head_stay_suspect(store: Store) -> None:
    lose(store)
    (store.root / "audit-head.json").unlink()
    archive.rebuild(Store.lost(store.root), at_ns=START)
    again = Store.open(store.root)
    for n in range(2):
        again.append_audit(at_ns=n, actor="a", action="b", subject="c")
    assert "head of the ledger was missing" in " ".join(check_chain(*again.audit_with_head()))


def test_log_and_searches_come_back_from_a_backup_as_far_as_it_reaches(
    store: Store, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
        db.execute("VACUUM INTO ?", (str(backup),))
    store.upkeep.add_loss(Loss("C1", START + 99 * S, "ended", "after the backup"))
    whole = rows(store.root / "catalogue.sqlite")
    lose(store)
    archive.rebuild(Store.lost(store.root), at_ns=START, backup=backup)
    again = Store.open(store.root)
    same(whole, rows(again.root / "catalogue.sqlite"), alone=False)
    assert check_chain(*again.audit_with_head()) == []
    again.append_audit(at_ns=9, actor="a", action="after the backup", subject="")
    lose(store)
    archive.rebuild(Store.lost(store.root), at_ns=START, backup=backup)
    assert "it was cut" in " ".join(check_chain(*Store.open(store.root).audit_with_head()))


@pytest.mark.parametrize("lost", [True, False])
def test_a_backup_does_not_bring_back_what_was_dropped_since(
    store: Store, tmp_path: Path, monkeypatch, lost
) -> None:
    monkeypatch.setattr(keeping, "is_kept", lambda *_facts: False)
    backup = tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
        db.execute("VACUUM INTO ?", (str(backup),))
    one, two, three = store.segments()
    store.keeping.drop([one, two], why="age", at_ns=START, tell=lambda _told: None)
    # the bytes of the second came back by hand, and were lost by a fault of the disk
    name = {"a": "a.mp4", "b": "b.ts", "c": "c.h264"}
    (source,) = (tmp_path / name[key] for key in name if name[key].endswith(Path(two.path).suffix))
    rate = {"b.ts": Fraction(10), "c.h264": Fraction(20)}.get(source.name)
    again = archive.import_file(
        store, source, camera_id="C1", stamped_start_ns=two.stamped_start_ns, rate=rate
    )
    assert again == two
    store.file(two).unlink()
    if lost:
        lose(store)
    made = archive.rebuild(Store.lost(store.root), at_ns=START, backup=backup)
    (finding,) = made.findings
    assert two.sha256 in finding
    assert "original is missing" in finding
    whole = Store.open(store.root)
    assert whole.segments() == [two, three]
    assert not store.file(one).with_suffix(".json").exists()
    assert whole.keeping.gone([one.sha256, two.sha256]) == {one.sha256}
    assert archive.rebuild(whole, at_ns=START + S, backup=backup).segments == 2
    assert archive.differs(whole) == [finding]


@pytest.mark.parametrize("thinned", [True, False])
def test_drops_put_together_come_back_as_they_were(
    store: Store, tmp_path: Path, monkeypatch, thinned
) -> None:
    monkeypatch.setattr(keeping, "is_kept", lambda *_facts: False)
    backups = tmp_path / "before.sqlite", tmp_path / "between.sqlite"

    def back_up(path: Path) -> None:
        with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
            db.execute("VACUUM INTO ?", (str(path),))

    day = 86_400 * S
    one, two, three = store.segments()
    back_up(backups[0])
    for number, gone in enumerate((one, two)):
        store.keeping.drop([gone], why="age", at_ns=START + number, tell=lambda _told: None)
    back_up(backups[1])
    if not thinned:
        monkeypatch.setattr(store.journal, "thin", lambda *_asked: 0)
    assert store.keeping.compact(START + 2 * day, START + 3 * day) == 1
    lines = [one for one in store.journal.lines() if getattr(one, "table", "") == "dropped"]
    assert len(lines) == (1 if thinned else 2)
    assert archive.differs(store) == []
    before = rows(store.root / "catalogue.sqlite")
    for backup in (None, *backups):
        lose(store)
        made = archive.rebuild(Store.lost(store.root), at_ns=START, backup=backup)
        assert made.findings == []
        assert "dropped" not in made.copied
        same(before, rows(store.root / "catalogue.sqlite"), alone=True)
        assert Store.open(store.root).segments() == [three]
        assert archive.differs(store) == []
    # the newest number is not given twice
    store.keeping.drop([three], why="age", at_ns=START + 4 * day, tell=lambda _told: None)
    assert rows(store.root / "catalogue.sqlite")["dropped"][-1][1] == 3
    assert archive.differs(store) == []


def test_an_older_catalogue_lets_rows_go_for_which_another_stands(store: Store) -> None:
    with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
        db.executescript(
            "DROP TABLE dropped_days; DROP TRIGGER dropped_stays; "
            "CREATE TRIGGER dropped_stay BEFORE DELETE ON dropped "
            "BEGIN SELECT RAISE(ABORT, 'what was dropped stays told'); END;"
        )
    again = Store.open(store.root)
    with again._catalogue.write() as db:
        for number in (1, 2):
            db.execute(
                "INSERT INTO dropped VALUES (?, ?, 'C1', 0, 9, 1, ?, 'age')",
                (number, f"{number:064}", number),
            )
    assert again.keeping.compact(START, START) == 1


def test_what_is_dropped_while_the_files_are_read_is_left_out(store: Store, monkeypatch) -> None:
    one, *rest = store.segments()
    making = sys.modules[archive.rebuild.__module__]
    plain = making._Scan.run

    def dropped_after(scan, on_progress):
        plain(scan, on_progress)
        if store.keeping.gone([one.sha256]):
            return
        store.keeping.drop([one], why="age", at_ns=START, tell=lambda _told: None)

    monkeypatch.setattr(keeping, "is_kept", lambda *_facts: False)
    monkeypatch.setattr(making._Scan, "run", dropped_after)
    assert archive.rebuild(store, at_ns=START).findings == []
    assert Store.open(store.root).segments() == rest


def test_a_damaged_catalogue_gives_what_can_still_be_read(store: Store) -> None:
    path = store.root / "catalogue.sqlite"
    with store._catalogue.write() as db:
        listed = [(f"{n:064}", "m" * 50) for n in range(3000)]
        db.executemany("INSERT INTO searched VALUES (?, 0, 10, ?, '')", listed)
    before = rows(path)
    store.append_audit(at_ns=1, actor="a", action="b", subject="c")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = db.execute("PRAGMA page_size").fetchone()
        (first,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name='losses'").fetchone()
    data = bytearray(path.read_bytes())
    (middle,) = (
        at
        for at in range(0, len(data), page)
        if data[at] == 13 and f"{1500:064}".encode() in data[at : at + page]  # a leaf of a table
    )
    for at in (middle, (first - 1) * page):
        data[at : at + page] = b"\xff" * page
    path.write_bytes(data)
    with pytest.raises(Damaged):
        store.upkeep.losses()
    made = archive.rebuild(Store.lost(store.root), at_ns=START)
    assert any("cannot be read whole" in finding for finding in made.findings)
    after = rows(path)
    assert after["losses"] == before["losses"]
    assert 1000 < len(after["searched"]) < 3000
    assert set(after["searched"]) < set(before["searched"])
    assert made.aside is not None


def test_what_does_not_fit_is_told_one_by_one(store: Store) -> None:
    one, two, three = store.segments()
    (store.archive_folder / "C1" / "stray.mp4").write_bytes(b"x")
    (store.archive_folder / "C1" / f"{two.sha256}.json").chmod(0o644)
    (store.archive_folder / "C1" / f"{two.sha256}.json").write_text("{}")
    store.file(one).chmod(0o644)
    data = bytearray(store.file(one).read_bytes())
    data[-1] ^= 1
    store.file(one).write_bytes(data)
    store.file(three).unlink()
    lose(store)
    made = archive.rebuild(Store.lost(store.root), at_ns=START)
    said = dict(line.rsplit("/", 1)[1].split(": ", 1) for line in made.findings)
    assert "hash is wrong" in said[f"{one.sha256}.mp4"]
    assert "original is missing" in said[f"{three.sha256}.h264"]
    assert "no sidecar" in said["stray.mp4"]
    assert "no sidecar" in said[f"{two.sha256}.ts"]
    assert "sidecar was altered" in said[f"{two.sha256}.json"]
    assert len(said) == len(made.findings) == 5
    again = Store.open(store.root)
    assert {segment.sha256 for segment in again.segments()} == {one.sha256, three.sha256}
    again.file(one).chmod(0o444)
    kinds = sorted(finding.kind for finding in archive.verify(again))
    # its orphaned index and its useless sidecar are strays too
    assert kinds == ["altered file", "missing file", *["stray file"] * 4]


def test_a_disk_that_tells_nothing_of_a_file_is_a_finding_and_no_end(store, bad_stat) -> None:
    one, *others = store.segments()
    lose(store)
    bad_stat(store.file(one))
    made = archive.rebuild(store, at_ns=START)
    assert made.segments == 1 + len(others)
    assert [text for text in made.findings if "cannot be read" in text] == [
        f"{store.file(one)}: it cannot be read (Input/output error)"
    ]


def test_an_archive_older_than_sidecars_gets_them(store: Store) -> None:
    before = rows(store.root / "catalogue.sqlite")
    for path in store.archive_folder.rglob("*.json"):
        path.unlink()
    for path in (store.root / "journal").iterdir():
        path.unlink()
    assert {finding.kind for finding in archive.verify(store)} == {"lost sidecar"}
    assert archive.differs(store)
    made = archive.rebuild(store, at_ns=START)
    assert len(made.findings) == 3
    same(before, rows(store.root / "catalogue.sqlite"), alone=False)
    assert archive.differs(store) == []
    assert archive.verify(store) == []


def test_a_torn_line_is_told_and_written_again(store: Store) -> None:
    (day,) = [path for path in (store.root / "journal").iterdir() if "stalled" in path.read_text()]
    text = day.read_text()
    day.write_text(text[:-40])
    assert any("cut short" in line for line in archive.differs(store))
    store.upkeep.add_loss(Loss("C1", START + 50 * S, "ended", "the next"))
    with store._catalogue.read() as db:
        assert db.execute("SELECT COUNT(*) FROM losses").fetchone() == (6,)
    found = [line for line in store.journal.lines() if not isinstance(line, Path)]
    assert any(line.row.get("detail") == "the next" for line in found)


def test_a_changed_sidecar_or_catalogue_shows(store: Store) -> None:
    with store._catalogue.write() as db:
        db.execute("UPDATE segments SET camera_id = 'C9' WHERE path LIKE '%.ts'")
    assert [finding.kind for finding in archive.verify(store)] == ["altered sidecar"]
    assert len(archive.differs(store)) == 2


def test_incidents_come_back_as_they_were_last_whoever_wrote_them(store: Store) -> None:
    before = store.upkeep.incidents.all()
    assert [(one.acknowledged_by, one.closed_by, one.note) for one in before] == [
        ("an", "an", "plugged in"), ("", "", "")
    ]  # fmt: skip
    assert before[0].task is not None
    assert (before[0].task.closed_by, before[0].task.note) == ("an", "plugged in")
    lose(store)
    archive.rebuild(Store.lost(store.root), at_ns=START)
    again = Store.open(store.root)
    assert again.upkeep.incidents.all() == before
    # and go on: what is written after a rebuild is newer than what was before it
    again.upkeep.incidents.acknowledge("C1@1", START + 20 * S, "minh", "seen")
    after = again.upkeep.incidents.all()
    lose(again)
    archive.rebuild(Store.lost(store.root), at_ns=START)
    assert Store.open(store.root).upkeep.incidents.all() == after
    assert archive.differs(Store.open(store.root)) == []


def test_an_incident_that_a_killed_process_did_not_journal_is_written_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = store.upkeep.incidents
    with monkeypatch.context() as patched:
        patched.setattr(type(store.journal), "settle", lambda _journal: 0)
        book.acknowledge("C1@1", START + 20 * S, "minh", "seen")
    lines = len([*store.journal.lines()])
    store.upkeep.add_loss(Loss("C1", START + 99 * S, "ended", "x"))
    assert len([*store.journal.lines()]) == lines + 2
    whole = book.all()
    lose(store)
    archive.rebuild(Store.lost(store.root), at_ns=START)
    assert Store.open(store.root).upkeep.incidents.all() == whole
    assert whole[1].acknowledged_by == "minh"


def test_what_was_not_journalled_is_taken_from_a_catalogue_that_is_newer(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, backup = store.upkeep.incidents, tmp_path / "backup.sqlite"
    with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
        db.execute("VACUUM INTO ?", (str(backup),))
    with monkeypatch.context() as patched:
        patched.setattr(type(store.journal), "settle", lambda _journal: 0)
        book.acknowledge("C1@1", START + 20 * S, "minh", "seen")
    whole = book.all()
    made = archive.rebuild(store, at_ns=START, backup=backup)
    assert made.findings == []
    assert Store.open(store.root).upkeep.incidents.all() == whole
    lose(store)
    # the backup is older than the journal: its versions do not come back
    archive.rebuild(Store.lost(store.root), at_ns=START, backup=backup)
    assert Store.open(store.root).upkeep.incidents.all() == whole


def test_incidents_of_an_archive_older_than_their_journal_are_written_down(store: Store) -> None:
    whole = store.upkeep.incidents.all()
    with closing(sqlite3.connect(store.root / "catalogue.sqlite")) as db:
        for name in ("incidents_begin", "incidents_change", "tasks_begin", "tasks_change"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE versions")
        db.commit()
    for path in (store.root / "journal").iterdir():
        lines = [one for one in path.read_text().splitlines() if "incident_id" not in one]
        path.write_text("\n".join([*lines, ""]))
    opened = Store.open(store.root)
    opened.upkeep.add_loss(Loss("C1", START + 99 * S, "ended", "x"))
    lose(opened)
    archive.rebuild(Store.lost(store.root), at_ns=START)
    assert Store.open(store.root).upkeep.incidents.all() == whole


def test_two_different_versions_of_one_number_are_told_and_the_later_counts(store: Store) -> None:
    with store._catalogue.write() as db:
        db.execute("UPDATE incidents SET note = 'another' WHERE incident_id = 'C1@1'")
        db.execute("UPDATE versions SET version = version - 1, told = told - 1")
        db.execute("UPDATE versions SET told = 0 WHERE row_key = 'C1@1'")
    store.journal.settle()
    lose(store)
    made = archive.rebuild(Store.lost(store.root), at_ns=START)
    assert any("C1@1 differs" in finding for finding in made.findings)
    assert Store.open(store.root).upkeep.incidents.one("C1@1").note == "another"
