"""Addresses of streams, and their credentials kept apart: no secret in a table, a log or a page."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from workbench.errors import N_, BadInput
from workbench.records import Source
from workbench.secret_files import read_secret

SCHEMES = ("rtsp", "rtsps", "http", "https", "file", "v4l2")
"""Kinds of sources: cameras, MJPEG or transport streams over HTTP, files and folders, USB."""

_SECRET_IN_URL = re.compile(r"(?<=://)\S*@")
_SECRET_IN_WORDS = re.compile(
    r"((?<![a-z])(?:password|passwd|passphrase|pass|pwd|psw|token|secret|api_?key|auth)=)"
    r"(?!\{password\})[^&;/\s]+",
    re.IGNORECASE,
)
_PLACES = ("{user}", "{password}")
"""Stand in an address where a camera wants its credentials there and not before the host."""
HIDDEN = "***"


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a stream is to be had, and as whom.

    ``url`` carries no credentials: it may be shown and logged. They are not printed.
    """

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def scheme(self) -> str:
        """Return the kind of source, one of :data:`SCHEMES`."""
        return urlsplit(self.url).scheme

    def with_credentials(self) -> str:
        """Return the URL that FFmpeg opens. It stays inside the process that opens it.

        >>> StreamAddress("rtsp://10.0.0.7/u={user}&p={password}", "w", "a&b").with_credentials()
        'rtsp://10.0.0.7/u=w&p=a%26b'
        """
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        if any(place in self.url for place in _PLACES):
            return self.url.replace("{user}", user).replace("{password}", password)
        if not self.user:
            return self.url
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))

    def without_secrets(self, text: str) -> str:
        """Return a message, FFmpeg's for example, with every secret of this address blotted out.

        >>> at = StreamAddress("rtsp://10.0.0.7/main", "ward", "p@ss")
        >>> at.without_secrets("rtsp://ward:p%40ss@10.0.0.7/main: Not found (p@ss)")
        'rtsp://***@10.0.0.7/main: Not found (***)'
        """
        if self.password:
            text = re.sub(_written_anyhow(self.password), HIDDEN, text)
        return hidden(text)


def hidden(text: str) -> str:
    """Return a text in which what looks like a secret of an address is blotted out.

    >>> hidden("http://ward:a@b@10.0.0.7/?user=ward&PASSWORD=hush&channel=1")
    'http://***@10.0.0.7/?user=ward&PASSWORD=***&channel=1'
    """
    return _SECRET_IN_WORDS.sub(rf"\1{HIDDEN}", _SECRET_IN_URL.sub(f"{HIDDEN}@", text))


def _written_anyhow(secret: str) -> str:
    """Return a pattern of a secret with any of its bytes escaped as in URLs, in either case."""
    parts = []
    for letter in secret:
        escaped = "".join(f"%{byte:02x}" for byte in letter.encode())
        # escaped first: else of an escaped per cent sign its number would be left
        parts.append(f"(?:(?i:{escaped})|{re.escape(letter)})")
    return "".join(parts)


def parse_address(text: str, *, where: str = "") -> StreamAddress:
    """Return the address written in a table; a plain path is a file or a folder.

    Raises
    ------
    BadInput
        When the scheme is unknown or credentials are written into the URL.

    >>> parse_address("rtsp://10.0.0.7/main").scheme, parse_address("/dev/video0").scheme
    ('rtsp', 'v4l2')
    """
    text = text.strip()
    if text.startswith("/dev/video"):
        return StreamAddress(f"v4l2:{text}")
    if text.startswith("/"):
        return StreamAddress(f"file://{quote(text)}")
    try:
        parts = urlsplit(text)
        whole = parts.scheme == "file" or parts.scheme == "v4l2" or bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError:
        raise BadInput(
            N_("the host or the port in the address {url} cannot be read"),
            N_("write it like rtsp://10.0.0.7:554/main, an IPv6 host like [fd00::7]"),
            where=where,
            url=hidden(text),
        ) from None
    if parts.scheme not in SCHEMES or not whole:
        raise BadInput(
            N_("'{url}' is no address of a stream"),
            N_("begin it with one of: {known}, or write an absolute path"),
            where=where,
            url=hidden(text),
            known=", ".join(f"{scheme}:" for scheme in SCHEMES),
        )
    if parts.username or parts.password or _SECRET_IN_WORDS.search(text):
        raise BadInput(
            N_("the address {url} carries a name or a password"),
            N_(
                "take them out and write them into credentials.toml of the workbench's folder; "
                "where the camera wants them in its path, write {places} there"
            ),
            where=where,
            url=hidden(text),
            places=" ".join(_PLACES),
        )
    return StreamAddress(text)


def local_path(address: StreamAddress) -> Path | None:
    """Return the file, folder or device an address names on this machine, or None.

    >>> local_path(StreamAddress("v4l2:/dev/video0"))
    PosixPath('/dev/video0')
    """
    if address.scheme == "file":
        return Path(unquote(urlsplit(address.url).path))
    if address.scheme == "v4l2":
        return Path(address.url.removeprefix("v4l2:"))
    return None


def read_credentials(path: Path) -> Mapping[str, tuple[str, str]]:
    """Return ``(user, password)`` by camera id; ``default`` stands for cameras not named.

    The file is TOML, a table a camera: ``[S01-P1]``, ``user = "..."``, ``password = "..."``. An
    absent file holds nobody.

    Raises
    ------
    BadInput
        When others than its owner may read it, or it does not say what it should.
    """
    try:
        text = read_secret(path)
        if text is None:
            return {}
        tables = tomllib.loads(text)
        return {
            camera_id: (str(table["user"]), str(table["password"]))
            for camera_id, table in tables.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # the parser's own message could quote a password
        raise BadInput(
            N_("the cameras' credentials cannot be read ({kind})"),
            N_('write a table a camera: [S01-P1], user = "...", password = "..."'),
            where=str(path),
            kind=type(error).__name__,
        ) from None


def with_credentials(
    address: StreamAddress,
    camera_id: str,
    known: Mapping[str, tuple[str, str]],
    source: Source = "main",
) -> StreamAddress:
    """Return the address with the credentials of a camera, or the default ones, where there are.

    A table named ``"S01-P1/fallback"`` is for that one address of the camera.
    """
    if address.scheme in ("file", "v4l2"):
        return address
    whole = known.get(camera_id, known.get("default", ("", "")))
    user, password = known.get(f"{camera_id}/{source}", whole)
    return StreamAddress(address.url, user, password)
