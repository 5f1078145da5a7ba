"""What the recorder's processes tell each other; plain records that can be pickled."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workbench.records import LossCause, Source
from workbench.streams.address import StreamAddress


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """What one capture process needs to know; pickled to it, never on its command line.

    ``beside``: another process writes this camera's footage still, from another of its addresses.
    """

    camera_id: str
    address: StreamAddress
    folder: Path
    segment_s: float = 30.0
    picture_s: float = 5.0
    open_s: float = 4.0
    read_s: float = 4.0
    source: Source = "main"
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream answers and says what it is."""

    codec: str
    width_px: int
    height_px: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Beat:
    """What came in during ``length_s`` up to now; ``growing`` is the file being written.

    ``lost_share`` is the share of network packets that never came, None where nobody counts them;
    ``clock_offset_ns`` the camera's clock against ours by its newest sender report, None without.
    ``live`` is False where finished files come and no stream.
    """

    at_ns: int
    packets: int
    size_bytes: int
    growing: str
    lost_share: float | None = None
    clock_offset_ns: int | None = None
    length_s: float = 1.0
    live: bool = True


@dataclass(frozen=True, slots=True)
class SegmentTold:
    """A finished file and what its camera and our clock said of it.

    ``start_ns`` is the recorder's time of the first frame: the line through the packets that came
    quickest. ``rtcp_offset_ns`` is what the camera's own sender reports say on top of that, None
    where it sent none. ``recovered`` marks the remains of a process that was killed. ``stamps``
    says where the times are from: the stream's own; the arrival of each frame, where a stream has
    none; the last change of a file that another system wrote. ``source`` is which of the camera's
    addresses it came from.
    """

    camera_id: str
    path: str
    start_ns: int
    sha256: str = ""
    rtcp_offset_ns: int | None = None
    recovered: bool = False
    stamps: Literal["stream", "arrival", "last change"] = "stream"
    source: Source = "main"


@dataclass(frozen=True, slots=True)
class Looked:
    """A small picture of now: grey levels uint8 (y, x), for the checks of health."""

    at_ns: int
    shape: tuple[int, int]
    luma: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """The end of this process and its cause; ``detail`` is without secrets."""

    cause: LossCause
    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Trouble that does not end the process.

    The stream's times leapt, a picture is unreadable, or the recorder's own clock was set.
    """

    cause: Literal["paused", "broken", "clock"]
    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Switched:
    """Another address of the camera was taken; ``beside``: it was recorded before the old ended."""

    source: Source
    before: Source
    at_ns: int
    beside: bool


@dataclass(frozen=True, slots=True)
class TrialFailed:
    """An address that was tried beside the one recorded did not deliver."""

    source: Source
    cause: LossCause
    detail: str
    at_ns: int


Told = Opened | Beat | SegmentTold | Looked | Noted | Lost | Switched | TrialFailed
