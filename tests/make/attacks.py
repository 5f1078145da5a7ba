"""A running workbench and what a stranger, or an officer who means ill, sends to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from http.cookies import SimpleCookie
from threading import Thread
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from make.small_root import PASSWORDS

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SERVE = """
import json
from pathlib import Path
from workbench.views import gate, serve
plain = gate.Gate.guard
def guard(self, application):
    plain(self, application)
    rules = [one for rule in application.default_router.rules for one in rule.target.rules]
    print(json.dumps([one.matcher.regex.pattern for one in rules]), flush=True)
serve.Gate.guard = guard
serve.serve(Path({root!r}), {given})
"""


class Served:
    """Where a running workbench listens, and the patterns of its own table of handlers."""

    def __init__(self, port, patterns):
        self.port, self.patterns = port, patterns
        self.media_port = 0


@contextmanager
def running(root, given="port=0", errors=None):
    """Serve an archive root as a process of its own; `errors` takes what it says of faults."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE.format(root=str(root), given=given)],
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    said = []
    reader = Thread(
        target=lambda: said.extend(process.stdout.readline() for _ in range(2)), daemon=True
    )
    reader.start()
    reader.join(600)
    try:
        served = Served(urlsplit(said[1].strip()).port, json.loads(said[0]))
        policy = ask(served.port, "/login")[1]["Content-Security-Policy"]
        served.media_port = int(policy.split("ws://127.0.0.1:")[1].split()[0])
        yield served
    finally:
        process.terminate()
        process.wait(20)


def ask(port, path, headers=None, *, method="GET", body=None):
    """Return status, headers and text of one request, sent as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode("utf-8", "replace")


def enter(port, name, password, headers=None):
    """Send the form of the sign-in."""
    form = urlencode({"username": name, "password": password})
    return ask(port, "/login", {**FORM, **(headers or {})}, method="POST", body=form)


def signed_in(port, name, password=""):
    """Return the Cookie header of somebody who has signed in."""
    _status, headers, _text = enter(port, name, password or PASSWORDS[name])
    jar = SimpleCookie()
    for cookie in headers.get_all("Set-Cookie"):
        jar.load(cookie)
    return "; ".join(f"{key}={part.value}" for key, part in jar.items() if part.value)


def token_of(page):
    """Return the session token that a page was sent."""
    return page.split('"token":"')[1].split('"')[0]


def join(port, token, *, cookie="", origin=None, path="/truy-vet/ws"):
    """Open a page's websocket; returns the first message, or the status it was refused with."""
    return connect(port, path, cookie=cookie, origin=origin, subprotocols=["bokeh", token])


def connect(port, path, *, cookie="", origin=None, subprotocols=None):
    """Open a websocket; returns its first message, or the status it was refused with."""

    async def go():
        headers = {"Origin": origin or f"http://127.0.0.1:{port}", "Cookie": cookie}
        address = HTTPRequest(f"ws://127.0.0.1:{port}{path}", headers=headers)
        try:
            socket = await websocket_connect(address, subprotocols=subprotocols)
        except HTTPClientError as error:
            return error.code
        async with asyncio.timeout(30):
            message = await socket.read_message()
        socket.close()
        return message

    return asyncio.run(go())
