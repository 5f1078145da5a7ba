"""Odd requests and messages to a running server: its pages, files, pictures and sockets."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from workbench import demonstration
from workbench.errors import N_, Unavailable
from workbench.records import Purpose

Figures = dict[str, Any]
PATIENCE_S = 20.0
"""An answer that takes longer counts as none, s; pages are drawn while others are."""
_LEAK = re.compile(rb"Traceback|File \"/|\.py\", line")
_ODD = (
    "", "x" * 10_000, "\x00",
    "\r\nX: y", "../../etc/passwd", "..%2f..%2f", "%00", "%ff%fe", "%", "%zz",
    "%e0%80%af", "é", "\u202e", "[", "{0}", "{{7*7}}", "' OR 1=1 --", "<script>", "-1", "9" * 400,
    "1e999", "nan", "null", "[" * 500, ";", "|", "&&", "a=b", "*", "?" * 99, "\ud800",
)  # fmt: skip
_METHODS = ("GET",) * 12 + ("POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "G\x00T")


class _Asker:
    """Sends what it is told, byte by byte, and keeps what came back and what was wrong with it."""

    def __init__(self, served: Any, cookie: str) -> None:
        self.served, self.cookie = served, cookie
        self.statuses: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self.slowest_s = 0.0

    def ask(self, port: int, handler: str, sent: bytes) -> None:
        began = time.monotonic()
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
                line.settimeout(PATIENCE_S)
                line.sendall(sent)
                line.shutdown(socket.SHUT_WR)
                answer = b""
                while piece := line.recv(1 << 16):
                    answer += piece
        except TimeoutError:
            self.fault(handler, "no answer", sent)
            return
        except OSError:
            self.statuses["closed"] += 1  # what is no request is hung up on
            return
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        status = answer.split(b" ", 2)[1][:3].decode("ascii", "replace") if answer else "closed"
        self.statuses[status] += 1
        if status.startswith("5"):
            self.fault(handler, f"answered {status}", sent)
        if _LEAK.search(answer):
            self.fault(handler, "showed a traceback", sent)

    def fault(self, handler: str, what: str, sent: object) -> None:
        self.faults.setdefault(f"{handler}: {what}", repr(sent)[:300])


def fuzz_server(tests: Path, folder: Path, seconds: float) -> Figures:
    """Serve a small root and send it odd requests and messages until the time is over.

    Raises
    ------
    Unavailable
        Where the tests, which build the root, are not there.
    """
    if not (tests / "make" / "attacks.py").exists():
        raise Unavailable(
            N_("the tests are not there, which build what is served"),
            N_("run this from a checkout with its tests"),
            where=str(tests),
        )
    sys.path.insert(0, str(tests))
    attacks = importlib.import_module("make.attacks")
    roots = importlib.import_module("make.small_root")

    small = roots.build(folder / "small", demonstration.WARD, cameras=2)
    house = roots.with_people(small, folder / "root")
    segment = house.segments()[0]
    grant = house.as_actor("lan").grant([segment.camera_id], Purpose(roots.CASE.case_id, "fuzz"))
    told = folder / "told"
    rng = random.Random(7)
    with told.open("w") as errors, attacks.running(house.root, errors=errors) as served:
        asker = _Asker(served, attacks.signed_in(served.port, "lan"))
        case = {"case": roots.CASE.case_id, "reason": "fuzz"}
        pages = sorted(_address(one) for one in served.patterns)
        pictures = [
            f"/still/{segment.sha256}/{segment.first_pts}.jpg", f"/run/{segment.sha256}/0.bin",
            f"/crop/{segment.sha256}/{segment.first_pts}/0,0,9,9.jpg", "/wall",
            f"/feed/{segment.camera_id}", "/alive",
        ]  # fmt: skip
        until = time.monotonic() + seconds
        requests = messages = 0
        while time.monotonic() < until:
            for _ in range(40):
                if rng.random() < 0.5:
                    path, query, port = rng.choice(pages), case, served.port
                else:
                    path, query, port = rng.choice(pictures), {"grant": grant}, served.media_port
                handler = "/".join(path.split("/")[:2])
                cookie = "" if path == "/logout" else asker.cookie  # it would end our own sign-in
                asker.ask(port, handler, _request(rng, path, dict(query), cookie, port))
                requests += 1
                if time.monotonic() >= until:
                    break
            messages += asyncio.run(_messages(rng, asker, grant, case))
            if not _lives(asker, served.port, "/login") or not _lives(
                asker, served.media_port, "/alive"
            ):
                break
        last = asker.statuses
        faults = {**asker.faults, **_told(told.read_text("utf-8", "replace"))}
    return {
        "requests": requests, "socket_messages": messages, "answers": dict(sorted(last.items())),
        "slowest_answer_s": round(asker.slowest_s, 2),
        "findings": {"server": faults} if faults else {},
    }  # fmt: skip


def _address(pattern: str) -> str:
    """Return an address that a pattern of the server's table matches."""
    path = pattern.rstrip("$").replace("/?", "").replace("(.*)", "x.js")
    return path or "/"


def _request(rng: random.Random, path: str, query: dict[str, str], cookie: str, port: int) -> bytes:
    """Return a request with one to three things about it that are odd."""
    method, headers, body = "GET", {"Host": f"127.0.0.1:{port}", "Cookie": cookie}, b""
    more = ""
    for _ in range(rng.randint(1, 3)):
        what = rng.randint(0, 7)
        odd = rng.choice(_ODD)
        if what == 0:
            method = rng.choice(_METHODS)
        elif what == 1:
            parts = path.split("/")
            parts[rng.randrange(len(parts))] = quote(odd, safe="/%", errors="replace")
            path = "/" + "/".join(parts).lstrip("/")
        elif what == 2:
            fields = (*query, "plate", "segment", "pts", "at", "lang", "count", "every", "width")
            query[rng.choice(fields)] = odd.encode("utf-8", "replace").decode()
        elif what == 3:
            more = "&" + odd.replace("\r\n", "").replace("\x00", "%00").replace(" ", "+")
        elif what == 4:
            names = (
                "Cookie", "Host", "Origin", "Referer", "Range", "Accept-Language",
                "If-Modified-Since", "If-None-Match", "Sec-Fetch-Site", "Content-Type",
                "Content-Length", "Upgrade",
                "Transfer-Encoding", "Sec-WebSocket-Protocol", "X-Forwarded-For", "Accept-Encoding",
                "Expect", "Connection", "Authorization",
            )  # fmt: skip
            headers[rng.choice(names)] = odd.replace("\r\n", "") if rng.random() < 0.8 else odd
        elif what == 5:
            method, path = "POST", "/login"
            body = rng.choice(
                (b"username=%ff&password=%00", b"a" * 20_000, b"\xff" * 99, b"username=lan")
            ) + rng.randbytes(rng.randint(0, 9))
            kinds = (
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=" + odd[:70],
            )
            headers["Content-Type"] = rng.choice(kinds)
        elif what == 6:
            headers["Cookie"] = cookie[: rng.randrange(len(cookie) + 1)] + odd[:50]
        else:
            headers["Range"] = rng.choice(
                ("bytes=-1", "bytes=9-1", "bytes=0-0,5-9", "x", "bytes=" + odd)
            )
    if body:
        headers.setdefault("Content-Length", str(len(body)))
    asked = "&".join(filter(None, (urlencode(query, errors="replace"), more.lstrip("&"))))
    head = f"{method} {path}?{asked} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{head}Connection: close\r\n\r\n".encode("utf-8", "replace") + body


async def _messages(rng: random.Random, asker: _Asker, grant: str, case: dict[str, str]) -> int:
    """Send odd messages to an opened wall and an opened page; return how many were sent."""
    served, sent = asker.served, 0
    headers = {"Origin": f"http://127.0.0.1:{served.port}", "Cookie": asker.cookie}
    wall = f"ws://127.0.0.1:{served.media_port}/wall?grant={quote(grant)}"
    sockets = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            sockets.append(await websocket_connect(HTTPRequest(wall, headers=headers)))
            token = await _token(served.port, headers, case, rng)
            page = f"ws://127.0.0.1:{served.port}/{token[0]}/ws"
            sockets.append(
                await websocket_connect(
                    HTTPRequest(page, headers=headers), subprotocols=["bokeh", token[1]]
                )
            )
            for one in sockets:
                for _ in range(15):
                    text: str | bytes = rng.choice((_said(rng), rng.choice(_ODD), rng.randbytes(9)))
                    if isinstance(text, str):
                        text = text.encode("utf-8", "replace").decode()
                    sent += 1
                    await one.write_message(text, binary=isinstance(text, bytes))
    except TimeoutError:
        asker.fault("websocket", "no answer", "a wall or a page")
    except (HTTPClientError, OSError) as error:
        asker.fault("websocket", f"not opened: {error}", "a wall or a page")
    except Exception as error:  # a socket that was closed for a message is no fault
        if "Closed" not in type(error).__name__:
            raise
    for one in sockets:
        one.close()
    return sent


async def _token(
    port: int, headers: dict[str, str], case: dict[str, str], rng: random.Random
) -> tuple[str, str]:
    from tornado.httpclient import AsyncHTTPClient

    slug = rng.choice(("truy-vet", "truc-tiep", "xem-lai", "canh-bien-so", "tai-nan"))
    address = f"http://127.0.0.1:{port}/{slug}?{urlencode(case)}"
    asked = HTTPRequest(address, headers={"Cookie": headers["Cookie"]}, request_timeout=PATIENCE_S)
    page = (await AsyncHTTPClient().fetch(asked)).body.decode("utf-8", "replace")
    return slug, page.split('"token":"')[1].split('"')[0]


def _said(rng: random.Random) -> str:
    odd: tuple[Any, ...] = (None, True, -1, 10**40, "x" * 5000, [], {}, [[]], {"a": {}}, 1e308)

    def value() -> object:
        return rng.choice(odd)

    kinds: tuple[Callable[[], object], ...] = (
        lambda: {"visible": {rng.choice(("C", "S01-P1")): value()}, "ack": value()},
        lambda: {"ack": value()},
        lambda: {"msgtype": rng.choice(("PATCH-DOC", "PULL-DOC-REQ", "PUSH-DOC")), "x": value()},
        lambda: {"events": [{"kind": "ModelChanged", "model": {"id": value()}, "attr": "x",
                             "new": value()}], "references": value()},
        value,
    )  # fmt: skip
    return json.dumps(rng.choice(kinds)())


def _lives(asker: _Asker, port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
            line.settimeout(PATIENCE_S)
            host = f"127.0.0.1:{port}"
            line.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            alive = b" 200 " in line.recv(1 << 12)
    except OSError:
        alive = False
    if not alive:
        asker.fault(path, "does not answer any more", "whatever came before")
    return alive


def _told(text: str) -> dict[str, str]:
    """Return the tracebacks that a server wrote, each by its last line and our last place in it."""
    found: dict[str, str] = {}
    for part in text.split("Traceback (most recent call last):")[1:]:
        lines = part.splitlines()
        last = next(
            (one for one in lines if re.match(r"\w[\w.]*(Error|Exception|Closed)?:? ?", one)), "?"
        )
        places = re.findall(r'File "[^"]*/([^/"]+)", line (\d+)', part)
        place = ":".join(places[-1]) if places else "?"
        found.setdefault(f"traceback in its log: {last[:120]} at {place}", "")
    return found
