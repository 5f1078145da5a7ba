"""Exact cuts: packets of a file copied as they are, from a key frame to the end asked for.

Nothing is decoded or encoded. Each packet's hash is told, and where its bytes lie in both files, so
that somebody without our programs can compare the cut with its source, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from workbench.errors import N_, BadInput
from workbench.media.packets import demuxed, opened
from workbench.records import FrameIndex

_FORMATS = {"mp4": "mp4", "matroska": "matroska", "mpegts": "mpegts", "avi": "avi"}
_SUFFIXES = {"mp4": ".mp4", "matroska": ".mkv", "mpegts": ".ts", "avi": ".avi"}


@dataclass(frozen=True, slots=True)
class CutPacket:
    """One packet of a cut: its tick in the source, and where its bytes lie (-1: in pieces)."""

    pts: int | None
    bytes: int
    sha256: str
    at: int
    source_at: int


def cut_exactly(
    source: Path, folder: Path, index: FrameIndex, first_pts: int, last_pts: int
) -> tuple[Path, list[CutPacket]]:
    """Write a cut of the video of `source` into `folder`; return its path and its packets.

    Parameters
    ----------
    index
        The source's frames; its ticks must be the file's own.
    first_pts, last_pts
        The first and the last frame asked for. The cut begins at the key frame before the first,
        and ends in the file's order with the last: frames shown after it are there where decoding
        needs them, and may lack their neighbours.

    Raises
    ------
    BadInput
        Where the source's container cannot be cut without changing packets.
    """
    keys = index.pts[index.is_key]
    before = keys[keys <= first_pts]
    if index.ordinal or not len(before):
        raise _not_exact(source)
    wanted = {int(pts) for pts in index.pts if before[-1] <= pts <= last_pts}
    with opened(source) as (container, stream):
        name = next((f for f in container.format.name.split(",") if f in _FORMATS), "")
        if not name:
            raise _not_exact(source)
        target = folder / f"cut{_SUFFIXES[name]}"
        taken, told = [], []
        for packet in _between(demuxed(container, stream), int(before[-1]), wanted):
            told.append((packet.pts, packet.pos))
            taken.append(packet)
        hashes = [hashlib.sha256(bytes(packet)).hexdigest() for packet in taken]
        sizes = [packet.size for packet in taken]
        with av.open(f"file:{target}", "w", format=_FORMATS[name]) as out:
            copy = out.add_stream_from_template(stream)
            for packet in taken:
                packet.stream = copy
                out.mux(packet)
    with opened(target) as (container, stream):
        again = [
            (hashlib.sha256(bytes(packet)).hexdigest(), packet.pos)
            for packet in demuxed(container, stream)
        ]
    if [sha256 for sha256, _ in again] != hashes:
        raise _not_exact(source)
    return target, [
        CutPacket(
            pts, size, sha256, _place(target, at, size, sha256),
            _place(source, source_at, size, sha256),
        )
        for (pts, source_at), size, sha256, (_, at) in zip(told, sizes, hashes, again, strict=True)
    ]  # fmt: skip


def _between(
    packets: Iterator[av.Packet], key_pts: int, wanted: Collection[int]
) -> Iterator[av.Packet]:
    """Yield packets in the file's order from a key frame on, until each frame wanted was there."""
    left, begun = set(wanted), False
    for packet in packets:
        begun = begun or (packet.is_keyframe and packet.pts == key_pts)
        if begun:
            left.discard(packet.pts)
            yield packet
            if not left:
                return


def _place(path: Path, at: int | None, size: int, sha256: str) -> int:
    """Return where a packet's bytes lie in a file in one piece; -1 where they do not."""
    if at is None or at < 0:
        return -1
    with path.open("rb") as file:
        file.seek(at)
        return at if hashlib.sha256(file.read(size)).hexdigest() == sha256 else -1


def _not_exact(source: Path) -> BadInput:
    return BadInput(
        N_("no exact cut can be made of this file: its container or its times do not allow it"),
        N_("hand the whole file out"),
        where=str(source),
    )
