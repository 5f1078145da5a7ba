"""Pictures of now without a second connection: from the growing recording where there is one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.codec.context import ThreadType

from workbench import streams
from workbench.errors import WorkbenchError
from workbench.investigation import Workbench
from workbench.streams.address import local_path
from workbench.streams.growing import RecordedFile, Tail, Tails, growing_files
from workbench.timeline import SECOND_NS, is_recent, pts_to_ns
from workbench.views.camera_stream import Stream
from workbench.views.recorder_status import FRESH_S, RecorderStatus
from workbench.views.sources import (
    HOLD_S,
    WIDEST_PX,
    Picture,
    Scaler,
    Silence,
    Source,
)

DELAY_S = 1.2
"""Tiles from a recording are shown so late: it grows by pieces of up to nine tenths of a second."""
AT_ONCE = 8
"""At most so many frames are decoded for one picture; a key frame is a way past the others."""
CHOOSE_S = 2.0
FALL_BACK_S = 2.0
"""A sub-stream whose picture is older gives way to the recording."""
OPENING_S = 4.0
"""A stream has so long for its first picture: it waits for a key frame."""
RETRY_S = 10.0


@dataclass(slots=True)
class _Due:
    """A packet to be decoded and when it is time for it."""

    dts_ns: int
    packet: Any
    of: RecordedFile


class Growing:
    """A camera's tile decoded from the file that its recorder writes.

    It goes on frame by frame while it keeps pace, and from key frame to key frame when it does not.
    """

    def __init__(self, tail: Tail, done: Callable[[], object] = lambda: None) -> None:
        self._tail = tail
        self._done = done
        self._seq = 0
        self._newest_start_ns = 0
        self._due: deque[_Due] = deque()
        self._frames: deque[tuple[int, Any]] = deque()
        self._decoding: RecordedFile | None = None
        self._decoder: Any = None
        self._shown: Picture | None = None
        self._scaler = Scaler()
        self.width_px = WIDEST_PX

    def __call__(self, now_ns: int) -> Picture | Silence:
        """Return the frame whose turn it is, or silence since the last one."""
        with self._tail.lock:
            self._tail.look(now_ns)
            self._take_in()
        target_ns = now_ns - round(DELAY_S * SECOND_NS)
        self._decode(target_ns)
        newest: tuple[int, Any] | None = None
        while self._frames and self._frames[0][0] <= target_ns:
            newest = self._frames.popleft()
        if newest is not None:
            self._shown = Picture(
                self._scaler(newest[1], self.width_px), newest[0], "live", ("growing", newest[0])
            )
        if self._shown is None:
            return Silence(None)
        if not is_recent(self._shown.at_ns, now_ns, HOLD_S):
            return Silence(self._shown.at_ns)
        return self._shown

    def close(self) -> None:
        """Give the recording back."""
        self._done()

    def _take_in(self) -> None:
        if not self._seq:
            first = self._tail.newest_key()
            if first is None:
                return
            self._seq = first.seq - 1
        for fragment in self._tail.after(self._seq):
            self._seq = fragment.seq
            if fragment.of.start_ns < self._newest_start_ns:
                # the clock was set back: what waits would have its turn after all of this
                self._due.clear()
                self._frames.clear()
            self._newest_start_ns = fragment.of.start_ns
            for packet in fragment.packets():
                at_ns = fragment.at_ns(packet.dts, packet.time_base)
                self._due.append(_Due(at_ns, packet, fragment.of))

    def _decode(self, target_ns: int) -> None:
        due = 0
        last_key = 0
        for number, one in enumerate(self._due):
            if one.dts_ns > target_ns:
                break
            due = number + 1
            if one.packet.is_keyframe:
                last_key = number
        if due > AT_ONCE and last_key:
            for _ in range(last_key):
                self._due.popleft()
            due -= last_key
            self._decoding = None
        for _ in range(min(due, AT_ONCE)):
            one = self._due.popleft()
            if one.of is not self._decoding:
                if not one.packet.is_keyframe:
                    continue
                self._begin(one.of)
            try:
                frames = self._decoder.decode(one.packet)
            except av.FFmpegError:
                # a broken frame is not shown; the next key frame begins anew
                self._decoding = None
                continue
            for frame in frames:
                at_ns = one.of.start_ns + pts_to_ns(frame.pts, one.packet.time_base)
                self._frames.append((at_ns, frame))

    def _begin(self, of: RecordedFile) -> None:
        """Begin decoding at a key frame, as if there had been nothing before."""
        codec = of.codec
        decoder: Any = av.CodecContext.create(codec.name, "r")
        decoder.extradata = codec.configuration
        decoder.thread_count, decoder.thread_type = 1, ThreadType.NONE
        # a tile is a fraction of the picture: nobody sees what the filter would smooth
        decoder.skip_frame, decoder.options = "DEFAULT", {"skip_loop_filter": "all"}
        self._decoder, self._decoding = decoder, of


class LiveCamera:
    """The best source of now for one camera, chosen again as streams and recorder come and go.

    A sub-stream is opened where there is one; while it shows nothing, and where there is none, what
    is being recorded is decoded from the recording, and a camera's main stream is opened only while
    nobody records it.
    """

    def __init__(
        self,
        camera_id: str,
        wb: Workbench,
        tails: Tails,
        status: RecorderStatus,
        replay: Callable[[], Source],
    ) -> None:
        self._camera_id = camera_id
        self._wb = wb
        self._tails = tails
        self._status = status
        self._replay = replay
        self._kind = ""
        self._source: Source | None = None
        self._small: Stream | None = None
        self._small_tried_ns: int | None = None
        self._chosen_ns: int | None = None
        self.widths: frozenset[int] = frozenset({WIDEST_PX})

    def ready(self, now_ns: int, widths: frozenset[int]) -> Picture | None:
        """Return the sub-stream's picture if it is made in all `widths`; it costs no time.

        None where the source must be asked by calling it, which also happens now and then so that
        it can choose again.
        """
        self.widths = widths
        small = self._small
        if small is None:
            return None
        small.widths = widths
        if self._chosen_ns is None or abs(now_ns - self._chosen_ns) > CHOOSE_S * SECOND_NS:
            return None
        shown = small(now_ns)
        if isinstance(shown, Silence) or not is_recent(shown.at_ns, now_ns, FALL_BACK_S):
            return None
        return shown if widths <= shown.jpegs.keys() else None

    def pace(self, times: float) -> None:
        """Make the sub-stream's pictures `times` as far apart as now."""
        if self._small is not None:
            self._small.pace(times)

    def rest(self) -> None:
        """Go on at the least cost: nobody sees this camera just now."""
        if self._small is not None:
            self._small.widths = frozenset()
        self._leave()

    def __call__(self, now_ns: int) -> Picture | Silence:
        """Return the picture of now, or of a replay where the camera has no stream."""
        small = self._from_substream(now_ns)
        if isinstance(small, Picture) and is_recent(small.at_ns, now_ns, FALL_BACK_S):
            self._chosen_ns = now_ns
            self._leave()
            return small
        if isinstance(small, Silence) and small.opening:
            return small
        return self._other(now_ns, small)

    def close(self) -> None:
        """Close the sources in use."""
        self._leave()
        small, self._small = self._small, None
        if small is not None:
            small.close()

    def _from_substream(self, now_ns: int) -> Picture | Silence | None:
        camera = self._wb.camera(self._camera_id)
        if not camera.substream_url:
            return None
        if self._small is None:
            tried_ns, self._small_tried_ns = self._small_tried_ns, now_ns
            if tried_ns is not None and is_recent(tried_ns, now_ns, RETRY_S):
                self._small_tried_ns = tried_ns
                return None
            try:
                self._small = self._stream(camera.substream_url)
            except WorkbenchError:
                return None  # credentials that cannot be used: the recorder says which
        if not self._small.widths:
            # it rested: its next picture comes with its next packet
            self._small_tried_ns = now_ns
        self._small.widths = self.widths
        shown = self._small(now_ns)
        began_ns = self._small_tried_ns or now_ns
        if isinstance(shown, Silence) and is_recent(began_ns, now_ns, OPENING_S):
            return Silence(shown.since_ns, opening=True)
        return shown

    def _other(self, now_ns: int, small: Picture | Silence | None) -> Picture | Silence:
        if self._chosen_ns is None or abs(now_ns - self._chosen_ns) > CHOOSE_S * SECOND_NS:
            self._chosen_ns = now_ns
            kind = self._best(now_ns)
            if kind != self._kind:
                self._leave()
                self._kind = kind
        if self._source is None:
            try:
                self._source = self._open()
            except WorkbenchError:
                # an address or credentials that cannot be used: the recorder says which
                return Silence(None)
        if isinstance(self._source, Growing):
            self._source.width_px = max(self.widths)
        elif isinstance(self._source, Stream):
            self._source.widths = self.widths
        return _newer(self._source(now_ns), small)

    def _leave(self) -> None:
        source, self._source = self._source, None
        self._kind = ""
        stop = getattr(source, "close", None)
        if stop is not None:
            stop()

    def _best(self, now_ns: int) -> str:
        if self._status(self._camera_id, now_ns) is not None or self._grows(now_ns):
            return "growing"
        return "stream" if self._wb.camera(self._camera_id).stream_url else "replay"

    def _grows(self, now_ns: int) -> bool:
        for _start_ns, path in growing_files(self._tails.folder / self._camera_id):
            with suppress(OSError):
                if is_recent(path.stat().st_mtime_ns, now_ns, FRESH_S):
                    return True
        return False

    def _open(self) -> Source:
        camera = self._wb.camera(self._camera_id)
        self._kind = self._kind or self._best(self._wb.now())
        if self._kind == "growing":
            tail = self._tails.take(self._camera_id)
            return Growing(tail, lambda: self._tails.leave(self._camera_id))
        if self._kind == "replay":
            return self._replay()
        return self._stream(camera.stream_url)

    def _stream(self, url: str) -> Stream:
        name, container_format = openable(url, self._camera_id, self._wb.root)
        return Stream(name, self._wb.now, container_format)


def _newer(shown: Picture | Silence, small: Picture | Silence | None) -> Picture | Silence:
    """Return the newer of two pictures, or silence since the newer of two last ones."""
    if small is None:
        return shown
    if isinstance(shown, Picture) and isinstance(small, Picture):
        return shown if shown.state == "replay" or shown.at_ns >= small.at_ns else small
    if isinstance(shown, Picture):
        return shown
    if isinstance(small, Picture):
        return small
    return Silence(max((shown.since_ns or 0, small.since_ns or 0)) or None, shown.opening)


def openable(url: str, camera_id: str, root: Path) -> tuple[str, str | None]:
    """Return what FFmpeg opens for an address of the tables, and the format it must be told.

    The name holds the camera's credentials: it is for FFmpeg and nobody else.
    """
    known = streams.read_credentials(root / "credentials.toml")
    parsed = streams.parse_address(url, where=camera_id)
    address = streams.with_credentials(parsed, camera_id, known)
    path = local_path(address)
    if address.scheme == "v4l2":
        return str(path), "v4l2"
    return (address.with_credentials() if path is None else f"file:{path}"), None
