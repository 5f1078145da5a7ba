"""Index a file from its packets: when each frame is shown, and where decoding can start."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.errors import N_, BadInput, Unavailable, WorkbenchError
from workbench.media.timestamps import (
    Packets,
    Settled,
    missing_after,
    settle,
    typical_interval,
)
from workbench.records import FrameIndex

_GUESSED_RATE = Fraction(25)
_RATE_BOUNDS = (Fraction(1, 3600), Fraction(1000))
_PIECE_BYTES, _END_BYTES = 1 << 20, 16 << 20


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a file says of itself and what was found.

    ``width_px`` and ``height_px`` are as displayed; ``rotation_deg`` is the clockwise turn from
    the decoded to the displayed picture. ``time_base`` is the file's seconds per tick, ``tick_s``
    the one to use: different only where an operator gave the rate. ``stop_pts`` is where the
    presentation of the last frame ends. ``stated_rate`` is in frames per second.
    """

    codec: str
    pix_fmt: str
    width_px: int
    height_px: int
    rotation_deg: int
    time_base: Fraction
    tick_s: Fraction
    stop_pts: int
    stated_rate: Fraction | None
    size_bytes: int
    notes: tuple[str, ...]


def index_packets(path: Path, *, rate: Fraction | None = None) -> tuple[VideoFacts, FrameIndex]:
    """Return the facts and the frame index of a file, decoding its first frame only.

    Parameters
    ----------
    path
        Any file FFmpeg reads as video.
    rate
        The operator's frames per second, where the file has no times or lies about them.

    Raises
    ------
    BadInput
        When the file is no video, or no frame of it can be decoded.
    Unavailable
        When the disk does not give the whole file.

    Notes
    -----
    ``FrameIndex.ordinal`` is True where the PTS are ours rather than the file's: counted frames
    in raw streams, and files whose own times were mended (then a note says how).
    """
    if rate is not None and not _RATE_BOUNDS[0] <= rate <= _RATE_BOUNDS[1]:
        raise BadInput(
            N_("{rate} frames per second is no frame rate"),
            N_("give a number such as 25 or 30000/1001"),
            where=str(path),
            rate=rate,
        )
    with opened(path) as (container, stream):
        packets, last_ticks = read_packets(container, stream)
        stated = _stated_rate(stream)
        time_base = seconds_per_tick(stream)
        codec = stream.codec_context.name
        extra = len(container.streams.video) - 1
    if not len(packets):
        raise BadInput(
            N_("there are no frames in this file"),
            N_("if it is the head of a stream, join its pieces to it; otherwise leave it out"),
            where=str(path),
        )
    settled = settle_packets(path, packets, time_base)
    index, notes = _shown_frames(packets, settled)
    first = _first_frame(path)
    notes = [*settled.notes, *notes]
    if extra > 0:
        notes.append(f"{extra} more video stream(s) in the file; the best one is used")
    if settled.counted:
        time_base = 1 / (stated or _GUESSED_RATE)
        if rate is None:
            notes.append(
                f"no times in the file: frames are counted at {1 / time_base} frames per second, "
                "FFmpeg's guess"
            )
    interval = typical_interval(index.pts)
    if len(index) == 1:
        interval = last_ticks or max(1, round(1 / ((stated or _GUESSED_RATE) * time_base)))
    elif last_ticks and not settled.ours:
        interval = last_ticks
    tick_s = time_base
    if rate is not None:
        nominal = _nominal_rate(index, time_base, stated)
        tick_s = time_base * nominal / rate
        notes.append(
            f"the operator gave {rate} frames per second; the file says {_tell(nominal)}"
            if not settled.counted
            else f"no times in the file: frames are counted at the operator's {rate} per second"
        )
    rotation_deg, turn_note = _rotation(first)
    turned = rotation_deg in (90, 270)
    return VideoFacts(
        codec=codec,
        pix_fmt=first.format.name,
        width_px=first.height if turned else first.width,
        height_px=first.width if turned else first.height,
        rotation_deg=rotation_deg,
        time_base=time_base,
        tick_s=tick_s,
        stop_pts=int(index.pts[-1]) + interval,
        stated_rate=stated,
        size_bytes=_size_of(path),
        notes=tuple(notes + turn_note + _holes(index, tick_s)),
    ), index


def read_packets(container: InputContainer, stream: VideoStream) -> tuple[Packets, int]:
    """Return all packets of the stream, and the ticks the last one shown lasts (0: not said)."""
    rows = [
        (p.pts, p.dts, p.is_keyframe, not p.is_discard, p.duration, p.is_corrupt)
        for p in demuxed(container, stream)
    ]
    last = max((r for r in rows if r[0] is not None and r[3]), default=None, key=lambda r: r[0])
    # AVI stores no PTS, and FFmpeg's guess is in file order for these two: wrong with B-frames.
    reordered = stream.codec_context.has_b_frames and stream.codec_context.name in ("h264", "hevc")
    guessed = container.format.name == "avi" and reordered
    packets = Packets(
        [None if guessed else r[0] for r in rows],
        [r[1] for r in rows],
        np.array([r[2] for r in rows], bool),
        np.array([r[3] for r in rows], bool),
        sum(r[5] for r in rows),
    )
    return packets, (last[4] or 0) if last else 0


def settle_packets(path: Path, packets: Packets, time_base: Fraction) -> Settled:
    """Return settled times of a file's packets; the same file gives the same ones each time."""
    missing = any(p is None for p in packets.pts)
    rank = display_rank(path, len(packets)) if missing else None
    return settle(packets, rank, time_base)


def display_rank(path: Path, count: int) -> NDArray[np.int64]:
    """Return the position of each packet in display order for a stream that carries no times.

    FFmpeg's ``dts2pts`` filter reads picture order counts out of H.264 and H.265 packets; for
    other codecs, and where it fails, the file is decoded once.
    """
    times = _parsed_order(path)
    if times is None or len(times) != count or len(set(times)) != count:
        times = _decoded_order(path, count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(times, kind="stable")] = np.arange(count)
    return rank


def _parsed_order(path: Path) -> list[int] | None:
    times: list[int | None] = []
    with opened(path) as (container, stream):
        try:
            reorder = BitStreamFilterContext("dts2pts", stream)
            for number, packet in enumerate(demuxed(container, stream)):
                packet.pts, packet.dts, packet.duration = None, number, 1
                times += [p.pts for p in reorder.filter(packet)]
            times += [p.pts for p in reorder.filter(None)]
        except (av.error.FFmpegError, ValueError):
            return None
    known = [t for t in times if t is not None]
    return known if len(known) == len(times) else None


def _decoded_order(path: Path, count: int) -> list[int]:
    # A packet that never becomes a picture keeps its place in the file.
    with opened(path) as (container, stream):
        stream.codec_context.copy_opaque = True

        def numbered() -> Iterator[av.Packet]:
            for number, packet in enumerate(demuxed(container, stream)):
                packet.opaque = number
                yield packet

        shown = [f.opaque for f in decoded(stream, numbered()) if f.opaque is not None]
    times = list(range(count))
    for slot, number in zip(sorted(shown), shown, strict=True):
        times[number] = slot
    return times


def _shown_frames(packets: Packets, settled: Settled) -> tuple[FrameIndex, list[str]]:
    """Drop what cannot be shown: hidden packets, and a head without a key frame."""
    notes = []
    keys = np.flatnonzero(packets.is_key)
    keep = packets.shown.copy()
    if len(keys):
        head = (np.arange(len(packets)) < keys[0]) | (settled.pts < settled.pts[keys[0]])
        lost = int((head & keep).sum())
        if lost:
            notes.append(
                f"the first {lost} frame(s) were cut off from their key frame and cannot be shown"
            )
        keep &= ~head
    else:
        notes.append("no key frame is marked: every frame is decoded from the start of the file")
    hidden = int((~packets.shown).sum())
    if hidden:
        notes.append(f"{hidden} frame(s) are hidden by the file's edit list")
    if packets.corrupt:
        notes.append(f"{packets.corrupt} packet(s) are damaged: their frames may be missing")
    order = np.argsort(settled.pts, kind="stable")
    order = order[keep[order]]
    return FrameIndex(settled.pts[order], packets.is_key[order], settled.ours), notes


def _first_frame(path: Path) -> av.VideoFrame:
    with opened(path) as (container, stream):
        # only its size and format are asked for, and every recorded file is asked once
        stream.codec_context.options = {"skip_loop_filter": "all"}
        for frame in decoded(stream, demuxed(container, stream)):
            return frame
    raise BadInput(
        N_("no frame of this file can be decoded"),
        N_("copy it again from the recorder; if it stays so, keep it outside the archive"),
        where=str(path),
    )


def _rotation(frame: av.VideoFrame) -> tuple[int, list[str]]:
    # FFmpeg counts the turn counter-clockwise.
    turn = -frame.rotation % 360
    if turn % 90:
        return 0, [f"the file asks for a turn of {turn} degrees; only quarter turns are made"]
    return turn, []


def _stated_rate(stream: VideoStream) -> Fraction | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and _RATE_BOUNDS[0] <= rate <= _RATE_BOUNDS[1]:
            return Fraction(rate)
    return None


def _nominal_rate(index: FrameIndex, time_base: Fraction, stated: Fraction | None) -> Fraction:
    """Return the rate an operator's one replaces: what the file states, unless its PTS disagree."""
    if len(index) < 2:
        return stated or _GUESSED_RATE
    measured = 1 / (typical_interval(index.pts) * time_base)
    # Matroska rounds to 1 ms, so the stated rate is the finer one as long as they agree.
    if stated is not None and abs(stated - measured) <= measured / 20:
        return stated
    return measured


def _holes(index: FrameIndex, tick_s: Fraction) -> list[str]:
    holes = missing_after(index, tick_s)
    if not len(holes):
        return []
    lost_s = float((index.pts[holes + 1] - index.pts[holes]).sum() * tick_s)
    return [f"{len(holes)} hole(s) in the recording, {lost_s:.1f} s in all"]


def _tell(rate: Fraction) -> str:
    return str(rate) if rate.denominator < 2000 else f"{float(rate):.3f}"


# FFmpeg reads these as "video" too: text shown as a terminal picture, and lists that name other
# files or hosts. Neither is a recording, and a list would make us open what nobody gave us.
_NO_RECORDINGS = frozenset(
    {"tty", "bin", "xbin", "adf", "idf", "hls", "dash", "concat", "sdp", "rtsp", "imf", "lavfi"}
)


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Yield the container and its video stream, set to decode on one thread.

    Raises
    ------
    BadInput
        When the file is missing, empty, no recording, or holds no video stream.
    Unavailable
        When too many files are open to open one more, or the disk does not give this one.
    """
    try:
        # "file:" because a time such as 07:15:00 in a name reads as a protocol otherwise; the
        # whitelist keeps a play list from reaching out to the network.
        container = av.open(
            f"file:{path}", metadata_errors="ignore", options={"protocol_whitelist": "file"}
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    with container:
        if set(container.format.name.split(",")) & _NO_RECORDINGS:
            raise BadInput(
                N_("this is no recording but a text or a list ({kind})"),
                N_("give the video files themselves"),
                where=str(path),
                kind=container.format.name,
            )
        streams = [
            s for s in container.streams.video if not s.disposition & s.disposition.attached_pic
        ]
        if not streams:
            raise BadInput(
                N_("there is no video in this file"),
                N_("leave it out, or give the file that holds the picture"),
                where=str(path),
            )
        stream = container.streams.best("video") if len(streams) > 1 else streams[0]
        if stream is None or stream.codec_context is None:
            raise BadInput(
                N_("there is no decoder for the video in this file"),
                N_("export it again from the recorder in a common format such as H.264"),
                where=str(path),
            )
        # Dask runs one process a core; FFmpeg's own threads would only fight over them.
        stream.codec_context.thread_count = 1
        yield container, stream


def check_readable(path: Path) -> None:
    """Raise BadInput where a file is no video: the quick look before a long copy."""
    with opened(path):
        pass


def remark_of(path: Path) -> str:
    """Return the remark in a file's header, empty where it has none; errors as of :func:`opened`.

    The recorder writes camera and name of the recording into it.
    """
    with opened(path) as (container, _stream):
        return container.metadata.get("comment", "")


def _unreadable(path: Path, error: Exception) -> WorkbenchError:
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable(
            N_("no more files can be opened here ({reason})"),
            N_("end programs that hold many, or raise the limit (ulimit -n)"),
            where=str(path),
            reason=error.strerror,
        )
    if isinstance(error, FileNotFoundError | PermissionError):
        return _unseen(path, error)
    try:
        known = path.stat()
    except OSError as found:
        return _unseen(path, found)
    if stat.S_ISDIR(known.st_mode):
        return BadInput(N_("this is a folder"), N_("give one video file"), where=str(path))
    size = known.st_size if stat.S_ISREG(known.st_mode) else 0
    if stat.S_ISREG(known.st_mode) and not size:
        return BadInput(N_("this file is empty"), N_("copy it again"), where=str(path))
    # where FFmpeg blames what it read, the ends of the file are where it looks for its tables
    for at in (0,) if isinstance(error, OSError) else (0, max(0, size - _END_BYTES)):
        stop = size if isinstance(error, OSError) else at + _END_BYTES
        if size and (failing := _failing(path, at, stop)) is not None:
            return failing
    reason = getattr(error, "strerror", None) or type(error).__name__
    return BadInput(
        N_("FFmpeg cannot read this as video ({reason})"),
        N_("if it is a piece of a stream, join it to its first piece; otherwise leave it out"),
        where=str(path),
        reason=reason,
    )


def _unseen(path: Path, error: OSError) -> WorkbenchError:
    """Return what to raise where the disk does not even say what a file is."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return BadInput(N_("there is no such file"), N_("check the path"), where=str(path))
    if isinstance(error, PermissionError):
        return Unavailable(
            N_("this file may not be read"), N_("ask for the right to read it"), where=str(path)
        )
    return Unavailable(
        N_("the disk does not give this file ({reason})"),
        N_("look at the disk and its cable, then do it again"),
        where=str(path),
        reason=error.strerror or type(error).__name__,
    )


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _unseen(path, error) from None


def seconds_per_tick(stream: VideoStream) -> Fraction:
    """Return the stream's seconds per tick."""
    if stream.time_base is None:
        raise ValueError("an opened stream has a time base")
    return Fraction(stream.time_base)


def demuxed(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the stream's packets that carry data, in file order; stop where the file is broken.

    Raises
    ------
    Unavailable
        When it is not the file that ends there but the disk that gives no more of it.
    """
    packets, seen = container.demux(stream), 0
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            failing = _failing(Path(container.name.removeprefix("file:")), seen)
            if failing is not None:
                raise failing from None
            return
        if packet.size:
            seen = max(seen, (packet.pos or 0) + packet.size)
            yield packet


def _failing(path: Path, start: int, stop: int | None = None) -> Unavailable | None:
    """Return what to raise where the disk does not give the bytes from `start` to `stop`.

    FFmpeg tells a failing disk as it tells an end, or bytes that are no video.
    """
    at = start
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(at)
            while (stop is None or at < stop) and (piece := file.read(_PIECE_BYTES)):
                at += len(piece)
    except FileNotFoundError:
        return None  # removed while it was read: an open file is read to its end all the same
    except OSError as error:
        return Unavailable(
            N_("the disk gives nothing more of this file from byte {at} on ({reason})"),
            N_("look at the disk and its cable, then do it again; the file is not short"),
            where=str(path),
            at=at,
            reason=error.strerror or type(error).__name__,
        )
    return None


def decoded(stream: VideoStream, packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    """Yield the frames of `packets` and what the decoder still holds; skip what is broken."""
    for packet in packets:
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError:
            continue
        yield from frames
    try:
        yield from stream.decode(None)
    except av.error.FFmpegError:
        return
