"""The record of the public notice at each site, in ``ROOT/public``: added to, never changed.

A line of JSON a record; the audit log, which is chained, holds the hash of each line. Photographs
of the notices lie beside them under their hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import N_, Damaged
from workbench.store import files
from workbench.store.written import Written, photograph_path, put_photograph, read_lines

State = Literal["stands", "missing"]


@dataclass(frozen=True, slots=True)
class PublicNotice(Written):
    """What somebody saw at a site: a notice that tells the public of its cameras, or none.

    ``seen_on`` is the local day, like 2026-11-20. ``what`` says where it hangs and what it says.
    ``photograph_sha256`` is empty where none was taken.
    """

    site_id: str
    state: State
    seen_on: str
    what: str
    recorded_by: str
    at_ns: int
    photograph_sha256: str = ""


class PublicNotices:
    """The records of one root. Holds paths only."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "public"
        self.path = self.folder / "notices.jsonl"
        self._lock = root / ".locks" / "public"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else add a record meanwhile: log and file keep one order."""
        with files.locked(self._lock):
            yield

    def all(self) -> list[PublicNotice]:
        """Return every record, oldest first.

        Raises
        ------
        Damaged
            Where a line is none of ours.
        """
        return read_lines(self.path, PublicNotice, self._damaged)

    def add(self, one: PublicNotice) -> None:
        """Write a record after those before it."""
        files.append_text(self.path, one.text + "\n")

    def put_photograph(self, data: bytes) -> str:
        """Keep a photograph of a notice; return its hash."""
        return put_photograph(self.folder, data)

    def photograph(self, sha256: str) -> Path:
        """Return where a photograph lies."""
        return photograph_path(self.folder, sha256)

    def _damaged(self, line: int) -> Damaged:
        return Damaged(
            N_("line {line} of the record of public notices cannot be read or was altered"),
            N_("bring it back from a backup, and run verify"),
            where=str(self.path),
            line=line,
        )
