"""The files of one camera while they are recorded: growing, finished, or left by a killed process.

``<start_ns>.growing.mp4`` is being written; ``<start_ns>.mp4`` is finished and waits for the
archive. Beside each lies a ``.json`` with what is known of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.video.stream import VideoStream

from workbench.streams.fragments import FragmentWriter, cut_to_whole
from workbench.streams.messages import CaptureJob, SegmentTold
from workbench.streams.packets import sender_time_ns
from workbench.timeline import SECOND_NS

if TYPE_CHECKING:
    from workbench.streams.packets import VideoPacket

_GROWING = ".growing.mp4"
_CLOSED = ".mp4"
_TOLD = ".json"
_NOTEWORTHY_NS = 5_000_000


@contextmanager
def alone(folder: Path, *, beside: bool = False) -> Iterator[Callable[[], None]]:
    """Hold a camera's folder: the process of a killed recorder may still be writing into it.

    Yields what lets processes in that write `beside`: those touch no file but their own.
    """
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH if beside else fcntl.LOCK_EX)
        yield lambda: fcntl.flock(file, fcntl.LOCK_SH)


class Clock:
    """Our own time of packets, steady within a segment even when the machine's clock is set.

    Parameters
    ----------
    wall, steady
        The machine's clocks, ns: UTC, and one that nobody sets.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self.restart()

    def restart(self) -> None:
        """Take the machine's clock anew."""
        self._wall_ns, self._steady_ns = self._wall(), self._steady()

    def set_by_ns(self) -> int:
        """Return how far the machine's clock was set forward (below 0: back) since it was taken."""
        return self._wall() - self.now_ns()

    def now_ns(self) -> int:
        """Return UTC ns."""
        return self._wall_ns + self._steady() - self._steady_ns


class Growing:
    """The file being written and the times of its packets."""

    def __init__(
        self,
        job: CaptureJob,
        stream: VideoStream,
        tick_s: Fraction,
        first: tuple[int, int],
        now_ns: int,
        *,
        arrival: bool = False,
        least_late_ns: int | None = None,
    ) -> None:
        self._job = job
        # whole numbers: a fraction a packet costs more than writing it
        self._tick_num, self._tick_den = tick_s.numerator * SECOND_NS, tick_s.denominator
        self.opened_ns = now_ns
        self.first_pts, self.base = first
        name = _free_name(job.folder, now_ns)
        self.path = job.folder / f"{name}{_GROWING}"
        remark = f"{job.camera_id} {name}"
        self._writer = FragmentWriter(self.path, stream, remark, tick_s if arrival else None)
        self._arrival = arrival
        # a recorder that waits for its turn all through a file would place it late, and make a gap
        # that no frame is missing from: what the same stream showed before counts too
        self._before_ns = None if least_late_ns is None else least_late_ns + self.ns(self.base)
        self._quickest_ns: int | None = None
        self._rtcp_ns: list[int] = []
        self.clock_offset_ns: int | None = None
        self._ask_ns = now_ns
        self._noted_ns: int | None = None
        self.note()

    def ns(self, ticks: int) -> int:
        """Return the length of `ticks` of the stream."""
        return (ticks * self._tick_num + self._tick_den // 2) // self._tick_den

    @property
    def least_late_ns(self) -> int | None:
        """Return the least time from a packet's own time (zero is the stream's) to its arrival.

        Of this file alone.
        """
        return None if self._quickest_ns is None else self._quickest_ns - self.ns(self.base)

    def write(self, packet: VideoPacket, pts: int, dts: int, arrived_ns: int) -> None:
        """Append one packet that arrived just now."""
        sent_ns = self.ns(dts - self.base)
        late_ns = arrived_ns - sent_ns
        if self._quickest_ns is None or late_ns < self._quickest_ns:
            self._quickest_ns = late_ns
        if arrived_ns >= self._ask_ns:  # every packet says the same from one report to the next
            self._ask_ns = arrived_ns + SECOND_NS
            reported_ns = sender_time_ns(packet)
            if reported_ns is not None:
                self._rtcp_ns.append(reported_ns - self.ns(pts - self.base))
                self.clock_offset_ns = self._rtcp_ns[-1] - self._quickest()
        self._writer.write(packet, pts - self.base, dts - self.base)

    def note(self) -> None:
        """Keep what is known so far beside the file, for whoever finds its remains."""
        quickest_ns = self._quickest()
        if self._noted_ns is None or abs(quickest_ns - self._noted_ns) > _NOTEWORTHY_NS:
            self._noted_ns = quickest_ns
            _tell_beside(self.path, self._told(self.path))

    def _quickest(self) -> int:
        known = [one for one in (self._before_ns, self._quickest_ns) if one is not None]
        return min(known, default=self.opened_ns)

    def _told(self, path: Path) -> SegmentTold:
        quickest_ns = self._quickest()
        first_ns = quickest_ns + self.ns(self.first_pts - self.base)
        rtcp_ns = round(np.median(self._rtcp_ns)) - quickest_ns if self._rtcp_ns else None
        return SegmentTold(
            self._job.camera_id,
            str(path),
            first_ns,
            rtcp_offset_ns=rtcp_ns,
            stamps="arrival" if self._arrival else "stream",
            source=self._job.source,
        )

    def close(self) -> SegmentTold:
        """End the file, give it its name and return what is known of it."""
        self._writer.close()
        closed = self.path.with_name(self.path.name.replace(_GROWING, _CLOSED))
        told = replace(self._told(closed), sha256=_durable_hash(self.path))
        _tell_beside(closed, told)
        self.path.rename(closed)
        self.path.with_suffix(_TOLD).unlink(missing_ok=True)
        return told


def _free_name(folder: Path, start_ns: int) -> int:
    """Return the first instant that no file is named by: a clock set back comes by again."""
    while any(folder.glob(f"{start_ns}.*")):
        start_ns += 1
    return start_ns


def _durable_hash(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def recover(folder: Path, camera_id: str) -> Iterator[SegmentTold]:
    """Yield what lies finished in a camera's folder, and the whole fragments of what does not.

    Files whose recorder was killed are cut to their last whole fragment; without one they go.
    """
    for temporary in folder.glob(f".*{_TOLD}"):  # a word that a full disk cut short
        temporary.unlink()
    for growing in sorted(folder.glob(f"*{_GROWING}")):
        beside = growing.with_suffix(_TOLD)
        cut_to_whole(growing)
        closed = growing.with_name(growing.name.replace(_GROWING, _CLOSED))
        if growing.stat().st_size:
            told = _told_beside(beside) or SegmentTold(camera_id, "", _started_ns(growing))
            told = replace(told, path=str(closed), sha256=_durable_hash(growing), recovered=True)
            _tell_beside(closed, told)
            growing.rename(closed)
        else:
            growing.unlink()
        beside.unlink(missing_ok=True)
    names = [path for path in folder.glob("[0-9]*") if path.suffix != _TOLD]
    for beside in folder.glob(f"[0-9]*{_TOLD}"):
        if beside.with_suffix("") not in [path.with_suffix("") for path in names]:
            beside.unlink(missing_ok=True)  # its file was taken, and whoever took it was killed
    for closed in sorted(names):
        known = _told_beside(closed.with_suffix(_TOLD))
        try:
            if known is None:  # the word beside it was lost: its name says when it began
                known = SegmentTold(camera_id, "", _started_ns(closed), _durable_hash(closed))
                known = replace(known, recovered=True)
        except FileNotFoundError:
            continue  # the archive took it just now
        yield replace(known, path=str(closed))  # the root may have been moved


def finish_copy(copy: Path, folder: Path, suffix: str, told: SegmentTold) -> SegmentTold:
    """Give a whole copy of another system's file its name among the finished ones."""
    closed = folder / f"{_free_name(folder, told.start_ns)}{suffix}"
    told = replace(told, path=str(closed))
    _tell_beside(closed, told)
    copy.rename(closed)
    return told


def _started_ns(path: Path) -> int:
    return int(path.name.split(".")[0])


def _tell_beside(closed: Path, told: SegmentTold) -> None:
    write_whole(closed.with_suffix(_TOLD), asdict(told))


def write_whole(beside: Path, words: Mapping[str, object]) -> None:
    """Write words as JSON, whole or not at all."""
    temporary = beside.with_name(f".{beside.name}")
    temporary.write_text(json.dumps(words))
    temporary.replace(beside)


def _told_beside(beside: Path) -> SegmentTold | None:
    try:
        return SegmentTold(**json.loads(beside.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def forget(told: SegmentTold) -> None:
    """Remove what is left of a told segment in its camera's folder once the archive has it."""
    path = Path(told.path)
    path.unlink(missing_ok=True)
    path.with_suffix(_TOLD).unlink(missing_ok=True)


def set_aside(told: SegmentTold, folder: Path, why: str, at_ns: int) -> Path:
    """Move a finished file that the archive can make nothing of into `folder`; return it there.

    A ``.json`` beside it says what was known of it and why it lies there. Nothing is deleted.
    """
    path = Path(told.path)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    if target.exists():  # another file of that name: both are kept
        target = folder / f"{_free_name(folder, _started_ns(path))}{path.suffix}"
    reason = {**asdict(told), "path": str(target), "why": why, "set_aside_ns": at_ns}
    write_whole(target.with_suffix(_TOLD), reason)
    shutil.move(path, target)  # which may lie on another disk
    path.with_suffix(_TOLD).unlink(missing_ok=True)
    return target
