"""A catalogue made again from the disk, beside the one in force, and put in its place when whole.

What the disk holds (segments, clock fixes, losses, cases, protections, drops, incidents and their
tasks) comes from sidecars and journal. What it does not (the audit log, what was searched,
progress) is copied from the old catalogue as far as that can be read, or from a backup. Nothing is
made up: a log that comes back shorter than ``audit-head.json`` says stays short, and ``workbench
verify`` goes on saying so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from workbench.records import Segment
from workbench.store import files
from workbench.store.catalogue import SEGMENT_COLUMNS, Catalogue, segment_of, segment_row
from workbench.store.compaction import take_out
from workbench.store.journal import DAYS, KEY, TIMES, VERSIONED, Journal, Line
from workbench.timeline import format_utc

ON_DISK = ("segments", *DAYS)
"""Tables that are made from the disk alone."""
_OWN = ("journalled", "versions")


class Draft:
    """The catalogue in the making: a file of its own until it is put in force."""

    def __init__(self, root: Path, journal: Journal) -> None:
        self._root, self._journal = root, journal
        self.path = root / f"{files.TEMPORARY}catalogue.sqlite"
        self.remove()
        self._catalogue = Catalogue(self.path)
        self._catalogue.create(guarded=False)
        self.untold: list[Line] = []
        self.copied: dict[str, int] = {}
        self.broken: list[str] = []

    def remove(self) -> None:
        """Take the draft away, and what a killed process left of one."""
        for left in self._root.glob(f"{files.TEMPORARY}catalogue.sqlite*"):
            left.unlink(missing_ok=True)

    def add(self, segments: Iterable[Segment]) -> None:
        """Put segments in; one that is there already stays."""
        marks = ", ".join("?" * len(SEGMENT_COLUMNS.split(", ")))
        with self._catalogue.write(durable=False) as db:
            db.executemany(
                f"INSERT OR IGNORE INTO segments ({SEGMENT_COLUMNS}) VALUES ({marks})",
                [segment_row(one) for one in segments],
            )

    def add_journal(self) -> list[str]:
        """Put in every row of the journal; return a sentence for each place that is not sound."""
        said: dict[str, int] = {}
        with self._catalogue.write(durable=False) as db:
            for line in self._journal.lines():
                if isinstance(line, Path):
                    text = f"{line}: a line was cut short or altered and is left out"
                    said[text] = said.get(text, 0) + 1
                elif line.table in VERSIONED:
                    if not _put_version(db, line):
                        name = f"version {line.number} of {line.row[KEY]}"
                        text = f"journal: {name} differs from another one; the later counts"
                        said[text] = said.get(text, 0) + 1
                elif not _put(db, line.table, line.number, line.row):
                    text = f"journal: two different rows {line.number} of {line.table}; both kept"
                    said[text] = said.get(text, 0) + 1
        return [text if count == 1 else f"{text} ({count} times)" for text, count in said.items()]

    def copy(self, old: Path) -> None:
        """Copy from another catalogue what can be read of it and is not here yet.

        Rows of tables that the journal should hold, and does not, are remembered as `untold`.
        """
        if not old.exists():
            return
        for table, names in self._tables().items():
            if table == "segments" or table in _OWN:
                continue
            if table in VERSIONED:
                self._copy_versions(old, table, names)
                continue
            count = 0
            with self._catalogue.write(durable=False) as db:
                for number, row in _salvaged(old, table, names, self.broken):
                    known = db.execute(
                        f"SELECT 1 FROM {table} WHERE rowid = ?", (number,)
                    ).fetchone()
                    fresh = _put(db, table, number, row, keep_both=table in TIMES)
                    if known is None and fresh:
                        count += 1
                        if table in TIMES:
                            self.untold.append(Line(table, number, row))
            if count:
                self.copied[table] = self.copied.get(table, 0) + count

    def _copy_versions(self, old: Path, table: str, names: Sequence[str]) -> None:
        """Copy rows that change, where they are newer than those that are here."""
        columns = ("table_name", "row_key", "version")
        versions = {
            (row["table_name"], row["row_key"]): row["version"]
            for _number, row in _salvaged(old, "versions", columns, self.broken)
        }
        with self._catalogue.write(durable=False) as db:
            for _number, row in _salvaged(old, table, names, self.broken):
                line = Line(table, versions.get((table, row[KEY]), 1), row)
                known = _version(db, line)
                if known >= line.number:
                    continue
                _put_version(db, line)
                self.untold.append(line)
                if not known:
                    self.copied[table] = self.copied.get(table, 0) + 1

    def segments_of(self, old: Path) -> dict[str, Segment]:
        """Return what another catalogue says of its segments, as far as it can be read."""
        if not old.exists():
            return {}
        names = SEGMENT_COLUMNS.split(", ")
        rows = _salvaged(old, "segments", names, self.broken)
        found: dict[str, Segment] = {}
        for _number, row in rows:
            with suppress(ValueError, TypeError, ZeroDivisionError):
                found[row["sha256"]] = segment_of(tuple(row[name] for name in names))
        return found

    def dropped_since(self, old: Path, others: Sequence[Path]) -> set[str]:
        """Return what was dropped after `old` was written, by the journal and other catalogues."""
        names = ("sha256", "at_ns")

        def drops(path: Path) -> set[tuple[str, int]]:
            rows = _salvaged(path, "dropped", names, self.broken) if path.exists() else ()
            return {(row["sha256"], row["at_ns"]) for _number, row in rows}

        known = {
            (line.row["sha256"], line.row["at_ns"])
            for line in self._journal.lines()
            if not isinstance(line, Path) and line.table == "dropped"
        }
        known = known.union(*(drops(path) for path in others))
        return {sha256 for sha256, _at_ns in known - drops(old)}

    def long_gone(self, old: Path, others: Sequence[Path]) -> Callable[[Segment], bool]:
        """Return what tells whether a segment was among drops put together after `old` was written.

        Of those no hash is left: camera and time have to do.
        """
        names = ("camera_id", "spans", "last_drop_id", "made_at_ns")

        def days(path: Path) -> set[tuple[Any, ...]]:
            rows = _salvaged(path, "dropped_days", names, self.broken) if path.exists() else ()
            return {tuple(row[name] for name in names) for _number, row in rows}

        known = {
            tuple(line.row[name] for name in names)
            for line in self._journal.lines()
            if not isinstance(line, Path) and line.table == "dropped_days"
        }
        known = known.union(*(days(path) for path in others)) - days(old)
        by_camera: dict[str, list[tuple[int, int]]] = {}
        for camera_id, spans, *_ in known:
            by_camera.setdefault(camera_id, []).extend(
                (start, stop) for start, stop, *_ in json.loads(spans)
            )
        return lambda one: any(
            start <= one.stamped.start_ns and one.stamped.stop_ns <= stop
            for start, stop in by_camera.get(one.camera_id, ())
        )

    def put_drops_together(self) -> None:
        """Take out the drops for which another row stands, wherever they came from."""
        with self._catalogue.write(durable=False) as db:
            if not take_out(db):
                return
            left = {
                number
                for (number,) in db.execute(
                    "SELECT drop_id FROM dropped WHERE drop_id IN (SELECT value FROM json_each(?))",
                    (json.dumps([one.number for one in self.untold if one.table == "dropped"]),),
                )
            }
        told = [one for one in self.untold if one.table != "dropped" or one.number in left]
        if gone := len(self.untold) - len(told):
            self.copied["dropped"] -= gone
            self.copied = {table: count for table, count in self.copied.items() if count}
        self.untold = told

    def leave_out_gone(self, is_there: Callable[[Segment], bool]) -> None:
        """Take out what was dropped and of which the disk has nothing more."""
        with self._catalogue.read() as db:
            rows = db.execute(
                f"SELECT {SEGMENT_COLUMNS} FROM segments "
                "WHERE sha256 IN (SELECT sha256 FROM dropped)"
            ).fetchall()
        gone = [one.sha256 for one in map(segment_of, rows) if not is_there(one)]
        self.leave_out(gone)

    def leave_out(self, listed: Sequence[str]) -> None:
        """Take out segments whose drop was told and only half done when its process was killed."""
        with self._catalogue.write(durable=False) as db:
            db.executemany(
                "DELETE FROM segments WHERE sha256 = :one AND :one IN (SELECT sha256 FROM dropped)",
                [{"one": sha256} for sha256 in listed],
            )

    def count(self) -> int:
        """Return how many segments are in."""
        with self._catalogue.read() as db:
            (count,) = db.execute("SELECT COUNT(*) FROM segments").fetchone()
        return int(count)

    def differs(self, other: Path) -> list[str]:
        """Return a sentence for each row that is here and not in `other`, or the other way."""
        said = []
        with closing(sqlite3.connect(_address(self.path), uri=True)) as db:
            db.execute("ATTACH ? AS other", (_address(other),))
            for table, names in self._tables().items():
                if table not in ON_DISK:
                    continue
                listed = ", ".join(names)
                for one, two, where in (
                    ("main", "other", "on the disk and not in the catalogue"),
                    ("other", "main", "in the catalogue and not on the disk"),
                ):
                    said += [
                        f"{table}: {where}: {row}"
                        for row in db.execute(
                            f"SELECT {listed} FROM {one}.{table} EXCEPT "
                            f"SELECT {listed} FROM {two}.{table} LIMIT 20"
                        )
                    ]
        return said

    def put_in_force(self, target: Path, at_ns: int) -> Path | None:
        """Put the draft in place of the catalogue; return where the old one was set aside.

        Call it while nobody writes. A process killed in between leaves the old catalogue or the
        new one under its name, never none where there was one.
        """
        self._journal.append(self.untold)
        with self._catalogue.write() as db:
            for table in TIMES:
                db.execute(
                    f"INSERT OR REPLACE INTO journalled SELECT '{table}', "
                    f"COALESCE(MAX(rowid), 0) FROM {table}"
                )
            db.execute("INSERT OR REPLACE INTO journalled VALUES ('segments', 0)")
        self._catalogue.create()
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode=DELETE")
        aside = None
        if target.exists():
            _checkpoint(target)
            stamp = format_utc(at_ns).translate(str.maketrans("", "", "-:.")).rstrip("Z")
            aside = target.with_name(f"{target.stem}-{stamp}.old.sqlite")
            aside.hardlink_to(target)
        # a write-ahead log belongs to its own file: under the new one it would be played into it
        for end in ("-wal", "-shm"):
            left = target.with_name(target.name + end)
            if left.exists() and aside is not None:
                left.rename(aside.with_name(aside.name + end))
            else:
                left.unlink(missing_ok=True)
        files.rename_durable(self.path, target)
        Catalogue(target).create()
        return aside

    def _tables(self) -> dict[str, list[str]]:
        with self._catalogue.read() as db:
            names = [
                name
                for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                if not name.startswith("sqlite_")
            ]
            return {
                name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in names
            }


def _put(
    db: sqlite3.Connection,
    table: str,
    number: int,
    row: Mapping[str, Any],
    *,
    keep_both: bool = True,
) -> bool:
    """Put a row in under its number; False where another row has it (then it comes last)."""
    names = list(row)
    listed, marks = ", ".join(names), ", ".join("?" * len(names))
    known = db.execute(f"SELECT {listed} FROM {table} WHERE rowid = ?", (number,)).fetchone()
    values = list(row.values())
    if known is None:
        db.execute(
            f"INSERT OR IGNORE INTO {table} (rowid, {listed}) VALUES (?, {marks})",
            (number, *values),
        )
        return True
    if list(known) == values:
        return True
    if keep_both and table != "lifts":
        # only after a catalogue was restored from an old backup: under a number of its own
        own = {"clock_fixes": "fix_id", "dropped": "drop_id", "protections": "protection_id",
               "dropped_days": "day_id", "cases": "version"}.get(table)  # fmt: skip
        free = [None if name == own else value for name, value in row.items()]
        there = " AND ".join(f"{name} IS ?" for name in names if name != own)
        same = [value for name, value in row.items() if name != own]
        if not db.execute(f"SELECT 1 FROM {table} WHERE {there}", same).fetchone():
            db.execute(f"INSERT OR IGNORE INTO {table} ({listed}) VALUES ({marks})", free)
    return False


def _version(db: sqlite3.Connection, line: Line) -> int:
    """Return the version of a line's row that is in, 0 where there is none."""
    known = db.execute(
        "SELECT version FROM versions WHERE table_name = ? AND row_key = ?",
        (line.table, line.row[KEY]),
    ).fetchone()
    return 0 if known is None else int(known[0])


def _put_version(db: sqlite3.Connection, line: Line) -> bool:
    """Put a row in unless a newer version is; False where this version was in and was another."""
    known = _version(db, line)
    if known > line.number:
        return True
    listed, marks = ", ".join(line.row), ", ".join("?" * len(line.row))
    values = list(line.row.values())
    there = db.execute(
        f"SELECT {listed} FROM {line.table} WHERE {KEY} = ?", (line.row[KEY],)
    ).fetchone()
    db.execute(f"INSERT OR REPLACE INTO {line.table} ({listed}) VALUES ({marks})", values)
    # the journal has it, or will before the draft is in force
    db.execute(
        "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?)",
        (line.table, line.row[KEY], line.number, line.number),
    )
    return known != line.number or list(there) == values


def _salvaged(
    old: Path, table: str, names: Sequence[str], broken: list[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield rows of a catalogue that may be damaged: from the front, and where that ends, back."""
    names = _those_there(old, table, names)
    listed = ", ".join(names)
    seen_to: int | None = None
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(_address(old), uri=True)) as db:
                for number, *values in db.execute(
                    f"SELECT rowid, {listed} FROM {table} ORDER BY rowid {order}"
                ):
                    if order == "DESC" and seen_to is not None and number <= seen_to:
                        return
                    if order == "ASC":
                        seen_to = number
                    yield number, dict(zip(names, values, strict=True))
        except sqlite3.DatabaseError as error:
            if order == "ASC" and "no such table" not in str(error):
                broken.append(f"{old}: {table} cannot be read whole ({error})")
        else:
            return


def _those_there(old: Path, table: str, names: Sequence[str]) -> Sequence[str]:
    """Return the columns that an old table has; all where that cannot be read."""
    try:
        with closing(sqlite3.connect(_address(old), uri=True)) as db:
            known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    except sqlite3.DatabaseError:
        known = set()
    return [name for name in names if name in known] if known else names


def _address(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def _checkpoint(path: Path) -> None:
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
