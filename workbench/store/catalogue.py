"""The catalogue: segments, clock fixes, cases, searched spans and progress in one SQLite file.

Every call opens its own connection and closes it: nothing is shared between threads, and nothing
crosses a fork or a pickle. WAL lets readers go on while one writer writes; writers take turns by
``BEGIN IMMEDIATE``. Times are INTEGER nanoseconds; fractions are two integers.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from fractions import Fraction
from functools import lru_cache
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput, Damaged, Unavailable
from workbench.records import Case, Progress, Segment
from workbench.store import files
from workbench.store.case_rows import CASE_COLUMNS, case_of, case_row
from workbench.store.searched import Searched, hidden_parts
from workbench.store.tables import ADDED, OLDER, TABLES, TRIGGERS
from workbench.timeline import SECOND_NS, ClockFix, Span, format_utc, union

Row = tuple[Any, ...]
"""One row of SQLite; the STRICT tables below answer for its types."""

_WAIT_S = 60.0
_PREFIX_MIN = 8

SEGMENT_COLUMNS = (
    "sha256, camera_id, path, stamped_start_ns, first_pts, stop_pts, time_base_num, time_base_den, "
    "tick_num, tick_den, frame_count, width_px, height_px, codec, rotation_deg, size_bytes, notes"
)
_FIX_COLUMNS = (
    "camera_id, valid_start_ns, valid_stop_ns, offset_ns, sigma_ns, method, drift_ppb, note"
)
_LENGTH_S = "(stop_pts - first_pts) * 1.0 * tick_num / tick_den"
_BY_START = (
    "FROM segments WHERE camera_id = ? AND stamped_start_ns >= ? AND stamped_start_ns < ? "
    "ORDER BY stamped_start_ns, sha256"
)
_LAST_NS = 2**63 - 1


class Catalogue:
    """The SQLite file and the records in it. Holds a path only, so it pickles and forks freely."""

    def __init__(self, path: Path, lock: Path | None = None) -> None:
        """Name the file; writers share `lock`, which whoever replaces the file holds alone."""
        self.path = path
        self.lock = lock

    def complete(self) -> None:
        """Make the tables that an earlier workbench did not know, if any."""
        with self.read() as db:
            named = "SELECT name FROM sqlite_master WHERE type IN ('table', 'index', 'trigger')"
            there = {name for (name,) in db.execute(named)}
            lacking = any(_lacking(db, table) for table in ADDED)
        if lacking or not set(re.findall(r"IF NOT EXISTS (\w+)", TABLES + TRIGGERS)) <= there:
            self.create()

    def create(self, *, guarded: bool = True) -> None:
        """Make the file and its tables, unless they are there; `guarded`: its triggers too."""
        with self._connection("rwc") as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN IMMEDIATE")
            try:
                for statement in _statements(TABLES) + _statements(TRIGGERS if guarded else ""):
                    db.execute(statement)
                for table in ADDED:
                    for column in _lacking(db, table):
                        db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
                db.execute(OLDER)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for reading."""
        with self._connection("rw") as db:
            yield db

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside a write transaction: committed on leaving, undone on error."""
        shared = files.locked(self.lock, shared=True) if self.lock else nullcontext()
        with shared, self._connection("rw") as db:
            # FULL flushes each commit; NORMAL may lose the newest ones with the power, never more.
            db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _connection(self, mode: str) -> Iterator[sqlite3.Connection]:
        # Mode rw, unlike the default, does not make an empty catalogue where the real one is lost.
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=_WAIT_S, isolation_level=None)
            ) as db:
                yield db
        except sqlite3.OperationalError as error:
            raise Unavailable(
                N_("the catalogue cannot be used now: {error}"),
                N_("see that it exists, is writable and that its disk has room, then try again"),
                where=str(self.path),
                error=error,
            ) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # its subclasses speak of the statement, not of the file
            raise Damaged(
                N_("the catalogue is damaged: {error}"),
                N_("stop the workbench, then run: workbench rebuild"),
                where=str(self.path),
                error=error,
            ) from error

    # --- segments -------------------------------------------------------------------------------

    def add_segment(self, segment: Segment) -> bool:
        """Add a segment; False where it was there.

        Raises
        ------
        BadInput
            When the same file is there under another camera, start or tick.
        """
        row = segment_row(segment)
        with self.write() as db:
            stored = db.execute(
                f"SELECT {SEGMENT_COLUMNS} FROM segments WHERE sha256 = ?", (segment.sha256,)
            ).fetchone()
            if stored is None:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO segments ({SEGMENT_COLUMNS}) VALUES ({marks})", row)
                return True
        _refuse_other_claim(segment, segment_of(stored))
        return False

    def segments(self, cameras: Sequence[str] | None) -> list[Segment]:
        """Return segments by camera, then stamped start."""
        query, values = f"SELECT {SEGMENT_COLUMNS} FROM segments", Row()
        if cameras is not None:
            query += " WHERE camera_id IN (SELECT value FROM json_each(?))"
            values = (json.dumps(list(cameras)),)
        with self.read() as db:
            rows = db.execute(f"{query} ORDER BY camera_id, stamped_start_ns, sha256", values)
            return [segment_of(row) for row in rows]

    def cameras(self) -> list[str]:
        """Return the cameras that have segments, sorted, without reading every segment."""
        with self.read() as db:
            rows = db.execute(
                "WITH RECURSIVE found (camera_id) AS (SELECT MIN(camera_id) FROM segments "
                "UNION ALL SELECT (SELECT MIN(camera_id) FROM segments "
                "WHERE camera_id > found.camera_id) FROM found WHERE camera_id IS NOT NULL) "
                "SELECT camera_id FROM found WHERE camera_id IS NOT NULL"
            ).fetchall()
        return [camera_id for (camera_id,) in rows]

    def segments_in(self, wanted: Mapping[str, Sequence[Span]]) -> list[Segment]:
        """Return the segments that meet any of their camera's spans of stamped time, in order."""
        found = []
        with self.read() as db:
            for camera_id in sorted(wanted):
                spans = wanted[camera_id]
                for bounds in _starts(db, camera_id, spans):
                    rows = db.execute(f"SELECT {SEGMENT_COLUMNS} {_BY_START}", bounds)
                    found += [
                        segment
                        for segment in map(segment_of, rows)
                        if any(segment.stamped.overlap(span) for span in spans)
                    ]
        return found

    def stamped(
        self, cameras: Sequence[str], span: Span, *, join_ns: int | None = None
    ) -> dict[str, list[Span]]:
        """Return the stamped spans of the segments in `span` and of the last one begun before it.

        The same as :meth:`segments_in` tells, for callers that need no more of a hundred thousand;
        with `join_ns`, those at most so far apart are one span, so that a month fits into memory.
        """
        found: dict[str, list[Span]] = {}
        columns = "stamped_start_ns, stop_pts - first_pts, tick_num, tick_den"
        with self.read() as db:
            for camera_id in cameras:
                rows = db.execute(
                    f"SELECT {columns} FROM segments WHERE camera_id = ? "
                    "AND stamped_start_ns < ? ORDER BY stamped_start_ns DESC LIMIT 1",
                    (camera_id, _bounded(span.start_ns)),
                ).fetchall()
                ends: list[list[int]] = []
                within = _starts(db, camera_id, [span])
                later = (db.execute(f"SELECT {columns} {_BY_START}", one) for one in within)
                for start, ticks, number, per in chain(rows, *later):
                    stop = start + ticks * number * SECOND_NS // per
                    if (
                        join_ns is not None
                        and ends
                        and ends[-1][0] <= start <= ends[-1][1] + join_ns
                    ):
                        ends[-1][1] = max(ends[-1][1], stop)
                    else:
                        ends.append([start, stop])
                found[camera_id] = [Span(start, stop) for start, stop in ends]
        return found

    def oldest_ns(self, from_ns: int | None) -> int | None:
        """Return the earliest stamped start from an instant on, over all cameras."""
        since = -_LAST_NS if from_ns is None else from_ns
        found = []
        with self.read() as db:
            for camera_id in self.cameras():
                (start,) = db.execute(
                    "SELECT MIN(stamped_start_ns) FROM segments "
                    "WHERE camera_id = ? AND stamped_start_ns >= ?",
                    (camera_id, since),
                ).fetchone()
                found += [] if start is None else [int(start)]
        return min(found, default=None)

    def segments_of_size(self, size_bytes: int) -> list[Segment]:
        """Return the segments whose file has this size."""
        with self.read() as db:
            rows = db.execute(
                f"SELECT {SEGMENT_COLUMNS} FROM segments WHERE size_bytes = ?", (size_bytes,)
            )
            return [segment_of(row) for row in rows]

    def segment(self, sha256: str) -> Segment:
        """Return the segment of a hash, or of a prefix of 8 digits or more that only it has."""
        wanted = sha256.strip().lower()
        rows = []
        if len(wanted) >= _PREFIX_MIN and set(wanted) <= set("0123456789abcdef"):
            with self.read() as db:
                rows = db.execute(
                    f"SELECT {SEGMENT_COLUMNS} FROM segments WHERE sha256 >= ? AND sha256 < ? "
                    "LIMIT 2",
                    (wanted, wanted + "g"),
                ).fetchall()
        if len(rows) == 1:
            return segment_of(rows[0])
        if rows:
            raise BadInput(
                N_("more than one segment begins with {sha256}"),
                N_("give more digits of the hash"),
                sha256=wanted,
            )
        raise BadInput(
            N_("no segment {sha256} in this archive"),
            N_("give its SHA-256, or the first 8 digits of it or more"),
            sha256=sha256,
        )

    def gone(self, hashes: Sequence[str]) -> set[str]:
        """Return which of these segments were dropped and have not come back."""
        with self.read() as db:
            rows = db.execute(
                "SELECT DISTINCT sha256 FROM dropped WHERE sha256 IN "
                "(SELECT value FROM json_each(?)) "
                "AND sha256 NOT IN (SELECT sha256 FROM segments)",
                (json.dumps(list(hashes)),),
            ).fetchall()
        return {sha256 for (sha256,) in rows}

    # --- clock fixes ----------------------------------------------------------------------------

    def add_clock_fix(self, fix: ClockFix) -> None:
        """Add a fix as the newest of its camera, unless it is just that already."""
        row = (
            fix.camera_id,
            int(fix.valid.start_ns),
            int(fix.valid.stop_ns),
            int(fix.offset_ns),
            int(fix.sigma_ns),
            fix.method,
            int(fix.drift_ppb),
            fix.note,
        )
        with self.write() as db:
            newest = db.execute(
                f"SELECT {_FIX_COLUMNS} FROM clock_fixes WHERE camera_id = ? "
                "ORDER BY fix_id DESC LIMIT 1",
                (fix.camera_id,),
            ).fetchone()
            if newest != row:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO clock_fixes ({_FIX_COLUMNS}) VALUES ({marks})", row)

    def clock_fixes(self, camera_id: str, span: Span | None = None) -> list[ClockFix]:
        """Return a camera's fixes, those valid somewhere in a span of stamped time; oldest first.

        One that ends before `span` changes nothing in it: a search by validity passes it over.
        """
        within = span or Span(-_LAST_NS, _LAST_NS)
        with self.read() as db:
            rows = db.execute(
                f"SELECT {_FIX_COLUMNS} FROM clock_fixes WHERE camera_id = ? "
                "AND valid_stop_ns > ? AND valid_start_ns < ? ORDER BY fix_id",
                (camera_id, _bounded(within.start_ns), _bounded(within.stop_ns)),
            ).fetchall()
        return [
            ClockFix(camera, Span(start, stop), offset, sigma, method, drift, note)
            for camera, start, stop, offset, sigma, method, drift, note in rows
        ]

    # --- cases ----------------------------------------------------------------------------------

    def put_case(self, case: Case) -> None:
        """Make this the case's version in force; earlier versions are kept."""
        row = case_row(case)
        with self.write() as db:
            newest = db.execute(
                f"SELECT {CASE_COLUMNS} FROM cases WHERE case_id = ? ORDER BY version DESC LIMIT 1",
                (case.case_id,),
            ).fetchone()
            if newest != row:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO cases ({CASE_COLUMNS}) VALUES ({marks})", row)

    def case_versions(self, case_id: str) -> list[Case]:
        """Return every version of a case, oldest first."""
        with self.read() as db:
            rows = db.execute(
                f"SELECT {CASE_COLUMNS} FROM cases WHERE case_id = ? ORDER BY version", (case_id,)
            ).fetchall()
        return [case_of(row) for row in rows]

    def cases(self) -> list[Case]:
        """Return every case in the version in force, oldest first."""
        with self.read() as db:
            rows = db.execute(
                f"SELECT {CASE_COLUMNS} FROM cases WHERE version IN "
                "(SELECT MAX(version) FROM cases GROUP BY case_id) "
                "ORDER BY opened_at_ns, case_id"
            ).fetchall()
        return [case_of(row) for row in rows]

    # --- searched spans and progress ------------------------------------------------------------

    def mark_searched(self, span: Searched) -> None:
        """Record a span as searched or failed; a success is not undone by a later failure.

        The latest success is the newest row: :meth:`superseded` goes by their order.
        """
        kept = "WHERE failure <> ''" if span.failure else ""
        with self.write() as db:
            if not span.failure:
                db.execute(
                    "DELETE FROM searched WHERE segment_sha256 = ? AND first_pts = ? "
                    "AND stop_pts = ? AND model_ref = ?",
                    (span.segment_sha256, span.first_pts, span.stop_pts, span.model_ref),
                )
            db.execute(
                "INSERT INTO searched (segment_sha256, first_pts, stop_pts, model_ref, failure) "
                "VALUES (?, ?, ?, ?, ?) "
                f"ON CONFLICT DO UPDATE SET failure = excluded.failure {kept}",
                (
                    span.segment_sha256,
                    span.first_pts,
                    span.stop_pts,
                    span.model_ref,
                    span.failure,
                ),
            )

    def superseded(self) -> list[Searched]:
        """Return what parts of spans were searched again later, with other models or settings.

        Part by part the newest success counts: models that came back to a stretch, cut into other
        jobs than before, are not hidden there by those that came between.
        """
        with self.read() as db:
            rows = db.execute(
                "SELECT segment_sha256, first_pts, stop_pts, model_ref, failure FROM searched "
                "WHERE failure = '' AND segment_sha256 IN (SELECT segment_sha256 FROM searched "
                "WHERE failure = '' GROUP BY segment_sha256 HAVING COUNT(DISTINCT model_ref) > 1) "
                "ORDER BY segment_sha256, rowid"
            ).fetchall()
        return [
            part
            for _, spans in groupby((Searched(*row) for row in rows), lambda s: s.segment_sha256)
            for part in hidden_parts(list(spans))
        ]

    def searched(self, segment_sha256: str | None, model_ref: str | None) -> list[Searched]:
        """Return the spans by segment, then first tick."""
        with self.read() as db:
            rows = db.execute(
                "SELECT segment_sha256, first_pts, stop_pts, model_ref, failure FROM searched "
                "WHERE (:segment IS NULL OR segment_sha256 = :segment) "
                "AND (:model IS NULL OR model_ref = :model) "
                "ORDER BY segment_sha256, first_pts, stop_pts, model_ref",
                {"segment": segment_sha256, "model": model_ref},
            ).fetchall()
        return [Searched(*row) for row in rows]

    def add_sighting_days(self, days: Iterable[tuple[str, str]]) -> None:
        """Note pairs of a segment and a day before sightings of it are written under that day."""
        with self.write() as db:
            db.executemany("INSERT OR IGNORE INTO sighting_days VALUES (?, ?)", sorted(set(days)))

    def sighting_days(self, segments: Sequence[str]) -> set[str]:
        """Return the days that may hold sightings of these segments."""
        with self.read() as db:
            rows = db.execute(
                "SELECT DISTINCT day FROM sighting_days "
                "WHERE segment_sha256 IN (SELECT value FROM json_each(?))",
                (json.dumps(list(segments)),),
            ).fetchall()
        return {day for (day,) in rows}

    def forget_days(self, segments: Sequence[str]) -> None:
        """Take away where sightings of these segments might be."""
        with self.write() as db:
            db.executemany(
                "DELETE FROM sighting_days WHERE segment_sha256 = ?", [(one,) for one in segments]
            )

    def set_progress(self, job: str, progress: Progress, at_ns: int) -> None:
        """Say how far a job is; what was said later stands."""
        failed = json.dumps(list(progress.failed))
        done, total = float(progress.done), float(progress.total)
        row = (job, done, total, progress.unit, progress.text, failed, int(at_ns))
        with self.write(durable=False) as db:
            db.execute(
                "INSERT INTO progress (job, done, total, unit, text, failed, at_ns) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET done = excluded.done, "
                "total = excluded.total, unit = excluded.unit, text = excluded.text, "
                "failed = excluded.failed, at_ns = excluded.at_ns WHERE excluded.at_ns >= at_ns",
                row,
            )

    def progress(self) -> dict[str, tuple[Progress, int]]:
        """Return what each job said last and when, UTC ns; newest first."""
        with self.read() as db:
            rows = db.execute(
                "SELECT job, done, total, unit, text, failed, at_ns FROM progress "
                "ORDER BY at_ns DESC, job"
            ).fetchall()
        return {
            job: (Progress(done, total, unit, text, tuple(json.loads(failed))), at_ns)
            for job, done, total, unit, text, failed, at_ns in rows
        }


def _lacking(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns, as they are declared, that an earlier workbench's table has not got."""
    known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    return [one for one in ADDED[table] if one.split()[0] not in known]


def _statements(script: str) -> list[str]:
    """Return the statements of a script one by one: ``executescript`` would commit behind us."""
    found, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if part.strip() and sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found


def segment_row(segment: Segment) -> Row:
    """Return a segment as a row of its table."""
    return (
        segment.sha256,
        segment.camera_id,
        segment.path,
        # SQLite does not take NumPy's integers, and a PTS often comes as one.
        int(segment.stamped_start_ns),
        int(segment.first_pts),
        int(segment.stop_pts),
        int(segment.time_base.numerator),
        int(segment.time_base.denominator),
        int(segment.tick_s.numerator),
        int(segment.tick_s.denominator),
        int(segment.frame_count),
        int(segment.width_px),
        int(segment.height_px),
        segment.codec,
        int(segment.rotation_deg),
        int(segment.size_bytes),
        json.dumps(list(segment.notes), ensure_ascii=False),
    )


def segment_of(row: Row) -> Segment:
    """Return the segment of such a row."""
    base_num, base_den, tick_num, tick_den = row[6:10]
    ticks = (_fraction(base_num, base_den), _fraction(tick_num, tick_den))
    notes = tuple(json.loads(row[16])) if row[16] != "[]" else ()
    facts: Row = (*row[:6], *ticks, *row[10:16], notes)
    return Segment(*facts)


@lru_cache(maxsize=256)
def _fraction(numerator: int, denominator: int) -> Fraction:
    # A ward has a handful of time bases and hundreds of thousands of files.
    return Fraction(numerator, denominator)


def _starts(db: sqlite3.Connection, camera_id: str, spans: Sequence[Span]) -> list[Row]:
    """Return bounds ``(camera_id, from, to)`` of the starts of files that may reach into spans."""
    longest = db.execute(
        f"SELECT {_LENGTH_S} FROM segments WHERE camera_id = ? ORDER BY {_LENGTH_S} DESC LIMIT 1",
        (camera_id,),
    ).fetchone()
    if longest is None:
        return []
    reach_ns = (math.ceil(longest[0]) + 1) * SECOND_NS
    begins = union(Span(span.start_ns - reach_ns, span.stop_ns) for span in spans)
    return [(camera_id, _bounded(one.start_ns), _bounded(one.stop_ns)) for one in begins]


def _bounded(ns: int) -> int:
    """Return an instant that SQLite's integers can hold."""
    return int(min(max(ns, -_LAST_NS), _LAST_NS))


def _refuse_other_claim(new: Segment, stored: Segment) -> None:
    if new.camera_id != stored.camera_id:
        raise BadInput(
            N_("this file is already archived as footage of camera {stored}, not {new}"),
            N_("check which camera filmed it; the archive keeps the first answer"),
            where=new.sha256,
            stored=stored.camera_id,
            new=new.camera_id,
        )
    if new.stamped_start_ns != stored.stamped_start_ns:
        raise BadInput(
            N_("this file is already archived as starting at {stored}, not {new}"),
            N_("leave its start and state the difference as a clock fix"),
            where=new.sha256,
            stored=format_utc(stored.stamped_start_ns),
            new=format_utc(new.stamped_start_ns),
        )
    if new.tick_s != stored.tick_s:
        raise BadInput(
            N_("this file is already archived with ticks of {stored} s, not {new} s"),
            N_("use the archived frame rate"),
            where=new.sha256,
            stored=stored.tick_s,
            new=new.tick_s,
        )
