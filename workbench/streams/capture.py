"""The process of one camera: opens its stream, copies packets to disk, looks at a picture at times.

It ends at the first trouble and says why; its parent starts the next one. It may hang in a network
call or crash in a decoder: its parent then kills it, and no other camera notices.
"""

from __future__ import annotations

import errno
import gc
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.records import LossCause
from workbench.streams.address import local_path
from workbench.streams.files import Clock, Growing, alone, recover
from workbench.streams.folders import watch_folder
from workbench.streams.gaps import clock_set
from workbench.streams.messages import Beat, CaptureJob, Looked, Lost, Noted, Opened, Told
from workbench.streams.packets import (
    ARRIVAL_TICK,
    UNTIMED,
    MissingPackets,
    ParameterSets,
    arriving,
    gathered,
    paced,
    timed,
)
from workbench.timeline import SECOND_NS

if TYPE_CHECKING:
    from workbench.streams.packets import VideoPacket

BEAT_S = 1.0
OPEN_WAITS = 2.0
"""A file of a camera that sends open groups of pictures alone becomes so many times longer."""
PAUSE_S = 1.0
"""A longer step between two frames is a gap in the footage: it ends one file and begins another."""
STEP_S = 0.1
"""A clock set by more than this is told of; the next key frame begins a file stamped by it."""
DRIFT = 1e-4
"""How much slower than ours a camera's clock may go; from file to file it is let go so much."""
REMEMBERED_S = 600.0
"""So long a file's arrivals count for those after it: a stream that goes slower, or lost time for
good, would else be placed earlier and earlier."""
LOOK_WIDTH_PX = 320
"""Width of the small pictures that health is judged by."""


class _ParentGoneError(Exception):
    """The recorder that started this process is no more."""


def capture(job: CaptureJob, parent: Connection) -> None:
    """Run the process of one camera until its stream is lost; tells `parent` all that happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the recorder, which ends us
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    missing = MissingPackets() if job.address.scheme in ("rtsp", "rtsps") else None
    cv2.setNumThreads(1)
    gc.freeze()  # what was forked with us is never garbage: looking through it would copy it

    def tell(what: Told) -> None:
        try:
            parent.send(what)
        except OSError as error:
            raise _ParentGoneError from error

    def lost(cause: LossCause, error: BaseException | str) -> None:
        detail = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        with suppress(_ParentGoneError):
            tell(Lost(cause, job.address.without_secrets(detail), time.time_ns()))

    began_s = time.monotonic()
    opened = False
    # FFmpeg would print addresses with passwords: nobody sees what it says, one listener counts
    av.logging.set_level(av.logging.PANIC if missing is None else av.logging.WARNING)
    with suppress(_ParentGoneError), ExitStack() as held:
        try:
            job.folder.mkdir(parents=True, exist_ok=True)
            let_others_in = held.enter_context(alone(job.folder, beside=job.beside))
            if not job.beside:
                for told in recover(job.folder, job.camera_id):
                    tell(told)
                let_others_in()
            began_s = time.monotonic()
            path = local_path(job.address)
            if path is not None and path.is_dir():
                opened = True
                watch_folder(job, path, tell, lambda: bool(stopping))
                lost("stopped", "the recorder was told to stop")
                return
            with _open(job) as (container, stream):
                opened = True
                _copy(job, container, stream, tell, missing, lambda: bool(stopping))
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
def _open(job: CaptureJob) -> Iterator[tuple[InputContainer, VideoStream]]:
    path = local_path(job.address)
    options: dict[str, str] = {}
    name, container_format = job.address.with_credentials(), None
    if job.address.scheme in ("rtsp", "rtsps"):
        # FFmpeg's probing cut short: opens in a third of a second instead of two
        options = {
            "rtsp_transport": "tcp", "probesize": "32768", "analyzeduration": "0",
            "fpsprobesize": "0",
            # with a queue FFmpeg notices what is missing, and says so
            "reorder_queue_size": "4",
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


class _Copying:
    """One open stream on its way to disk, a segment after the other."""

    def __init__(
        self,
        job: CaptureJob,
        stream: VideoStream,
        tell: Callable[[Told], None],
        missing: MissingPackets | None = None,
        *,
        arrival: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._job, self._stream, self._tell, self._missing = job, stream, tell, missing
        self._arrival, self._clock = arrival, clock or Clock()
        self._growing: Growing | None = None
        self._last_dts: int | None = None
        # of each file lately: its least lateness, and when it began, ns
        self._least_late: deque[tuple[int, int]] = deque()
        tick = ARRIVAL_TICK if arrival else stream.time_base
        assert tick is not None
        self._tick, self._tick_s = tick, float(tick)
        self._written = False
        self._packets = self._size = 0
        # steady time: the machine's clock may be set
        self._beat_s, self._look_s = time.monotonic() - BEAT_S, 0.0
        context = stream.codec_context
        self._sets = ParameterSets(context.name, context.extradata)
        tell(Opened(context.name, context.width, context.height, self._clock.now_ns()))

    def take(self, packet: VideoPacket, pts: int, dts: int) -> None:
        """Write one packet; look at its picture and tell how it goes when it is time to."""
        now_ns = self._clock.now_ns()
        self._packets, self._size = self._packets + 1, self._size + packet.size
        step_s = 0.0 if self._last_dts is None else (dts - self._last_dts) * self._tick_s
        if self._last_dts is not None and not 0 < step_s <= PAUSE_S:
            # what follows belongs into another file
            self.close()
            self._least_late.clear()
            self._tell(Noted("paused", f"the stream's own time went on by {step_s:.1f} s", now_ns))
        if packet.is_keyframe:
            if self._sets.changed(packet):
                raise ValueError("the camera changed the format of its picture")
            step_ns = self._clock.set_by_ns()
            if abs(step_ns) > STEP_S * SECOND_NS:
                self.close()
                self._tell(Noted("clock", clock_set(step_ns), now_ns))
            elif self._full(now_ns, packet):
                self.close()
            if self._growing is None:
                now_ns = self._begin(pts, dts, step_ns)
            if time.monotonic() >= self._look_s:
                self._look_s = time.monotonic() + self._job.picture_s
                self._look(packet, now_ns)
        self._last_dts = dts
        if self._growing is not None:
            self._growing.write(packet, pts, dts, now_ns)
        length_s = time.monotonic() - self._beat_s
        # the first word of what is on disk is waited for: another process may end by it
        first = self._growing is not None and not self._written
        if length_s >= BEAT_S or first:
            self._written = self._written or first
            self._beat_s += length_s
            name, offset_ns = "", None
            if self._growing is not None:
                name, offset_ns = self._growing.path.name, self._growing.clock_offset_ns
                self._growing.note()
            lost = None if self._missing is None else self._missing.share(self._size)
            self._tell(Beat(now_ns, self._packets, self._size, name, lost, offset_ns, length_s))
            self._packets = self._size = 0

    def _begin(self, pts: int, dts: int, step_ns: int) -> int:
        """Begin a file, our clock being set by `step_ns` since the last one; return now, ns UTC."""
        self._clock.restart()
        now_ns, known = self._clock.now_ns(), self._least_late
        for _ in range(len(known)):
            late_ns, at_ns = known.popleft()
            known.append((late_ns + step_ns, at_ns + step_ns))
        # each ended where the next one began
        while len(known) > 1 and now_ns - known[1][1] > REMEMBERED_S * SECOND_NS:
            known.popleft()
        let_go = (late_ns + round(DRIFT * (now_ns - at_ns)) for late_ns, at_ns in known)
        self._growing = Growing(
            self._job,
            self._stream,
            self._tick,
            (pts, dts),
            now_ns,
            arrival=self._arrival,
            least_late_ns=min(let_go, default=None),
        )
        return now_ns

    def _look(self, packet: VideoPacket, now_ns: int) -> None:
        # A decoder of its own for one key frame: it is emptied at once, which gives the picture
        # even where B-frames would make it wait for others that are never fed.
        try:
            decoder = av.VideoCodecContext.create(self._stream.codec_context.name, "r")
            decoder.extradata = self._stream.codec_context.extradata
            decoder.thread_count = 1
            decoder.options = {"skip_loop_filter": "all"}  # the picture is made small
            for frame in [*decoder.decode(packet), *decoder.decode(None)][:1]:
                self._tell(_looked(frame, now_ns))
        except av.FFmpegError:
            # recorded all the same: what a camera sends is kept as it is
            self._tell(Noted("broken", "a key frame cannot be decoded", now_ns))

    def close(self) -> None:
        """End the file being written."""
        growing, self._growing = self._growing, None
        if growing is not None:
            if growing.least_late_ns is not None:
                self._least_late.append((growing.least_late_ns, growing.opened_ns))
            self._tell(growing.close())

    def _full(self, now_ns: int, packet: VideoPacket) -> bool:
        growing = self._growing
        if growing is None:
            return False
        length_s = (now_ns - growing.opened_ns) / SECOND_NS
        # what leans on a picture of the file before cannot be shown: where groups of pictures are
        # open, a closed one is waited for
        longest = length_s >= OPEN_WAITS * self._job.segment_s
        return longest or (length_s >= self._job.segment_s and self._sets.closed(packet))


def _copy(
    job: CaptureJob,
    container: InputContainer,
    stream: VideoStream,
    tell: Callable[[Told], None],
    missing: MissingPackets | None,
    stopping: Callable[[], bool],
) -> None:
    arrival = container.format.name in UNTIMED and local_path(job.address) is None
    copying = _Copying(job, stream, tell, missing, arrival=arrival)
    packets = container.demux(stream)
    if arrival:
        placed = arriving(packets, ARRIVAL_TICK, time.monotonic_ns)
    elif local_path(job.address) is None:
        placed = timed(gathered(packets))
    else:
        placed = timed(paced(packets))
    try:
        for packet, pts, dts in placed:
            copying.take(packet, pts, dts)
            if stopping():
                return
    finally:
        copying.close()


def _looked(frame: av.VideoFrame, at_ns: int) -> Looked:
    small = small_luma(frame)
    return Looked(at_ns, (small.shape[0], small.shape[1]), small.tobytes())


def small_luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the small grey picture that health is judged by: uint8 (y, x)."""
    height = max(2, round(LOOK_WIDTH_PX * frame.height / frame.width))
    small = frame.reformat(width=LOOK_WIDTH_PX, height=height, format="gray").to_ndarray()
    return np.asarray(small, np.uint8)
