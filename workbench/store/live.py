"""Sightings of recordings that still grow: kept apart until the file is sealed and has a name.

One small Parquet file a recording, ``live/<camera>/<recording>.parquet``, written anew with each
pass. Their ``segment_sha256`` begins with ``live:`` until the hash is known: they are provisional,
and go as soon as the same rows are in the lake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.records import SIGHTINGS
from workbench.store import files
from workbench.timeline import Span

PROVISIONAL = "live:"
"""How the segment of a provisional row is called, before camera and recording."""
SHOWN = "shown_ns"
"""Column of the live files beside those of SIGHTINGS: when the row could first be read, UTC."""
_FACTS = b"following"
_LAST_NS = 2**63 - 1


def provisional_name(camera_id: str, recording: str) -> str:
    """Return what stands for the hash of a recording that is not sealed.

    >>> provisional_name("S01-P1", "1764")
    'live:S01-P1:1764'
    """
    return f"{PROVISIONAL}{camera_id}:{recording}"


@dataclass(frozen=True, slots=True)
class LiveRows:
    """The rows of one recording, what was searched of it and by what.

    ``looked`` are spans of ticks ``[first, stop)``.
    """

    camera_id: str
    recording: str
    table: pa.Table
    shown_ns: tuple[int, ...]
    looked: tuple[tuple[int, int], ...] = ()
    model_ref: str = ""

    @property
    def span(self) -> Span:
        """Return the time of the recording that the rows cover, from its beginning."""
        began_ns = int(self.recording)
        last = self.table["last_utc"].cast(pa.int64()).to_pylist()
        return Span(began_ns, max([began_ns, *last]) + 1)


class Live:
    """The folder of provisional rows. Holds paths only."""

    def __init__(self, folder: Path, locks: Path) -> None:
        self.folder = folder
        self._lock = locks / "live"

    @contextmanager
    def still(self, *, changing: bool = False) -> Iterator[None]:
        """Hold rows where they are while they are read here and in the lake, or moved there."""
        with files.locked(self._lock, shared=not changing):
            yield

    def put(self, rows: LiveRows) -> None:
        """Write the rows of a recording in place of those known of it."""
        told = {
            "looked": [list(span) for span in rows.looked],
            "model_ref": rows.model_ref,
        }
        table = rows.table.append_column(SHOWN, pa.array(rows.shown_ns, pa.int64()))
        table = table.replace_schema_metadata({_FACTS: json.dumps(told).encode()})
        path = self._path(rows.camera_id, rows.recording)
        with files.replacing(path, durable=False) as temporary:
            pq.write_table(table, temporary)

    def drop(self, rows: LiveRows) -> None:
        """Forget a recording's provisional rows."""
        self.forget(rows.camera_id, rows.recording)

    def forget(self, camera_id: str, recording: str) -> None:
        """Forget the provisional rows of a recording by its name; there may be none."""
        self._path(camera_id, recording).unlink(missing_ok=True)

    def say(self, status: Mapping[str, object]) -> None:
        """Write how the following goes, ``live/follow.json``."""
        text = json.dumps(status, ensure_ascii=False)
        files.write_bytes(self.folder / "follow.json", text.encode(), durable=False)

    def said(self) -> dict[str, Any]:
        """Return how the following goes, as it was said last; empty if never."""
        try:
            told: dict[str, Any] = json.loads((self.folder / "follow.json").read_text())
        except (OSError, ValueError):
            return {}
        return told

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Follow while inside, or learn at once that another process does (False)."""
        with files.held(self._lock.with_name("follow")) as ours:
            yield ours

    def all(self, cameras: Sequence[str] | None = None) -> list[LiveRows]:
        """Return what is kept of these cameras' recordings (None: all), oldest first."""
        found = []
        for path in sorted(self.folder.glob("*/[!.]*.parquet")):
            if cameras is not None and path.parent.name not in cameras:
                continue
            with suppress(FileNotFoundError, pa.ArrowException, ValueError, KeyError):
                table = pq.ParquetFile(path).read()
                told = json.loads((table.schema.metadata or {})[_FACTS])
                looked = tuple((int(a), int(b)) for a, b in told["looked"])
                found.append(
                    LiveRows(
                        path.parent.name, path.stem, table.select(SIGHTINGS.names).cast(SIGHTINGS),
                        tuple(table[SHOWN].to_pylist()), looked, told["model_ref"],
                    )
                )  # fmt: skip
        return found

    def sightings(
        self,
        *,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        kinds: Sequence[str] | None = None,
        with_plate: bool = False,
        ids: Sequence[str] | None = None,
        segment: str | None = None,
    ) -> pa.Table:
        """Return the provisional rows that meet every condition, as ``Store.sightings`` does."""
        table = pa.concat_tables([SIGHTINGS.empty_table(), *(r.table for r in self.all(cameras))])
        if table.num_rows and span is not None:
            at = table["utc"].cast(pa.int64())
            inside = pc.and_(
                pc.greater_equal(at, max(span.start_ns, -_LAST_NS)),
                pc.less(at, min(span.stop_ns, _LAST_NS)),
            )
            table = table.filter(inside)
        for column, wanted in (("kind", kinds), ("sighting_id", ids)):
            if wanted is not None:
                table = table.filter(pc.is_in(table[column], pa.array(wanted, pa.string())))
        if with_plate:
            table = table.filter(pc.is_valid(table["plate"]))
        if segment is not None:
            table = table.filter(pc.equal(table["segment_sha256"], segment))
        return table

    def _path(self, camera_id: str, recording: str) -> Path:
        return self.folder / camera_id / f"{recording}.parquet"


def beside(found: pa.Table, growing: pa.Table) -> pa.Table:
    """Add provisional rows, in order; one that the lake has already counts once."""
    new = pc.invert(pc.is_in(growing["sighting_id"], found["sighting_id"].combine_chunks()))
    both = pa.concat_tables([found, growing.filter(new).cast(found.schema)])
    return both.sort_by([("utc", "ascending"), ("sighting_id", "ascending")])
