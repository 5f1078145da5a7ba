"""Clips cut into RTP packets once (RFC 6184, RFC 7798), and the sender reports that go with them.

Every frame is kept as the bytes that go over the wire; sending it means to copy them and to write
sequence numbers, a timestamp and a source into its headers. That is what lets one process of
Python be 77 cameras.
"""

from __future__ import annotations

import base64
import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray

CLOCK_HZ = 90_000
PAYLOAD_TYPE = 96
HEAD = 16
"""Bytes before the payload of a packet: 4 of RTSP's interleaving, 12 of RTP."""
_LARGEST_PAYLOAD = 1400
_FRAMING = 4
_NTP_EPOCH_S = 2_208_988_800
_CNAME = b"camera@lab"

Codec = Literal["h264", "hevc"]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """One frame ready for the wire.

    ``sent`` and ``shown`` are ticks of 90 kHz since the clip began: when a camera has it encoded,
    and its presentation time, never after that. ``starts`` are the offsets of its packets in
    ``wire`` and its end.
    """

    sent: int
    shown: int
    is_key: bool
    wire: Bytes = field(repr=False)
    starts: NDArray[np.int64] = field(repr=False)
    _stamps: NDArray[np.int64] = field(repr=False)

    @property
    def packets(self) -> int:
        """Return how many RTP packets it takes."""
        return len(self._stamps)

    def stamped(self, sequence: int, timestamp: int, ssrc: int) -> Bytes:
        """Return a copy of the bytes with this sequence number (of the first), time and source."""
        stamps = np.empty(self._stamps.shape, np.uint8)
        numbers = (np.arange(sequence, sequence + self.packets) & 0xFFFF).astype(">u2")
        stamps[:, :2] = numbers.view(np.uint8).reshape(-1, 2)
        stamps[:, 2:] = np.frombuffer(struct.pack(">II", timestamp & 0xFFFFFFFF, ssrc), np.uint8)
        wire = self.wire.copy()
        wire[self._stamps] = stamps
        return wire


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip as a camera would send it over and over; ``duration`` is in ticks of 90 kHz."""

    codec: Codec
    width_px: int
    height_px: int
    duration: int
    frames: tuple[CodedFrame, ...] = field(repr=False)
    parameter_sets: tuple[bytes, ...] = field(repr=False)

    @property
    def reorders(self) -> bool:
        """Tell whether it has B-frames."""
        return any(frame.sent != frame.shown for frame in self.frames)

    @property
    def fps(self) -> Fraction:
        """Return its frame rate."""
        return Fraction(CLOCK_HZ * len(self.frames), self.duration)

    def media_description(self) -> str:
        """Return the lines of SDP that describe it."""
        sets = [base64.b64encode(one).decode() for one in self.parameter_sets]
        if self.codec == "h264":
            profile = self.parameter_sets[0][1:4].hex().upper()
            name, sprop = "H264", f"sprop-parameter-sets={','.join(sets)}"
            sprop = f"packetization-mode=1;profile-level-id={profile};{sprop}"
        else:
            kinds = ("sprop-vps", "sprop-sps", "sprop-pps")
            name = "H265"
            sprop = ";".join(f"{kind}={one}" for kind, one in zip(kinds, sets, strict=True))
        return (
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\n"
            f"a=rtpmap:{PAYLOAD_TYPE} {name}/{CLOCK_HZ}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} {sprop}\r\n"
            f"a=framerate:{float(self.fps):.3f}\r\n"
            f"a=x-dimensions:{self.width_px},{self.height_px}\r\n"
        )


def read_clip(path: str | Path) -> Clip:
    """Return a clip of H.264 or H.265 cut into packets; a file read before is not read again."""
    facts = Path(path).stat()
    return _read_clip(str(path), facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=64)
def _read_clip(path: str, _changed_ns: int, _size: int) -> Clip:
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        codec: Codec = "hevc" if stream.codec_context.name == "hevc" else "h264"
        to_start_codes = BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
        tick = Fraction(1, CLOCK_HZ)
        read: list[tuple[int, int, bool, list[bytes]]] = []
        for given in container.demux(stream):
            if not given.size:
                continue  # the empty packet at the end
            for packet in to_start_codes.filter(given):
                assert packet.dts is not None
                assert packet.pts is not None
                dts, shown = (round(t * packet.time_base / tick) for t in (packet.dts, packet.pts))
                read.append((dts, shown, packet.is_keyframe, list(_units(bytes(packet)))))
        size = stream.codec_context.width, stream.codec_context.height
    assert read[0][2], "a clip begins with a key frame"
    first = min(shown for _dts, shown, _key, _units in read)
    delay = max(shown - dts for dts, shown, _key, _units in read)
    frames = tuple(
        _coded(dts + delay - first, shown - first, is_key, units, codec)
        for dts, shown, is_key, units in read
    )
    times = sorted(frame.shown for frame in frames)
    step = round(float(np.median(np.diff(times)))) if len(times) > 1 else CLOCK_HZ // 25
    wanted = (7, 8) if codec == "h264" else (32, 33, 34)
    kinds = {_kind(unit, codec): unit for unit in reversed(read[0][3])}
    sets = tuple(kinds[kind] for kind in wanted)
    return Clip(codec, *size, times[-1] + step, frames, sets)


def _units(data: bytes) -> Iterator[bytes]:
    """Yield the NAL units between start codes."""
    start = data.index(b"\0\0\1") + 3
    while start:
        stop = data.find(b"\0\0\1", start)
        yield (data[start:stop] if stop >= 0 else data[start:]).rstrip(b"\0")
        start = stop + 3 if stop >= 0 else 0


def _kind(unit: bytes, codec: Codec) -> int:
    return unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F


def _payloads(unit: bytes, codec: Codec) -> Iterator[bytes]:
    """Yield the payloads that carry one NAL unit: itself, or fragments of it."""
    if len(unit) <= _LARGEST_PAYLOAD:
        yield unit
        return
    kind = _kind(unit, codec)
    if codec == "h264":
        head, kept = bytes([unit[0] & 0xE0 | 28]), 1  # FU-A
    else:
        head, kept = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), 2  # FU
    room = _LARGEST_PAYLOAD - len(head) - 1
    for at in range(kept, len(unit), room):
        edges = (at == kept) << 7 | (at + room >= len(unit)) << 6
        yield head + bytes([edges | kind]) + unit[at : at + room]


def _coded(sent: int, shown: int, is_key: bool, units: list[bytes], codec: Codec) -> CodedFrame:
    payloads = [payload for unit in units for payload in _payloads(unit, codec)]
    wire = bytearray()
    starts = [0]
    for n, payload in enumerate(payloads, 1):
        marker = (n == len(payloads)) << 7
        wire += struct.pack(">cBH", b"$", 0, HEAD - _FRAMING + len(payload))
        wire += struct.pack(">BBHII", 0x80, marker | PAYLOAD_TYPE, 0, 0, 0) + payload
        starts.append(len(wire))
    offsets = np.array(starts, np.int64)
    stamps = offsets[:-1, None] + _FRAMING + np.arange(2, 12)
    return CodedFrame(sent, shown, is_key, np.frombuffer(bytes(wire), np.uint8), offsets, stamps)


def sender_report(wall_ns: int, timestamp: int, ssrc: int, packets: int, octets: int) -> bytes:
    """Return RTCP that says `timestamp` was at `wall_ns` (UTC), framed for channel 1."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    fraction = (rest << 32) // 1_000_000_000
    report = struct.pack(
        ">BBHIIIIII",
        *(0x80, 200, 6, ssrc, (seconds + _NTP_EPOCH_S) & 0xFFFFFFFF, fraction),
        *(timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF),
    )
    item = bytes([1, len(_CNAME)]) + _CNAME
    item += bytes(4 - len(item) % 4)  # at least one zero ends the list
    name = struct.pack(">BBHI", 0x81, 202, 1 + len(item) // 4, ssrc) + item
    return struct.pack(">cBH", b"$", 1, len(report) + len(name)) + report + name
