"""Lookouts for a face, kept in ``ROOT/faces/CM-*``: what happened to each is added, never changed.

As a face request is: a chain of events whose hashes stand in the audit log. Beside them lie the
photographs, while it may be looked out for, and each candidate: a file of facts and a picture of
the face, its hashes in its event. No embedding has a place here, and nobody else's face.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.store import files
from workbench.store.faces import FaceBook, FacePhotograph, photograph_from


@dataclass(frozen=True, slots=True)
class FaceLookout:
    """A face that one person asks leave to look out for on named live cameras, until an instant.

    ``urgent`` is why it cannot wait for leave; empty where it can. ``despite`` is the reason for
    photographs below the gate. Times are UTC.
    """

    lookout_id: str
    case_id: str
    requester: str
    purpose: str
    cameras: tuple[str, ...]
    asked_at_ns: int
    until_ns: int
    photographs: tuple[FacePhotograph, ...]
    despite: str = ""
    urgent: str = ""


@dataclass(frozen=True, slots=True)
class FaceLookoutsOn:
    """Whether faces may be looked out for on a root, who said so, when and why; nobody yet: no."""

    on: bool = False
    by: str = ""
    at_ns: int = 0
    reason: str = ""


class FaceLookoutBook(FaceBook):
    """The lookouts for faces in the folder ``faces`` of a root. Holds paths only."""

    prefix = "CM"

    def lookout(self, lookout_id: str) -> FaceLookout:
        """Return what was asked; BadInput where there is no such lookout."""
        facts = self.events(lookout_id)[0].facts
        changed = {
            "cameras": tuple(facts["cameras"]),
            "photographs": tuple(photograph_from(one) for one in facts["photographs"]),
        }
        return FaceLookout(**{**facts, **changed})

    def unknown(self, request_id: str) -> BadInput:
        """Return the sentence for an id that no lookout has."""
        return BadInput(
            N_("there is no lookout for a face {lookout}"),
            N_("see which there are: workbench lookout list ROOT"),
            lookout=request_id[:40],
        )

    def mark(self) -> tuple[tuple[str, int], ...]:
        """Return what differs once something has happened to a lookout; a look at names alone."""
        return tuple(
            (one.name, len(list(one.glob("[0-9]*.json"))))
            for one in sorted(self.folder.glob(f"{self.prefix}-*"))
        )

    def stamp(self) -> tuple[tuple[str, int], ...]:
        """Return what differs as soon as something has been written: for who asks all the time."""
        try:
            with os.scandir(self.folder) as found:
                mine = [one for one in found if one.name.startswith(f"{self.prefix}-")]
                return tuple(sorted((one.name, one.stat().st_mtime_ns) for one in mine))
        except FileNotFoundError:
            return ()

    def with_photographs(self) -> list[str]:
        """Return the lookouts that still have photographs: those not over, or not let go yet."""
        found = {path.parent.name for path in self.folder.glob(f"{self.prefix}-*/*.photograph")}
        # one that was cut short while it was asked for has no event yet, and was never asked for
        return sorted(one for one in found if any(self._of(one).glob("[0-9]*.json")))

    def put_candidate(
        self, lookout_id: str, candidate_id: str, text: bytes, picture: bytes
    ) -> None:
        """Keep a candidate and the picture of its face, for their owner only."""
        facts, shown = self.candidate_paths(lookout_id, candidate_id)
        files.write_bytes(shown, picture, mode=0o600)
        files.write_bytes(facts, text, mode=0o600)

    def candidate(self, lookout_id: str, candidate_id: str) -> tuple[bytes, bytes] | None:
        """Return a candidate's facts and picture as written; None where they are not there."""
        facts, shown = self.candidate_paths(lookout_id, candidate_id)
        try:
            return facts.read_bytes(), shown.read_bytes()
        except FileNotFoundError:
            return None

    def drop_candidate(self, lookout_id: str, candidate_id: str) -> None:
        """Take a candidate away."""
        for path in self.candidate_paths(lookout_id, candidate_id):
            path.unlink(missing_ok=True)

    def candidate_paths(self, lookout_id: str, candidate_id: str) -> tuple[Path, Path]:
        """Return where a candidate's facts and picture lie."""
        folder = self._of(lookout_id)
        return folder / f"{candidate_id}.candidate", folder / f"{candidate_id}.face.jpg"

    def on(self) -> FaceLookoutsOn:
        """Return whether faces may be looked out for on this root; what cannot be read says no."""
        try:
            return FaceLookoutsOn(**json.loads((self.folder / "lookouts.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return FaceLookoutsOn()

    def put_on(self, facts: Mapping[str, Any]) -> None:
        """Allow lookouts for faces on this root, or no longer."""
        self.folder.mkdir(exist_ok=True)
        files.write_bytes(self.folder / "lookouts.json", json.dumps(facts).encode())
