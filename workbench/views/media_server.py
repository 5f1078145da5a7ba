"""The media process: live tiles over one websocket, exact stills and runs of frames over HTTP.

It runs beside the Panel server so that a slow callback there never holds a picture back. Every
request shows the sign-in that Panel set (where sign-in is on) and a signed grant; addresses name
files by their hash only.

Settings arrive as one JSON line on standard input, so that no secret shows in the process list; the
port taken is answered as one JSON line; the end of standard input ends the process.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import av
import cv2
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workbench.errors import BadInput, WorkbenchError
from workbench.investigation import Grant, Workbench, open_workbench
from workbench.investigation.people import SignIn, sign_in_stands
from workbench.records import Box, Segment
from workbench.streams.growing import Tails
from workbench.timeline import Span
from workbench.views.footage import LONGEST_RUN, Footage
from workbench.views.gate import LOOPBACK, host_of, signed_in
from workbench.views.live_feed import FeedViewer, run_feed
from workbench.views.live_sources import LiveCamera
from workbench.views.recorder_status import RecorderStatus
from workbench.views.sources import Replay, Source, whole_archive
from workbench.views.wall_hub import Hub, Viewer

WORKERS = 2
COVERAGE_S = 5.0
CHECK_GRANT_S = 10.0
LONGEST_MESSAGE = 1 << 16
"""Bytes a page may say to its wall at once."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the media process is told: where the archive is, and whom to believe.

    An empty ``cookie_secret`` means that the house has no sign-in and listens on loopback only.
    ``names`` are the host names it answers under; a request under another one is not of the house.
    ``certificate`` and ``key`` are PEM files; empty: without TLS.
    """

    root: str
    address: str
    port: int
    panel_port: int
    cookie_secret: str = ""
    names: Sequence[str] = tuple(LOOPBACK)
    certificate: str = ""
    key: str = ""

    def line(self) -> str:
        """Return the settings as the line the process reads."""
        return json.dumps(asdict(self)) + "\n"


@dataclass(frozen=True, slots=True)
class _House:
    """What every handler needs; made once, passed by the application."""

    wb: Workbench
    settings: Settings
    footage: Footage
    hub: Hub
    pool: ThreadPoolExecutor


class _Checked:
    """Sign-in first (401), then the grant (403), before anything is looked up."""

    house: _House
    grant: Grant
    token: str
    sign_in: SignIn | None = None

    def initialize(self, house: _House) -> None:
        self.house = house

    def check(self, request: Any) -> None:
        settings = self.house.settings
        if host_of(request.request.host) not in settings.names:
            raise HTTPError(403)
        self.sign_in = None
        if settings.cookie_secret:
            self.sign_in = signed_in(request.get_cookie("user") or "", settings.cookie_secret)
            if self.sign_in is None or not self.still_signed_in():
                raise HTTPError(401)
        self.token = request.get_query_argument("grant", "")
        try:
            self.grant = self.house.wb.honour(self.token)
        except WorkbenchError as error:
            raise HTTPError(403) from error
        if self.sign_in is not None and self.grant.actor != self.sign_in.name:
            raise HTTPError(403)

    def still_signed_in(self) -> bool:
        return self.sign_in is None or sign_in_stands(self.house.wb, self.sign_in)


def same_house(origin: str, request_host: str, panel_port: int) -> bool:
    """Return whether `origin` is the Panel server on the host that was asked.

    >>> same_house("http://127.0.0.1:5006", "127.0.0.1:5007", 5006)
    True
    >>> same_house("http://elsewhere.example", "127.0.0.1:5007", 5006)
    False
    """
    try:
        asking, asked = urlsplit(origin), urlsplit(f"//{request_host}")
        return asking.hostname == asked.hostname and asking.port == panel_port
    except ValueError:
        return False


class _Pictures(_Checked, RequestHandler):  # type: ignore[misc]  # tornado is skipped
    """Base of the handlers that answer with pictures."""

    def set_default_headers(self) -> None:
        self.set_header("Cache-Control", "private, no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Content-Security-Policy", "default-src 'none'")
        self.clear_header("Server")

    def prepare(self) -> None:
        origin = self.request.headers.get("Origin", "")
        port = self.house.settings.panel_port
        if origin and not same_house(origin, self.request.host, port):
            raise HTTPError(403)
        self._let_read()
        self.check(self)

    def write_error(self, status_code: int, **about: Any) -> None:
        """Say the status to our own page, too: headers were cleared on the way here.

        Without this a browser keeps the answer from the page, to which a refusal then looks like
        a file that is broken.
        """
        self._let_read()
        super().write_error(status_code, **about)

    def _let_read(self) -> None:
        """Let the page on our own origin read the answer."""
        origin = self.request.headers.get("Origin", "")
        if origin and same_house(origin, self.request.host, self.house.settings.panel_port):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Allow-Credentials", "true")
            self.set_header("Access-Control-Expose-Headers", "X-Pts, X-Segment")
            self.set_header("Vary", "Origin")

    def covered(self, sha256: str, pts: int) -> Segment:
        """Return the segment, or answer 404 (unknown) or 403 (outside the grant)."""
        try:
            segment = self.house.wb.segment(sha256)
        except BadInput as error:
            raise HTTPError(404) from error
        if segment.sha256 != sha256:
            raise HTTPError(404)
        at_ns, _sigma_ns = self.house.wb.utc(segment, pts)
        if not self.grant.covers(segment.camera_id, at_ns):
            raise HTTPError(403)
        return segment

    async def decoded(self, make: Callable[[], Any]) -> Any:
        """Return what `make` returns, run off the event loop.

        A bad PTS answers 404; an original that is lost or broken answers 410.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self.house.pool, make)
        except BadInput as error:
            raise HTTPError(404) from error
        except (WorkbenchError, OSError) as error:
            raise HTTPError(410) from error

    def answer(self, picture: bytes, segment: Segment, pts: int) -> None:
        """Write one JPEG and say which frame it is."""
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("X-Pts", str(pts))
        self.set_header("X-Segment", segment.sha256)
        self.finish(picture)


class _Still(_Pictures):
    async def get(self, sha256: str, pts: str) -> None:
        segment = self.covered(sha256, int(pts))
        picture = await self.decoded(lambda: self.house.footage.still(segment, int(pts)))
        self.answer(picture, segment, int(pts))


class _Crop(_Pictures):
    async def get(self, sha256: str, pts: str, box: str) -> None:
        segment = self.covered(sha256, int(pts))
        x, y, w, h = (float(part) for part in box.split(","))
        around = Box(x, y, w, h)
        picture = await self.decoded(
            lambda: self.house.footage.crop(segment, int(pts), around, 240)
        )
        self.answer(picture, segment, int(pts))


class _Run(_Pictures):
    def _number(self, name: str, default: int) -> int:
        asked = self.get_query_argument(name, str(default))
        if not (asked.isascii() and asked.isdigit() and len(asked) < 5):
            raise HTTPError(400)
        return int(asked)

    async def get(self, sha256: str, pts: str) -> None:
        count = min(LONGEST_RUN, max(1, self._number("count", 20)))
        every = min(LONGEST_RUN, max(1, self._number("every", 1)))
        width_px = self._number("width", 0)
        segment = self.covered(sha256, int(pts))
        run = partial(
            self.house.footage.run, segment, int(pts), count, every=every, width_px=width_px
        )
        pictures = await self.decoded(run)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Segment", segment.sha256)
        for at, picture in pictures:
            at_ns, _ = self.house.wb.utc(segment, at)
            if not self.grant.covers(segment.camera_id, at_ns):
                break
            self.write(struct.pack(">qI", at, len(picture)) + picture)
        self.finish()


class _Pushed(_Checked, WebSocketHandler):  # type: ignore[misc]  # tornado is skipped
    """Base of the websockets: open while their grant holds."""

    _watch: asyncio.Task[None] | None = None

    def check_origin(self, origin: str) -> bool:
        return same_house(origin, self.request.host, self.house.settings.panel_port)

    def prepare(self) -> None:
        self.check(self)

    def _send(self, message: bytes) -> None:
        with suppress(WebSocketClosedError):
            # a page may close while a message is on its way: only then is its end heard of here
            self.write_message(message, binary=True).add_done_callback(_sent)

    def _watch_grant(self) -> None:
        self._watch = asyncio.ensure_future(self._end_with_grant())

    async def _end_with_grant(self) -> None:
        """Close the socket when its grant or sign-in ends, or its case is closed."""
        while True:
            await asyncio.sleep(CHECK_GRANT_S)
            try:
                self.house.wb.honour(self.token)
                if self.still_signed_in():
                    continue
            except WorkbenchError:
                pass
            self.close(4403, "grant ended")
            return


def _sent(writing: asyncio.Future[None]) -> None:
    """Take notice of how a message ended; that its page is gone is no fault, anything else is."""
    if not writing.cancelled() and (error := writing.exception()) is not None:
        with suppress(WebSocketClosedError):
            raise error


class _Wall(_Pushed):
    _viewer: Viewer | None = None

    def open(self, *_args: str, **_kwargs: str) -> None:
        self._viewer = Viewer(self.grant, self._send)
        self.house.hub.viewers.add(self._viewer)
        self._watch_grant()

    def on_message(self, message: str | bytes) -> None:
        if self._viewer is not None and isinstance(message, str):
            self._viewer.hear(message, self.house.wb.now())

    def on_close(self) -> None:
        if self._viewer is not None:
            self.house.hub.viewers.discard(self._viewer)
        if self._watch is not None:
            self._watch.cancel()


class _Feed(_Pushed):
    tails: Tails
    _running: asyncio.Task[None] | None = None
    _viewer: FeedViewer | None = None

    def initialize(self, house: _House, tails: Tails) -> None:  # type: ignore[override]
        super().initialize(house)
        self.tails = tails

    def prepare(self) -> None:
        super().prepare()
        if self.path_kwargs["camera_id"] not in self.grant.cameras:
            raise HTTPError(403)

    def open(self, camera_id: str) -> None:
        since = self.get_query_argument("since_ms", "0")
        since_ms = int(since) if since.isascii() and since.isdigit() and len(since) < 16 else 0
        tail = self.tails.take(camera_id)
        self._viewer = FeedViewer(camera_id, self.grant, tail, since_ms * 1_000_000)
        self._running = asyncio.ensure_future(self._run(self._viewer))
        self._watch_grant()

    def on_message(self, message: str | bytes) -> None:
        if self._viewer is not None and isinstance(message, str):
            self._viewer.hear(message)

    def on_close(self) -> None:
        for task in (self._running, self._watch):
            if task is not None:
                task.cancel()

    async def _run(self, viewer: FeedViewer) -> None:
        try:
            await run_feed(viewer, self._send, self.house.wb.now)
        except (WorkbenchError, OSError, ValueError):
            # a recording that cannot be read: the page goes back to pictures, and tries again
            self.close(4500, "the recording cannot be read")
        finally:
            self.tails.leave(viewer.camera_id)


class _Alive(RequestHandler):  # type: ignore[misc]  # tornado is skipped
    def get(self) -> None:
        self.finish("ok")


def application(house: _House, tails: Tails | None = None) -> Application:
    """Return the media process's handlers; `tails` follow the recordings that tiles show, too."""
    sha, pts, number = r"([0-9a-f]{64})", r"(-?\d{1,18})", r"-?\d{1,6}(?:\.\d{1,3})?"
    given = {"house": house}
    feeding = {"house": house, "tails": tails or Tails(house.wb.root / "recording")}
    return Application(
        [
            (rf"/still/{sha}/{pts}\.jpg", _Still, given),
            (rf"/crop/{sha}/{pts}/({number}(?:,{number}){{3}})\.jpg", _Crop, given),
            (rf"/run/{sha}/{pts}\.bin", _Run, given),
            (r"/wall", _Wall, given),
            (r"/feed/(?P<camera_id>[A-Za-z0-9_-]{1,32})", _Feed, feeding),
            (r"/alive", _Alive),
        ],
        websocket_ping_interval=20,
        websocket_max_message_size=LONGEST_MESSAGE,
    )


def _sources(
    wb: Workbench, footage: Footage, tails: Tails, status: RecorderStatus
) -> Callable[[str], Source]:
    seen: list[tuple[int, Span | None]] = []

    def whole() -> Span | None:
        # shared by every camera, so that all replay the same instant
        if not seen or wb.now() - seen[0][0] > COVERAGE_S * 1e9:
            seen[:] = [(wb.now(), whole_archive(wb))]
        return seen[0][1]

    def source_of(camera_id: str) -> Source:
        return LiveCamera(
            camera_id, wb, tails, status, lambda: Replay(wb, footage, camera_id, whole)
        )

    return source_of


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what a server needs for TLS 1.2 and later; OSError or SSLError where files are bad."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


async def serve_media(settings: Settings, ended: asyncio.Event) -> None:
    """Serve until `ended`, after printing the port taken as a JSON line."""
    wb = open_workbench(settings.root, actor="media")
    with (
        ThreadPoolExecutor(WORKERS, thread_name_prefix="tiles") as tiles,
        ThreadPoolExecutor(WORKERS, thread_name_prefix="pictures") as pictures,
    ):
        footage = Footage(wb)
        recording = wb.root / "recording"
        tails, status = Tails(recording), RecorderStatus(recording)
        hub = Hub(_sources(wb, footage, tails, status), tiles, wb.now, status)
        house = _House(wb, settings, footage, hub, pictures)
        sockets = bind_sockets(settings.port, settings.address)
        tls = tls_context(settings.certificate, settings.key) if settings.key else None
        server = HTTPServer(application(house, tails), ssl_options=tls)
        server.add_sockets(sockets)
        sys.stdout.write(json.dumps({"port": sockets[0].getsockname()[1]}) + "\n")
        sys.stdout.flush()
        running = asyncio.ensure_future(hub.run())
        await ended.wait()
        running.cancel()
        server.stop()
        hub.close()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    settings = Settings(**json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    ended = asyncio.Event()
    # the parent holds the other end: when it dies, this process ends too
    waiting = loop.run_in_executor(None, sys.stdin.read)
    waiting.add_done_callback(lambda _done: ended.set())
    try:
        await serve_media(settings, ended)
    except OSError:
        pass  # the port is taken: the parent, which hears of none, says so
    finally:
        # the thread that reads standard input keeps this process alive: an empty line says it ends
        with suppress(OSError):
            sys.stdout.write("\n")
            sys.stdout.flush()


if __name__ == "__main__":
    cv2.setNumThreads(1)
    av.logging.set_level(av.logging.PANIC)  # FFmpeg would print addresses with passwords
    asyncio.run(_main())
