"""Where sightings of other systems came from: a record beside the lake for each file taken in.

The rows lie in the lake like our own. What marks them is ``model_ref``: ``import:`` and the
SHA-256 of the file. The record says the rest, is written in the same step as the rows, and carries
a hash of itself; nothing of it is in the catalogue, so that a lost catalogue loses nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.errors import N_, BadInput, Damaged
from workbench.store import files
from workbench.store.lake import Lake
from workbench.timeline import Span, union

MARK = "import:"
"""What ``model_ref`` of an imported sighting begins with; the SHA-256 of its file follows."""

_FOLDER = "imports"


@dataclass(frozen=True, slots=True)
class Imported:
    """One file of sightings of another system: what it was, who took it in, when and why.

    ``rows`` are the distinct sightings in it, ``added`` those that were not here before, of which
    ``dropped`` went when their days were over; ``first_ns`` and ``last_ns`` (UTC) bound ``rows``.
    ``covered`` are the spans ``(camera, start_ns, stop_ns)`` that the other system says it looked
    at; without them no sighting means nothing.
    """

    sha256: str
    source: str
    file: str
    actor: str
    at_ns: int
    reason: str
    rows: int
    added: int
    first_ns: int
    last_ns: int
    covered: tuple[tuple[str, int, int], ...] = ()
    dropped: int = 0

    @property
    def model_ref(self) -> str:
        """What its rows carry as ``model_ref``."""
        return MARK + self.sha256

    def as_json(self) -> bytes:
        """Return the record as it lies on the disk, with the hash of itself."""
        facts = asdict(self)
        told = {**facts, "record_sha256": _digest(facts)}
        return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is to go of one import: ``ids`` by camera and UTC day; ``covered`` are spans that stay.

    ``cut`` is of how many spans something goes.
    """

    record: Imported
    ids: Mapping[tuple[str, str], Sequence[str]]
    covered: tuple[tuple[str, int, int], ...]
    cut: int

    @property
    def rows(self) -> int:
        """How many sightings go."""
        return sum(len(of_day) for of_day in self.ids.values())


class Imports:
    """The records of imports of a root. Holds paths only."""

    def __init__(self, root: Path, lake: Lake) -> None:
        self._folder = root / "sightings" / _FOLDER
        self._lock = root / ".locks" / "imports"
        self._lake = lake

    def add(self, table: pa.Table, record: Imported) -> tuple[Imported, int]:
        """Write the rows that are not there yet and the record, both or neither.

        Returns what is recorded of the file now, and how many rows were not there.

        A file that was taken in before adds nothing; spans it covers are added to those known.

        Raises
        ------
        BadInput
            When the table is not in the schema SIGHTINGS, or the file came from another source.
        """
        with files.locked(self._lock):
            known = self.of(record.model_ref)
            if known is not None and known.source != record.source:
                raise BadInput(
                    N_("this file was imported before, as sightings of {source}"),
                    N_("name that source, or remove that import first"),
                    where=record.file,
                    source=known.source,
                )

            here = self._lake.counts_made_by(record.model_ref).get(record.model_ref, 0)

            def told(fresh: int) -> tuple[str, bytes, tuple[Imported, int]]:
                made = _joined(known, record, here + fresh)
                return f"{_FOLDER}/{made.sha256}.json", made.as_json(), (made, fresh)

            return self._lake.append_whole(table, told)

    def remove(self, sha256: str) -> int:
        """Take away an import: its rows, then its record; return how many rows they were."""
        with files.locked(self._lock):
            ref = MARK + sha256
            shelves = self._lake.segments_made_by(ref)
            gone = self._lake.forget(shelves, made_by=ref) if shelves else 0
            self._path(sha256).unlink(missing_ok=True)
            return gone

    def drop(
        self,
        choose: Callable[[], Sequence[Leaving]],
        tell: Callable[[Sequence[Leaving]], None],
        still: Callable[[], bool],
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take away what is chosen, a camera and day at a time, each with its count at once.

        Spans that were looked at go no later than the sightings in them: where these are gone, no
        sighting must not look like nobody having passed. A record of which nothing is left goes.

        Parameters
        ----------
        choose
            Asked while nothing can be imported.
        tell
            Told of it before anything goes: it writes that into the log.
        still
            Asked before each step, while nothing can be protected: where it says no, the rest
            stays for the next time.
        """
        with files.locked(self._lock):
            going = choose()
            if going:
                tell(going)
            for one in going:
                record = replace(one.record, covered=one.covered)
                # of spans alone: no row of the day goes with them
                for (camera_id, day), ids in one.ids.items() or [(("", ""), ())]:
                    made: list[Imported] = []

                    def told(
                        count: int, record: Imported = record, made: list[Imported] = made
                    ) -> dict[str, bytes | None]:
                        now = replace(record, dropped=record.dropped + count)
                        made.append(now)
                        left = now.added > now.dropped or now.covered
                        return {f"{_FOLDER}/{now.sha256}.json": now.as_json() if left else None}

                    if stopped() or not self._lake.take_away(camera_id, day, ids, told, still):
                        return
                    record = made[0]

    def rows(self, before_ns: int) -> pa.Table:
        """Return the imported rows before an instant, as ``Lake.made_by`` does."""
        return self._lake.made_by(MARK, before_ns)

    def readable(self) -> tuple[list[Imported], dict[str, str]]:
        """Return the records that can be read, and why others cannot, by path."""
        found, bad = [], {}
        for path in sorted(self._folder.glob("[!.]*.json")):
            try:
                found.append(_read(path))
            except Damaged as damage:
                bad[str(path)] = damage.sentence()
        return found, bad

    def all(self) -> list[Imported]:
        """Return every import, oldest first.

        Raises
        ------
        Damaged
            When a record cannot be read, or is not what was written.
        """
        found = [_read(path) for path in sorted(self._folder.glob("[!.]*.json"))]
        return sorted(found, key=lambda one: (one.at_ns, one.sha256))

    def of(self, model_ref: str) -> Imported | None:
        """Return the import that a sighting's ``model_ref`` names; None where it names none."""
        path = self._path(model_ref.removeprefix(MARK))
        if not model_ref.startswith(MARK) or not path.exists():
            return None
        return _read(path)

    def covered(self, cameras: Sequence[str]) -> dict[str, list[Span]]:
        """Return what other systems say they looked at, camera by camera, merged and in order."""
        found: dict[str, list[Span]] = {camera_id: [] for camera_id in cameras}
        for one in self.all():
            for camera_id, start_ns, stop_ns in one.covered:
                if camera_id in found:
                    found[camera_id].append(Span(start_ns, stop_ns))
        return {camera_id: union(spans) for camera_id, spans in found.items()}

    def check(self) -> Iterator[Damaged]:
        """Yield a finding for each record that is not sound or does not fit the lake's rows."""
        counts = self._lake.counts_made_by(MARK)
        for path in sorted(self._folder.glob("[!.]*.json")):
            ref = MARK + path.stem
            count = counts.pop(ref, 0)
            try:
                record = _read(path)
            except Damaged as damage:
                yield damage
                continue
            if count != record.added - record.dropped:
                yield Damaged(
                    N_("{count} sightings of this import are here, {due} should be"),
                    N_("import the file again: what is missing is added"),
                    where=str(path),
                    count=count,
                    due=record.added - record.dropped,
                )
        for ref, count in sorted(counts.items()):
            yield Damaged(
                N_("{count} sightings say they were imported, and nothing says from where"),
                N_("restore this record from a backup, or import the file again"),
                where=str(self._path(ref.removeprefix(MARK))),
                count=count,
            )

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.json"


def is_imported(model_ref: str) -> bool:
    """Return whether a sighting came from another system: there is no footage of it here.

    >>> is_imported("import:" + "0" * 64), is_imported("ssd-1+gate-2")
    (True, False)
    """
    return model_ref.startswith(MARK)


def _joined(known: Imported | None, record: Imported, added: int) -> Imported:
    """Return what is recorded of a file that may have been taken in before."""
    facts = asdict(record)
    if known is not None:
        facts |= {k: getattr(known, k) for k in ("file", "actor", "at_ns", "reason")}
    both = {*(known.covered if known else ()), *record.covered}
    by_camera: dict[str, list[Span]] = {}
    for camera_id, start_ns, stop_ns in both:
        by_camera.setdefault(camera_id, []).append(Span(start_ns, stop_ns))
    covered = tuple(
        (camera_id, span.start_ns, span.stop_ns)
        for camera_id in sorted(by_camera)
        for span in union(by_camera[camera_id])
    )
    return Imported(**(facts | {"added": added, "covered": covered}))


def _digest(facts: dict[str, Any]) -> str:
    said = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def _read(path: Path) -> Imported:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        said = facts.pop("record_sha256")
        spans = tuple((str(c), int(a), int(b)) for c, a, b in facts["covered"])
        record = Imported(**(facts | {"covered": spans}))
        sound = said == _digest(facts) and record.sha256 == path.stem
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise Damaged(
            N_("this record of an import is not what was written"),
            N_("restore it from a backup; else move it away and import the file again"),
            where=str(path),
        )
    return record
