"""How the recording of each camera stands."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class CameraStatus:
    """How the recording of one camera stands, as ``recording/status.json`` tells it.

    ``source`` is the address it is recorded from, or tried on: see `records.Source`.
    """

    state: str = "opening"
    since_ns: int = 0
    cause: str = ""
    detail: str = ""
    fps: float = 0.0
    kbit_s: float = 0.0
    growing: str = ""
    faults: list[str] = field(default_factory=list)
    why: str = ""
    source: str = "main"
