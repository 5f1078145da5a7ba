"""Frames out of a file, exactly those asked for, and frames into a clip."""

from __future__ import annotations

import os
from bisect import bisect
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.errors import N_, Damaged
from workbench.media.packets import (
    decoded,
    demuxed,
    opened,
    read_packets,
    seconds_per_tick,
    settle_packets,
)
from workbench.records import FrameIndex

_TELL_REFERENCES = ("h264", "hevc", "mpeg4", "mpeg2video")
"""Whose frames say themselves whether others are made from them."""
_REORDERED = 32
"""More frames than any of these formats shows out of the order they are decoded in."""
_EARLIER_KEYS = 3
"""How many key frames to go back where decoding from the nearest does not show it at once."""


def decode(
    path: Path,
    index: FrameIndex,
    first: int,
    stop: int,
    *,
    fast: bool = False,
    apart_ticks: int = 0,
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield ``(pts, frame)`` of frames `first` to ``stop - 1`` of `index`, in display order.

    Parameters
    ----------
    path
        The file that `index` was made from.
    index
        From :func:`index_packets`.
    first, stop
        Frame numbers in `index`, half-open.
    fast
        Leave out the deblocking filter: for searching only, never for evidence.
    apart_ticks
        Leave out frames that no other is decoded from where what is left lies no further apart than
        this; those that come are exact. 0 yields every frame.

    Notes
    -----
    A frame that is broken in the file is left out, never replaced: compare the PTS.

    Raises
    ------
    BadInput
        When the file cannot be opened.
    Damaged
        When the index is not this file's.
    Unavailable
        When the disk does not give the file's bytes.
    """
    if not 0 <= first <= stop <= len(index):
        raise ValueError(f"frames {first}:{stop} of an index of {len(index)}")
    if first == stop:
        return
    keys = np.flatnonzero(index.is_key[: first + 1])[::-1]
    # None: from the start of the file, where no key frame of the index comes before `first`.
    tries: list[int | None] = [*keys[: _EARLIER_KEYS + 1].tolist()]
    if len(tries) <= _EARLIER_KEYS:
        tries.append(None)
    run = _counted if index.ordinal else _sought
    for last_try, key in [(n == len(tries) - 1, k) for n, k in enumerate(tries)]:
        warm = key is None or last_try
        latest = first - 1
        for pts, frame in run(path, index, key, fast, apart_ticks):
            number = int(np.searchsorted(index.pts, pts))
            if number == len(index) or index.pts[number] != pts:
                continue  # a leading frame of an open GOP, or one that the edit list hides
            warm = warm or number == key
            if number <= latest:
                continue
            if not warm:
                # The key frame itself did not come out (gradual refresh, or it is damaged):
                # nothing was handed out yet, so start over further back.
                break
            if number >= stop:
                return
            latest = number
            yield pts, frame
        if warm:
            return


def key_frames(
    path: Path, index: FrameIndex, numbers: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield ``(number, frame)`` of ascending key frames in one reading, nothing between decoded.

    For searching only: without the deblocking filter. A key frame that does not come out by itself
    (damaged, or the file's times are not its own) is left out.

    Raises
    ------
    BadInput
        When the file cannot be opened.
    """
    if index.ordinal or not len(numbers):
        return
    wanted = {int(index.pts[number]): number for number in numbers}
    last = int(index.pts[numbers[-1]])
    with opened(path) as (container, stream):
        start = _seek(container, stream, int(index.pts[numbers[0]]))
        if start is None:
            return
        stream.codec_context.options = {"skip_loop_filter": "all"}
        for packet in _keys_until(start, last, wanted):
            # Each by itself: behind a gap the decoder takes key frames of open GOPs for damaged.
            for frame in decoded(stream, iter((packet,))):
                number = wanted.get(frame.pts if frame.pts is not None else last + 1)
                if number is not None:
                    yield number, frame
            stream.codec_context.flush_buffers()


def _keys_until(
    packets: Iterator[av.Packet], last_pts: int, wanted: Container[int]
) -> Iterator[av.Packet]:
    for packet in packets:
        if packet.dts is not None and packet.dts > last_pts:
            return
        if packet.is_keyframe and packet.pts in wanted:
            yield packet


def _sought(
    path: Path, index: FrameIndex, key: int | None, fast: bool, apart_ticks: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield frames from key frame number `key` on, by the file's own PTS."""
    key_pts = None if key is None else int(index.pts[key])
    with opened(path) as (container, stream):
        packets = None if key_pts is None else _seek(container, stream, key_pts)
        if packets is not None:
            yield from _timed(stream, packets, fast, apart_ticks)
            return
    with opened(path) as (container, stream):
        packets = demuxed(container, stream)
        if key_pts is not None:
            packets = _from_key(packets, key_pts)
        yield from _timed(stream, packets, fast, apart_ticks)


def _timed(
    stream: VideoStream, packets: Iterator[av.Packet], fast: bool, apart_ticks: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    if fast:
        stream.codec_context.options = {"skip_loop_filter": "all"}
    if apart_ticks and stream.codec_context.name in _TELL_REFERENCES:
        packets = _thinned(stream, packets, apart_ticks)
    for frame in decoded(stream, packets):
        if frame.pts is not None:
            yield frame.pts, frame


def _thinned(
    stream: VideoStream, packets: Iterator[av.Packet], apart_ticks: int
) -> Iterator[av.Packet]:
    """Let the decoder pass over a frame nothing is made from, where its neighbours are near.

    Packets come in decoding order: what a frame between two others is made from came before it.
    The decoder alone knows whether others are made from a frame; one that is comes all the same.
    """
    kept: list[int] = []
    for packet in packets:
        pts, spared = packet.pts, False
        if pts is not None:
            at = bisect(kept, pts)
            spared = 0 < at < len(kept) and kept[at] - kept[at - 1] <= apart_ticks
            if not spared:
                kept.insert(at, pts)
                del kept[:-_REORDERED]
        stream.codec_context.skip_frame = "NONREF" if spared else "DEFAULT"
        yield packet


def _seek(
    container: InputContainer, stream: VideoStream, key_pts: int
) -> Iterator[av.Packet] | None:
    """Return the packets from the key frame at `key_pts` on, or None where seeking fails.

    Seeking is a hint: some demuxers land behind the key frame (MPEG-TS by its decoding time), so
    the target moves back until the key frame itself has been met.
    """
    second = max(1, int(1 / seconds_per_tick(stream)))
    targets = [key_pts, key_pts - second, key_pts - 10 * second]
    for target in targets[1:] if container.format.name == "mpegts" else targets:
        try:
            container.seek(target, stream=stream, backward=True)
        except (av.error.FFmpegError, OSError):
            continue
        packets = demuxed(container, stream)
        for packet in packets:
            if packet.is_keyframe and packet.pts == key_pts:
                return chain([packet], packets)
            if packet.dts is not None and packet.dts > key_pts:
                break
    return None


def _from_key(packets: Iterator[av.Packet], key_pts: int) -> Iterator[av.Packet]:
    for packet in packets:
        if packet.is_keyframe and packet.pts == key_pts:
            yield packet
            yield from packets


def _counted(
    path: Path, index: FrameIndex, key: int | None, fast: bool, apart_ticks: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield frames of a file without sound times of its own: packets are counted from its start."""
    with opened(path) as (container, stream):
        packets, _ = read_packets(container, stream)
        time_base = seconds_per_tick(stream)
    pts = settle_packets(path, packets, time_base).pts
    if not np.isin(index.pts, pts).all():
        raise Damaged(
            N_("the frame index does not belong to this file"),
            N_("run verify, then rebuild the index"),
            where=str(path),
        )
    start = 0 if key is None else int(np.flatnonzero(pts == index.pts[key])[0])
    with opened(path) as (container, stream):

        def labelled() -> Iterator[av.Packet]:
            for number, packet in enumerate(demuxed(container, stream)):
                if number >= start:
                    packet.pts, packet.dts = int(pts[number]), None
                    yield packet

        yield from _timed(stream, labelled(), fast, apart_ticks)


_LUMA_FIRST = ("yuv4", "yuvj4", "nv12", "nv21", "gray")


def to_rgb(frame: av.VideoFrame, rotation_deg: int = 0) -> NDArray[np.uint8]:
    """Return RGB, ``(y, x, 3)`` contiguous, turned clockwise by `rotation_deg` (quarter turns)."""
    return np.ascontiguousarray(_turned(frame.to_ndarray(format="rgb24"), rotation_deg))


def to_luma(frame: av.VideoFrame, rotation_deg: int = 0) -> NDArray[np.uint8]:
    """Return the luma ``(y, x)`` as coded, turned clockwise by `rotation_deg`.

    Eight-bit planar frames are not copied: the array is a view with the decoder's stride.
    """
    name = frame.format.name
    if name.startswith(_LUMA_FIRST) and not name.endswith(("le", "be")):
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return _turned(rows[: frame.height, : frame.width], rotation_deg)
    return _turned(frame.to_ndarray(format="gray"), rotation_deg)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A part of a frame, kept as it was coded; colours are made when somebody looks.

    ``left`` and ``top`` say where it lies in the displayed frame, in pixels.
    """

    left: int
    top: int
    _pixels: NDArray[np.uint8]
    _format: str
    _colours: tuple[int, int]
    _rotation_deg: int

    def rgb(self) -> NDArray[np.uint8]:
        """Return the part in RGB, ``(y, x, 3)``, as displayed."""
        if self._format == "rgb24":
            return self._pixels
        frame = av.VideoFrame.from_ndarray(self._pixels, format=self._format)
        frame.colorspace, frame.color_range = self._colours
        return to_rgb(frame, self._rotation_deg)


def cut(
    frame: av.VideoFrame, corners: tuple[int, int, int, int], rotation_deg: int = 0
) -> Cut | None:
    """Return a part of a frame, widened to even pixels; None where nothing of it is inside.

    Parameters
    ----------
    corners
        Left, top, right, bottom in pixels of the displayed frame.
    rotation_deg
        Clockwise quarter turns from the decoded to the displayed picture.
    """
    turn, (wide, high) = rotation_deg % 360, (frame.width, frame.height)
    shown_wide, shown_high = (wide, high) if turn % 180 == 0 else (high, wide)
    left, top = max(0, corners[0]) // 2 * 2, max(0, corners[1]) // 2 * 2
    right = min(shown_wide, -(-corners[2] // 2) * 2)
    bottom = min(shown_high, -(-corners[3] // 2) * 2)
    if right - left < 2 or bottom - top < 2:
        return None
    name = frame.format.name
    if name not in ("yuv420p", "yuvj420p") or wide % 2 or high % 2:
        whole = to_rgb(frame, rotation_deg)
        return Cut(left, top, whole[top:bottom, left:right].copy(), "rgb24", (0, 0), 0)
    x0, y0, x1, y1 = {
        0: (left, top, right, bottom),
        90: (top, high - right, bottom, high - left),
        180: (wide - right, high - bottom, wide - left, high - top),
        270: (wide - bottom, left, wide - top, right),
    }[turn]
    across, down = x1 - x0, y1 - y0
    pixels = np.empty((down * 3 // 2, across), np.uint8)
    pixels[:down] = _rows(frame, 0)[y0:y1, x0:x1]
    for plane in (1, 2):
        part = _rows(frame, plane)[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        quarter = down * across // 4
        start = down * across + (plane - 1) * quarter
        pixels.reshape(-1)[start : start + quarter] = part.reshape(-1)
    return Cut(left, top, pixels, name, (frame.colorspace, frame.color_range), rotation_deg)


def _rows(frame: av.VideoFrame, plane: int) -> NDArray[np.uint8]:
    data = frame.planes[plane]
    return np.frombuffer(data, np.uint8).reshape(-1, data.line_size)


def _turned(pixels: NDArray[np.uint8], rotation_deg: int) -> NDArray[np.uint8]:
    if rotation_deg % 90:
        raise ValueError(f"a turn of {rotation_deg} degrees")
    # rot90 turns counter-clockwise.
    return np.rot90(pixels, -rotation_deg // 90 % 4) if rotation_deg else pixels


class ClipWriter:
    """Encode frames with integer PTS; use as a context manager.

    Parameters
    ----------
    path
        The MP4 to write; it is replaced when the writer closes without an error.
    width_px, height_px
        Frame size, both even.
    time_base
        Seconds per tick of the PTS given to :meth:`write`.
    gop
        Frames from one key frame to the next.
    crf, preset, bframes
        x264's quality (lower is better), speed and number of B-frames.
    bit_rate
        Bits a second held all the time, as cameras do, in place of an even quality.
    threads
        Encoding threads.
    """

    def __init__(
        self,
        path: Path,
        width_px: int,
        height_px: int,
        *,
        time_base: Fraction,
        gop: int = 25,
        crf: int = 23,
        preset: str = "veryfast",
        bframes: int = 0,
        bit_rate: int | None = None,
        threads: int = 1,
    ) -> None:
        if width_px % 2 or height_px % 2:
            raise ValueError(f"H.264 needs even sizes, not {width_px}x{height_px}")
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        # A time scale of our own choice keeps the PTS in the file equal to those given.
        scale = str(time_base.denominator)
        self._container = av.open(
            f"file:{self._temporary}", "w", format="mp4", options={"video_track_timescale": scale}
        )
        options = {"preset": preset, "sc_threshold": "0"}
        options |= (
            {"crf": str(crf)}
            if bit_rate is None
            else dict.fromkeys(("b", "maxrate", "bufsize"), str(bit_rate))
        )
        stream = self._container.add_stream("libx264", options=options)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.gop_size, context.max_b_frames = gop, bframes
        context.thread_count = threads
        self._stream = stream
        self._time_base = time_base
        self._last_pts: int | None = None
        self._interval = 1

    def write(self, rgb: NDArray[np.uint8], pts: int) -> None:
        """Append a frame ``(y, x, 3)`` shown at `pts`; PTS must increase."""
        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"PTS {pts} after {self._last_pts}")
        if self._last_pts is not None:
            self._interval = pts - self._last_pts
        self._last_pts = pts
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts, frame.time_base = pts, self._time_base
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # x264 leaves it empty; the edit list would then end before the last frame and hide it.
            packet.duration = self._interval
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._mux(None)
        self._container.close()
        self._temporary.replace(self.path)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        self._container.close()
        self._temporary.unlink(missing_ok=True)
