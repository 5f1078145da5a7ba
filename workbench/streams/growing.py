"""A camera's recording as it grows: its whole fragments and when they were filmed.

The recorder writes ``<start_ns>.growing.mp4`` in the camera's folder, gives the finished file
another name and begins the next one. A :class:`Tail` follows from file to file. What it has read
stays readable after the archive has taken a file, because it keeps the file open.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import av

from workbench.streams.fragments import Atom, atoms
from workbench.timeline import SECOND_NS, pts_to_ns

KEPT_S = 70.0
"""Fragments are remembered this long: what an enlarged tile can be wound back."""
GROWING = ".growing.mp4"
_UNPROBED = {"probesize": "32"}
"""The header says all: without this FFmpeg decodes frames to guess it again."""


@dataclass(eq=False)
class RecordedFile:
    """One file of a recording; ``start_ns`` is our own time at media time zero.

    Media time is that of the file's time stamps as they stand. A file with B-frames has its first
    frame later than zero; the archive counts the same way.
    """

    path: Path
    start_ns: int
    file: BinaryIO
    header: bytes = b""
    read_to: int = 0

    def bytes_at(self, start: int, size: int) -> bytes:
        """Return a part of the file, which may have lost its name."""
        self.file.seek(start)
        return self.file.read(size)

    @cached_property
    def codec(self) -> CodecFacts:
        """Return what a decoder needs; the header must have been read."""
        with av.open(io.BytesIO(self.header), format="mp4") as container:
            context = container.streams.video[0].codec_context
            return CodecFacts(
                context.name, context.codec_tag, context.extradata or b"", context.width,
                context.height,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CodecFacts:
    """Name, sample entry, decoder configuration and size of a recording's video."""

    name: str
    tag: str
    configuration: bytes
    width_px: int
    height_px: int

    @property
    def mime(self) -> str:
        """Return the type by which a browser says whether it can play this.

        >>> CodecFacts("h264", "avc1", bytes.fromhex("014d401eff"), 640, 360).mime
        'video/mp4; codecs="avc1.4d401e"'
        """
        said, conf = self.tag, self.configuration
        if self.name == "h264" and len(conf) >= 4:
            said = f"{self.tag}.{conf[1:4].hex()}"
        elif self.name == "hevc" and len(conf) >= 13:
            # ISO/IEC 14496-15, annex E: profile, compatibility backwards, tier and level
            compatible = int(f"{int.from_bytes(conf[2:6], 'big'):032b}"[::-1], 2)
            tier = "H" if conf[1] & 0x20 else "L"
            said = f"{self.tag}.{conf[1] & 0x1F}.{compatible:X}.{tier}{conf[12]}.{conf[6]:X}"
        return f'video/mp4; codecs="{said}"'


@dataclass(frozen=True, slots=True)
class Times:
    """When a fragment's frames were filmed, and whether it can be played without what is before."""

    start_ns: int
    stop_ns: int
    key: bool


@dataclass(eq=False)
class Fragment:
    """One whole ``moof`` and ``mdat``; ``seq`` counts them over the files of a camera."""

    of: RecordedFile
    seq: int
    start: int
    size: int
    _times: Times | None = None

    def read(self) -> bytes:
        """Return its bytes."""
        return self.of.bytes_at(self.start, self.size)

    def packets(self) -> list[Any]:
        """Return its packets in order of decoding, with times of the file."""
        data = io.BytesIO(self.of.header + self.read())
        with av.open(data, format="mp4", options=_UNPROBED) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.pts is not None]
        self._times = self._timed(packets)
        return packets

    def at_ns(self, pts: int, tick_s: Fraction) -> int:
        """Return our own time of a media time of this fragment's file."""
        return self.of.start_ns + pts_to_ns(pts, tick_s)

    @property
    def times(self) -> Times:
        """Return the span its frames cover and whether it begins with a key frame."""
        if self._times is None:
            self.packets()
        assert self._times is not None
        return self._times

    def _timed(self, packets: Sequence[Any]) -> Times:
        if not packets:
            return Times(self.of.start_ns, self.of.start_ns, key=False)
        tick_s = packets[0].time_base
        first = min(packet.pts for packet in packets)
        last = max(packet.pts + (packet.duration or 0) for packet in packets)
        key = bool(packets[0].is_keyframe)
        return Times(self.at_ns(first, tick_s), self.at_ns(last, tick_s), key)


@dataclass(eq=False)
class Tail:
    """Follows one camera's recording. Hold :attr:`lock` while looking and reading."""

    folder: Path
    fragments: deque[Fragment] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)
    growing: RecordedFile | None = None
    _seq: int = 0

    def look(self, now_ns: int) -> None:
        """Take in what was written since, in this file and the next."""
        if self.growing is None:
            self._open_newest()
        while (growing := self.growing) is not None:
            # asked before reading: what is read after the file was renamed is all of it
            ended = not growing.path.exists()
            self._read(growing)
            if not ended:
                break
            self.growing = None
            self._open_newest()
        self._forget(now_ns)

    def after(self, seq: int) -> list[Fragment]:
        """Return the fragments that follow one, oldest first."""
        # from the newest backwards: there are few of them, behind many old ones
        found: list[Fragment] = []
        for fragment in reversed(self.fragments):
            if fragment.seq <= seq:
                break
            found.append(fragment)
        return found[::-1]

    def newest_key(self) -> Fragment | None:
        """Return the newest fragment that can be played without what is before it."""
        return next((one for one in reversed(self.fragments) if one.times.key), None)

    def close(self) -> None:
        """Let the files go."""
        with self.lock:
            for one in {id(f.of): f.of for f in self.fragments}.values():
                one.file.close()
            if self.growing is not None:
                self.growing.file.close()
            self.fragments.clear()
            self.growing = None

    def _open_newest(self) -> None:
        for start_ns, path in reversed(growing_files(self.folder)):
            with suppress(OSError):
                self.growing = RecordedFile(path, start_ns, path.open("rb"))
                return

    def _read(self, growing: RecordedFile) -> None:
        moof: Atom | None = None
        for atom in atoms(growing.file, growing.read_to):
            if atom.kind == "moov":
                growing.header = growing.bytes_at(0, atom.stop)
                growing.read_to = atom.stop
            elif atom.kind == "moof":
                moof = atom
            elif atom.kind == "mdat" and moof is not None and growing.header:
                self._seq += 1
                size = atom.stop - moof.start
                self.fragments.append(Fragment(growing, self._seq, moof.start, size))
                growing.read_to, moof = atom.stop, None

    def _forget(self, now_ns: int) -> None:
        until_ns = now_ns - round(KEPT_S * SECOND_NS)
        while len(self.fragments) > 1 and (
            # without its times, which cost a look inside: no fragment is older than its file
            self.fragments[0].of.start_ns < until_ns and self.fragments[0].times.stop_ns < until_ns
        ):
            gone = self.fragments.popleft()
            if gone.of is not self.fragments[0].of and gone.of is not self.growing:
                gone.of.file.close()


def growing_files(folder: Path) -> Sequence[tuple[int, Path]]:
    """Return ``(start_ns, path)`` of the files that grow in a camera's folder, oldest first."""
    found = []
    for path in folder.glob(f"[0-9]*{GROWING}"):
        start = path.name.removesuffix(GROWING)
        if start.isdigit():
            found.append((int(start), path))
    return sorted(found)


class Tails:
    """The tails that are followed now, each shared by everybody who watches its camera."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock()
        self._held: dict[str, tuple[int, Tail]] = {}

    def take(self, camera_id: str) -> Tail:
        """Return a camera's tail; give it back with :meth:`leave`."""
        with self._lock:
            users, tail = self._held.get(camera_id, (0, None))
            tail = tail or Tail(self.folder / camera_id)
            self._held[camera_id] = (users + 1, tail)
            return tail

    def leave(self, camera_id: str) -> None:
        """Give a tail back; the last one closes it."""
        with self._lock:
            users, tail = self._held.pop(camera_id)
            if users > 1:
                self._held[camera_id] = (users - 1, tail)
                return
        tail.close()
