"""Fragmented MP4 as it grows: every second of footage is whole on disk before the next begins.

A file begins with its header (``ftyp``, ``moov``) and goes on in pairs of ``moof`` and ``mdat``; a
file cut off anywhere is good up to its last whole pair. The same bytes play in a browser while the
file is still being written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

FRAGMENT_S = 0.9
"""A fragment ends with the first frame after this; a killed recorder loses one at most."""

_HEADER = 8
_LONG_HEADER = 16


@dataclass(frozen=True, slots=True)
class Atom:
    """One top-level box of an MP4 file."""

    kind: str
    start: int
    size: int

    @property
    def stop(self) -> int:
        """Return the offset of the first byte after it."""
        return self.start + self.size


class FragmentWriter:
    """Copies packets of one video stream into a fragmented MP4; nothing is transcoded.

    Parameters
    ----------
    path
        The file to write; it must not exist.
    template
        The stream whose packets come.
    remark
        Written into the header: no two cameras' files are alike, and each says whose it is.
    tick_s
        The time base of the times that come, s; the template's own where not given.
    """

    def __init__(
        self,
        path: Path,
        template: VideoStream,
        remark: str = "",
        tick_s: Fraction | None = None,
    ) -> None:
        self.path = path
        self._tick_s = tick_s
        self._container: OutputContainer = av.open(
            f"file:{path}",
            "w",
            format="mp4",
            options={
                # the header first, so that a file of one fragment can be read
                "movflags": "empty_moov+default_base_moof+frag_keyframe",
                "frag_duration": str(round(FRAGMENT_S * 1_000_000)),
                "flush_packets": "1",
            },
        )
        if remark:
            self._container.metadata["comment"] = remark
        self._stream = self._container.add_stream_from_template(template)
        if tick_s is not None:
            self._stream.time_base = tick_s

    def write(self, packet: Packet[VideoStream], pts: int, dts: int) -> None:
        """Append a packet at these times, in ticks; the packet is used up."""
        packet.pts, packet.dts = pts, dts
        if self._tick_s is not None:
            packet.time_base, packet.duration = self._tick_s, 0
        packet.stream = self._stream
        self._container.mux(packet)

    def close(self) -> None:
        """Write the last fragment and end the file."""
        self._container.close()


def atoms(file: BinaryIO, start: int = 0) -> Iterator[Atom]:
    """Yield the whole top-level boxes of an MP4 file from an offset on; stop at the first cut one.

    A box that says it reaches to the end of the file is not whole while the file grows.
    """
    size_of_file = file.seek(0, os.SEEK_END)
    while start + _HEADER <= size_of_file:
        file.seek(start)
        head = file.read(_LONG_HEADER)
        size, kind = struct.unpack(">I4s", head[:_HEADER])
        if size == 1 and len(head) == _LONG_HEADER:
            (size,) = struct.unpack(">Q", head[_HEADER:])
        if size < _HEADER or start + size > size_of_file:
            return
        yield Atom(kind.decode("latin-1"), start, size)
        start += size


def whole_bytes(path: Path) -> int:
    """Return where the last whole pair of a fragmented file ends; 0 where it has none."""
    whole, pending = 0, False
    with path.open("rb") as file:
        for atom in atoms(file):
            if atom.kind == "moof":
                pending = True
            elif atom.kind == "mdat" and pending:
                whole, pending = atom.stop, False
            elif atom.kind == "mfra":  # a proper end
                whole = atom.stop
    return whole


def cut_to_whole(path: Path) -> int:
    """Cut a file that its writer left off down to its whole fragments; return how many bytes went.

    It is the recorder's own half-written copy: nothing that was ever complete is touched. A file
    without a whole fragment becomes empty.
    """
    size = path.stat().st_size
    whole = whole_bytes(path)
    if whole < size:
        with path.open("rb+") as file:
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())
    return size - whole
