"""Recordings in pieces, as the recorder writes them and a following reads them."""

from __future__ import annotations

from pathlib import Path

import av

from workbench.recognition.runs.following import Growing, Piece
from workbench.streams.fragments import FragmentWriter
from workbench.streams.growing import Tail

START_NS = 1_795_133_700 * 10**9  # a plate is read as its day allows


def record(clip: Path, folder: Path, name: int) -> Path:
    """Copy a clip's packets into a file that grows, as the recorder does; leave it unnamed."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.growing.mp4"
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        writer = FragmentWriter(path, stream, f"C1 {name}")
        for packet in source.demux(stream):
            if packet.pts is not None:
                writer.write(packet, packet.pts, packet.dts)
        writer.close()
    return path


def pieces(folder: Path, path: Path, name: str = "live") -> list[Piece]:
    tail = Tail(folder)
    tail.look(0)
    first = tail.fragments[0]
    first_pts = min(packet.pts for packet in first.packets())
    of = Growing(name, START_NS, first_pts, first.of.header)
    found = [Piece(of, fragment.read()) for fragment in tail.fragments]
    tail.close()
    return [*found, Piece(of, last=True)]
