"""Drops of long ago, put together: a row a camera and day stands for one a file.

77 cameras drop 220,000 files a day. What gaps, the monthly report and whoever protects too late
ask for stays as it was: the spans that were removed, joined where footage counts as whole, each
with its files and bytes. Of the hashes one stays, over all of them, so that a list kept elsewhere
(a backup of the journal) can be held against it. The deletion statements in the log are not
touched.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from array import array
from collections.abc import Sequence

from workbench.store.catalogue import Catalogue
from workbench.timeline import SECOND_NS

DAY_NS = 86_400 * SECOND_NS
WHOLE_NS = SECOND_NS // 5
"""Footage this close together is whole, as gaps and reports take it (``streams.gaps.JOIN_S``)."""
COVERED = (
    "EXISTS (SELECT 1 FROM dropped_days day WHERE day.camera_id = dropped.camera_id "
    "AND day.last_drop_id >= dropped.drop_id AND day.why = dropped.why "
    "AND dropped.at_ns BETWEEN day.first_at_ns AND day.last_at_ns)"
)
"""Of a row of ``dropped``: another row stands for it."""
Told = tuple[int, int, int, int]
"""A span that was removed: start and stop, ns stamped, files and bytes."""


def oldest_day(catalogue: Catalogue, before_ns: int) -> list[array[int]]:
    """Return the numbers of the oldest day's drops, a list a camera and reason; none from then on.

    A day is one of UTC, by when it was dropped. The newest row of all stays where it is: a number
    must not be given twice.
    """
    found: dict[tuple[str, str], array[int]] = {}
    until_ns = None
    with catalogue.read() as db:
        rows = db.execute(
            "SELECT drop_id, camera_id, why, at_ns FROM dropped "
            "WHERE drop_id < (SELECT MAX(drop_id) FROM dropped) ORDER BY drop_id"
        )
        for drop_id, camera_id, why, at_ns in rows:
            if until_ns is None:
                until_ns = (at_ns // DAY_NS + 1) * DAY_NS
            if at_ns >= min(until_ns, before_ns) or at_ns < until_ns - DAY_NS:
                break
            found.setdefault((camera_id, why), array("q")).append(drop_id)
    return list(found.values())


def put_together(catalogue: Catalogue, numbers: Sequence[int], at_ns: int) -> int:
    """Put one row in place of those drops, of one camera, day and reason; return how many."""
    with catalogue.write() as db:
        rows = db.execute(
            "SELECT sha256, camera_id, why, start_ns, stop_ns, size_bytes, at_ns, drop_id "
            "FROM dropped WHERE drop_id IN (SELECT value FROM json_each(?)) ORDER BY start_ns",
            (json.dumps(list(numbers)),),
        ).fetchall()
        if not rows:  # another process did it
            return 0
        spans = joined([(start, stop, 1, size) for _, _, _, start, stop, size, _, _ in rows])
        hashes = "".join(f"{sha256}\n" for sha256 in sorted(row[0] for row in rows))
        times = [row[6] for row in rows]
        db.execute(
            "INSERT INTO dropped_days VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                rows[0][1], rows[0][2], spans[0][0], max(stop for _, stop, _, _ in spans),
                len(rows), sum(size for _, _, _, size in spans), json.dumps(spans),
                min(times), max(times), max(row[7] for row in rows),
                hashlib.sha256(hashes.encode()).hexdigest(), int(at_ns),
            ),
        )  # fmt: skip
        return take_out(db, "drop_id IN (SELECT value FROM json_each(?))", json.dumps([*numbers]))


def take_out(db: sqlite3.Connection, where: str = "1", *values: str) -> int:
    """Delete the rows of ``dropped`` for which another one stands; return how many."""
    return db.execute(f"DELETE FROM dropped WHERE {where} AND {COVERED}", values).rowcount


def joined(spans: Sequence[Told]) -> list[Told]:
    """Return spans, in order of their start, joined where what is between them counts as whole.

    >>> joined([(0, 10, 1, 5), (10 + WHOLE_NS, 2 * WHOLE_NS, 1, 5), (10**9, 2 * 10**9, 1, 7)])
    [(0, 400000000, 2, 10), (1000000000, 2000000000, 1, 7)]
    """
    found: list[Told] = []
    for start, stop, count, size in spans:
        if found and start <= found[-1][1] + WHOLE_NS:
            first, last, files, held = found[-1]
            found[-1] = (first, max(last, stop), files + count, held + size)
        else:
            found.append((start, stop, count, size))
    return found
