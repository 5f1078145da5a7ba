"""Requests to compare faces, kept in ``ROOT/faces``: what happened to each is added, never changed.

A request is a folder of events, a read-only file each, that hold the hash of the one before; the
audit log, which is chained itself, holds the hash of every one. Beside them lie the photographs
that were asked with and, while they may be kept, the candidates. Embeddings have no place here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from workbench.errors import N_, BadInput, Damaged
from workbench.records import Wording
from workbench.store import files
from workbench.store.ledger import GENESIS
from workbench.store.written import intact_photograph, photograph_path
from workbench.timeline import Span

EventKind = Literal[
    "ask", "approve", "refuse", "lapse", "run", "delete", "read", "candidate", "end"
]
_CANDIDATES = "candidates.json"


class FaceVerdict(StrEnum):
    """What a reader says of a candidate beside the photographs: a scale of support, no identity."""

    EXCLUDES = "excludes"
    AGAINST = "speaks-against"
    UNDECIDED = "undecided"
    SUPPORTS = "supports"
    STRONGLY = "supports-strongly"
    UNSUITABLE = "not-suitable"


VERDICT_WORDS: Mapping[FaceVerdict, str] = {
    FaceVerdict.EXCLUDES: N_("excludes that it is the person on the photographs"),
    FaceVerdict.AGAINST: N_("speaks against it"),
    FaceVerdict.UNDECIDED: N_("speaks neither for nor against it"),
    FaceVerdict.SUPPORTS: N_("supports that it is the person on the photographs"),
    FaceVerdict.STRONGLY: N_("supports it strongly"),
    FaceVerdict.UNSUITABLE: N_("the picture is not suitable for a comparison"),
}


@dataclass(frozen=True, slots=True)
class FacePhotograph:
    """A photograph of the one who is looked for: what it was called, its hash and the gate's word.

    ``remarks`` are the gate's reasons as sentences, for one that is weak or refused; ``reasons``
    are the same for readers of another language (requests of earlier forms have none).
    """

    name: str
    sha256: str
    quality: str
    remarks: tuple[str, ...] = ()
    reasons: tuple[Wording, ...] = ()


@dataclass(frozen=True, slots=True)
class FaceRequest:
    """What one person asks leave for. ``urgent`` is why it cannot wait; empty where it can.

    ``days`` is how long an approval holds, or how long the request waits for one. ``length`` is how
    many candidates are kept, whatever their scores. ``despite`` is the reason for photographs below
    the gate.
    """

    request_id: str
    case_id: str
    requester: str
    purpose: str
    cameras: tuple[str, ...]
    period: Span
    days: int
    length: int
    asked_at_ns: int
    photographs: tuple[FacePhotograph, ...]
    despite: str = ""
    urgent: str = ""


@dataclass(frozen=True, slots=True)
class FaceEvent:
    """Something that happened to a request: who, when (UTC), and what there is to say of it."""

    seq: int
    kind: EventKind
    at_ns: int
    actor: str
    facts: Mapping[str, Any]
    prev_sha256: str

    @property
    def text(self) -> bytes:
        """The event as it is written: canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @property
    def sha256(self) -> str:
        """The hash the audit log holds of it."""
        return hashlib.sha256(self.text).hexdigest()


class FaceBook:
    """The folder ``faces`` of a root. Holds paths only; its records' ids begin with ``prefix``."""

    prefix = "KM"

    def __init__(self, root: Path) -> None:
        self.folder = root / "faces"
        self._lock = root / ".locks" / "faces"
        self._id = re.compile(rf"{self.prefix}-[0-9a-f]{{10}}")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else add an event meanwhile: two who decide at once must not both be right."""
        with files.locked(self._lock):
            yield

    def ids(self) -> list[str]:
        """Return the requests there are, oldest first."""
        found = [
            one.name
            for one in self.folder.glob(f"{self.prefix}-*")
            if self._id.fullmatch(one.name) and any(one.glob("[0-9]*.json"))
        ]
        return sorted(found, key=lambda name: (self.events(name)[0].at_ns, name))

    def request(self, request_id: str) -> FaceRequest:
        """Return what was asked; BadInput where there is no such request."""
        return _request(self.events(request_id)[0].facts)

    def events(self, request_id: str) -> list[FaceEvent]:
        """Return what happened to a request, oldest first.

        Raises
        ------
        BadInput
            Where there is no such request.
        Damaged
            Where an event cannot be read, or does not follow the one before it.
        """
        paths = sorted(self._of(request_id).glob("[0-9]*.json"))
        if not paths:
            raise self.unknown(request_id)
        found: list[FaceEvent] = []
        for number, path in enumerate(paths, 1):
            before = found[-1].sha256 if found else GENESIS
            try:
                found.append(FaceEvent(**json.loads(path.read_text(encoding="utf-8"))))
                whole = found[-1].text == path.read_bytes()
            except (OSError, ValueError, TypeError):
                whole = False
            if not whole or (found[-1].seq, found[-1].prev_sha256) != (number, before):
                raise Damaged(
                    N_("an event of face request {request} was altered or is missing"),
                    N_("bring it back from a backup, and run verify"),
                    where=str(path),
                    request=request_id,
                )
        return found

    def next(
        self, request_id: str, kind: EventKind, at_ns: int, actor: str, facts: Mapping[str, Any]
    ) -> FaceEvent:
        """Return the event that would come next; :meth:`add` writes it."""
        before = [] if kind == "ask" else self.events(request_id)
        prev = before[-1].sha256 if before else GENESIS
        return FaceEvent(len(before) + 1, kind, at_ns, actor, facts, prev)

    def add(self, request_id: str, event: FaceEvent) -> None:
        """Write an event beside those before it, for ever."""
        folder = self._of(request_id)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(folder / f"{event.seq:05d}.json", event.text, mode=0o400)

    def put_photograph(self, request_id: str, sha256: str, data: bytes) -> None:
        """Keep a photograph that is asked with, for its owner only."""
        folder = self._of(request_id)
        folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(folder / f"{sha256}.photograph", data, mode=0o400)

    def photograph(self, request_id: str, sha256: str) -> bytes:
        """Return a photograph; Damaged where it is not the one that was asked with."""
        folder = self._of(request_id)
        data = intact_photograph(folder, sha256)
        if data is None:
            raise Damaged(
                N_("a photograph of face request {request} is not the one that was given"),
                N_("bring it back from a backup, or ask anew"),
                where=str(photograph_path(folder, sha256)),
                request=request_id,
            )
        return data

    def photographs(self, request_id: str) -> int:
        """Return how many photographs are there (still)."""
        return len(list(self._of(request_id).glob("*.photograph")))

    def drop_photographs(self, request_id: str) -> None:
        """Take away the photographs that were asked with."""
        for path in self._of(request_id).glob("*.photograph"):
            path.unlink(missing_ok=True)

    def put_candidates(self, request_id: str, text: bytes) -> None:
        """Keep what a search found, for its owner only."""
        files.write_bytes(self._of(request_id) / _CANDIDATES, text, mode=0o600)

    def candidates(self, request_id: str) -> bytes | None:
        """Return what a search found as it was written; None where nothing is kept (any more)."""
        try:
            return (self._of(request_id) / _CANDIDATES).read_bytes()
        except FileNotFoundError:
            return None

    def delete_candidates(self, request_id: str) -> None:
        """Take away what a search found."""
        (self._of(request_id) / _CANDIDATES).unlink(missing_ok=True)

    def switched_off(self) -> Mapping[str, Any] | None:
        """Return who switched face search off, when and why; None while it is on.

        What cannot be read counts as off.
        """
        try:
            said: dict[str, Any] = json.loads((self.folder / "off.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {"by": "?", "at_ns": 0, "reason": ""}
        return said

    def switch(self, off: Mapping[str, Any] | None) -> None:
        """Switch face search off, with what is to be said of it, or on again (None)."""
        self.folder.mkdir(exist_ok=True)
        if off is None:
            (self.folder / "off.json").unlink(missing_ok=True)
        else:
            files.write_bytes(self.folder / "off.json", json.dumps(off).encode())

    @contextmanager
    def running(self, request_id: str) -> Iterator[bool]:
        """Be the run of a request while inside; False where another one is, in any process."""
        lock = self._lock.with_name(request_id if self._id.fullmatch(request_id) else "none")
        lock.parent.mkdir(exist_ok=True)
        with files.held(lock) as mine:
            yield mine

    def runs_now(self, request_id: str) -> bool:
        """Return whether a request is being run now, by whichever process."""
        with self.running(request_id) as free:
            return not free

    def unknown(self, request_id: str) -> BadInput:
        """Return the sentence for an id that none of its records has."""
        return BadInput(
            N_("there is no face request {request}"),
            N_("list them with: workbench faces requests ROOT"),
            request=request_id[:40],
        )

    def _of(self, request_id: str) -> Path:
        if not self._id.fullmatch(request_id):  # it becomes a path
            raise self.unknown(request_id)
        return self.folder / request_id


def _request(facts: Mapping[str, Any]) -> FaceRequest:
    photographs = tuple(photograph_from(one) for one in facts["photographs"])
    changed = {
        "cameras": tuple(facts["cameras"]),
        "period": Span(**facts["period"]),
        "photographs": photographs,
    }
    return FaceRequest(**{**facts, **changed})


def photograph_from(facts: Mapping[str, Any]) -> FacePhotograph:
    """Return a photograph's facts as they were written down."""
    reasons = tuple(
        Wording(one["template"], tuple((name, value) for name, value in one["fields"]))
        for one in facts.get("reasons", ())
    )
    return FacePhotograph(**{**facts, "remarks": tuple(facts["remarks"]), "reasons": reasons})
