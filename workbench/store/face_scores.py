"""Calibrations of face scores of a root, in ``ROOT/faces/calibrations``: added, never changed.

Each is a read-only file of scores without labels, of what was fitted to them, and of the network
they were made with; the audit log holds its hash. No face, embedding or label is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.errors import N_, Damaged
from workbench.store import files


@dataclass(frozen=True, slots=True)
class FaceScores:
    """A calibration as it is kept. ``fit`` is what recognition made of the scores.

    ``same`` and ``different`` are the scores of pairs of one person and of different people,
    ascending. ``set_sha256`` is a hash over those of the photographs, so that a set is known again.
    """

    made_at_ns: int
    made_by: str
    basis: str
    encoder: str
    set_sha256: str
    photographs: int
    people: int
    left_out: Mapping[str, int]
    same: tuple[float, ...]
    different: tuple[float, ...]
    fit: Mapping[str, Any]

    @property
    def text(self) -> bytes:
        """The calibration as it is written: canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @property
    def sha256(self) -> str:
        """The hash the audit log holds of it."""
        return hashlib.sha256(self.text).hexdigest()


class FaceScoreBook:
    """The calibrations of one root. Holds paths only."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "faces" / "calibrations"
        self._lock = root / ".locks" / "face-scores"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else add one meanwhile."""
        with files.locked(self._lock):
            yield

    def all(self) -> list[FaceScores]:
        """Return every calibration, oldest first.

        Raises
        ------
        Damaged
            Where one cannot be read, or is not as it was written.
        """
        return [_read(path) for path in sorted(self.folder.glob("[0-9]*.json"))]

    def add(self, one: FaceScores) -> Path:
        """Write a calibration beside those before it, for ever."""
        number = len(list(self.folder.glob("[0-9]*.json"))) + 1
        path = self.folder / f"{number:05d}.json"
        files.write_bytes(path, one.text, mode=0o400)
        return path


def _read(path: Path) -> FaceScores:
    try:
        data = path.read_bytes()
        facts = json.loads(data)
        lists = {key: tuple(facts[key]) for key in ("same", "different")}
        one = FaceScores(**{**facts, **lists})
        whole = one.text == data
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        whole = False
    if not whole:
        raise Damaged(
            N_("a calibration of face scores cannot be read or was altered"),
            N_("bring it back from a backup, or calibrate anew"),
            where=str(path),
        )
    return one
