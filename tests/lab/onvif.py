"""A scripted ONVIF camera: SOAP over HTTP with WS-UsernameToken, and answers to WS-Discovery.

It speaks the wire format in its own words, without any SOAP library, so that a client's mistake is
not shared with it. Faults on command.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

GROUP = "239.255.255.250"
DeviceFault = Literal[
    "", "hang", "drip", "garbage", "huge", "bomb", "no media", "redirect", "html", "locked",
    "fault", "secret url", "strange", "old",
]  # fmt: skip

_ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" '
    'xmlns:ter="http://www.onvif.org/ver10/error">{head}<s:Body>{body}</s:Body></s:Envelope>'
)
_FAULT = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value>"
    '</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">{text}</s:Text></s:Reason></s:Fault>'
)
_BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lollollollollollollollollollol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + ']><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>&j;</s:Body>'
    "</s:Envelope>"
)


@dataclass
class OnvifCamera:
    """One camera on loopback. Use it as a context."""

    user: str = "ward"
    password: str = "right one"
    fault: DeviceFault = ""
    clock_offset_s: float = 0.0
    host: str = "127.0.0.1"
    rtsp: str = "rtsp://127.0.0.1:554/main"
    asked: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def __enter__(self) -> OnvifCamera:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                camera._answer(self)

            def log_message(self, *_words: object) -> None:
                pass

        self._released = threading.Event()
        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def service(self) -> str:
        return f"http://{self.host}:{self.port}/onvif/device_service"

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.clock_offset_s)

    def _answer(self, web: BaseHTTPRequestHandler) -> None:
        body = web.rfile.read(int(web.headers["Content-Length"])).decode()
        self.seen.append(body)
        action = re.search(r"Body>\s*<(?:\w+:)?(\w+)", body)[1]  # type: ignore[index]
        self.asked.append(action)
        with suppress(OSError):
            if not self._misbehave(web):
                status, text = self._reply(action, body)
                self._write(web, status, text.encode())

    def _write(self, web: BaseHTTPRequestHandler, status: int, data: bytes, kind: str = "") -> None:
        web.send_response(status)
        web.send_header("Content-Type", kind or "application/soap+xml; charset=utf-8")
        web.send_header("Content-Length", str(len(data)))
        web.end_headers()
        web.wfile.write(data)

    def _misbehave(self, web: BaseHTTPRequestHandler) -> bool:
        fault = self.fault
        if fault == "hang":
            self._released.wait(60)
        elif fault == "drip":  # headers that never end, a byte at a time
            web.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._released.wait(0.05):
                web.wfile.write(b"y")
        elif fault == "garbage":
            self._write(web, 200, b"<s:Envelope><broken" + bytes(range(200)))
        elif fault == "html":
            self._write(web, 200, b"<!DOCTYPE html><html><body>Log in</body></html>", "text/html")
        elif fault == "bomb":
            self._write(web, 200, _BOMB.encode())
        elif fault == "redirect":
            web.send_response(302)
            web.send_header("Location", "http://127.0.0.1:9/steal")
            web.send_header("Content-Length", "0")
            web.end_headers()
        elif fault == "huge":
            web.send_response(200)
            web.send_header("Content-Type", "application/soap+xml")
            web.end_headers()
            while not self._released.is_set():
                web.wfile.write(b"<a>" * 20_000)
        else:
            return False
        return True

    def _signed(self, body: str) -> bool:
        """Check the digest of name, nonce and time, as a device does: within its own 5 s."""
        parts = {
            name: found[1]
            for name in ("Username", "Password", "Nonce", "Created")
            if (found := re.search(rf"<\w+:{name}(?: [^>]*)?>([^<]*)<", body))
        }
        if len(parts) < 4 or parts["Username"] != self.user:
            return False
        created = datetime.fromisoformat(parts["Created"])
        late_s = abs((created - self._now()).total_seconds())
        secret = base64.b64decode(parts["Nonce"]) + parts["Created"].encode()
        digest = hashlib.sha1(secret + self.password.encode()).digest()
        return late_s <= 5 and base64.b64encode(digest).decode() == parts["Password"]

    def _reply(self, action: str, body: str) -> tuple[int, str]:
        if action == "GetSystemDateAndTime":
            return 200, _ENVELOPE.format(head="", body=self._clock())
        if self.fault == "locked" or not self._signed(body):
            text = _FAULT.format(code="ter:NotAuthorized", text="Sender not authorized")
            return 400, _ENVELOPE.format(head="", body=text)
        if self.fault == "fault":
            text = _FAULT.format(code="ter:ActionNotSupported", text=f"no, {self.password}")
            return 500, _ENVELOPE.format(head="", body=text)
        return 200, _ENVELOPE.format(head="", body=getattr(self, f"_{action}")(body))

    def _clock(self) -> str:
        at = self._now()
        utc = (
            f"<tt:UTCDateTime><tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}"
            f"</tt:Minute><tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}"
            f"</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime>"
        )
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
            "<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
            f"{'' if self.fault == 'old' else utc}"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetDeviceInformation(self, _body: str) -> str:
        model = "=cmd|' /C calc'!A0\x7f" if self.fault == "strange" else "Cam 7"
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Lab</tds:Manufacturer>"
            f"<tds:Model>{model}</tds:Model><tds:FirmwareVersion>1.2.3</tds:FirmwareVersion>"
            "<tds:SerialNumber>0001</tds:SerialNumber><tds:HardwareId>H</tds:HardwareId>"
            "</tds:GetDeviceInformationResponse>"
        )

    def _GetCapabilities(self, _body: str) -> str:
        # as behind an address translation: it knows itself under another name
        media = (
            f"<tt:Media><tt:XAddr>http://192.0.2.9:{self.port}/onvif/media</tt:XAddr>"
            "<tt:StreamingCapabilities/></tt:Media>"
        )
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities>"
            f"{'' if self.fault == 'no media' else media}"
            "</tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, _body: str) -> str:
        def profile(token: str, codec: str, width: int, height: int, fps: int, kbit_s: int) -> str:
            return (
                f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
                f'<tt:VideoEncoderConfiguration token="e{token}"><tt:Name>e</tt:Name>'
                f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{codec}</tt:Encoding>"
                f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
                "</tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl>"
                f"<tt:FrameRateLimit>{fps}</tt:FrameRateLimit>"
                "<tt:EncodingInterval>1</tt:EncodingInterval>"
                f"<tt:BitrateLimit>{kbit_s}</tt:BitrateLimit></tt:RateControl>"
                "</tt:VideoEncoderConfiguration></trt:Profiles>"
            )

        return (
            "<trt:GetProfilesResponse>"
            + profile("main", "H264", 1920, 1080, 15, 2048)
            + profile("sub", "JPEG", 640, 360, 8, 512)
            + '<trt:Profiles token="bare"><tt:Name>metadata</tt:Name></trt:Profiles>'
            + "</trt:GetProfilesResponse>"
        )

    def _GetStreamUri(self, body: str) -> str:
        token = re.search(r"ProfileToken>([^<]*)<", body)[1]  # type: ignore[index]
        url = self.rtsp if token == "main" else f"{self.rtsp}/{token}"
        if "://" not in self.rtsp or self.rtsp.startswith("file:"):
            url = self.rtsp
        if self.fault == "secret url":
            url = url.replace("//", f"//{self.user}:{self.password}@")
            url += f"?password={self.password}&amp;x={self.password}"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{url}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
            "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
            "</trt:MediaUri></trt:GetStreamUriResponse>"
        )


@dataclass
class Announcer:
    """Answers WS-Discovery probes for a camera, sent to it alone or to the group, on loopback."""

    service: str
    mode: Literal["", "bomb", "garbage", "unasked"] = ""
    probes: list[str] = field(default_factory=list)

    def __enter__(self) -> Announcer:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("", 0))
        joined = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"))
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                data, sender = self._socket.recvfrom(65_535)
            except TimeoutError:
                continue
            self.probes.append(data.decode())
            asked = re.search(r"MessageID>([^<]*)<", data.decode())[1]  # type: ignore[index]
            for answer in self._answers(asked):
                self._socket.sendto(answer, sender)

    def _answers(self, asked: str) -> list[bytes]:
        if self.mode == "bomb":
            return [_BOMB.replace("<s:Body>", f"<RelatesTo>{asked}</RelatesTo><s:Body>").encode()]
        if self.mode == "garbage":
            return [b"", b"\xff\xfe<<<", b"<a/>"]
        related = "urn:uuid:other" if self.mode == "unasked" else asked
        text = (
            '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">'
            f"<s:Header><a:RelatesTo>{related}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches>"
            "<d:ProbeMatch><d:Scopes>onvif://www.onvif.org/name/Lab%20Cam "
            "onvif://www.onvif.org/hardware/L7</d:Scopes>"
            f"<d:XAddrs>http://[fe80::1]/onvif/x {self.service.replace('127.0.0.1', '192.0.2.9')}"
            "</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
        )
        return [text.encode()]
