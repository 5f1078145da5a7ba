"""What people write down in a case: subjects, tasks, notes, tracks. Added to, never changed.

A folder a case under ``ROOT/case-files``: a line of JSON an event, each with the hash of the one
before; the audit log holds the hash of every one, and not what was written. Photographs lie beside
under their hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import N_, Damaged
from workbench.store import files
from workbench.store.ledger import GENESIS
from workbench.store.written import (
    Written,
    intact_photograph,
    photograph_path,
    put_photograph,
    read_lines,
)

CaseEventKind = Literal[
    "subject", "probe", "task", "task.done", "note", "track", "track.step", "track.undo"
]


@dataclass(frozen=True, slots=True)
class CaseEvent(Written):
    """Something that was written down in a case: by whom, when (UTC), and what."""

    case_id: str
    seq: int
    kind: CaseEventKind
    at_ns: int
    actor: str
    facts: Mapping[str, Any]
    prev_sha256: str


class CaseBook:
    """What was written down in one case. Holds paths only."""

    def __init__(self, root: Path, case_id: str) -> None:
        self.case_id = case_id
        # a case's number is anybody's text, and becomes no path
        name = hashlib.sha256(case_id.encode()).hexdigest()[:16]
        self.folder = root / "case-files" / name
        self.path = self.folder / "events.jsonl"
        self._lock = root / ".locks" / f"case-{name}"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else add an event meanwhile."""
        with files.locked(self._lock):
            yield

    def events(self) -> list[CaseEvent]:
        """Return what was written down, oldest first.

        Raises
        ------
        Damaged
            Where an event cannot be read, or does not follow the one before it.
        """
        found = read_lines(self.path, CaseEvent, self._damaged)
        before = GENESIS
        for number, one in enumerate(found, 1):
            if (one.case_id, one.seq, one.prev_sha256) != (self.case_id, number, before):
                raise self._damaged(number)
            before = one.sha256
        return found

    def next(
        self, kind: CaseEventKind, at_ns: int, actor: str, facts: Mapping[str, Any]
    ) -> CaseEvent:
        """Return the event that would come next; :meth:`add` writes it."""
        before = self.events()
        prev = before[-1].sha256 if before else GENESIS
        return CaseEvent(self.case_id, len(before) + 1, kind, at_ns, actor, dict(facts), prev)

    def add(self, event: CaseEvent) -> None:
        """Write an event after those before it."""
        files.append_text(self.path, event.text + "\n")

    def put_photograph(self, data: bytes) -> str:
        """Keep a photograph, for its owner only; return its hash."""
        return put_photograph(self.folder, data)

    def photograph(self, sha256: str) -> bytes:
        """Return a photograph; Damaged where it is not the one that was given."""
        data = intact_photograph(self.folder, sha256)
        if data is None:
            raise Damaged(
                N_("a photograph of case {case_id} is not the one that was given"),
                N_("bring it back from a backup"),
                where=str(photograph_path(self.folder, sha256)),
                case_id=self.case_id,
            )
        return data

    def _damaged(self, line: int) -> Damaged:
        return Damaged(
            N_("line {line} of what was written in case {case_id} was altered or is missing"),
            N_("bring it back from a backup, and run verify"),
            where=str(self.path),
            line=line,
            case_id=self.case_id,
        )
