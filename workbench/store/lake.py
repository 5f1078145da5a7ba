"""The sightings lake: immutable Parquet by day and camera, queried with DuckDB.

A file's name is the SHA-256 of its bytes, so that an altered file shows. Files are found by listing
the folders of the days and cameras asked for; DuckDB sees only those. Writers take turns (a row
that is there is not written again, whoever writes it); readers do not wait for them, because a file
appears whole.

Files are taken away on two occasions only: the times of a camera are corrected, or a day of a
camera has become many small files, which are put into one. Then the new files are written under
temporary names, after them a journal of renames and removals, and it is carried out while readers
wait. Whoever comes upon the journal of a killed process carries it out first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.errors import N_, BadInput, Damaged
from workbench.records import SIGHTINGS
from workbench.store import files
from workbench.store.catalogue import Catalogue
from workbench.store.sightings import TIMES, checked
from workbench.timeline import SECOND_NS, Span

Told = TypeVar("Told")

_DAY_NS = 86_400 * SECOND_NS
_LAST_NS = 2**63 - 2
_ROW_GROUP = 65_536
_CROWD = 8
"""More files than this in one day of one camera become one: opening a file costs half a ms."""


class Lake:
    """The folder of sightings. Holds paths only, so it pickles and forks freely."""

    def __init__(self, folder: Path, locks: Path, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._writers = locks / "sightings"
        self._swap = locks / "sightings-swap"
        self._journal = folder / "rewrite.json"

    def append(self, table: pa.Table) -> int:
        """Write the rows that are not there yet and return how many they were.

        Raises
        ------
        BadInput
            When the table is not in the schema SIGHTINGS.
        """
        rows = checked(table)
        if rows.num_rows == 0:
            return 0
        with files.locked(self._writers):
            new = rows.filter(pc.invert(self._stored(rows)))
            # what was dropped while it was being searched leaves nothing behind
            gone = self._catalogue.gone(pc.unique(new["segment_sha256"]).to_pylist())
            if gone:
                names = pa.array(sorted(gone), pa.string())
                new = new.filter(pc.invert(pc.is_in(new["segment_sha256"], names)))
            self._note_days(new)
            for partition, part in _partitions(new):
                folder = self._folder / partition
                self._tidy(folder)
                name, data = _parquet(part)
                files.write_bytes(folder / name, data)
                crowd = _parquet_files(folder)
                if len(crowd) > _CROWD:
                    self._replace(crowd, self._read(crowd))
            return int(new.num_rows)

    def append_whole(self, table: pa.Table, told: Callable[[int], tuple[str, bytes, Told]]) -> Told:
        """Write the rows that are not there yet and a file that tells of them, all or nothing.

        Parameters
        ----------
        told
            From the number of rows added to that file's name inside the lake, its bytes, and what
            is returned.
        """
        rows = checked(table)
        with files.locked(self._writers):
            new = rows.filter(pc.invert(self._stored(rows))) if rows.num_rows else rows
            name, data, answer = told(new.num_rows)
            self._replace([], new, beside={name: data})
            return answer

    def segments_made_by(self, model_ref: str) -> list[str]:
        """Return the segments that rows with this `model_ref` name."""
        query = "SELECT DISTINCT segment_sha256 AS one FROM lake WHERE model_ref = $ref ORDER BY 1"
        found = self._run(query, {"ref": model_ref}, None)
        return [] if found is None else found["one"].to_pylist()

    def counts_made_by(self, start: str) -> dict[str, int]:
        """Return how many rows carry each `model_ref` that begins so."""
        query = (
            "SELECT model_ref, count(*) AS rows FROM lake WHERE starts_with(model_ref, $start) "
            "GROUP BY model_ref"
        )
        found = self._run(query, {"start": start}, None)
        if found is None:
            return {}
        return dict(zip(found["model_ref"].to_pylist(), found["rows"].to_pylist(), strict=True))

    def made_by(self, start: str, before_ns: int) -> pa.Table:
        """Return the rows whose `model_ref` begins so and whose ``utc`` is before an instant.

        Their columns are sighting_id, camera_id, utc, sigma_s and model_ref, ``day`` beside them:
        the UTC day they lie under.
        """
        before = Span(-(2**62), before_ns)
        where, values = _conditions(before, None, False, None, None)
        # the day as folders are named, whole days of UTC
        query = (
            "SELECT sighting_id, camera_id, utc, sigma_s, model_ref, "
            f"strftime(utc::TIMESTAMPTZ, '%Y-%m-%d') AS day FROM lake{where} "
            "AND starts_with(model_ref, $start) ORDER BY utc, sighting_id"
        )
        found = self._run(query, values | {"start": start}, None, before)
        return found if found is not None else _MADE_BY.empty_table()

    def take_away(
        self,
        camera_id: str,
        day: str,
        ids: Sequence[str],
        told: Callable[[int], Mapping[str, bytes | None]],
        still: Callable[[], bool],
    ) -> bool:
        """Take away rows of a camera and a UTC day, and change files that tell of them, at once.

        Parameters
        ----------
        told
            From the number of rows to those files' names inside the lake and their bytes now, None
            for one that goes.
        still
            Asked last, while nobody can write into the catalogue; where it says no, nothing goes
            and False is returned.
        """
        with files.locked(self._writers):
            with self._settled():
                old = self.files([camera_id], days=[day])
            rows = self._read(old)
            left = rows.filter(pc.invert(pc.is_in(rows["sighting_id"], pa.array(ids, pa.string()))))
            changed = told(rows.num_rows - left.num_rows)
            beside = {name: data for name, data in changed.items() if data is not None}
            gone = [self._folder / name for name in changed.keys() - beside.keys()]
            return self._replace([*old, *gone], left, beside=beside, still=still)

    def forget(self, segments: Sequence[str], *, made_by: str | None = None) -> int:
        """Take away the sightings of segments that were dropped; return how many they were.

        With `made_by`, only those with this ``model_ref``.
        """
        wanted = pa.array(list(segments), pa.string())
        forgotten = 0
        with files.locked(self._writers):
            with self._settled():
                old = self.files(days=self._catalogue.sighting_days(segments))
            folders = sorted({path.parent for path in old})
            for folder in folders:
                paths = [path for path in old if path.parent == folder]
                rows = self._read(paths)
                named = pc.is_in(rows["segment_sha256"], wanted)
                if made_by is not None:
                    named = pc.and_(named, pc.equal(rows["model_ref"], made_by))
                left = rows.filter(pc.invert(named))
                if left.num_rows < rows.num_rows:
                    forgotten += rows.num_rows - left.num_rows
                    self._replace(paths, left)
            if made_by is None:  # others may have left rows of the same segments
                self._catalogue.forget_days(segments)
        return forgotten

    def note_days(self) -> None:
        """Note in the catalogue which segments each day holds sightings of, from the files."""
        with files.locked(self._writers), self._settled():
            for path in self.files():
                day = path.parent.parent.name.removeprefix("day=")
                names = pq.ParquetFile(path).read(["segment_sha256"])["segment_sha256"]
                self._catalogue.add_sighting_days(
                    (one, day) for one in pc.unique(names).to_pylist()
                )

    def rewrite(self, camera_id: str, change: Callable[[pa.Table], pa.Table]) -> int:
        """Put other times of one camera's rows in place of the stored ones; return how many differ.

        Parameters
        ----------
        change
            From the camera's sightings to the same ones, in the same order, with other values in
            the columns TIMES.
        """
        with files.locked(self._writers):
            with self._settled():
                old = self.files([camera_id])
            rows = self._read(old)
            changed = change(rows)
            differs = np.zeros(rows.num_rows, dtype=bool)
            for name in TIMES:
                differs |= pc.not_equal(rows[name], changed[name]).to_numpy()
            if not differs.any():
                return 0
            self._replace(old, changed)
            return int(differs.sum())

    def _replace(
        self,
        old: Sequence[Path],
        rows: pa.Table,
        *,
        beside: Mapping[str, bytes] | None = None,
        still: Callable[[], bool] | None = None,
    ) -> bool:
        """Put files of these rows in the place of old ones. The caller holds the writers' lock.

        `beside` are other files of the lake that appear in the same step, by name. `still` is asked
        last, inside a write transaction of the catalogue: where it says no, nothing is changed.
        """
        self._note_days(rows)
        self._tidy(self._folder)
        renames, kept = [], set()
        for name, data in (beside or {}).items():
            final = self._folder / name
            self._tidy(final.parent)
            temporary = final.with_name(f"{files.TEMPORARY}{final.name}")
            files.write_bytes(temporary, data)
            renames.append([self._name(temporary), self._name(final)])
        for partition, part in _partitions(checked(rows)):
            name, data = _parquet(part)
            final = self._folder / partition / name
            kept.add(final)
            self._tidy(final.parent)
            if final not in old:
                temporary = final.with_name(f"{files.TEMPORARY}{name}")
                files.write_bytes(temporary, data)
                renames.append([self._name(temporary), self._name(final)])
        removals = [self._name(path) for path in old if path not in kept]
        journal = {"rename": renames, "remove": removals}
        # what is protected meanwhile waits for the transaction: the journal decides
        with self._catalogue.write() if still is not None else nullcontext():
            if still is not None and not still():
                for unfinished, _final in renames:
                    (self._folder / unfinished).unlink()
                return False
            files.write_bytes(self._journal, json.dumps(journal).encode())
        with files.locked(self._swap):
            self._carry_out()
        return True

    def query(
        self,
        *,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        kinds: Sequence[str] | None = None,
        with_plate: bool = False,
        ids: Sequence[str] | None = None,
        segment: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return the sightings that meet every condition given, by time, then id."""
        names = SIGHTINGS.names if columns is None else list(columns)
        unknown = [name for name in names if name not in SIGHTINGS.names]
        if unknown:
            raise BadInput(
                N_("sightings have no column {columns}"),
                N_("use the columns of docs/schema.md"),
                columns=", ".join(unknown),
            )
        schema = pa.schema([SIGHTINGS.field(name) for name in names], SIGHTINGS.metadata)
        where, values = _conditions(span, kinds, with_plate, ids, segment)
        listed = ", ".join(names) if names else "sighting_id"
        found = self._run(
            f"SELECT {listed} FROM lake{where} ORDER BY utc, sighting_id",
            values,
            cameras,
            span,
        )
        if found is None:
            return schema.empty_table()
        return pa.table([found[name].cast(schema.field(name).type) for name in names], schema)

    def plates(self, *, cameras: Sequence[str] | None, span: Span | None) -> pa.Table:
        """Return distinct plate reads: plate, count, score (best), first_utc, last_utc."""
        where, values = _conditions(span, None, True, None, None)
        found = self._run(
            "SELECT plate, count(*) AS count, max(plate_score) AS score, min(utc) AS first_utc, "
            f"max(utc) AS last_utc FROM lake{where} GROUP BY plate ORDER BY plate",
            values,
            cameras,
            span,
        )
        return PLATES.empty_table() if found is None else found.cast(PLATES)

    def files(
        self,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        days: Collection[str] | None = None,
    ) -> list[Path]:
        """Return the Parquet files of these cameras and days (None: all) that may hold `span`."""
        wanted = None if cameras is None else set(cameras)
        found = []
        for day_folder in sorted(self._folder.glob("day=*")):
            day = day_folder.name.removeprefix("day=")
            if (days is not None and day not in days) or not (span is None or _holds(day, span)):
                continue
            for folder in sorted(day_folder.glob("camera=*")):
                if wanted is None or folder.name.removeprefix("camera=") in wanted:
                    found += _parquet_files(folder)
        return found

    def check(self) -> Iterator[Damaged]:
        """Yield a finding for each file whose bytes are not those it is named after."""
        with self._settled():
            for path in self.files():
                if files.sha256_of(path) != path.stem:
                    yield Damaged(
                        N_("the bytes of this file of sightings are not those that were written"),
                        N_("delete it and run recognition again on its camera and day"),
                        where=str(path),
                    )

    def _stored(self, rows: pa.Table) -> pa.Array:
        cameras = pc.unique(rows["camera_id"]).to_pylist()
        segments = pc.unique(rows["segment_sha256"]).to_pylist()
        # Not by the rows' own days: under an older clock fix they may stand under others.
        days = self._catalogue.sighting_days(segments)
        with self._settled():
            found = self._run_over(
                "SELECT sighting_id FROM lake WHERE segment_sha256 IN (SELECT unnest($segments))",
                {"segments": segments},
                self.files(cameras, days=days),
            )
        if found is None:
            return pa.array(np.zeros(rows.num_rows, dtype=bool))
        return pc.is_in(rows["sighting_id"], found["sighting_id"].combine_chunks())

    def _note_days(self, rows: pa.Table) -> None:
        days = [_day(number) for number in _day_numbers(rows).tolist()]
        pairs = zip(rows["segment_sha256"].to_pylist(), days, strict=True)
        self._catalogue.add_sighting_days(pairs)

    def _read(self, paths: list[Path]) -> pa.Table:
        found = self._run_over(
            f"SELECT {', '.join(SIGHTINGS.names)} FROM lake ORDER BY utc, sighting_id", {}, paths
        )
        return SIGHTINGS.empty_table() if found is None else checked(found)

    def _name(self, path: Path) -> str:
        # Relative, so that a journal holds where a root was moved or restored to.
        return path.relative_to(self._folder).as_posix()

    def _tidy(self, folder: Path) -> None:
        # Only the holder of the lock writes here: what is unfinished belongs to a killed writer.
        for left in folder.glob(f"{files.TEMPORARY}*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Hold off rewriting while inside, after finishing one that was broken off."""
        while True:
            with files.locked(self._swap, shared=True):
                if not self._journal.exists():
                    yield
                    return
            with files.locked(self._swap):
                self._carry_out()

    def _carry_out(self) -> None:
        # Each step may have been done before: by a killed rewriter, or by a reader in its stead.
        try:
            journal = json.loads(self._journal.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        for temporary, final in journal["rename"]:
            with suppress(FileNotFoundError):
                (self._folder / temporary).replace(self._folder / final)
        for path in journal["remove"]:
            (self._folder / path).unlink(missing_ok=True)
        self._journal.unlink()

    def _run(
        self,
        query: str,
        values: dict[str, object],
        cameras: Sequence[str] | None,
        span: Span | None = None,
    ) -> pa.Table | None:
        """Run a query over files of these cameras and times; None where there is no file."""
        with self._settled():
            return self._run_over(query, values, self.files(cameras, span))

    def _run_over(
        self, query: str, values: dict[str, object], paths: list[Path]
    ) -> pa.Table | None:
        if not paths:
            return None
        try:
            with _duck() as db:
                db.from_parquet([str(path) for path in paths], hive_partitioning=False).create_view(
                    "lake"
                )
                return db.sql(query, params=values).to_arrow_table()
        except duckdb.Error as error:
            broken = next((path for path in paths if not _readable(path)), None)
            if broken is None:
                raise
            raise Damaged(
                N_("this file of sightings cannot be read: {error}"),
                N_("delete it and run recognition again on its camera and day"),
                where=str(broken),
                error=str(error).splitlines()[0],
            ) from None


PLATES = pa.schema(
    [
        ("plate", pa.string()),
        ("count", pa.int64()),
        ("score", pa.float64()),
        ("first_utc", pa.timestamp("ns", tz="UTC")),
        ("last_utc", pa.timestamp("ns", tz="UTC")),
    ]
)
"""One row a distinct plate text."""

_MADE_BY = pa.schema(
    [*(SIGHTINGS.field(name) for name in ("sighting_id", "camera_id", "utc", "sigma_s")),
     SIGHTINGS.field("model_ref"), ("day", pa.string())]
)  # fmt: skip
"""What :meth:`Lake.made_by` returns."""


@contextmanager
def _duck() -> Iterator[duckdb.DuckDBPyConnection]:
    # A connection a call: DuckDB's threads do not survive a fork. It never fetches an extension.
    with duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    ) as db:
        db.execute("SET TimeZone = 'UTC'")
        yield db


def _conditions(
    span: Span | None,
    kinds: Sequence[str] | None,
    with_plate: bool,
    ids: Sequence[str] | None,
    segment: str | None,
) -> tuple[str, dict[str, object]]:
    parts: list[str] = []
    values: dict[str, object] = {}
    if span is not None:
        # Integers, written out: as parameters DuckDB would not push them down to the row groups.
        # It keeps the ends of int64 for infinity; whoever asks for all time means no bound.
        for sign, bound_ns in ((">=", int(span.start_ns)), ("<", int(span.stop_ns))):
            if abs(bound_ns) <= _LAST_NS:
                parts.append(f"utc {sign} make_timestamp_ns({bound_ns})::TIMESTAMPTZ_NS")
    for column, wanted in (("kind", kinds), ("sighting_id", ids)):
        if wanted is not None:
            parts.append(f"{column} IN (SELECT unnest(${column}::VARCHAR[]))")
            values[column] = list(wanted)
    if with_plate:
        parts.append("plate IS NOT NULL")
    if segment is not None:
        parts.append("segment_sha256 = $segment")
        values["segment"] = segment
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _parquet(rows: pa.Table) -> tuple[str, bytes]:
    """Return the name and the bytes of a file of these rows, whatever order they come in."""
    sink = pa.BufferOutputStream()
    ordered = rows.sort_by([("utc", "ascending"), ("sighting_id", "ascending")])
    pq.write_table(ordered, sink, compression="zstd", row_group_size=_ROW_GROUP)
    data = sink.getvalue().to_pybytes()
    return f"{hashlib.sha256(data).hexdigest()}.parquet", data


def _partitions(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    days = _day_numbers(rows)
    cameras = rows["camera_id"].to_numpy(zero_copy_only=False)
    for day in np.unique(days):
        for camera in np.unique(cameras[days == day]):
            part = rows.filter(pa.array((days == day) & (cameras == camera)))
            yield f"day={_day(int(day))}/camera={camera}", part


def _day_numbers(rows: pa.Table) -> NDArray[np.int64]:
    """Return the UTC day of each row's best frame, counted from 1970-01-01."""
    numbers: NDArray[np.int64] = rows["utc"].cast(pa.int64()).to_numpy() // _DAY_NS
    return numbers


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def _parquet_files(folder: Path) -> list[Path]:
    # The names of unfinished files begin with a dot.
    return sorted(folder.glob("[!.]*.parquet"))


def _holds(day: str, span: Span) -> bool:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return Span(start.days * _DAY_NS, (start.days + 1) * _DAY_NS).overlap(span) is not None


def _readable(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return False
    return True
