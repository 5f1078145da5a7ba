"""The audit ledger: entries chained by hash, and its head kept in a second file.

Each entry holds the hash of the one before it, so that an altered, inserted, dropped or moved entry
shows. A chain cut at its end would still be a chain: therefore the head (number and hash of the
newest entry) is kept apart, in ``audit-head.json``. The table is committed first and the head
written after, both under one lock; a crash between the two leaves the head one behind, which is no
fault, never ahead. An entry that finds the head not in the chain records the lost head for ever,
so that writing on does not hide a cut.

Whoever may write both files can forge both: an export prints the head so that a copy exists
elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.records import AuditEntry
from workbench.store import files
from workbench.store.catalogue import Catalogue

GENESIS = "0" * 64
"""What the first entry holds in place of a predecessor's hash."""

_FIELDS = "seq, at_ns, actor, action, subject, case_id, reason, details, prev_sha256, sha256"


@dataclass(frozen=True, slots=True)
class Head:
    """The number and hash of an entry that was the newest once.

    ``sha256`` is empty where an entry was written while no head could be read: what came before
    ``seq`` may then have been cut unseen.
    """

    seq: int
    sha256: str


def entry_sha256(entry: AuditEntry) -> str:
    """Return the hash an entry must carry: SHA-256 of its other fields as canonical JSON.

    Canonical means: keys sorted, no blanks, everything but ASCII escaped, UTF-8.

    >>> entry_sha256(AuditEntry(1, 0, "a", "b", "", "", "", "{}", GENESIS, ""))[:16]
    '666c9e06fb7586e3'
    """
    fields = asdict(entry)
    del fields["sha256"]
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Ledger:
    """The audit table of a catalogue and the head file beside it."""

    def __init__(self, catalogue: Catalogue, head_file: Path, lock_file: Path) -> None:
        self._catalogue = catalogue
        self._head_file = head_file
        self._lock_file = lock_file

    def begin(self) -> None:
        """Write the head of an empty ledger, unless there is a head already."""
        with files.locked(self._lock_file):
            if not self._head_file.exists():
                self._write_heads((Head(0, GENESIS),))

    def append(
        self,
        *,
        at_ns: int,
        actor: str,
        action: str,
        subject: str,
        case_id: str,
        reason: str,
        details: Mapping[str, object],
    ) -> AuditEntry:
        """Add one entry at the end of the chain and return it.

        ``details`` is stored as JSON; a value that JSON does not know is stored as its text,
        because an act must not go unrecorded over the form of a detail.
        """
        with files.locked(self._lock_file):
            heads = self._read_heads()
            with self._catalogue.write() as db:
                last = _last(db)
                unsealed = AuditEntry(
                    seq=last.seq + 1,
                    at_ns=at_ns,
                    actor=_storable(actor),
                    action=_storable(action),
                    subject=_storable(subject),
                    case_id=_storable(case_id),
                    reason=_storable(reason),
                    details=json.dumps(details, sort_keys=True, default=str),
                    prev_sha256=last.sha256,
                    sha256="",
                )
                fields = asdict(unsealed) | {"sha256": entry_sha256(unsealed)}
                lost = _lost(db, heads, last)
                marks = ", ".join(f":{name}" for name in fields)
                db.execute(f"INSERT INTO audit ({_FIELDS}) VALUES ({marks})", fields)
            entry = AuditEntry(**fields)
            self._write_heads((*lost, Head(entry.seq, entry.sha256)))
            return entry

    def entries(self, case_id: str = "", begins: str = "") -> list[AuditEntry]:
        """Return every entry, oldest first; of one case, whose action begins so, where given."""
        where = "(? = '' OR case_id = ?) AND substr(action, 1, ?) = ?"
        values = (case_id, case_id, len(begins), begins)
        with self._catalogue.read() as db:
            found = db.execute(f"SELECT {_FIELDS} FROM audit WHERE {where} ORDER BY seq", values)
            rows = found.fetchall()
        return [AuditEntry(*row) for row in rows]

    def with_head(self) -> tuple[list[AuditEntry], tuple[Head, ...]]:
        """Return every entry and every head they must contain, as of one instant."""
        with files.locked(self._lock_file):
            entries = self.entries()
            return entries, self.head()

    def head(self) -> tuple[Head, ...]:
        """Return the heads: those once lost, then the present one; one without hash if none is."""
        return self._read_heads() or (Head(self.length(), ""),)

    def length(self) -> int:
        """Return the number of the newest entry."""
        with self._catalogue.read() as db:
            return _last(db).seq

    def _read_heads(self) -> tuple[Head, ...]:
        """Return lost heads first, the present one last; nothing where the file is of no use."""
        try:
            stored = json.loads(self._head_file.read_text(encoding="utf-8"))
            return tuple(Head(int(h["seq"]), str(h["sha256"])) for h in stored["heads"])
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def _write_heads(self, heads: tuple[Head, ...]) -> None:
        text = json.dumps({"heads": [asdict(head) for head in heads]}, indent=1)
        files.write_bytes(self._head_file, text.encode())


def _last(db: sqlite3.Connection) -> Head:
    row = db.execute("SELECT seq, sha256 FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head(0, GENESIS)


def _lost(db: sqlite3.Connection, heads: tuple[Head, ...], last: Head) -> tuple[Head, ...]:
    """Return the heads that the chain about to be continued does not contain."""
    if not heads:
        return (Head(last.seq, ""),)
    *lost, head = heads
    found = db.execute("SELECT sha256 FROM audit WHERE seq = ?", (head.seq,)).fetchone()
    if head.seq > 0 and (found is None or found[0] != head.sha256):
        lost.append(head)
    return tuple(lost)


def _storable(text: str) -> str:
    # A browser can send half a surrogate pair, which neither SQLite nor UTF-8 takes.
    return text.encode("utf-8", "replace").decode("utf-8")
