"""What is kept of the running of the cameras: what ended their footage, and their health."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.errors import N_, Unavailable
from workbench.records import Loss
from workbench.store import files
from workbench.store.catalogue import Catalogue
from workbench.store.incidents import IncidentBook
from workbench.store.journal import Journal
from workbench.timeline import SECOND_NS, Span, format_utc

LAST_NS = 2**63 - 1
"""What SQLite holds as a time at most."""
DAY_NS, HOUR_NS = 86_400 * SECOND_NS, 3_600 * SECOND_NS
READ_TRIES = 5
_PARTS = b"workbench.parts"
"""Under this name a joined file tells the names of those it was made of."""

_UNREADABLE = (pa.ArrowException, OSError, KeyError, ValueError)
"""What a file raises that is no table of checks."""


@dataclass(frozen=True, slots=True)
class HealthFile:
    """A file of checks: when what it holds may have been checked, UTC, and its newest instant."""

    path: Path
    span: Span
    since_ns: int
    size_bytes: int


class Upkeep:
    """The upkeep part of a store. It holds paths only, as the store does."""

    def __init__(self, root: Path, catalogue: Catalogue, journal: Journal) -> None:
        self._root, self._catalogue, self._journal = root, catalogue, journal
        self.incidents = IncidentBook(catalogue, journal)

    def add_loss(self, loss: Loss) -> None:
        """Record that a camera's footage ended, and why; repeating it changes nothing."""
        with self._catalogue.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO losses VALUES (?, ?, ?, ?)",
                (loss.camera_id, int(loss.at_ns), loss.cause, loss.detail),
            )
        self._journal.settle()

    def losses(self, cameras: Sequence[str] | None = None, span: Span | None = None) -> list[Loss]:
        """Return the losses of these cameras (None: all) inside `span`, by camera, then time."""
        with self._catalogue.read() as db:
            rows = db.execute(
                "SELECT camera_id, at_ns, cause, detail FROM losses "
                "WHERE (:cameras IS NULL OR camera_id IN (SELECT value FROM json_each(:cameras))) "
                "AND (:start IS NULL OR at_ns >= :start) AND (:stop IS NULL OR at_ns < :stop) "
                "ORDER BY camera_id, at_ns",
                {
                    "cameras": None if cameras is None else json.dumps(list(cameras)),
                    "start": None if span is None else int(span.start_ns),
                    "stop": None if span is None else int(span.stop_ns),
                },
            ).fetchall()
        return [Loss(*row) for row in rows]

    def stamped(
        self, cameras: Sequence[str], span: Span, *, join_ns: int | None = None
    ) -> dict[str, list[Span]]:
        """Return what each camera recorded in a span of stamped time, and its last file before.

        A span a file; with `join_ns`, those at most so far apart are one.
        """
        return self._catalogue.stamped(cameras, span, join_ns=join_ns)

    def size_begun(self, cameras: Sequence[str], span: Span) -> int:
        """Return the bytes of the files of cameras that begin in a span of stamped time."""
        query = (
            "SELECT COALESCE(SUM(size_bytes), 0) FROM segments "
            "WHERE camera_id = ? AND stamped_start_ns >= ? AND stamped_start_ns < ?"
        )
        bounds = int(span.start_ns), int(min(span.stop_ns, LAST_NS))
        with self._catalogue.read() as db:
            return sum(int(db.execute(query, (one, *bounds)).fetchone()[0]) for one in cameras)

    def append_health(self, table: pa.Table, at_ns: int) -> None:
        """Keep a table of health checks, made about `at_ns`, as a file of its own."""
        day = format_utc(at_ns)[:10]
        target = self._root / "health" / f"day={day}" / f"{at_ns}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(target, durable=False) as temporary:
            pq.write_table(table, temporary)

    def health(
        self,
        span: Span,
        cameras: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        unread: dict[str, str] | None = None,
    ) -> list[pa.Table]:
        """Return the checks in `span`, a table a file: of these cameras and columns (None: all).

        A file is one batch of checks, or a joined hour.
        Looked at are the files written in `span` or within a day after it. What is not asked for is
        left out before any of it becomes a Python object: a ward has 40 million checks a month.

        Parameters
        ----------
        unread
            Told of the files that cannot be read, and why, by path; their checks are left out.

        Raises
        ------
        Unavailable
            When files go and come faster than they are read.
        """
        latest_ns = span.stop_ns + DAY_NS
        first, last = (format_utc(min(ns, LAST_NS))[:10] for ns in (span.start_ns, latest_ns))
        wanted = (pc.field("at_ns") >= int(span.start_ns)) & (
            pc.field("at_ns") < int(min(span.stop_ns, LAST_NS))
        )
        if cameras is not None:
            wanted &= pc.field("camera_id").isin(list(cameras))
        read = (
            None if columns is None else list({"at_ns": 0, "camera_id": 0} | dict.fromkeys(columns))
        )
        for _again in range(READ_TRIES):
            found = [
                path
                for day in self._health_days()
                if first <= day.name.removeprefix("day=") <= last
                for path in _written_in(day, span.start_ns, latest_ns)
            ]
            # files vanish while they are joined: what they held is in another one then
            with suppress(FileNotFoundError):
                tables, bad = _read_each_once(found, cameras, read, wanted)
                if unread is not None:
                    unread.update(bad)
                return tables
        raise Unavailable(
            N_("the history of health changes while it is read"), N_("ask again"), where="health"
        )

    def health_before(self, until_ns: int) -> list[HealthFile]:
        """Return the files of checks that were all written before `until_ns`, oldest first."""
        found = []
        for day in self._health_days():
            if day.name.removeprefix("day=") > format_utc(max(0, until_ns))[:10]:
                break
            for path in sorted(day.iterdir()):
                span = _written(path)
                if span is not None and span.stop_ns <= until_ns:
                    # whatever a file holds was checked within a day before it was written
                    reach = Span(span.start_ns - DAY_NS, span.stop_ns)
                    found.append(HealthFile(path, reach, span.stop_ns - 1, path.stat().st_size))
        return found

    def drop_health(self, files_of: Sequence[HealthFile]) -> None:
        """Remove files of checks; the folder of a day that is empty then goes too."""
        for one in files_of:
            one.path.unlink(missing_ok=True)
        for day in {one.path.parent for one in files_of}:
            with suppress(OSError):  # another file is in it
                day.rmdir()

    def spoilt_health(self) -> list[Path]:
        """Return the files of checks that could not be read and were set aside by the joining."""
        return sorted((self._root / "health").glob("day=*/*.unreadable"))

    def join_health(self, now_ns: int, most: int = 6) -> int:
        """Join the checks of each hour that is over into one file, ordered by camera.

        The joined file names those it is made of, and is there before they go: a process killed in
        between leaves both, and nothing counts twice. At most so many hours are joined at once;
        return how many were. Each time some were, the joined files of two days are read, and one
        that cannot be is set aside: its parts are gone, and nobody else would look at it.
        """
        waiting: list[list[Path]] = []
        yesterday = format_utc(now_ns - DAY_NS)[:10]
        for day in reversed(self._health_days()):
            hours: dict[int, list[Path]] = {}
            for path in sorted(day.glob("*.parquet")):
                if path.stem.isdigit() and int(path.stem) // HOUR_NS < now_ns // HOUR_NS:
                    hours.setdefault(int(path.stem) // HOUR_NS, []).append(path)
            if not hours and day.name.removeprefix("day=") < yesterday:
                break  # older ones were joined before it
            waiting += [paths for _hour, paths in sorted(hours.items(), reverse=True)]
        joined = waiting[::-1][:most]
        for paths in joined:
            _join(paths)
        if joined:
            self._look_at_joined(yesterday)
        return len(joined)

    def _look_at_joined(self, first_day: str) -> None:
        for day in self._health_days():
            if day.name.removeprefix("day=") < first_day:
                continue
            for path in sorted(day.glob("*-*.parquet")):
                try:
                    pq.read_table(path)
                except FileNotFoundError:
                    continue  # retention was quicker
                except _UNREADABLE as error:
                    _set_aside(path, error)

    def _health_days(self) -> list[Path]:
        return sorted((self._root / "health").glob("day=*"))


def _written(path: Path) -> Span | None:
    """Return when a file of checks was written, or its parts; None where it is no such file."""
    first, _, last = path.stem.partition("-")
    if not first.isdigit() or not (last or first).isdigit():
        return None
    return Span(int(first), int(last or first) + 1)


def _written_in(day: Path, start_ns: int, stop_ns: int) -> list[Path]:
    """Return a day's files that were written, or whose parts were, between two instants."""
    found = []
    for path in day.glob("*.parquet"):
        span = _written(path)
        if span is not None and span.start_ns < stop_ns and span.stop_ns > start_ns:
            found.append(path)
    # what was joined before its parts: they may still be there
    return sorted(found, key=lambda path: ("-" not in path.stem, path.stem))


def _read_each_once(
    paths: Sequence[Path],
    cameras: Sequence[str] | None,
    columns: list[str] | None,
    wanted: pc.Expression,
) -> tuple[list[pa.Table], dict[str, str]]:
    """Return what files hold, each check once, and why some cannot be read, by path.

    Raises
    ------
    FileNotFoundError
        When one went meanwhile.
    """
    tables, bad, joined = [], {}, set[str]()
    for path in paths:
        if path.stem in joined:
            continue
        try:
            with pq.ParquetFile(path) as file:
                tables.append(file.read_row_groups(_groups(file, cameras), columns).filter(wanted))
                joined |= _parts_of(file.schema_arrow)
        except FileNotFoundError:
            raise
        except _UNREADABLE as error:
            bad[str(path)] = str(error)
    return tables, bad


def _parts_of(schema: pa.Schema) -> set[str]:
    return set(json.loads((schema.metadata or {}).get(_PARTS, b"[]")))


def _groups(file: pq.ParquetFile, cameras: Sequence[str] | None) -> list[int]:
    """Return the row groups that may hold one of these cameras."""
    every = list(range(file.num_row_groups))
    if cameras is None:
        return every
    column = file.schema_arrow.names.index("camera_id")
    found = []
    for number in every:
        known = file.metadata.row_group(number).column(column).statistics
        if known is None or not known.has_min_max:
            return every
        if any(known.min <= one <= known.max for one in cameras):
            found.append(number)
    return found


def _join(paths: Sequence[Path]) -> None:
    """Make one file of several, a row group a camera; what cannot be read stays as it is."""
    tables, parts = [], []
    joined: set[str] = set()
    for known in sorted(paths[0].parent.glob("*-*.parquet")):
        span = _written(known)
        if span is not None and span.start_ns // HOUR_NS == int(paths[0].stem) // HOUR_NS:
            try:
                joined |= _parts_of(pq.read_schema(known))
            except _UNREADABLE as error:  # its parts, if they are there, are joined anew
                _set_aside(known, error)
    for path in paths:
        if path.stem in joined:  # left by a process that was killed
            path.unlink(missing_ok=True)
            continue
        try:
            tables.append(pq.read_table(path))
        except _UNREADABLE as error:
            _set_aside(path, error)
            continue
        parts.append(path)
    if not parts:
        return
    table = pa.concat_tables(tables, promote_options="permissive")
    table = table.sort_by([("camera_id", "ascending"), ("at_ns", "ascending")])
    names = json.dumps([path.stem for path in parts]).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _PARTS: names})
    ends = [path.stem for path in (parts[0], parts[-1])]
    target = parts[0].with_name(f"{ends[0]}-{ends[1]}.parquet")
    with files.replacing(target) as temporary, pq.ParquetWriter(temporary, table.schema) as writer:
        for camera_id in pc.unique(table["camera_id"]):
            writer.write_table(table.filter(pc.equal(table["camera_id"], camera_id)))
    for path in parts:
        path.unlink(missing_ok=True)


def _set_aside(path: Path, error: Exception) -> None:
    # with a number it is the disk that fails: the file may be well, and is read later
    if not getattr(error, "errno", None):
        path.rename(path.with_suffix(".unreadable"))
