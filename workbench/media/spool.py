"""A recording in pieces: whole fragments of a growing file, kept together and decoded as they come.

The pieces lie in a temporary file that reads like the recording itself, with the same times of
frames, so that exact frames come out of it by :func:`workbench.media.decode` as out of the archive.
It has no name from the first: however this process ends, no footage is left behind.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np

from workbench.media.packets import VideoFacts, index_packets, opened
from workbench.records import FrameIndex

_UNPROBED = {"probesize": "32"}
"""The header says all: without this FFmpeg decodes frames to guess it again."""


class Spool:
    """Pieces of one file of fragmented MP4, the first beginning with a key frame.

    Parameters
    ----------
    header
        The file's own beginning, up to its first fragment.
    """

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._held = ExitStack()
        temporary = tempfile.TemporaryFile()  # noqa: SIM115 - held by the stack
        self._file = self._held.enter_context(temporary)
        self._file.write(header)
        self.path = Path(f"/proc/self/fd/{self._file.fileno()}")
        self.facts: VideoFacts | None = None
        self.index = FrameIndex(np.empty(0, np.int64), np.empty(0, np.bool_))
        self._decoder: Any = None
        self._packets: list[Any] = []

    def add(self, fragments: bytes) -> None:
        """Take whole fragments that follow; raises BadInput where they are no video."""
        self._file.write(fragments)
        self._file.flush()
        if self.facts is None:
            self.facts, self.index = index_packets(self.path)
            _, stream = self._held.enter_context(opened(self.path))
            self._decoder = stream.codec_context
            self._packets += self._read(fragments)
            return
        packets = self._read(fragments)
        self._packets += packets
        pts = np.array([packet.pts for packet in packets], np.int64)
        keys = np.array([packet.is_keyframe for packet in packets], np.bool_)
        pts, keys = np.append(self.index.pts, pts), np.append(self.index.is_key, keys)
        order = np.argsort(pts, kind="stable")
        order = order[pts[order] >= self.index.pts[0]]  # leading frames of an open GOP
        self.index = FrameIndex(pts[order], keys[order], self.index.ordinal)

    def decode(self, *, last: bool = False) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield ``(pts, frame)`` of what came since, for searching; `last` empties the decoder.

        Frames that later pieces are needed for come with those.
        """
        packets, self._packets = self._packets, []
        for packet in [*packets, None] if last and self._decoder is not None else packets:
            frames = []
            with suppress(av.error.FFmpegError):  # broken: left out
                frames = self._decoder.decode(packet)
            for frame in frames:
                at = int(np.searchsorted(self.index.pts, frame.pts or 0))
                if at < len(self.index) and self.index.pts[at] == frame.pts:
                    yield frame.pts, frame

    def _read(self, fragments: bytes) -> list[Any]:
        data = io.BytesIO(self._header + fragments)
        with av.open(data, format="mp4", options=_UNPROBED) as container:
            stream = container.streams.video[0]
            return [p for p in container.demux(stream) if p.pts is not None and p.size]

    def close(self) -> None:
        """Let the temporary file go."""
        self._packets = []
        self._held.close()
