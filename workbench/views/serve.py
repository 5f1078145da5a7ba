"""Start the pages and, beside them, the media process; nothing here asks another host."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import panel as pn
from tornado.httputil import HTTPHeaders
from tornado.ioloop import PeriodicCallback
from tornado.web import OutputTransform, RedirectHandler
from tornado.websocket import WebSocketClosedError

from workbench.errors import N_, BadInput, Refused, Unavailable
from workbench.investigation import (
    Workbench,
    end_candidates,
    end_overdue,
    list_people,
    open_workbench,
    settle_face_lookouts,
    settle_faces,
)
from workbench.views.accident import accident_page
from workbench.views.account import account
from workbench.views.calibrating import calibration_page
from workbench.views.case_file import case_file_page
from workbench.views.faces import faces_page
from workbench.views.gate import CALLBACK, WILDCARDS, Gate, host_of, names_of
from workbench.views.lookouts import lookouts_page
from workbench.views.media_server import Settings, tls_context
from workbench.views.oversight import oversight_page
from workbench.views.page import ASSETS, Body, PageFunction, Visit, bracketed, build, visit
from workbench.views.player import review_page
from workbench.views.sign_in import Door, HouseSignIn
from workbench.views.single_sign_on import FILE, SingleSignOn, read_sign_in
from workbench.views.trace import trace_page
from workbench.views.wall import live_page

PAGES: Mapping[str, PageFunction] = {
    "truc-tiep": live_page,
    "ho-so": case_file_page,
    "truy-vet": trace_page,
    "canh-bien-so": lookouts_page,
    "khuon-mat": faces_page,
    "xem-lai": review_page,
    "tai-nan": accident_page,
    "hieu-chuan": calibration_page,
    "giam-sat": oversight_page,
}
LAST_PORT = 65_535
MESSAGE_BYTES = 32 << 20
"""A photograph of 20 MB, as a page sends it."""
OVER_S = 60.0
"""How often a server looks for lookouts and urgent face searches whose time is over, seconds."""
RESTART_S = 5.0
"""A media process that keeps dying is started again at most this often."""


def content_policy(media_port: int, host: str) -> str:
    """Return the Content-Security-Policy of the pages: this host only.

    Bokeh compiles callbacks and Panel loads components from blobs, so scripts may be evaluated and
    come from ``blob:``; nothing may come from, or go to, another host.
    """
    host = bracketed(host)
    pictures = f"http://{host}:{media_port} https://{host}:{media_port}"
    socket = f"ws://{host}:{media_port} wss://{host}:{media_port}"
    return "; ".join(
        [
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline' blob:",
            f"img-src 'self' data: blob: {pictures}",
            "media-src 'self' blob:",
            f"connect-src 'self' blob: {pictures} {socket}",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "frame-ancestors 'self'",
            "form-action 'self'",
            "object-src 'none'",
            "base-uri 'self'",
        ]
    )


def _policy_transform(media_port: int, names: Collection[str]) -> type[OutputTransform]:
    class Policy(OutputTransform):  # type: ignore[misc]  # tornado is skipped
        """Adds the house's headers to everything that the Panel server sends."""

        def __init__(self, request: Any) -> None:
            host = host_of(request.host)
            self._host = host if host in names else "127.0.0.1"

        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            headers["Content-Security-Policy"] = content_policy(media_port, self._host)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers.pop("Server", None)
            return status_code, headers, chunk

    return Policy


def check_address(address: str, *, people: bool, tls: bool, plain: bool = False) -> None:
    """Refuse to listen where others can reach it without signing in, or can read along.

    Parameters
    ----------
    people
        Whether anybody is on the list of people, so that the pages ask for a sign-in.
    tls
        Whether a certificate was given.
    plain
        Whether whoever starts the pages says that TLS is added in front of them.
    """
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    if loopback:
        return
    if not people:
        raise Refused(
            N_("{address} can be reached by others, and no sign-in is set up"),
            N_("add people first (workbench people add), or listen on 127.0.0.1"),
            address=address,
        )
    if not (tls or plain):
        raise Refused(
            N_("{address} can be reached by others, and passwords would go over it in the clear"),
            N_("give --tls-cert and --tls-key; or --plain where something in front adds TLS"),
            address=address,
        )


def check_tls(certificate: Path | None, key: Path | None) -> None:
    """Raise BadInput where certificate and key cannot be used together."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise BadInput(
            N_("a certificate needs its key, and a key its certificate"),
            N_("give both --tls-cert and --tls-key"),
            where="--tls-cert",
        )
    try:
        tls_context(str(certificate), str(key))
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            N_("this certificate and key cannot be used: {error}"),
            N_("give a certificate with its chain and the key that belongs to it, both PEM"),
            where=str(certificate),
            error=str(error),
        ) from error


@contextmanager
def media_process(settings: Settings) -> Iterator[int]:
    """Run the media process while inside, again when it dies; yields the port it keeps."""
    process, port = _start_media(settings)
    kept = replace(settings, port=port)
    running, leaving = [process], threading.Event()

    def keep() -> None:
        wait_s = 0.0
        while not leaving.is_set():
            running[-1].wait()
            if leaving.wait(wait_s):
                return
            wait_s = min(RESTART_S, wait_s + 0.5)
            with suppress(Unavailable, OSError, ValueError):
                running[:] = [_start_media(kept)[0]]

    keeper = threading.Thread(target=keep, name="media", daemon=True)
    keeper.start()
    try:
        yield port
    finally:
        leaving.set()
        # until the keeper is gone, too: it may just have started another one
        while keeper.is_alive():
            _end_media(running[-1])
            keeper.join(0.1)
        _end_media(running[-1])


def _start_media(settings: Settings) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.views.media_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(settings.line())
        process.stdin.flush()
        said = process.stdout.readline().strip()
        if said:
            return process, int(json.loads(said)["port"])
    except BaseException:
        _end_media(process)
        raise
    _end_media(process)
    raise Unavailable(
        N_("the media process did not start on port {port}"),
        N_("choose another --port: the one after it must be free, too"),
        port=settings.port,
    )


def _end_media(process: subprocess.Popen[str]) -> None:
    # the end of its standard input ends it
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _app(
    wb: Workbench, slug: str, page: PageFunction, media_port: int, door: Door | None
) -> Callable[[], pn.Template]:
    def nobody(_visit: Visit) -> Body:
        raise Refused(N_("nobody is signed in"), N_("sign in again"))

    def make() -> pn.Template:
        asked = {
            key: values[0].decode("utf-8", "replace")
            for key, values in pn.state.session_args.items()
            if values
        }
        mine, shown = wb, page
        if door is not None:
            # not pn.state.user: a cookie of the browser can make that "guest"
            one = door.whose(str(pn.state.cookies.get("user", "")))
            mine, shown = (wb.as_actor(one.name, one), page) if one else (wb.as_actor("?"), nobody)
        host = str(pn.state.headers.get("Host", "127.0.0.1"))
        host_url = f"{pn.state.location.protocol if pn.state.location else 'http:'}//{host}"
        here = visit(
            mine, asked, host_url=host_url, media_port=media_port, signed_in=door is not None
        )
        return build(here, slug, shown)

    return make


def serve(
    root: Path,
    *,
    port: int = 5006,
    address: str = "127.0.0.1",
    tls: tuple[Path, Path] | None = None,
    plain: bool = False,
    names: Collection[str] = (),
    pages: Mapping[str, PageFunction] = PAGES,
    on_ready: Callable[[str], None] = lambda url: print(url, flush=True),  # noqa: T201
) -> None:
    """Serve the pages of an archive root until interrupted.

    Parameters
    ----------
    port
        Port of the pages; pictures come from the next one. 0 takes any two free ports.
    tls
        Certificate (with its chain) and key, PEM: the pages are then served over HTTPS.
    plain
        Listen beyond loopback without TLS: something in front of the pages adds it.
    names
        Host names under which others open the pages, besides `address`.
    on_ready
        Called with the address of the first page once it can be opened.

    Raises
    ------
    Refused
        Where others could reach the pages without signing in, or read passwords along the way.
    Unavailable
        Where a port is taken.
    """
    check_tls(*(tls or (None, None)))
    check_port(port)
    if any(":" in name for name in (address, *names)):
        raise BadInput(
            N_("the pages are not served under IPv6 addresses"),
            N_("give an IPv4 address or a host name"),
            where=address,
        )
    wb = open_workbench(root, actor=account())
    signing = read_sign_in(wb.root / FILE)
    people = bool(list_people(wb))
    if signing.provider is not None and not people:
        raise BadInput(
            N_("a provider of sign-ins is set up, and nobody is on the list of people"),
            N_("add people first (workbench people add): no account is made by a sign-in"),
            where=FILE,
        )
    check_address(address, people=people, tls=tls is not None, plain=plain)
    if address in WILDCARDS and not names:
        raise BadInput(
            N_("{address} listens on every address, and no name of this machine was given"),
            N_("give --name with the name or address that others open, or listen on that one"),
            address=address,
        )
    secret = secrets.token_urlsafe(32) if people else ""
    session_secret = secrets.token_urlsafe(32)
    known = names_of(address, names)
    pn.extension()
    free = _free_port(address)
    panel_port = port or free
    settings = Settings(
        str(root), address, port + 1 if port else 0, panel_port, secret, tuple(sorted(known)),
        *(map(str, tls) if tls else ()),
    )  # fmt: skip
    with media_process(settings) as media_port:
        first = next(iter(pages))
        provider = signing.provider
        private = tls is not None or (provider is not None and provider.redirect[:6] == "https:")
        door = (
            Door(wb, secret, f"/{first}", secure=private, single=provider is not None)
            if people
            else None
        )
        patterns: list[Any] = [(r"/", RedirectHandler, {"url": f"/{first}"})]
        if door is not None and provider is not None:
            patterns.append((CALLBACK, SingleSignOn, {"door": door, "provider": provider}))
        more: dict[str, Any] = {}
        if door is not None:
            more = {"auth_provider": HouseSignIn(door), "cookie_secret": secret}
        if tls is not None:
            more["ssl_certfile"], more["ssl_keyfile"] = map(str, tls)
        try:
            server = pn.serve(
                {slug: _app(wb, slug, page, media_port, door) for slug, page in pages.items()},
                port=panel_port,
                address=address,
                websocket_origin=_origins(known, panel_port),
                sign_sessions=True,
                secret_key=session_secret.encode(),
                static_dirs={"assets": str(ASSETS)},
                extra_patterns=patterns,
                show=False,
                start=False,
                verbose=False,
                websocket_max_message_size=MESSAGE_BYTES,
                **more,
            )
        except OSError as error:
            raise Unavailable(
                N_("port {port} is taken"), N_("choose another with --port"), port=panel_port
            ) from error
        server._tornado.add_transform(_policy_transform(media_port, known))
        stands = (lambda cookie: door.whose(cookie) is not None) if door is not None else None
        gate = Gate(known, session_secret, secret, stands, signing.proxies)
        gate.guard(server._tornado)
        server.start()
        over = PeriodicCallback(lambda: end_what_is_over(wb), 1000 * OVER_S)
        over.start()
        server.io_loop.asyncio_loop.set_exception_handler(tell_what_nobody_awaits)
        shown = "127.0.0.1" if address in WILDCARDS else address
        scheme = "https" if tls else "http"
        on_ready(f"{scheme}://{bracketed(shown)}:{panel_port}/{first}")
        try:
            server.io_loop.start()
        finally:
            over.stop()
            server.stop()


def tell_what_nobody_awaits(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what failed in a task nobody awaits, but for writes to a page closed meanwhile."""
    if not isinstance(context.get("exception"), WebSocketClosedError):
        loop.default_exception_handler(context)


def end_what_is_over(wb: Workbench) -> None:
    """Delete what lookouts, urgent face searches and closed cases hold once their time is over.

    Each verb about them does so, too; a server that runs need not wait for one.
    """
    try:
        end_overdue(wb)
    finally:  # a lookout that cannot be read must not keep what a face search found
        try:
            settle_faces(wb)
        finally:
            settle_face_lookouts(wb)
        with suppress(BadInput):  # retention.toml: `workbench health` says what is wrong with it
            end_candidates(wb)


def check_port(port: int) -> None:
    """Refuse a port that is none, or leaves no room for the one of the pictures."""
    if not 0 <= port <= LAST_PORT - 1:
        raise BadInput(
            N_("{port} is no port for the pages"),
            N_("choose one from 1 to {last}; pictures take the one after it"),
            where="--port",
            port=port,
            last=LAST_PORT - 1,
        )


def _origins(names: Collection[str], port: int) -> list[str]:
    # Bokeh takes no IPv6 addresses here
    return sorted(f"{name}:{port}" for name in names if ":" not in name)


def _free_port(address: str) -> int:
    try:
        family = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.bind((address, 0))
            return int(probe.getsockname()[1])
    except OSError as error:
        raise Unavailable(
            N_("this machine cannot listen on {address}"),
            N_("give --address an address of this machine"),
            address=address,
        ) from error
