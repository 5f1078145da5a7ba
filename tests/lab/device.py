"""One camera of the fault laboratory: its RTSP connections, its stream, its faults.

All of it lives in the thread of one event loop, which is the one scheduler of all frames.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import secrets
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from lab.rtp import CLOCK_HZ, HEAD, Bytes, Clip, CodedFrame, sender_report

Fault = Literal["hang", "refuse", "missing", "denied", "busy", "stall", "garbage", "loss", "frozen"]
"""States a camera can be in, several at once:

``hang``: connections are taken, requests never answered (sessions that play go on);
``refuse``: nobody listens any more and all connections are cut, as while a camera restarts;
``missing``, ``denied``, ``busy``: every request is answered with 404, 401, 503;
``stall``: connections stay, no RTP and no RTCP comes; it goes on with a key frame;
``garbage``: the share `share` (1) of packets carries random bytes, behind intact NAL headers or,
with `whole`, from the first byte of the payload on;
``loss``: the share `share` (0.1) of RTP packets is never sent;
``frozen``: one key frame again and again while time goes on.
"""

_REALM = "camera"
_SERVER = "Server: lab"
_BACKLOG_BYTES = 1_000_000
"""A reader that is slower than this much behind loses frames up to a key frame, as on cameras."""
_REASONS = {
    200: "OK",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class CameraState:
    """What a camera has done so far; ``late_ms`` is the worst lateness of a frame.

    ``began_ns`` is when its newest session began to play, 0 without one: UTC of the clip's start.
    """

    connections: int
    playing: int
    opens: int
    denials: int
    frames_sent: int
    frames_shed: int
    packets_lost: int
    bytes_sent: int
    late_ms: float
    offset_ns: int
    began_ns: int = 0


class Device:
    """One camera inside the server; lives in the thread of its event loop."""

    def __init__(
        self,
        name: str,
        clip: Clip,
        sock: socket.socket,
        user: str,
        password: str,
        options: dict[str, float],
    ) -> None:
        self.normal = self.clip = clip
        self.user, self.password = user, password
        self.report_s = options.get("report_s", 5.0)
        self.first_report_s = options.get("first_report_s", 0.0)
        self.wraps_after_s = options.get("wraps_after_s")
        self.normal_offset_ns = self.offset_ns = round(options.get("offset_s", 0.0) * 1e9)
        self.faults: dict[Fault, dict[str, float]] = {}
        self.connections: set[Connection] = set()
        self.opens = self.denials = self.sent = self.shed = self.lost = self.bytes_sent = 0
        self.late_s = 0.0
        # Bound and never listening: the port stays ours while the camera refuses.
        self._held = sock
        self.host, self.port = sock.getsockname()[:2]
        self.random = random.Random(name)  # the same faults in every run
        self._listening: asyncio.Server | None = None

    async def listen(self) -> None:
        if self._listening is None:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(
                lambda: Connection(self), self.host, self.port, reuse_address=True
            )

    def stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def drop(self, *, reset: bool = False) -> None:
        """Cut all connections, with a reset or as if they were closed."""
        for one in list(self.connections):
            one.cut(reset=reset)

    def close(self) -> None:
        self.stop_listening()
        self.drop()
        self._held.close()

    def state(self) -> CameraState:
        playing = sum(one.playing for one in self.connections)
        return CameraState(
            *(len(self.connections), playing, self.opens, self.denials, self.sent, self.shed),
            *(self.lost, self.bytes_sent, self.late_s * 1000, self.offset_ns),
            max((one.began_ns for one in self.connections), default=0),
        )


class Connection(asyncio.Protocol):
    """One RTSP connection and the session that plays on it."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.playing = False
        self._received = b""
        self._nonce = secrets.token_hex(16)
        self._session = secrets.token_hex(4)
        self._ssrc = device.random.getrandbits(32)
        self._sequence = device.random.getrandbits(16)
        self._timestamp = device.random.getrandbits(32)
        self._clip = device.clip
        self._position = 0
        self._origin = 0  # ticks from PLAY to where the clip now playing began
        self._began_s = self._report_due_s = 0.0
        self.began_ns = 0
        self._wants_key = False
        self._frozen: CodedFrame | None = None
        self._packets = self._octets = 0
        self._timer: asyncio.TimerHandle | None = None

    # --- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self.device.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.device.connections.discard(self)
        self.playing = False
        if self._timer is not None:
            self._timer.cancel()

    def cut(self, *, reset: bool = False) -> None:
        sock = self._transport.get_extra_info("socket")
        if reset and sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._received:
            if self._received[0] == 0x24:  # reports of the receiver: not needed
                end = 4 + int.from_bytes(self._received[2:4]) if len(self._received) >= 4 else 4
                if len(self._received) < end:
                    return
                self._received = self._received[end:]
                continue
            head, found, rest = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            body = int(length[1]) if length else 0
            if len(rest) < body:
                return
            self._received = rest[body:]
            if head.strip():
                self._answer(head.decode("latin-1"))

    # --- requests

    def _answer(self, head: str) -> None:
        device = self.device
        first, *lines = head.strip().split("\r\n")
        method, url, _version = first.split(" ", 2)
        fields = {k.strip().lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
        device.opens += method == "DESCRIBE"
        if "hang" in device.faults:
            return
        reply = {"CSeq": fields.get("cseq", "0")}
        body = ""
        code = self._refusal(method, fields)
        if code == 401:
            # who asks for the first time without a password is not refused, only asked for it
            device.denials += "authorization" in fields or "denied" in device.faults
            reply["WWW-Authenticate"] = f'Digest realm="{_REALM}", nonce="{self._nonce}"'
        elif code == 200 and method == "OPTIONS":
            reply["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
        elif code == 200 and method == "DESCRIBE":
            reply |= {"Content-Base": f"{url.rstrip('/')}/", "Content-Type": "application/sdp"}
            body = self._description()
        elif code == 200 and method == "SETUP":
            reply |= {"Transport": fields["transport"], "Session": f"{self._session};timeout=60"}
        elif code == 200:
            reply["Session"] = self._session
            if method == "PLAY":
                self._prepare()
                base = url.rstrip("/")
                times = f"seq={self._sequence};rtptime={self._timestamp}"
                reply |= {"Range": "npt=now-", "RTP-Info": f"url={base}/trackID=1;{times}"}
        if body:
            reply["Content-Length"] = str(len(body))
        text = [f"RTSP/1.0 {code} {_REASONS[code]}", _SERVER]
        text += [f"{name}: {value}" for name, value in reply.items()]
        self._transport.write(("\r\n".join(text) + "\r\n\r\n" + body).encode())
        if code == 200 and method == "TEARDOWN":
            self._transport.close()
        elif code == 200 and method == "PLAY" and not self.playing:
            self.playing = True
            self._tick()

    def _refusal(self, method: str, fields: dict[str, str]) -> int:
        """Return 200 where the request may be answered, or the code that refuses it."""
        for fault, code in (("missing", 404), ("busy", 503), ("denied", 401)):
            if fault in self.device.faults and method != "OPTIONS":
                return code
        if method not in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN"):
            return 501
        if self.device.user and method != "OPTIONS" and not self._known(method, fields):
            return 401
        if method == "SETUP" and not fields.get("transport", "").startswith("RTP/AVP/TCP"):
            return 461
        if method == "PLAY" and fields.get("session", "").split(";")[0] != self._session:
            return 454
        return 200

    def _known(self, method: str, fields: dict[str, str]) -> bool:
        """Check a digest as of RFC 2617, without quality of protection."""
        kind, _, rest = fields.get("authorization", "").partition(" ")
        said = {k: a or b for k, a, b in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', rest)}
        if kind.lower() != "digest" or said.get("nonce") != self._nonce:
            return False

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

        who = md5(self.device.user, _REALM, self.device.password)
        right = md5(who, self._nonce, md5(method, said.get("uri", "")))
        return said.get("username") == self.device.user and said.get("response") == right

    def _description(self) -> str:
        self._clip = self.device.clip
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.device.host}\r\ns=lab\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"a=control:*\r\na=range:npt=now-\r\n{self._clip.media_description()}"
            "a=control:trackID=1\r\n"
        )

    # --- the stream

    def _prepare(self) -> None:
        if self.device.wraps_after_s is not None:
            self._timestamp = 2**32 - round(self.device.wraps_after_s * CLOCK_HZ)
        self._began_s, self.began_ns = self._loop.time(), time.time_ns()
        self._report_due_s = self._began_s + self.device.first_report_s

    @property
    def _frame(self) -> CodedFrame:
        return self._clip.frames[self._position]

    def _due_s(self) -> float:
        return self._began_s + (self._origin + self._frame.sent) / CLOCK_HZ

    def _tick(self) -> None:
        """Send what is due and come back for the next frame."""
        now_s = self._loop.time()
        while self.playing and (due_s := self._due_s()) <= now_s:
            self.device.late_s = max(self.device.late_s, now_s - due_s)
            self._turn_to_wanted()
            if not self.playing:
                return
            self._emit(now_s)
            self._position += 1
            if self._position == len(self._clip.frames):
                self._position, self._origin = 0, self._origin + self._clip.duration
        self._timer = self._loop.call_at(self._due_s(), self._tick)

    def _turn_to_wanted(self) -> None:
        """Go on with another clip where one was chosen, or with a key frame where one is due."""
        device, here = self.device, self._origin + self._frame.sent
        if "frozen" in device.faults:
            return
        if device.clip is not self._clip:
            if device.clip.codec != self._clip.codec:
                self.playing = False  # what the session agreed on is no longer to be had
                self.cut()
            elif self._frame.is_key or not (self._clip.reorders or device.clip.reorders):
                self._clip, self._position, self._wants_key = device.clip, 0, False
                self._origin = here - self._frame.sent
        elif self._wants_key and not self._silent():
            while not self._frame.is_key:
                self._position = (self._position + 1) % len(self._clip.frames)
            self._origin = here - self._frame.sent
            self._wants_key = False

    def _silent(self) -> bool:
        return (
            "stall" in self.device.faults
            or self._transport.get_write_buffer_size() > _BACKLOG_BYTES
        )

    def _emit(self, now_s: float) -> None:
        device, frame = self.device, self._frame
        if self._silent():
            device.shed += "stall" not in device.faults
            self._wants_key = True
            return
        shown = self._timestamp + self._origin + frame.shown
        if "frozen" in device.faults:
            shown = self._timestamp + self._origin + frame.sent
            if self._frozen is None:
                shown_so_far = self._clip.frames[: self._position + 1]
                self._frozen = next(f for f in reversed(shown_so_far) if f.is_key)
            frame, self._wants_key = self._frozen, True
        else:
            self._frozen = None
        if now_s >= self._report_due_s:
            self._report_due_s = now_s + device.report_s
            self._report()
        wire = frame.stamped(self._sequence, shown, self._ssrc)
        self._sequence = (self._sequence + frame.packets) & 0xFFFF
        if "garbage" in device.faults:
            self._spoil(wire, frame)
        pieces: Sequence[memoryview] = [wire.data]
        if "loss" in device.faults:
            pieces = self._thinned(wire, frame)
        for piece in pieces:
            self._transport.write(piece)
            device.bytes_sent += len(piece)
        device.sent += 1
        self._packets += frame.packets
        self._octets += len(wire) - HEAD * frame.packets

    def _report(self) -> None:
        ticks = round((self._loop.time() - self._began_s) * CLOCK_HZ)
        wall_ns = time.time_ns() + self.device.offset_ns
        report = sender_report(
            wall_ns, self._timestamp + ticks, self._ssrc, self._packets, self._octets
        )
        self._transport.write(report)

    def _spoil(self, wire: Bytes, frame: CodedFrame) -> None:
        fault, chance = self.device.faults["garbage"], self.device.random
        skipped = HEAD if fault.get("whole") else HEAD + 3
        for start, stop in zip(frame.starts[:-1], frame.starts[1:], strict=True):
            if chance.random() < fault.get("share", 1.0) and start + skipped < stop:
                junk = chance.randbytes(int(stop - start) - skipped)
                wire[start + skipped : stop] = np.frombuffer(junk, np.uint8)

    def _thinned(self, wire: Bytes, frame: CodedFrame) -> Sequence[memoryview]:
        share, chance = self.device.faults["loss"].get("share", 0.1), self.device.random
        kept = [
            wire[start:stop]
            for start, stop in zip(frame.starts[:-1], frame.starts[1:], strict=True)
            if chance.random() >= share
        ]
        self.device.lost += frame.packets - len(kept)
        return [np.concatenate(kept).data] if kept else []

    def jump(self, ticks: int) -> None:
        self._timestamp += ticks
