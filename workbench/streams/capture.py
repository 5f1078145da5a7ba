"""The process of one camera: opens its stream, copies packets to disk, looks at a picture at times.

It ends at the first trouble and says why; its parent starts the next one. It may hang in a network
call or crash in a decoder: its parent then kills it, and no other camera notices.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from workbench.records import LossCause
from workbench.streams.address import StreamAddress, local_path
from workbench.streams.fragments import FragmentWriter, cut_to_whole
from workbench.timeline import SECOND_NS

if TYPE_CHECKING:
    from av.packet import Packet

    VideoPacket = Packet[VideoStream]

BEAT_S = 1.0
PAUSE_S = 1.0
"""A longer step between two frames is a gap in the footage: it ends one file and begins another."""
JUMP_BACK_S = 0.5
LOOK_WIDTH_PX = 320
"""Width of the small pictures that health is judged by."""
_HEAD_BYTES = 4096
"""Parameter sets come first in a key frame."""
_GROWING = ".growing.mp4"
_CLOSED = ".mp4"
_TOLD = ".json"


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """What one capture process needs to know; pickled to it, never on its command line."""

    camera_id: str
    address: StreamAddress
    folder: Path
    segment_s: float = 30.0
    picture_s: float = 5.0
    open_s: float = 4.0
    read_s: float = 4.0


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream answers and says what it is."""

    codec: str
    width_px: int
    height_px: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Beat:
    """What came in since the last beat; ``growing`` is the file being written."""

    at_ns: int
    packets: int
    size_bytes: int
    growing: str


@dataclass(frozen=True, slots=True)
class SegmentTold:
    """A finished file and what its camera and our clock said of it.

    ``start_ns`` is the recorder's time of the first frame: the line through the packets that came
    quickest. ``rtcp_offset_ns`` is what the camera's own sender reports say on top of that, None
    where it sent none. ``recovered`` marks the remains of a process that was killed.
    """

    camera_id: str
    path: str
    start_ns: int
    sha256: str = ""
    rtcp_offset_ns: int | None = None
    recovered: bool = False


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
    """Trouble that does not end the process: the stream's times leapt, a picture is unreadable."""

    cause: Literal["paused", "broken"]
    detail: str
    at_ns: int


Told = Opened | Beat | SegmentTold | Looked | Noted | Lost


class _ParentGoneError(Exception):
    """The recorder that started this process is no more."""


def capture(job: CaptureJob, parent: Connection) -> None:
    """Run the process of one camera until its stream is lost; tells `parent` all that happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the recorder, which ends us
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    av.logging.set_level(av.logging.PANIC)  # FFmpeg would print addresses with passwords
    cv2.setNumThreads(1)

    def tell(what: Told) -> None:
        try:
            parent.send(what)
        except OSError as error:
            raise _ParentGoneError from error

    def lost(cause: LossCause, error: BaseException | str) -> None:
        detail = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        with suppress(_ParentGoneError):
            tell(Lost(cause, job.address.without_secrets(detail), time.time_ns()))

    job.folder.mkdir(parents=True, exist_ok=True)
    with suppress(_ParentGoneError), _alone(job.folder):
        for told in recover(job.folder, job.camera_id):
            tell(told)
        began_s = time.monotonic()
        opened = False
        try:
            with _open(job) as (container, stream):
                opened = True
                _copy(job, container, stream, tell, lambda: bool(stopping))
            if stopping:
                lost("stopped", "the recorder was told to stop")
            else:
                lost("ended", "the stream came to its end")
        except (OSError, av.FFmpegError) as error:
            cause = _cause_of(error)
            if not opened and cause == "broken" and time.monotonic() - began_s >= job.open_s:
                cause = "unreachable"  # FFmpeg takes an answer that never comes for a bad one
            lost(cause, error)
        except ValueError as error:
            lost("broken", error)


def _cause_of(error: OSError | av.FFmpegError) -> LossCause:
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return "denied"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        return "disk"
    if isinstance(error, av.InvalidDataError | av.BugError | av.PatchWelcomeError):
        return "broken"
    if isinstance(error, av.ExitError) or error.errno == errno.ETIMEDOUT:
        return "stalled"
    if isinstance(error, av.EOFError):
        return "ended"
    return "unreachable"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a camera's folder: the process of a killed recorder may still be writing into it."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _open(job: CaptureJob) -> Iterator[tuple[InputContainer, VideoStream]]:
    path = local_path(job.address)
    options: dict[str, str] = {}
    name, container_format = job.address.with_credentials(), None
    if job.address.scheme in ("rtsp", "rtsps"):
        # FFmpeg's probing cut short: opens in a third of a second instead of two
        options = {
            "rtsp_transport": "tcp", "probesize": "32768", "analyzeduration": "0",
            "fpsprobesize": "0",
        }  # fmt: skip
    elif job.address.scheme == "v4l2":
        # cameras on USB compress to JPEG themselves; raw pictures would have to be transcoded
        name, container_format, options = str(path), "v4l2", {"input_format": "mjpeg"}
    elif path is not None:
        name = f"file:{path}"
    timeout = (job.open_s, job.read_s)
    with av.open(name, format=container_format, options=options, timeout=timeout) as container:
        if not container.streams.video:
            raise ValueError("no video in this stream")
        yield container, container.streams.video[0]


class _Clock:
    """Our own time of packets, steady within a segment even when the machine's clock is set."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._wall_ns, self._steady_ns = time.time_ns(), time.monotonic_ns()

    def now_ns(self) -> int:
        return self._wall_ns + time.monotonic_ns() - self._steady_ns


class _Growing:
    """The file being written and the times of its packets."""

    def __init__(
        self,
        job: CaptureJob,
        stream: VideoStream,
        tick_s: Fraction,
        first: tuple[int, int],
        now_ns: int,
    ) -> None:
        self._job, self._tick_s = job, tick_s
        self.opened_ns = now_ns
        self.first_pts, self.base = first
        self.path = job.folder / f"{now_ns}{_GROWING}"
        self._writer = FragmentWriter(self.path, stream, f"{job.camera_id} {now_ns}")
        # What is known at once, for whoever finds the remains of this file.
        told = SegmentTold(job.camera_id, str(self.path), now_ns)
        self.path.with_suffix(_TOLD).write_text(json.dumps(asdict(told)))
        self._quickest_ns: int | None = None
        self._rtcp_ns: list[int] = []

    def ns(self, ticks: int) -> int:
        """Return the length of `ticks` of the stream."""
        return round(ticks * self._tick_s * SECOND_NS)

    def write(self, packet: VideoPacket, pts: int, dts: int, arrived_ns: int) -> None:
        """Append one packet that arrived just now."""
        sent_ns = self.ns(dts - self.base)
        late_ns = arrived_ns - sent_ns
        if self._quickest_ns is None or late_ns < self._quickest_ns:
            self._quickest_ns = late_ns
        reported_ns = _sender_time_ns(packet)
        if reported_ns is not None:
            self._rtcp_ns.append(reported_ns - self.ns(pts - self.base))
        self._writer.write(packet, pts - self.base, dts - self.base)

    def close(self) -> SegmentTold:
        """End the file, give it its name and return what is known of it."""
        self._writer.close()
        assert self._quickest_ns is not None
        first_ns = self._quickest_ns + self.ns(self.first_pts - self.base)
        rtcp_ns = None
        if self._rtcp_ns:
            rtcp_ns = round(np.median(self._rtcp_ns)) - self._quickest_ns
        closed = self.path.with_name(self.path.name.replace(_GROWING, _CLOSED))
        told = SegmentTold(
            self._job.camera_id, str(closed), first_ns, _durable_hash(self.path), rtcp_ns
        )
        _tell_beside(closed, told)
        self.path.rename(closed)
        self.path.with_suffix(_TOLD).unlink(missing_ok=True)
        return told


class _Copying:
    """One open stream on its way to disk, a segment after the other."""

    def __init__(self, job: CaptureJob, stream: VideoStream, tell: Callable[[Told], None]) -> None:
        self._job, self._stream, self._tell = job, stream, tell
        self._clock = _Clock()
        self._growing: _Growing | None = None
        self._last_dts: int | None = None
        self._packets = self._size = 0
        self._beat_ns = self._look_ns = 0
        context = stream.codec_context
        tell(Opened(context.name, context.width, context.height, self._clock.now_ns()))

    def take(self, packet: VideoPacket, pts: int, dts: int) -> None:
        """Write one packet; look at its picture and tell how it goes when it is time to."""
        now_ns = self._clock.now_ns()
        self._packets, self._size = self._packets + 1, self._size + packet.size
        step_s = 0.0 if self._last_dts is None else float((dts - self._last_dts) * packet.time_base)
        if not -JUMP_BACK_S <= step_s <= PAUSE_S:
            # what follows belongs into another file
            self.close()
            self._tell(Noted("paused", f"the stream's own time went on by {step_s:.1f} s", now_ns))
        if packet.is_keyframe:
            if self._full(now_ns):
                self.close()
            if self._growing is None:
                self._clock.restart()
                now_ns = self._clock.now_ns()
                self._growing = _Growing(
                    self._job, self._stream, packet.time_base, (pts, dts), now_ns
                )
            if now_ns >= self._look_ns:
                self._look_ns = now_ns + round(self._job.picture_s * SECOND_NS)
                self._look(packet, now_ns)
        self._last_dts = dts
        if self._growing is not None:
            self._growing.write(packet, pts, dts, now_ns)
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + round(BEAT_S * SECOND_NS)
            name = self._growing.path.name if self._growing is not None else ""
            self._tell(Beat(now_ns, self._packets, self._size, name))
            self._packets = self._size = 0

    def _look(self, packet: VideoPacket, now_ns: int) -> None:
        # A key frame is decoded by itself: the others are never fed to the decoder.
        try:
            for frame in packet.decode():
                self._tell(_looked(frame, now_ns))
        except av.FFmpegError:
            # recorded all the same: what a camera sends is kept as it is
            self._tell(Noted("broken", "a key frame cannot be decoded", now_ns))

    def close(self) -> None:
        """End the file being written."""
        growing, self._growing = self._growing, None
        if growing is not None:
            self._tell(growing.close())

    def _full(self, now_ns: int) -> bool:
        growing = self._growing
        return growing is not None and now_ns - growing.opened_ns >= self._job.segment_s * SECOND_NS


def _copy(
    job: CaptureJob,
    container: InputContainer,
    stream: VideoStream,
    tell: Callable[[Told], None],
    stopping: Callable[[], bool],
) -> None:
    copying = _Copying(job, stream, tell)
    sets = _ParameterSets(stream.codec_context.name)
    try:
        packets = _paced(container.demux(stream), local=local_path(job.address) is not None)
        for packet, pts, dts in _timed(packets):
            if packet.is_keyframe and sets.changed(packet):
                raise ValueError("the camera changed the format of its picture")
            copying.take(packet, pts, dts)
            if stopping():
                return
    finally:
        copying.close()


class _ParameterSets:
    """Notices a new picture size or profile: the header of the file being written is then wrong."""

    def __init__(self, codec: str) -> None:
        # the NAL unit type of sequence parameter sets, and where a NAL unit's header holds its type
        self._type, self._shift, self._mask = {"h264": (7, 0, 31), "hevc": (33, 1, 63)}.get(
            codec, (-1, 0, 0)
        )
        self._known: bytes | None = None

    def changed(self, packet: VideoPacket) -> bool:
        """Tell whether a key frame's sequence parameters differ from the ones before."""
        head = bytes(memoryview(packet)[:_HEAD_BYTES])
        for unit in head.split(b"\0\0\1")[1:]:
            if unit and (unit[0] >> self._shift) & self._mask == self._type:
                known, self._known = self._known, unit.rstrip(b"\0")
                return known is not None and known != self._known
        return False


def _timed(packets: Iterator[VideoPacket]) -> Iterator[tuple[VideoPacket, int, int]]:
    """Yield ``(packet, pts, dts)``; the first few of an RTSP session have no times and get some.

    Until FFmpeg knows the stream's order it leaves them out, first of all of the key frame that
    everything else needs. They are counted back from the first two that have both.
    """
    held: list[VideoPacket] = []
    whole: list[tuple[int, int]] = []
    for packet in packets:
        if packet.size == 0:
            continue  # it ends the stream
        if len(whole) >= 2:
            if packet.pts is not None and packet.dts is not None:
                yield packet, packet.pts, packet.dts
            continue  # without times it cannot be placed
        held.append(packet)
        if packet.pts is not None and packet.dts is not None:
            whole.append((packet.pts, packet.dts))
            if len(whole) == 2:
                yield from _counted_back(held)
    if len(whole) < 2:
        for packet in held:
            if packet.pts is not None and packet.dts is not None:
                yield packet, packet.pts, packet.dts


def _counted_back(held: Sequence[VideoPacket]) -> Iterator[tuple[VideoPacket, int, int]]:
    shown = sorted(packet.pts for packet in held if packet.pts is not None)
    steps = [b - a for a, b in pairwise(shown) if b > a]
    step = min(steps, default=1)
    at = next(n for n, packet in enumerate(held) if packet.dts is not None)
    first_dts = held[at].dts
    assert first_dts is not None
    for n, packet in enumerate(held):
        dts = packet.dts if packet.dts is not None else first_dts - (at - n) * step
        # what has no time of display comes first: nothing is shown before a key frame
        pts = packet.pts if packet.pts is not None else shown[0] - step * max(1, at - n)
        yield packet, max(pts, dts), dts


def _paced(packets: Iterator[VideoPacket], *, local: bool) -> Iterator[VideoPacket]:
    """Yield packets as they come, those of a file at the pace of their own times."""
    start: float | None = None
    for packet in packets:
        if local and packet.dts is not None:
            at_s = float(packet.dts * packet.time_base)
            start = time.monotonic() - at_s if start is None else start
            time.sleep(max(0.0, start + at_s - time.monotonic()))
        yield packet


def _looked(frame: av.VideoFrame, at_ns: int) -> Looked:
    height = max(2, round(LOOK_WIDTH_PX * frame.height / frame.width))
    small = frame.reformat(width=LOOK_WIDTH_PX, height=height, format="gray").to_ndarray()
    return Looked(at_ns, (small.shape[0], small.shape[1]), small.tobytes())


def _sender_time_ns(packet: VideoPacket) -> int | None:
    """Return the camera's own time of a packet from its RTCP sender reports, ns UTC, or None."""
    if not packet.has_sidedata("prft"):
        return None
    (wall_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return int(wall_us) * 1000


def _durable_hash(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def recover(folder: Path, camera_id: str) -> Iterator[SegmentTold]:
    """Yield what lies finished in a camera's folder, and the whole fragments of what does not.

    Files whose recorder was killed are cut to their last whole fragment; without one they go.
    """
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
    for closed in sorted(folder.glob(f"[0-9]*{_CLOSED}")):
        known = _told_beside(closed.with_suffix(_TOLD))
        if known is None:  # the word beside it was lost: its name says when it began
            known = SegmentTold(
                camera_id, str(closed), _started_ns(closed), _durable_hash(closed), recovered=True
            )
        yield known


def _started_ns(path: Path) -> int:
    return int(path.name.split(".")[0])


def _tell_beside(closed: Path, told: SegmentTold) -> None:
    beside = closed.with_suffix(_TOLD)
    temporary = beside.with_name(f".{beside.name}")
    temporary.write_text(json.dumps(asdict(told)))
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
