"""What is kept of the running of the cameras: what ended their footage, and their health."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.records import Loss
from workbench.store import files
from workbench.store.catalogue import Catalogue
from workbench.store.incidents import IncidentBook
from workbench.store.journal import Journal
from workbench.timeline import SECOND_NS, Span, format_utc

LAST_NS = 2**63 - 1
"""What SQLite holds as a time at most."""


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
    ) -> list[pa.Table]:
        """Return the checks in `span`, a table a file: of these cameras and columns (None: all).

        Looked at are the files written in `span` or within a day after it. What is not asked for is
        left out before any of it becomes a Python object: a ward has 40 million checks a month.
        """
        latest_ns = span.stop_ns + 86_400 * SECOND_NS
        first, last = (format_utc(min(ns, LAST_NS))[:10] for ns in (span.start_ns, latest_ns))
        days = sorted((self._root / "health").glob("day=*"))
        wanted = (pc.field("at_ns") >= int(span.start_ns)) & (
            pc.field("at_ns") < int(min(span.stop_ns, LAST_NS))
        )
        if cameras is not None:
            wanted &= pc.field("camera_id").isin(list(cameras))
        read = (
            None if columns is None else list({"at_ns": 0, "camera_id": 0} | dict.fromkeys(columns))
        )
        return [
            pq.ParquetFile(path).read(read).filter(wanted)
            for day in days
            if first <= day.name.removeprefix("day=") <= last
            for path in sorted(day.glob("*.parquet"))
            if span.start_ns <= int(path.stem) < latest_ns
        ]
