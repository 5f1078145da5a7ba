"""What must be kept and what was dropped: protections, lifts, and the removal of segments.

A drop is told before it is done: first a list of what is to go, then the catalogue's rows are moved
to ``dropped`` in one transaction that asks again what is protected, then the files and the
sightings go, provisional ones too. A process killed in between leaves the list, and the next one
carries it out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Literal

from workbench.errors import N_, BadInput, Unavailable
from workbench.records import Dropped, Protection, Segment
from workbench.store import files
from workbench.store.catalogue import Catalogue
from workbench.store.categories import DAYS, holds_now
from workbench.store.compaction import DAY_NS, oldest_day, put_together
from workbench.store.journal import Journal
from workbench.store.lake import Lake
from workbench.store.live import Live, LiveRows
from workbench.timeline import SECOND_NS, ClockFix, Span

MARGIN_NS = 60 * SECOND_NS
"""Protected spans reach so much farther on both sides: no camera's clock is exact."""
_NO_LIST = (ValueError, KeyError, TypeError)
"""What a list that was torn raises when it is read."""
MOST_STUCK = 1000
"""No more is dropped while so many files of earlier drops cannot be removed."""
Why = Literal["age", "disk"]
Tell = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What one call dropped and what it left because it is protected.

    ``stuck`` are files that the disk does not let go, of earlier calls too, and why, by path.
    """

    files: int
    size_bytes: int
    kept: int
    stuck: Mapping[str, str]


def is_kept(segment: Segment, fixes: Sequence[ClockFix], protections: Sequence[Protection]) -> bool:
    """Return whether any protection covers a segment, by its own clock or by the corrected one."""
    spans = [
        Span(one.start_ns - MARGIN_NS, one.stop_ns + MARGIN_NS)
        for one in {segment.stamped, segment.utc_span(fixes)}
    ]
    return any(hold.covers(segment.camera_id, span) for hold in protections for span in spans)


class Keeping:
    """The keeping part of a store. It holds paths only, as the store does."""

    def __init__(
        self, root: Path, catalogue: Catalogue, journal: Journal, lake: Lake, live: Live
    ) -> None:
        self._root, self._catalogue = root, catalogue
        self._journal, self._lake, self._live = journal, lake, live
        self._list = root / "journal" / "dropping.json"
        self._lock = root / ".locks" / "dropping"

    # --- protections ----------------------------------------------------------------------------

    def protect(
        self,
        cameras: Sequence[str],
        span: Span,
        *,
        number: str,
        reason: str,
        made_by: str,
        at_ns: int,
    ) -> Protection:
        """Keep the footage of cameras (none: all) in a span of UTC until it is lifted."""
        row = (
            json.dumps(list(cameras)), int(span.start_ns), int(span.stop_ns),
            number, reason, made_by, int(at_ns),
        )  # fmt: skip
        with self._catalogue.write() as db:
            made = db.execute("INSERT INTO protections VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
        self._journal.settle()
        assert made.lastrowid is not None
        return Protection(made.lastrowid, tuple(cameras), span, number, reason, made_by, at_ns)

    def lift(self, protection_id: int, *, reason: str, lifted_by: str, at_ns: int) -> None:
        """End a protection.

        Raises
        ------
        BadInput
            When there is none of that number, or it was lifted before.
        """
        if not 1 <= protection_id < 2**63:  # SQLite holds no other
            raise _not_in_force(protection_id)
        with self._catalogue.write() as db:
            known = db.execute(
                "SELECT 1 FROM protections WHERE protection_id = :id AND NOT EXISTS "
                "(SELECT 1 FROM lifts WHERE protection_id = :id)",
                {"id": protection_id},
            ).fetchone()
            if known is None:
                raise _not_in_force(protection_id)
            row = (protection_id, reason, lifted_by, int(at_ns))
            db.execute("INSERT INTO lifts VALUES (?, ?, ?, ?)", row)
        self._journal.settle()

    def protections(self) -> list[Protection]:
        """Return every protection, oldest first, those that were lifted too."""
        with self._catalogue.read() as db:
            rows = db.execute(
                "SELECT p.*, l.lifted_by, l.lifted_at_ns, l.reason FROM protections p "
                "LEFT JOIN lifts l USING (protection_id) ORDER BY protection_id"
            ).fetchall()
        return [
            Protection(
                number, tuple(json.loads(cameras)), Span(start, stop), case, reason, by, at,
                lifted_by or "", lifted_at, why or "",
            )
            for number, cameras, start, stop, case, reason, by, at, lifted_by, lifted_at, why
            in rows
        ]  # fmt: skip

    def holds(self, now_ns: int, case_days: Mapping[str, int] = DAYS) -> list[Protection]:
        """Return what keeps footage now: protections not lifted, and the periods of cases.

        An open case holds its own; a closed one for the days of its category, by `case_days`.
        """
        held = [one for one in self.protections() if one.lifted_at_ns is None]
        return held + [
            Protection(
                0, case.cameras, case.period, case.case_id, case.title, case.opened_by,
                case.opened_at_ns,
            )
            for case in self._catalogue.cases()
            if holds_now(case, now_ns, case_days)
        ]  # fmt: skip

    # --- dropping -------------------------------------------------------------------------------

    def drop(
        self,
        segments: Sequence[Segment],
        *,
        why: Why,
        at_ns: int,
        tell: Tell,
        provisional: Mapping[str, LiveRows] = MappingProxyType({}),
        case_days: Mapping[str, int] = DAYS,
    ) -> Done:
        """Remove segments that nothing protects, their indexes and their sightings.

        Parameters
        ----------
        tell
            Called with the facts of the deletion before a file goes: it writes them into the log.
        provisional
            Rows of these recordings that no search has settled yet, by hash; they go with them.
        case_days
            How long closed cases hold theirs, by category.

        Raises
        ------
        Unavailable
            When the disk lets so many files not go that no more should be begun.
        """
        with files.locked(self._lock):
            stuck = self._carry_out(tell)
            if len(stuck) >= MOST_STUCK:
                path, reason = next(iter(stuck.items()))
                raise Unavailable(
                    N_("{count} dropped files cannot be removed ({reason})"),
                    N_("see to the disk and its rights; nothing more is dropped before"),
                    where=path, count=len(stuck), reason=reason,
                )  # fmt: skip
            told: dict[str, Any] = {
                "why": why,
                "at_ns": int(at_ns),
                "segments": [
                    [one.sha256, one.camera_id, one.path, one.size_bytes] for one in segments
                ],
                "provisional": [
                    [sha256, one.camera_id, one.recording, one.table.num_rows]
                    for sha256, one in sorted(provisional.items())
                ],
            }
            told["stuck"] = self._stuck()
            files.write_bytes(self._list, json.dumps(told).encode())
            going, kept = self._move(segments, why, at_ns, case_days)
            self._journal.settle()
            stuck = self._carry_out(tell)
        return Done(len(going), sum(one.size_bytes for one in going), kept, stuck)

    def _move(
        self,
        segments: Sequence[Segment],
        why: Why,
        at_ns: int,
        case_days: Mapping[str, int] = DAYS,
    ) -> tuple[list[Segment], int]:
        with self._catalogue.write() as db:
            # inside the transaction: nobody can protect between the question and the answer
            holds = self.holds(at_ns, case_days)
            fixes = {
                camera_id: self._catalogue.clock_fixes(camera_id)
                for camera_id in {one.camera_id for one in segments}
            }
            known = {
                sha256
                for (sha256,) in db.execute(
                    "SELECT sha256 FROM segments WHERE sha256 IN (SELECT value FROM json_each(?))",
                    (json.dumps([one.sha256 for one in segments]),),
                )
            }
            present = [one for one in segments if one.sha256 in known]
            going = [one for one in present if not is_kept(one, fixes[one.camera_id], holds)]
            for one in going:
                span, name = one.stamped, (one.sha256,)
                db.execute(
                    "INSERT INTO dropped VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
                    (*name, one.camera_id, span.start_ns, span.stop_ns, one.size_bytes, at_ns, why),
                )
                db.execute("DELETE FROM segments WHERE sha256 = ?", name)
                db.execute("DELETE FROM searched WHERE segment_sha256 = ?", name)
        return going, len(present) - len(going)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let nothing be dropped inside."""
        with files.locked(self._lock):
            yield

    def finish(self, tell: Tell) -> Mapping[str, str]:
        """Carry out what a killed process began to drop; return what is stuck, as ``Done`` does."""
        with files.locked(self._lock):
            return self._carry_out(tell)

    def _carry_out(self, tell: Tell) -> dict[str, str]:
        try:
            told = self._read()
        except _NO_LIST:
            # nothing can be done by it, and it must not hold up every drop after it
            aside = f"dropping-{self._list.stat().st_mtime_ns}.unreadable"
            self._list.rename(self._list.with_name(aside))
            return {}
        if told is None:
            return {}
        # what came back meanwhile stays, the same bytes under the same name
        gone = self.gone([sha256 for sha256, *_ in (*told["segments"], *told["stuck"])])
        rows = [row for row in told["segments"] if row[0] in gone]
        waiting = [row for sha256, *row in told["provisional"] if sha256 in gone]
        if rows and not told.get("told"):  # once, however often the rest fails
            tell(_statement(told["why"], rows, waiting))
            files.write_bytes(self._list, json.dumps({**told, "told": True}).encode())
        stuck: dict[str, str] = {}
        left = []
        for row in (*(row for row in told["stuck"] if row[0] in gone), *rows):
            try:
                self._remove(row[0], row[2])
            except OSError as error:  # one camera's bad disk must not hold up the others
                stuck[str(self._root / row[2])] = error.strerror or type(error).__name__
                left.append(row)
        if rows:
            self._lake.forget(sorted({row[0] for row in rows}))
            with self._live.still(changing=True):
                for camera_id, recording, _count in waiting:
                    self._live.forget(camera_id, recording)
        if left:
            rest = {**told, "segments": [], "provisional": [], "stuck": left}
            files.write_bytes(self._list, json.dumps(rest).encode())
        else:
            self._list.unlink()
        return stuck

    def _remove(self, sha256: str, path: str) -> None:
        original, index = self._root / PurePosixPath(path), self._root / "index"
        for one in (
            original.with_suffix(".json"), original,
            index / sha256[:2] / f"{sha256}.npz", index / f"{sha256}.npz",
        ):  # fmt: skip
            one.unlink(missing_ok=True)

    def _stuck(self) -> list[tuple[Any, ...]]:
        told = self._read()
        return [] if told is None else list(told["stuck"])

    def _read(self) -> dict[str, Any] | None:
        """Return the list of what is to go, None where there is none; one of `_NO_LIST` if torn."""
        try:
            told: dict[str, Any] = json.loads(self._list.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        rows, stuck = (
            [
                (str(sha256), str(camera), str(path), int(size))
                for sha256, camera, path, size in listed
            ]
            for listed in (told["segments"], told.get("stuck", []))
        )
        waiting = [(str(sha256), str(camera), str(recording), int(count))
                   for sha256, camera, recording, count in told.get("provisional", [])]  # fmt: skip
        return {
            **told, "why": str(told["why"]), "segments": rows, "provisional": waiting,
            "stuck": stuck,
        }  # fmt: skip

    def listed(self) -> list[str]:
        """Return what a killed process was about to drop, and what is stuck; none if it is torn."""
        try:
            told = self._read()
        except _NO_LIST:
            return []
        if told is None:
            return []
        return [sha256 for sha256, *_ in (*told["segments"], *told["stuck"])]

    def unreadable(self) -> list[Path]:
        """Return the lists of broken-off drops that nobody could read and that were moved aside."""
        return sorted(self._list.parent.glob("dropping-*.unreadable"))

    def gone(self, hashes: Sequence[str]) -> set[str]:
        """Return which of these segments were dropped and have not come back."""
        return self._catalogue.gone(hashes)

    def compact(
        self, before_ns: int, at_ns: int, stopped: Callable[[], bool] = lambda: False
    ) -> int:
        """Put the drops made on days before an instant together, a row a camera and day.

        What stays of them: see :mod:`workbench.store.compaction`. Nothing is done while files of
        drops are still to go: they are told by their hash. A process killed in between leaves what
        the next one carries on; return how many rows another one stands for now.
        """
        before_ns = before_ns // DAY_NS * DAY_NS
        count = 0
        while not stopped():
            with files.locked(self._lock):
                groups = [] if self.listed() else oldest_day(self._catalogue, before_ns)
                for numbers in groups:
                    count += put_together(self._catalogue, numbers, at_ns)
                    if stopped():
                        break
                self._journal.settle()
            if not groups:
                self._journal.thin(before_ns, self._together())
                break
        return count

    def _together(self) -> Callable[[Mapping[str, Any]], bool]:
        """Return what tells of a row of ``dropped`` whether another one stands for it."""
        days: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
        with self._catalogue.read() as db:
            for camera_id, why, *bounds in db.execute(
                "SELECT camera_id, why, first_at_ns, last_at_ns, last_drop_id FROM dropped_days"
            ):
                days.setdefault((camera_id, why), []).append((bounds[0], bounds[1], bounds[2]))

        def is_covered(row: Mapping[str, Any]) -> bool:
            return any(
                first <= row["at_ns"] <= last and row["drop_id"] <= newest
                for first, last, newest in days.get((row["camera_id"], row["why"]), ())
            )

        return is_covered

    def dropped(self, cameras: Sequence[str], span: Span) -> list[Dropped]:
        """Return what was dropped of cameras in a span of stamped time, by camera, then start.

        One is a file, or what was put together of many: footage that counts as whole.
        """
        found: list[Dropped] = []
        with self._catalogue.read() as db:
            for camera_id in cameras:
                (longest,) = db.execute(
                    "SELECT MAX(stop_ns - start_ns) FROM dropped WHERE camera_id = ?", (camera_id,)
                ).fetchone()
                bounds = (max(-(2**63), span.start_ns - (longest or 0)), span.stop_ns)
                rows = db.execute(
                    "SELECT sha256, start_ns, stop_ns, size_bytes, at_ns, why FROM dropped "
                    "WHERE camera_id = ? AND start_ns >= ? AND start_ns < ? ORDER BY start_ns",
                    (camera_id, *bounds),
                )
                of_camera = [
                    Dropped(sha256, camera_id, Span(start, stop), *rest)
                    for sha256, start, stop, *rest in rows
                    if stop > span.start_ns
                ]
                days = db.execute(
                    "SELECT spans, last_at_ns, why FROM dropped_days "
                    "WHERE camera_id = ? AND start_ns < ? AND stop_ns > ?",
                    (camera_id, bounds[1], max(-(2**63), span.start_ns)),
                )
                of_camera += [
                    Dropped("", camera_id, Span(start, stop), size, at_ns, why, count)
                    for spans, at_ns, why in days
                    for start, stop, count, size in json.loads(spans)
                    if start < span.stop_ns and stop > span.start_ns
                ]
                found += sorted(of_camera, key=lambda one: (one.span, one.sha256))
        return found


def _not_in_force(protection_id: int) -> BadInput:
    return BadInput(
        N_("no protection {number} is in force"),
        N_("see their numbers with: workbench protect list"),
        number=protection_id,
    )


def _statement(
    why: str, rows: Sequence[Sequence[str | int]], provisional: Sequence[Sequence[str | int]]
) -> dict[str, object]:
    """Return the deletion statement: how much of each camera went, and why."""
    said = {"provisional": [list(one) for one in provisional]} if provisional else {}
    cameras: dict[str, list[int]] = {}
    for _sha256, camera_id, _path, size in rows:
        count = cameras.setdefault(str(camera_id), [0, 0])
        count[0] += 1
        count[1] += int(size)
    return {
        "why": why,
        "files": len(rows),
        "bytes": sum(size for _, size in cameras.values()),
        "cameras": {name: {"files": n, "bytes": size} for name, (n, size) in cameras.items()},
        "first": rows[0][0],
        "last": rows[-1][0],
        **said,
    }
