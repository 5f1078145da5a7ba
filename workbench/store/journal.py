"""What the disk says without the catalogue: a sidecar beside each original, and a journal by day.

The catalogue is written first; what it then holds and the disk does not is written after, at the
next call or by the next process. Nothing is lost by a kill in between, nothing is told twice that
would not be the same, and an archive older than the journal is written down whole at the first
call. Each text carries the hash of itself, so that a torn or altered one shows.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.records import Segment
from workbench.store import files
from workbench.store.catalogue import SEGMENT_COLUMNS, Catalogue, segment_of, segment_row
from workbench.timeline import format_utc

TIMES = {
    "losses": "at_ns",
    "clock_fixes": "valid_start_ns",
    "dropped": "at_ns",
    "dropped_days": "made_at_ns",
    "protections": "made_at_ns",
    "lifts": "lifted_at_ns",
    "cases": "opened_at_ns",
}
"""Tables that only grow and are kept in the journal, and the column that names the day."""
VERSIONED = {"incidents": "opened_ns", "tasks": "opened_ns"}
"""Tables whose rows change: each version is a line, and the newest one of a row counts."""
DAYS = TIMES | VERSIONED
KEY = "incident_id"
"""What names a row of those that change."""
BATCH = 200
"""Originals that are given a sidecar at once: about a second."""
_SEGMENT_NAMES = SEGMENT_COLUMNS.split(", ")


def sealed(facts: Mapping[str, Any]) -> str:
    """Return facts as one line of JSON with the hash of the rest of it.

    >>> unsealed(sealed({"a": 1}))
    {'a': 1}
    >>> unsealed(sealed({"a": 1}).replace("1", "2", 1)) is None
    True
    """
    return json.dumps({**facts, "seal": _seal(facts)}, ensure_ascii=False)


def unsealed(text: str) -> dict[str, Any] | None:
    """Return the facts of such a line, None where it is not as it was written."""
    try:
        facts: dict[str, Any] = json.loads(text)
        seal = facts.pop("seal")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if seal == _seal(facts) else None


def _seal(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sidecar_of(root: Path, segment: Segment) -> Path:
    """Return where the sidecar of an original lies."""
    return root / PurePosixPath(segment.path).with_suffix(".json")


def write_sidecar(root: Path, segment: Segment) -> None:
    """Write what the catalogue says of an original beside it, read-only."""
    facts = dict(zip(_SEGMENT_NAMES, segment_row(segment), strict=True))
    text = sealed({"workbench": "segment", **facts}) + "\n"
    files.write_bytes(sidecar_of(root, segment), text.encode(), mode=0o444)


def read_sidecar(path: Path) -> Segment | None:
    """Return the segment a sidecar tells of, None where it is missing or not as written."""
    try:
        facts = unsealed(path.read_text(encoding="utf-8"))
        return None if facts is None else segment_of(tuple(facts[n] for n in _SEGMENT_NAMES))
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table as the journal holds it.

    ``number`` is its place in that table; where rows change, the version of this one.
    """

    table: str
    number: int
    row: Mapping[str, Any]


class Journal:
    """The folder of the journal. Holds paths only, so it pickles and forks freely."""

    def __init__(self, folder: Path, lock: Path, catalogue: Catalogue) -> None:
        self.folder = folder
        self._lock, self._catalogue = lock, catalogue

    def settle(self) -> int:
        """Write down what the catalogue holds and the journal does not; return how many rows."""
        self._lock.parent.mkdir(exist_ok=True)
        with files.locked(self._lock):
            with self._catalogue.read() as db:
                last = dict(db.execute("SELECT table_name, last FROM journalled").fetchall())
                found = [line for table in TIMES for line in _rows(db, table, last.get(table, 0))]
                found += [line for table in VERSIONED for line in _versions(db, table)]
            if not found:
                return 0
            self.append(found)
            newest = {line.table: line.number for line in found if line.table in TIMES}
            told = [
                (line.number, line.table, line.row[KEY])
                for line in found
                if line.table in VERSIONED
            ]
            with self._catalogue.write(durable=False) as db:
                db.executemany(
                    "INSERT INTO journalled VALUES (?, ?) "
                    "ON CONFLICT DO UPDATE SET last = excluded.last",
                    list(newest.items()),
                )
                db.executemany(
                    "UPDATE versions SET told = MAX(told, ?) WHERE table_name = ? AND row_key = ?",
                    told,
                )
            return len(found)

    def settle_sidecars(self, root: Path, after: int) -> int | None:
        """Write the sidecars that some originals behind number `after` lack, in an older archive.

        Returns the number to go on behind; None where every original has its own.
        """
        with self._catalogue.read() as db:
            if db.execute("SELECT 1 FROM journalled WHERE table_name = 'segments'").fetchone():
                return None
            rows = db.execute(
                f"SELECT rowid, {SEGMENT_COLUMNS} FROM segments WHERE rowid > ? "
                "ORDER BY rowid LIMIT ?",
                (after, BATCH),
            ).fetchall()
        for _number, *row in rows:
            segment = segment_of(tuple(row))
            if not sidecar_of(root, segment).exists():
                write_sidecar(root, segment)
        if rows:
            return int(rows[-1][0])
        with self._catalogue.write() as db:
            db.execute("INSERT OR REPLACE INTO journalled VALUES ('segments', 0)")
        return None

    def append(self, lines: list[Line]) -> None:
        """Add lines to the files of their days; they are on the disk when it returns."""
        days: dict[str, list[str]] = {}
        for line in lines:
            at_ns = min(max(0, int(line.row[DAYS[line.table]])), 2**63 - 1)
            text = sealed({"table": line.table, "number": line.number, "row": dict(line.row)})
            day = format_utc(at_ns)[:10]
            days.setdefault(day, []).append(text + "\n")
        for day, texts in sorted(days.items()):
            files.append_text(self.folder / f"{day}.jsonl", "".join(texts))

    def thin(self, until_ns: int, is_covered: Callable[[Mapping[str, Any]], bool]) -> int:
        """Leave out of the days before `until_ns` the drops for which another row stands.

        Each day is gone through once; every other line stays as it is, byte for byte. Return how
        many lines went.
        """
        count = 0
        with files.locked(self._lock):
            with self._catalogue.read() as db:
                known = db.execute("SELECT last FROM journalled WHERE table_name = 'thinned'")
                since_ns = int((known.fetchone() or (-1,))[0])
            first = format_utc(since_ns)[:10] if since_ns >= 0 else ""
            last = format_utc(max(0, until_ns))[:10]
            for path in sorted(self.folder.glob("[0-9]*.jsonl")):
                if first <= path.stem < last:
                    count += _thinned(path, is_covered)
            if until_ns > since_ns:
                with self._catalogue.write(durable=False) as db:
                    db.execute(
                        "INSERT OR REPLACE INTO journalled VALUES ('thinned', ?)", (int(until_ns),)
                    )
        return count

    def lines(self) -> Iterator[Line | Path]:
        """Yield every line, day by day; the path of the file in place of one that is not sound."""
        for path in sorted(self.folder.glob("[0-9]*.jsonl")):
            with path.open(encoding="utf-8", errors="replace") as file:
                for text in file:
                    facts = unsealed(text) if text.strip() else {}
                    if facts is None or (facts and facts.get("table") not in DAYS):
                        yield path
                    elif facts:
                        yield Line(facts["table"], int(facts["number"]), facts["row"])


def _thinned(path: Path, is_covered: Callable[[Mapping[str, Any]], bool]) -> int:
    count = 0
    with path.open("rb") as file, files.replacing(path) as temporary, temporary.open("wb") as out:
        for text in file:
            facts = unsealed(text.decode(errors="replace")) if b'"dropped"' in text else None
            if facts and facts.get("table") == "dropped" and is_covered(facts["row"]):
                count += 1
            else:
                out.write(text)
    return count


def _rows(db: sqlite3.Connection, table: str, after: int) -> Iterator[Line]:
    found = db.execute(
        f"SELECT rowid AS number, * FROM {table} WHERE rowid > ? ORDER BY rowid", (after,)
    )
    names = [column[0] for column in found.description[1:]]
    for number, *row in found:
        yield Line(table, number, dict(zip(names, row, strict=True)))


def _versions(db: sqlite3.Connection, table: str) -> Iterator[Line]:
    found = db.execute(
        f"SELECT version, row.* FROM versions JOIN {table} row ON row.{KEY} = row_key "
        "WHERE table_name = ? AND told < version ORDER BY row_key",
        (table,),
    )
    names = [column[0] for column in found.description[1:]]
    for version, *row in found:
        yield Line(table, version, dict(zip(names, row, strict=True)))
