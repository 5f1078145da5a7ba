"""Packets of a stream: times where FFmpeg leaves them out, pace, picture format."""

from __future__ import annotations

import logging
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from workbench.timeline import SECOND_NS

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

    VideoPacket = Packet[VideoStream]

GATHER_S = 0.25
"""Packets are let come together for so long: to be woken for each costs a core more than its work.
The kernel holds them meanwhile."""
_DRIFT = 1e-3
_WAITED_S = 0.002
"""A packet that took longer to come was waited for; others lay there already."""
UNTIMED = frozenset({"mpjpeg", "mjpeg"})
"""Containers, as FFmpeg names them, in which pictures have no times."""
ARRIVAL_TICK = Fraction(1, 10_000)
_HEAD_BYTES = 4096
"""Parameter sets come first in a key frame."""


_MISSED = re.compile(r"missed (\d+) packets")
_PAYLOAD_BYTES = 1400
"""What a network packet carries, about; cameras fill them as far as Ethernet lets them."""


class MissingPackets(logging.Handler):
    """Counts the packets of the network that FFmpeg says are missing; all else it says is dropped.

    There is one in a process: FFmpeg's words belong to no stream.
    """

    def __init__(self) -> None:
        super().__init__()
        self._missed = 0
        words = logging.getLogger("libav")
        words.handlers, words.propagate = [self], False

    def emit(self, record: logging.LogRecord) -> None:
        """Take in one of FFmpeg's words."""
        if found := _MISSED.search(record.getMessage()):
            self._missed += int(found[1])

    def share(self, size_bytes: int) -> float:
        """Return the share missing since it was asked last, where `size_bytes` came."""
        missed, self._missed = self._missed, 0
        return missed / max(1.0, missed + size_bytes / _PAYLOAD_BYTES)


class ParameterSets:
    """Reads key frames: do they bring a new picture size, do they need a picture before them?

    Parameters
    ----------
    codec
        FFmpeg's name of it.
    extradata
        The stream's own; it says whether units begin with their length or with a mark.
    """

    def __init__(self, codec: str, extradata: bytes | None = None) -> None:
        # the NAL unit type of sequence parameter sets, and where a NAL unit's header holds its type
        self._type, self._shift, self._mask = {"h264": (7, 0, 31), "hevc": (33, 1, 63)}.get(
            codec, (-1, 0, 0)
        )
        # of pictures after which nothing looks back: IDR, and in H.265 also BLA
        self._closed = {"h264": {5}, "hevc": {16, 17, 18, 19, 20}}.get(codec, set())
        self._marked = not (extradata and extradata[0] == 1)
        self._known: bytes | None = None

    def changed(self, packet: VideoPacket) -> bool:
        """Tell whether a key frame's sequence parameters differ from the ones before."""
        if not self._closed:
            return False
        for kind, unit in self._units(packet):
            if kind == self._type:
                known, self._known = self._known, unit.rstrip(b"\0")
                return known is not None and known != self._known
        return False

    def closed(self, packet: VideoPacket) -> bool:
        """Tell whether all that follows a key frame can be decoded without what came before it."""
        return not self._closed or any(kind in self._closed for kind, _ in self._units(packet))

    def _units(self, packet: VideoPacket) -> Iterator[tuple[int, bytes]]:
        data = memoryview(packet)
        if self._marked:
            units = bytes(data[:_HEAD_BYTES]).split(b"\0\0\1")[1:]
        else:
            units, at = [], 0
            while at + 4 < len(data):
                size = int.from_bytes(data[at : at + 4])
                units.append(bytes(data[at + 4 : at + 4 + min(size, _HEAD_BYTES)]))
                at += 4 + size
        for unit in units:
            if unit:
                yield (unit[0] >> self._shift) & self._mask, unit


def timed(packets: Iterator[VideoPacket]) -> Iterator[tuple[VideoPacket, int, int]]:
    """Yield ``(packet, pts, dts)``; the first few of an RTSP session have no times and get some.

    Until FFmpeg knows the stream's order it leaves them out, first of all of the key frame that
    everything else needs. They are counted back from the first two that have both.
    """
    held: list[VideoPacket] = []
    whole: list[tuple[int, int]] = []
    for packet in packets:
        if packet.size == 0:
            continue  # it ends the stream
        held.append(packet)
        if packet.pts is not None and packet.dts is not None:
            whole.append((packet.pts, packet.dts))
            if len(whole) == 2:
                yield from _counted_back(held)
                held = []
                break
    for packet in chain(held, packets):
        pts, dts = packet.pts, packet.dts
        if pts is not None and dts is not None and packet.size:
            yield packet, pts, dts  # without times it cannot be placed


def _counted_back(held: Sequence[VideoPacket]) -> Iterator[tuple[VideoPacket, int, int]]:
    shown = sorted(packet.pts for packet in held if packet.pts is not None)
    steps = [b - a for a, b in pairwise(shown) if b > a]
    step = min(steps, default=1)
    at = next(n for n, packet in enumerate(held) if packet.dts is not None)
    first_dts = held[at].dts
    assert first_dts is not None
    for n, packet in enumerate(held):
        dts = packet.dts if packet.dts is not None else first_dts - (at - n) * step
        # what has no time of display comes first: nothing is shown before a key frame
        pts = packet.pts if packet.pts is not None else shown[0] - step * max(1, at - n)
        yield packet, max(pts, dts), dts


def arriving(
    packets: Iterator[VideoPacket], tick_s: Fraction, steady_ns: Callable[[], int]
) -> Iterator[tuple[VideoPacket, int, int]]:
    """Yield ``(packet, pts, dts)``, both of the instant it came, of a stream without times.

    FFmpeg counts the pictures of such a stream at a rate of its own invention.
    """
    start_ns, last = steady_ns(), -1
    for packet in packets:
        if packet.size:
            ticks = round((steady_ns() - start_ns) / (tick_s * SECOND_NS))
            last = max(ticks, last + 1)  # two in one tick are still two pictures
            yield packet, last, last


def gathered(packets: Iterator[VideoPacket], wait_s: float = GATHER_S) -> Iterator[VideoPacket]:
    """Yield packets a handful at a time: one is waited for, the next ones have come meanwhile.

    The one waited for comes out at the moment of its arrival; clocks are read from those. Where
    reading is slow, not the camera, the packets are late by their own times: then nothing is let
    lie until they no longer are.
    """
    asked_s, least_s, least_at_s = time.monotonic(), float("inf"), 0.0
    for packet in packets:
        now_s = time.monotonic()
        wait = now_s - asked_s > _WAITED_S
        if wait and packet.dts is not None and packet.time_base is not None:
            late_s = now_s - packet.dts * float(packet.time_base)
            # a camera's clock that goes slower than ours is no lateness
            least_s = min(late_s, least_s + _DRIFT * (now_s - least_at_s))
            least_at_s = now_s
            wait = late_s - least_s < wait_s / 2
        yield packet
        if wait:
            time.sleep(wait_s)
        asked_s = time.monotonic()


def paced(packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    """Yield the packets of a file at the pace of their own times."""
    start: float | None = None
    for packet in packets:
        if packet.dts is not None:
            at_s = float(packet.dts * packet.time_base)
            start = time.monotonic() - at_s if start is None else start
            time.sleep(max(0.0, start + at_s - time.monotonic()))
        yield packet


def sender_time_ns(packet: VideoPacket) -> int | None:
    """Return the camera's own time of a packet from its RTCP sender reports, ns UTC, or None."""
    if not packet.has_sidedata("prft"):
        return None
    (wall_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return int(wall_us) * 1000
