"""Messages to people: a log file always; desktop, webhook and e-mail as ``notify.toml`` says.

Each way has a thread and a queue of its own: one that hangs holds up neither recording nor the
others. What a way cannot deliver is tried again with growing waits, and given up in the log.
"""

from __future__ import annotations

import json
import queue
import shutil
import smtplib
import ssl
import subprocess
import threading
import time
import tomllib
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.monitoring.notices import Notice, Rules
from workbench.secret_files import read_secret

FILE = "notify.toml"
LOG = "notices.jsonl"
WAITS_S = (1.0, 5.0, 30.0, 120.0, 600.0)
"""Waits before each new try of a message; after the last one it is given up."""
MOST_WAITING = 200
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a message is posted as JSON."""

    url: str
    timeout_s: float = 5.0
    authorization: str = field(default="", repr=False)
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """The centre's mail server and whom it writes to."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    starttls: bool = True
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = 10.0
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``notify.toml`` says."""

    rules: Rules = field(default_factory=Rules)
    desktop: bool = False
    webhook: Webhook | None = None
    mail: Mail | None = None


def read_settings(path: Path) -> Settings:
    """Return what the file says; an absent one: the log alone.

    Raises
    ------
    BadInput
        When others than its owner may read it, or it does not say what it should.
    """
    try:
        text = read_secret(path)
        if text is None:
            return Settings()
        return _settings(tomllib.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # the parser's own message could quote a password
        name = error.args[0] if isinstance(error, KeyError | _WrongError) and error.args else ""
        raise BadInput(
            N_("the settings of messages cannot be read ({kind}{name})"),
            N_("compare them with the example in docs/operations.md"),
            where=str(path),
            kind=type(error).__name__.strip("_"),
            name=f": {name}" if name else "",
        ) from None


def usable_settings(path: Path) -> tuple[Settings, str]:
    """Return what the file says, and nothing; or the log alone, and why the file cannot be used.

    Recording needs no messages: a slip in this file must not cost the footage.
    """
    try:
        return read_settings(path), ""
    except (BadInput, OSError) as error:
        return Settings(), str(error)


class _WrongError(ValueError):
    """A setting that cannot be; its argument is the setting's name."""


def _settings(told: Mapping[str, Any]) -> Settings:
    unknown = set(told) - {"rules", "desktop", "webhook", "email"}
    if unknown:
        raise _WrongError(sorted(unknown)[0])
    rules = dict(told.get("rules", {}))
    for name in ("kinds", "sites"):
        rules[name] = frozenset(str(one) for one in rules.get(name, ()))
    for name in ("after_s", "quiet_s", "task_s"):
        if name in rules and not 0 <= float(rules[name]) < 1e7:
            raise _WrongError(f"rules.{name}")
    webhook = Webhook(**told["webhook"]) if "webhook" in told else None
    if webhook is not None and not webhook.url.startswith(("http://", "https://")):
        raise _WrongError("webhook.url")
    mail = None
    if "email" in told:
        to = told["email"]["to"]
        mail = Mail(**{**told["email"], "to": (to,) if isinstance(to, str) else tuple(to)})
        if mail.user and not mail.starttls:  # a password goes nowhere in the clear
            raise _WrongError("email.starttls")
    return Settings(
        Rules(**rules), bool(told.get("desktop", {}).get("enabled", False)), webhook, mail
    )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirection could lead out of the centre's network, with the message."""

    def redirect_request(self, *_args: Any, **_named: Any) -> None:
        return None


def post(webhook: Webhook, told: Notice) -> None:
    """Post a message; OSError where it is not taken."""
    body = json.dumps(
        {**told.facts, "headline": told.headline, "text": told.text}, ensure_ascii=False
    ).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if webhook.authorization:
        headers["Authorization"] = webhook.authorization
    request = urllib.request.Request(webhook.url, body, headers, method="POST")
    # the address is the centre's own: no proxy that the environment may name
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        _NoRedirects(),
        urllib.request.HTTPSHandler(context=_tls(webhook.ca_file)),
    )
    with opener.open(request, timeout=webhook.timeout_s) as answer:
        answer.read(1000)


def mail(settings: Mail, told: Notice) -> None:
    """Send a message by mail; OSError or SMTPException where it is not taken."""
    message = EmailMessage()
    message["Subject"] = told.headline
    message["From"], message["To"] = settings.sender, ", ".join(settings.to)
    message.set_content(told.text)
    with smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s) as server:
        if settings.starttls:
            server.starttls(context=_tls(settings.ca_file))
        if settings.user:
            server.login(settings.user, settings.password)
        server.send_message(message)


def _tls(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)


def show(told: Notice) -> None:
    """Show a message on the desktop; OSError where that cannot be."""
    program = shutil.which("notify-send")
    if program is None:
        raise FileNotFoundError("notify-send is not installed")
    # what follows "--" is text, whatever it begins with
    done = subprocess.run(
        [program, "--app-name=workbench", "--", told.headline, "\n".join(told.lines)],
        capture_output=True,
        timeout=10,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr.decode(errors="replace").strip()[:200] or "notify-send failed")


class _Way:
    """One way to people, in a thread of its own."""

    def __init__(
        self,
        name: str,
        send: Callable[[Notice], None],
        given_up: Callable[[str, Notice, str], None],
        waits_s: tuple[float, ...],
    ) -> None:
        self.name, self._send, self._given_up, self._waits_s = name, send, given_up, waits_s
        self.waiting: queue.Queue[Notice | None] = queue.Queue(MOST_WAITING)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notify-{name}", daemon=True)
        self._thread.start()

    def tell(self, told: Notice) -> None:
        try:
            self.waiting.put_nowait(told)
        except queue.Full:
            self._given_up(self.name, told, "too many messages wait")

    def _run(self) -> None:
        while (told := self.waiting.get()) is not None:
            for wait_s in (*self._waits_s, None):
                trouble = _tried(self._send, told)
                if not trouble:
                    break
                # at the end of the recorder each message has had its try
                if wait_s is None or self._ending.wait(wait_s):
                    self._given_up(self.name, told, trouble)
                    break

    def end(self) -> None:
        self._ending.set()
        try:
            self.waiting.put_nowait(None)
        except queue.Full:
            return  # its thread ends with the process
        self._thread.join(_END_S)


def _tried(send: Callable[[Notice], None], told: Notice) -> str:
    """Return what hindered a message; empty where it was sent."""
    try:
        send(told)
    except (OSError, smtplib.SMTPException, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"[:300]
    except Exception as error:  # noqa: BLE001 - its thread must live on for the next message
        return type(error).__name__  # its text could quote an address with a token, or a password
    return ""


class Notifier:
    """Tells people by every way there is; never waits for one.

    Parameters
    ----------
    settings
        See :func:`read_settings`.
    log
        A file that each message is added to, a line of JSON each.
    now
        The clock.
    """

    def __init__(
        self,
        settings: Settings,
        log: Path,
        now: Callable[[], int],
        waits_s: tuple[float, ...] = WAITS_S,
    ) -> None:
        self._log, self._now, self._lock = log, now, threading.Lock()
        self._ways = [
            _Way(name, send, self._give_up, waits_s)
            for name, send in (("log", self._note), *ways(settings).items())
        ]

    def tell(self, told: Notice) -> None:
        """Tell people, each way in its own time."""
        for way in self._ways:
            way.tell(told)

    def _note(self, told: Notice) -> None:
        self._write({**told.facts, "headline": told.headline, "text": told.text})

    def _give_up(self, way: str, told: Notice, trouble: str) -> None:
        self._write(
            {
                "event": "not delivered",
                "at_ns": self._now(),
                "way": way,
                "incident": told.facts.get("incident", ""),
                "trouble": trouble,
            }
        )

    def _write(self, line: Mapping[str, object]) -> None:
        try:
            with self._lock:
                _append(self._log, line)
        except OSError:
            return  # a full disk is told of by the recorder itself; the other ways go on

    def end(self) -> None:
        """Let what waits have a try, and end."""
        until_s = time.monotonic() + _END_S
        for way in self._ways:
            if time.monotonic() < until_s:
                way.end()


def ways(settings: Settings) -> dict[str, Callable[[Notice], None]]:
    """Return how each way but the log sends a message."""
    found: dict[str, Callable[[Notice], None]] = {}
    if settings.desktop:
        found["desktop"] = show
    if settings.webhook is not None:
        webhook = settings.webhook
        found["webhook"] = lambda told: post(webhook, told)
    if settings.mail is not None:
        server = settings.mail
        found["email"] = lambda told: mail(server, told)
    return found


def trial(settings: Settings, told: Notice, log: Path) -> dict[str, str]:
    """Send a message by every way, once; return what hindered each, empty where nothing did."""

    def note(told: Notice) -> None:
        _append(log, {**told.facts, "headline": told.headline, "text": told.text})

    return {name: _tried(send, told) for name, send in {"log": note, **ways(settings)}.items()}


def _append(log: Path, line: Mapping[str, object]) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
