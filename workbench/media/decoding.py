"""Decode exactly the frames asked for, by PTS, from the key frame they need."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from workbench.errors import N_, Damaged
from workbench.media.container import decoded, demuxed, opened, seconds_per_tick
from workbench.media.packets import read_packets, settle_packets
from workbench.records import FrameIndex

_EARLIER_KEYS = 3
"""How many key frames to go back where decoding from the nearest does not show it at once."""


def decode(
    path: Path, index: FrameIndex, first: int, stop: int, *, fast: bool = False
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

    Notes
    -----
    A frame that is broken in the file is left out, never replaced: compare the PTS.

    Raises
    ------
    BadInput
        When the file cannot be opened.
    Damaged
        When the index is not this file's.
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
        for pts, frame in run(path, index, key, fast):
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


def _sought(
    path: Path, index: FrameIndex, key: int | None, fast: bool
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield frames from key frame number `key` on, by the file's own PTS."""
    key_pts = None if key is None else int(index.pts[key])
    with opened(path) as (container, stream):
        packets = None if key_pts is None else _seek(container, stream, key_pts)
        if packets is not None:
            yield from _timed(stream, packets, fast)
            return
    with opened(path) as (container, stream):
        packets = demuxed(container, stream)
        if key_pts is not None:
            packets = _from_key(packets, key_pts)
        yield from _timed(stream, packets, fast)


def _timed(
    stream: VideoStream, packets: Iterator[av.Packet], fast: bool
) -> Iterator[tuple[int, av.VideoFrame]]:
    if fast:
        stream.codec_context.options = {"skip_loop_filter": "all"}
    for frame in decoded(stream, packets):
        if frame.pts is not None:
            yield frame.pts, frame


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
        except av.error.FFmpegError:
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
    path: Path, index: FrameIndex, key: int | None, fast: bool
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

        yield from _timed(stream, labelled(), fast)
