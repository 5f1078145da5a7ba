"""Open a file with FFmpeg so that nothing but that file is read, and walk its video packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from workbench.errors import N_, BadInput

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


def _unreadable(path: Path, error: Exception) -> BadInput:
    if isinstance(error, FileNotFoundError):
        return BadInput(N_("there is no such file"), N_("check the path"), where=str(path))
    if isinstance(error, PermissionError):
        return BadInput(
            N_("this file may not be read"), N_("ask for the right to read it"), where=str(path)
        )
    if path.is_dir():
        return BadInput(N_("this is a folder"), N_("give one video file"), where=str(path))
    if path.is_file() and path.stat().st_size == 0:
        return BadInput(N_("this file is empty"), N_("copy it again"), where=str(path))
    reason = getattr(error, "strerror", None) or type(error).__name__
    return BadInput(
        N_("FFmpeg cannot read this as video ({reason})"),
        N_("if it is a piece of a stream, join it to its first piece; otherwise leave it out"),
        where=str(path),
        reason=reason,
    )


def seconds_per_tick(stream: VideoStream) -> Fraction:
    """Return the stream's seconds per tick."""
    if stream.time_base is None:
        raise ValueError("an opened stream has a time base")
    return Fraction(stream.time_base)


def demuxed(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yield the stream's packets that carry data, in file order; stop where the file is broken."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size:
            yield packet


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
