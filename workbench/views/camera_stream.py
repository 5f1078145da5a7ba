"""A camera's own stream as tiles: a thread a camera, so that one that hangs holds up no other.

FFmpeg's work and the JPEG's are done outside Python's lock. Nothing is decoded for a camera that
nobody sees; the packets since its last key frame are kept, so that its picture is there at once
when somebody does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import av
from av.codec.context import ThreadType

from workbench.streams.packets import paced
from workbench.timeline import SECOND_NS, is_recent, pts_to_ns
from workbench.views.footage import TILE_QUALITY
from workbench.views.sheets import sheet_jpeg
from workbench.views.sources import HOLD_S, WIDEST_PX, Picture, Scaler, Silence

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
RETRY_S = (0.5, 1.0, 2.0, 4.0)
"""Pauses before a stream is opened again, the last one from then on."""
PICTURES_A_S = 12.5
"""At most so many pictures a second are made of a stream."""
SLOWEST_A_S = 2.5
"""However slowly they are taken, no fewer are made: for that alone none is half a second old."""
LATE_S = 1.0
"""A stream farther behind is decoded from key frame to key frame until it has caught up."""
MOST_KEPT = 600
_OPENING = {"probesize": "32768", "analyzeduration": "0", "fflags": "nobuffer"}
_CREEP = 0.005
_LEAP_NS = 10 * SECOND_NS


class Arrivals:
    """Our own time of a stream's frames: when they came, less what they were late by.

    The least delay seen counts as none; it creeps up by 5 ms a second, which follows a camera's
    clock that runs differently and still shows a stream that stays behind.

    >>> when = Arrivals()
    >>> when(0, 1000), when(40, 1040), when(80, 1110)
    (1000, 1040, 1080)
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._last_ns = self._last_pts_ns = 0

    def __call__(self, pts_ns: int | None, arrived_ns: int) -> int:
        """Return when a frame was sent, ns UTC; its arrival where it carries no time."""
        if pts_ns is None:
            return arrived_ns
        offset_ns = arrived_ns - pts_ns
        leapt = not -SECOND_NS < pts_ns - self._last_pts_ns < _LEAP_NS
        if self._offset_ns is None or leapt:
            self._offset_ns = offset_ns
        else:
            crept_ns = self._offset_ns + round(_CREEP * (arrived_ns - self._last_ns))
            self._offset_ns = min(offset_ns, crept_ns)
        self._last_ns, self._last_pts_ns = arrived_ns, pts_ns
        return min(arrived_ns, pts_ns + self._offset_ns)


class Stream:
    """A camera's own stream, read by a thread of its own and reopened when it breaks.

    FFmpeg reports a stall late, so whether the camera is silent is judged by the age of its last
    picture, not by the reader. Set ``widths`` to the widths of pictures that are wanted, px; none
    lets the stream stay open at the cost of its packets.
    """

    def __init__(self, url: str, now: Callable[[], int], container: str | None = None) -> None:
        self._url = url
        self._container = container
        self._now = now
        self._scalers: dict[int, Scaler] = {}
        self.widths: Collection[int] = frozenset({WIDEST_PX})
        self._latest: Picture | None = None
        self._count = 0
        self._kept: list[Any] = []
        self._due_ns = 0
        self._step_s = 1 / PICTURES_A_S
        self._stop = Event()
        self._thread = Thread(target=self._read, name="stream", daemon=True)
        self._thread.start()

    def __call__(self, now_ns: int) -> Picture | Silence:
        """Return the newest picture, unless it is too old, or too new, to be one of now."""
        latest = self._latest
        if latest is None:
            return Silence(None)
        if not is_recent(latest.at_ns, now_ns, HOLD_S):
            return Silence(latest.at_ns)
        return latest

    def pace(self, times: float) -> None:
        """Make pictures `times` as far apart as now, within what is sensible."""
        self._step_s = min(1 / SLOWEST_A_S, max(1 / PICTURES_A_S, self._step_s * times))

    def close(self) -> None:
        """Ask the reader to stop; it ends at its next packet or timeout."""
        self._stop.set()

    def _read(self) -> None:
        failures = 0
        while not self._stop.is_set():
            before = self._count
            # an odd stream raises more than FFmpeg's own errors: none of them ends the tile
            odd = (av.FFmpegError, OSError, ValueError, IndexError)
            with suppress(*odd), self._open() as container:
                self._follow(container)
            failures = 0 if self._count > before else failures + 1
            self._stop.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])

    def _open(self) -> Any:
        rtsp = self._url.startswith("rtsp")
        return av.open(
            self._url,
            format=self._container,
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
            options=_OPENING | {"rtsp_transport": "tcp"} if rtsp else {},
            mode="r",
        )

    def _follow(self, container: Any) -> None:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        decoder.thread_count, decoder.thread_type = 1, ThreadType.NONE
        sent = Arrivals()
        # what counts pictures instead of time (MJPEG over HTTP) says nothing of when
        timed = self._url.startswith("rtsp")
        waiting = True  # for a key frame
        self._kept, self._due_ns = [], 0
        packets = container.demux(stream)
        # a file given as a stream would come all at once
        for packet in packets if "://" in self._url else paced(packets):
            if self._stop.is_set():
                return
            if not packet.size:
                continue
            arrived_ns = self._now()
            pts_ns = None
            if timed and packet.pts is not None:
                pts_ns = pts_to_ns(packet.pts, packet.time_base)
            at_ns = sent(pts_ns, arrived_ns)
            late = arrived_ns - at_ns > LATE_S * SECOND_NS
            waiting = not packet.is_keyframe and (waiting or late)
            if waiting:
                continue
            waiting = not self._keep(packet)
            if self.widths and not waiting:
                self._show(decoder, arrived_ns, None if pts_ns is None else at_ns - pts_ns)

    def _keep(self, packet: Any) -> bool:
        """Keep a packet until it is decoded; False where they are too many without a key frame."""
        if packet.is_keyframe and not self.widths:
            self._kept.clear()
        self._kept.append(packet)
        if len(self._kept) <= MOST_KEPT:
            return True
        self._kept.clear()
        return False

    def _show(self, decoder: Any, arrived_ns: int, offset_ns: int | None) -> None:
        """Decode what is kept and make pictures of its last frame."""
        if len(self._kept) > 1:
            decoder.flush_buffers()
        last: Any = None
        for packet in self._kept:
            with suppress(av.FFmpegError):  # a broken frame is not shown
                for frame in decoder.decode(packet):
                    last = frame
        self._kept.clear()
        if last is None:
            return
        at_ns = arrived_ns
        if offset_ns is not None and last.pts is not None:
            at_ns = min(arrived_ns, pts_to_ns(last.pts, last.time_base) + offset_ns)
        step_ns = round(SECOND_NS * self._step_s)
        if at_ns < self._due_ns - SECOND_NS:
            self._due_ns = at_ns  # the clock was set back: its next turn is not that far off
        if at_ns < self._due_ns - step_ns // 8:
            return
        self._due_ns = max(self._due_ns + step_ns, at_ns)
        self._draw(last, at_ns)

    def _draw(self, frame: Any, at_ns: int) -> None:
        widths = sorted(self.widths)
        if not widths:
            return
        for gone in set(self._scalers) - set(widths):
            del self._scalers[gone]
        jpegs = {}
        for width in widths:
            rgb = self._scalers.setdefault(width, Scaler())(frame, width)
            jpegs[width] = sheet_jpeg(rgb, TILE_QUALITY)
        self._count += 1
        self._latest = Picture(rgb, at_ns, "live", ("stream", at_ns), jpegs)
