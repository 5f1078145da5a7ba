"""What the recorder says of each camera, as the wall stamps it on a tile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from workbench.timeline import SECOND_NS, is_recent

FRESH_S = 10.0
"""A recorder that has not written its status for so long does not run."""
LOOK_S = 0.4


@dataclass(frozen=True, slots=True)
class Health:
    """How a camera is, in the recorder's words: keys, not texts, except ``why``.

    ``state`` is "recording", "opening", "lost" or "stopped"; ``since_ns`` is when that began.
    """

    state: str
    since_ns: int
    cause: str = ""
    faults: tuple[str, ...] = ()
    why: str = ""

    def facts(self) -> dict[str, object]:
        """Return it as a page is told."""
        return {
            "state": self.state,
            "since_ms": self.since_ns // 1_000_000,
            "cause": self.cause,
            "faults": list(self.faults),
            "why": self.why,
        }


class RecorderStatus:
    """Reads ``status.json`` of the recorder when it is asked, at most every :data:`LOOK_S`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "status.json"
        self._lock = Lock()
        self._looked_ns: int | None = None
        self._at_ns = 0
        self._known: Mapping[str, Health] = {}

    def __call__(self, camera_id: str, now_ns: int) -> Health | None:
        """Return how a camera is, None where no recorder knows it or none runs."""
        with self._lock:
            if self._looked_ns is None or abs(now_ns - self._looked_ns) >= LOOK_S * SECOND_NS:
                self._looked_ns = now_ns
                self._look()
            if not is_recent(self._at_ns, now_ns, FRESH_S):
                return None
            return self._known.get(camera_id)

    def _look(self) -> None:
        # a status that cannot be read leaves the last one, which then grows too old
        try:
            told = json.loads(self._path.read_bytes())
            known = {
                str(camera): Health(
                    state=str(facts["state"]),
                    since_ns=int(facts["since_ns"]),
                    cause=str(facts.get("cause", "")),
                    faults=tuple(str(fault) for fault in facts.get("faults", ())),
                    why=str(facts.get("why", "")),
                )
                for camera, facts in told["cameras"].items()
            }
            self._at_ns, self._known = int(told["at_ns"]), known
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
