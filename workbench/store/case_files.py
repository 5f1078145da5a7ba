"""What people write down in a case: subjects, tasks, notes. Added to, never changed.

A folder a case under ``ROOT/case-files``: a line of JSON an event, each with the hash of the one
before; the audit log holds the hash of every one, and not what was written. Photographs lie beside
under their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.errors import N_, Damaged
from workbench.store import files
from workbench.store.ledger import GENESIS

CaseEventKind = Literal["subject", "probe", "task", "task.done", "note"]


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """Something that was written down in a case: by whom, when (UTC), and what."""

    case_id: str
    seq: int
    kind: CaseEventKind
    at_ns: int
    actor: str
    facts: Mapping[str, Any]
    prev_sha256: str

    @property
    def text(self) -> str:
        """The event as it is written: canonical JSON, one line."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """The hash the audit log holds of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


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
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise self._damaged(0) from error
        found: list[CaseEvent] = []
        for number, line in enumerate(lines, 1):
            before = found[-1].sha256 if found else GENESIS
            try:
                one = CaseEvent(**json.loads(line))
                whole = one.text == line
            except (ValueError, TypeError, RecursionError):
                whole = False
            if not whole or (one.case_id, one.seq, one.prev_sha256) != (
                self.case_id, number, before,
            ):  # fmt: skip
                raise self._damaged(number)
            found.append(one)
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
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.folder / f"{sha256}.photograph"
        if not path.exists():
            files.write_bytes(path, data, mode=0o400)
        return sha256

    def photograph(self, sha256: str) -> bytes:
        """Return a photograph; Damaged where it is not the one that was given."""
        path = self.folder / f"{sha256}.photograph"
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Damaged(
                N_("a photograph of case {case_id} is not the one that was given"),
                N_("bring it back from a backup"),
                where=str(path),
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
