"""The record of the public notice at each site, in ``ROOT/public``: added to, never changed.

A line of JSON a record; the audit log, which is chained, holds the hash of each line. Photographs
of the notices lie beside them under their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from workbench.errors import N_, Damaged
from workbench.store import files

State = Literal["stands", "missing"]


@dataclass(frozen=True, slots=True)
class PublicNotice:
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

    @property
    def text(self) -> str:
        """The record as it is written: canonical JSON, one line."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """The hash the audit log holds of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


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
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise self._damaged(0) from error
        found = []
        for number, line in enumerate(lines, 1):
            try:
                one = PublicNotice(**json.loads(line))
                whole = one.text == line
            except (ValueError, TypeError, RecursionError):
                whole = False
            if not whole:
                raise self._damaged(number)
            found.append(one)
        return found

    def add(self, one: PublicNotice) -> None:
        """Write a record after those before it."""
        files.append_text(self.path, one.text + "\n")

    def put_photograph(self, data: bytes) -> str:
        """Keep a photograph of a notice; return its hash."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.photograph(sha256)
        if not path.exists():
            files.write_bytes(path, data, mode=0o400)
        return sha256

    def photograph(self, sha256: str) -> Path:
        """Return where a photograph lies."""
        return self.folder / f"{sha256}.photograph"

    def _damaged(self, line: int) -> Damaged:
        return Damaged(
            N_("line {line} of the record of public notices cannot be read or was altered"),
            N_("bring it back from a backup, and run verify"),
            where=str(self.path),
            line=line,
        )
