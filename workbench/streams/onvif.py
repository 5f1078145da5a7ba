"""What ONVIF devices there are, and which streams they offer.

Zeep speaks SOAP, with the description files (WSDL) of the package ``onvif-zeep``; that package's
own client is left alone: it takes over the root logger, lets answers grow without bound and follows
a device to whatever host it names.

Whoever answers is a stranger. An answer has a limit in bytes and time, no entities, no redirects;
it is asked at the address it answered from, whatever it says of itself; and the digest of a
password is sent only where the caller says so.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import requests
import zeep
from requests.auth import HTTPDigestAuth
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import Fault, TransportError
from zeep.wsdl import Document
from zeep.wsse.username import UsernameToken

from workbench.errors import N_, BadInput, Unavailable, WorkbenchError
from workbench.streams.address import StreamAddress

# it writes tracebacks about what a stranger sent; what went wrong is told in a sentence
logging.getLogger("zeep").propagate = False
logging.getLogger("zeep").addHandler(logging.NullHandler())

SERVICE_PATH = "/onvif/device_service"
ANSWER_BYTES = 2_000_000
STREAMS = ("rtsp", "rtsps", "http", "https")
"""Kinds of streams that a device may offer."""
MOST_PROFILES, MOST_AT_ONCE = 32, 16
TEXT_CHARACTERS = 80

_SOAP = zeep.Settings(strict=False, forbid_dtd=True, forbid_entities=True, forbid_external=True)


@dataclass(frozen=True, slots=True)
class Profile:
    """A stream that a device offers; 0 and empty where it does not say.

    ``url`` has no secret and is at the host that answered; empty where what it gave cannot be used.
    """

    token: str
    name: str
    codec: str
    width_px: int
    height_px: int
    fps: float
    kbit_s: int
    url: str


@dataclass(frozen=True, slots=True)
class Target:
    """A device to ask, and as whom; without a user only what it tells everybody."""

    service_url: str
    user: str = ""
    password: str = field(default="", repr=False)
    name: str = ""
    """What it calls itself in its announcement."""

    @property
    def host(self) -> str:
        """Return the device's host."""
        return urlsplit(self.service_url).hostname or ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it answered. ``clock_offset_s`` is its clock minus ours; None where untold."""

    host: str
    service_url: str
    name: str = ""
    maker: str = ""
    model: str = ""
    firmware: str = ""
    clock_offset_s: float | None = None
    profiles: tuple[Profile, ...] = ()
    trouble: WorkbenchError | None = None
    """Why there is no more to tell."""


def target_of(text: str, *, where: str = "") -> Target:
    """Return the device that a host, ``host:port`` or service address names.

    Raises
    ------
    BadInput
        When it is none, or carries credentials.

    >>> target_of("10.0.0.7:8080").service_url
    'http://10.0.0.7:8080/onvif/device_service'
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        usable = parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
        (parts.hostname or "").encode("idna")  # raises where no name can be that
    except ValueError:
        usable = False
    if not usable or "@" in text or re.search(r"\s", text):
        raise BadInput(
            N_("'{text}' is no address of a device"),
            N_("write a host, or host:port; passwords belong into credentials.toml"),
            where=where,
            text=re.sub(r"[^/]*@", "***@", text)[:TEXT_CHARACTERS],
        )
    path = parts.path if parts.path not in ("", "/") else SERVICE_PATH
    return Target(urlunsplit(("http", parts.netloc, path, "", "")))


def at_host(address: str, host: str, schemes: Sequence[str] = ("http",)) -> str | None:
    """Return a service's address with the host replaced by the one we talk to; None if unusable.

    >>> at_host("http://10.9.9.9:8000/media", "10.0.0.7"), at_host("file:///etc/passwd", "10.0.0.7")
    ('http://10.0.0.7:8000/media', None)
    """
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in schemes or not parts.hostname:
        return None
    return urlunsplit((parts.scheme, host + port, parts.path, parts.query, ""))


def plain(value: object) -> str:
    """Return what a device says as one short line that no terminal or spreadsheet obeys.

    >>> plain("=Cam\\x1b[2J 7")
    'Cam[2J 7'
    """
    text = "".join(one for one in str(value or "") if one.isprintable())
    return text.strip().lstrip("=+-@")[:TEXT_CHARACTERS].strip()


class _Digest(HTTPDigestAuth):  # type: ignore[misc]
    """HTTP digest that does not read the body of a refusal, however long it is."""

    def handle_401(self, r: Any, **words: Any) -> Any:
        if r.status_code == 401:
            r._content, r._content_consumed = b"", True
        return super().handle_401(r, **words)


class _Transport(zeep.Transport):  # type: ignore[misc]
    """Posts to one host, with a limit of bytes and a common deadline; opens local files alone."""

    def __init__(self, within_s: float = 0.0, sign_in: tuple[str, str] | None = None) -> None:
        session = requests.Session()
        session.trust_env = False  # neither proxies nor anybody's .netrc
        if sign_in:
            session.auth = _Digest(*sign_in)
        super().__init__(session=session)
        self.deadline = time.monotonic() + within_s

    def load(self, url: str) -> bytes:
        if "://" in url and not url.startswith("file:"):
            raise OSError(f"{url} is not on this machine")
        return bytes(super().load(url))

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> requests.Response:
        with self.session.post(
            address,
            data=message,
            headers={**headers, "Accept-Encoding": "identity"},
            timeout=self._left_s(),
            stream=True,
            allow_redirects=False,
        ) as response:
            body = bytearray()
            while chunk := response.raw.read1(1 << 16):
                body += chunk
                self._left_s()
                if len(body) > ANSWER_BYTES:
                    raise ValueError(f"more than {ANSWER_BYTES} bytes")
            response._content = bytes(body)
        return response

    def _left_s(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        return left


@lru_cache(maxsize=2)
def _description(name: str) -> Document:
    """Return the description of a service, as the installed package brings it."""
    listed = metadata.files("onvif-zeep") or ()
    path = next((Path(str(one.locate())) for one in listed if one.name == name), None)
    if path is None or not path.exists():
        raise Unavailable(
            N_("the description of ONVIF services {name} is not installed"),
            N_("install the workbench's requirements again"),
            name=name,
        )
    return Document(str(path), _Transport(), settings=_SOAP)


class _Talk:
    """A conversation with one device."""

    def __init__(self, target: Target, within_s: float) -> None:
        self.target = target
        self.clock_offset_s: float | None = None
        self._sign_in = (target.user, target.password) if target.user else None
        self._transport = _Transport(within_s, self._sign_in)

    def close(self) -> None:
        self._transport.session.close()

    def ask(
        self, what: str, binding: str, url: str, action: str, *, signed: bool = True, **words: Any
    ) -> Any:
        token = None
        if signed and self._sign_in:
            # By its own clock: devices refuse what seems old, and theirs are often wrong.
            at = datetime.now(UTC) + timedelta(seconds=self.clock_offset_s or 0)
            token = UsernameToken(*self._sign_in, use_digest=True, created=at, zulu_timestamp=True)
        client = zeep.Client(
            _description(what), wsse=token, transport=self._transport, settings=_SOAP
        )
        return getattr(client.create_service(binding, url), action)(**words)

    def device(self, action: str, *, signed: bool = True, **words: Any) -> Any:
        binding = "{http://www.onvif.org/ver10/device/wsdl}DeviceBinding"
        url = self.target.service_url
        return self.ask("devicemgmt.wsdl", binding, url, action, signed=signed, **words)

    def media(self, url: str, action: str, **words: Any) -> Any:
        binding = "{http://www.onvif.org/ver10/media/wsdl}MediaBinding"
        return self.ask("media.wsdl", binding, url, action, **words)


def ask(target: Target, *, within_s: float = 10.0, now: Callable[[], int] = time.time_ns) -> Device:
    """Return what a device says of itself; ``trouble`` is a sentence where it does not answer.

    One sign-in is tried: devices lock an account after a few wrong ones.

    Parameters
    ----------
    within_s
        For all its answers together, s.
    now
        Our clock, ns UTC.
    """
    told: dict[str, Any] = {}
    talk = _Talk(target, within_s)
    try:
        _converse(talk, told, now)
        trouble = None
    except WorkbenchError as error:
        trouble = error
    except Exception as error:  # noqa: BLE001 - zeep fails in any way on what a stranger sends
        trouble = _explain(error, target)
    finally:
        talk.close()
    return Device(
        target.host,
        target.service_url,
        name=target.name,
        clock_offset_s=talk.clock_offset_s,
        trouble=trouble,
        **told,
    )


def _converse(talk: _Talk, told: dict[str, Any], now: Callable[[], int]) -> None:
    _description("devicemgmt.wsdl"), _description("media.wsdl")  # not while the clocks run
    asked_ns = now()
    clock = talk.device("GetSystemDateAndTime", signed=False)
    utc = getattr(clock, "UTCDateTime", None)
    if utc is not None and utc.Date is not None and utc.Time is not None:
        seconds = min(int(utc.Time.Second), 59)
        at = datetime(
            utc.Date.Year, utc.Date.Month, utc.Date.Day, utc.Time.Hour, utc.Time.Minute, seconds,
            tzinfo=UTC,
        )  # fmt: skip
        # whole seconds, cut: half a second is the best guess of the rest
        talk.clock_offset_s = at.timestamp() + 0.5 - (asked_ns + now()) / 2e9
    target = talk.target
    if not target.user:
        raise Unavailable(
            N_("{host} was not signed in to"),
            N_("name it with --address and write its user into credentials.toml"),
            host=target.host,
        )
    facts = talk.device("GetDeviceInformation")
    told |= {
        "maker": plain(facts.Manufacturer),
        "model": plain(facts.Model),
        "firmware": plain(facts.FirmwareVersion),
    }
    abilities = talk.device("GetCapabilities", Category=["All"])
    media = getattr(abilities, "Media", None)
    url = at_host(str(media.XAddr), _bracketed(target.host)) if media is not None else None
    if url is None:
        raise Unavailable(
            N_("{host} has no media service"),
            N_("it may be a recorder or another device without streams of its own"),
            host=target.host,
        )
    secrets = StreamAddress("", target.user, target.password)
    told["profiles"] = tuple(
        _profile(talk, url, one, secrets)
        for one in (talk.media(url, "GetProfiles") or ())[:MOST_PROFILES]
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _profile(talk: _Talk, url: str, one: Any, secrets: StreamAddress) -> Profile:
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    answer = talk.media(url, "GetStreamUri", StreamSetup=setup, ProfileToken=one.token)
    coded = one.VideoEncoderConfiguration
    size = getattr(coded, "Resolution", None)
    rate = getattr(coded, "RateControl", None)
    return Profile(
        token=plain(one.token),
        name=plain(one.Name),
        codec=plain(getattr(coded, "Encoding", "")),
        width_px=int(getattr(size, "Width", 0) or 0),
        height_px=int(getattr(size, "Height", 0) or 0),
        fps=float(getattr(rate, "FrameRateLimit", 0) or 0),
        kbit_s=int(getattr(rate, "BitrateLimit", 0) or 0),
        # What it is opened with later goes to this host: no device chooses another for us.
        url=at_host(bare_url(str(answer.Uri), secrets), _bracketed(talk.target.host), STREAMS)
        or "",
    )


_QUERY_SECRET = re.compile(r"(?i)\b(user(?:name)?|usr|pass(?:word)?|passwd|pwd|psw)=[^&;#/]*")


def bare_url(text: str, secrets: StreamAddress | None = None) -> str:
    """Return a stream's address without the credentials that some devices write into it.

    >>> bare_url("rtsp://a:b@10.0.0.7:554/live?user=a&password=b&ch=1")
    'rtsp://10.0.0.7:554/live?user=***&password=***&ch=1'
    """
    text = re.sub(r"(?<=://)[^/]*@", "", "".join(one for one in text[:500] if one.isprintable()))
    text = _QUERY_SECRET.sub(r"\1=***", quote(text, safe=":/?&=%#;,+@!$'()*~.-_[]"))
    return secrets.without_secrets(text) if secrets is not None else text


def _explain(error: Exception, target: Target) -> WorkbenchError:
    host = target.host
    if isinstance(error, requests.Timeout):
        return _silent(host)
    if isinstance(error, requests.RequestException | OSError):
        return Unavailable(
            N_("no answer from {host}"),
            N_("check its power, cable and address, and that ONVIF is switched on in it"),
            host=host,
        )
    refused = isinstance(error, TransportError) and error.status_code in (401, 403)
    if isinstance(error, Fault):
        codes = " ".join(str(one) for one in (*(error.subcodes or ()), error.message))
        refused = "notauthorized" in codes.lower().replace(" ", "")
        refused |= "FailedAuthentication" in codes
    if refused:
        return Unavailable(
            N_("{host} refuses the user name or the password"),
            N_("correct them in credentials.toml; its ONVIF users may be other than its own"),
            host=host,
        )
    if isinstance(error, Fault):
        return Unavailable(
            N_("{host} answers with a fault: {fault}"),
            N_("look into its settings of ONVIF"),
            host=host,
            fault=plain(
                StreamAddress("", "", target.password).without_secrets(error.message or "")
            ),
        )
    kind = "limit of size" if isinstance(error, ValueError) and "bytes" in str(error) else ""
    kind = kind or (type(error).__name__ if isinstance(error, ZeepError) else "unreadable")
    return Unavailable(
        N_("{host} answers, but not as ONVIF says ({kind})"),
        N_("check its address and port; give its streams by a table: workbench cameras import"),
        host=host,
        kind=kind,
    )


def _silent(host: str) -> Unavailable:
    return Unavailable(
        N_("{host} did not answer in time"),
        N_("check that it is no other device; ask it again with a longer --wait"),
        host=host,
    )


def survey(
    targets: Sequence[Target],
    *,
    within_s: float = 10.0,
    now: Callable[[], int] = time.time_ns,
    tell: Callable[[Device], None] = lambda _device: None,
) -> list[Device]:
    """Ask many devices at once, in the order given; one that hangs holds up nobody.

    Parameters
    ----------
    within_s
        For each device, s.
    tell
        Called with each as it is done.
    """
    if targets:
        _description("devicemgmt.wsdl"), _description("media.wsdl")
    waiting: queue.SimpleQueue[tuple[int, Target]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Device]] = queue.SimpleQueue()
    for item in enumerate(targets):
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                number, target = waiting.get_nowait()
            except queue.Empty:
                return
            done.put((number, ask(target, within_s=within_s, now=now)))

    for _ in range(min(MOST_AT_ONCE, len(targets))):
        # Not waited for at the end: headers that come a byte at a time keep one for ever.
        threading.Thread(target=work, daemon=True).start()
    rounds = -(-len(targets) // MOST_AT_ONCE)
    until = time.monotonic() + 1 + 1.2 * within_s * rounds
    found: dict[int, Device] = {}
    while len(found) < len(targets) and (left := until - time.monotonic()) > 0:
        try:
            number, device = done.get(timeout=left)
        except queue.Empty:
            break
        found[number] = device
        tell(device)
    return [
        found.get(number)
        or Device(one.host, one.service_url, name=one.name, trouble=_silent(one.host))
        for number, one in enumerate(targets)
    ]
