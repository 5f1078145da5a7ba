"""What is turned away before any handler sees it: foreign hosts, borrowed sessions, other sites.

Panel and Bokeh let an address choose the session it joins (``bokeh-session-id``), believe the
cookies that a session token carries, answer under any host name, and take ``is_guest`` for a user.
Each of these would let one person act under the name of another, or a page of another site act
under the name of whoever sits at this machine. Some of their handlers ask for no sign-in at all,
and one imports whatever module an address names. So nothing but the sign-in itself is reached
without one, whichever handler comes to be added.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from bokeh.util.token import check_token_signature, get_token_payload
from tornado.web import Application, ErrorHandler, RequestHandler, decode_signed_value

from workbench.investigation.people import SIGNED_IN_S, SignIn

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
WILDCARDS = frozenset({"0.0.0.0", "::"})
SIGNED_IN_DAYS = SIGNED_IN_S / 86_400
"""How long the cookie of a sign-in is taken."""
CALLBACK = "/login/oidc"
"""Where a provider of sign-ins leads back to."""
OPEN = frozenset({"/login", CALLBACK, "/logout", "/favicon.ico"})
"""What is answered without a sign-in; neither the case, the ward nor a name is on it."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_of(remote: str, forwarded: str, proxies: frozenset[str]) -> str:
    """Return the address a request comes from: what a trusted proxy says, else who sent it.

    Of several, the last that no trusted proxy wrote of itself: what stands before it, anybody can
    have sent.

    >>> origin_of("10.0.0.7", "1.2.3.4, 10.0.0.9", frozenset({"10.0.0.7"}))
    '10.0.0.9'
    >>> origin_of("10.0.0.8", "1.2.3.4", frozenset({"10.0.0.7"}))
    '10.0.0.8'
    """
    if remote not in proxies:
        return remote
    for part in reversed(forwarded.split(",")):
        try:
            address = str(ipaddress.ip_address(part.strip()))
        except ValueError:
            return remote
        if address not in proxies:
            return address
    return remote


def names_of(address: str, more: Collection[str] = ()) -> frozenset[str]:
    """Return the host names under which a server on `address` answers.

    >>> sorted(names_of("10.0.0.5", ["Ward.local"]) - LOOPBACK)
    ['10.0.0.5', 'ward.local']
    """
    named = {name.lower() for name in (address, *more)}
    return LOOPBACK | (named - WILDCARDS)


def host_of(request_host: str) -> str:
    """Return the name in a Host header, without port and brackets; empty where it is none.

    >>> host_of("[::1]:5006"), host_of("Ward.local"), host_of("[")
    ('::1', 'ward.local', '')
    """
    try:
        return urlsplit(f"//{request_host}").hostname or ""
    except ValueError:
        return ""


def same_host(address: str, request_host: str) -> bool:
    """Return whether an address is of the host and port that a request names.

    >>> [same_host(one, "a:5006") for one in ("http://a:5006/x", "http://evil/x", "http://[")]
    [True, False, False]
    """
    try:
        return urlsplit(address).netloc.lower() == request_host.lower()
    except ValueError:
        return False


def signed_in(cookie: str, secret: str) -> SignIn | None:
    """Return the sign-in that a ``user`` cookie carries; None where it is forged, too old or none.

    Whether it still stands is the list of people's to say.
    """
    text = decode_signed_value(secret, "user", cookie, max_age_days=SIGNED_IN_DAYS)
    return SignIn.read(text.decode("utf-8", "replace")) if text else None


def _elsewhere(request: Any) -> bool:
    """Return whether a browser says that a page of another site asks."""
    fetched = request.headers.get("Sec-Fetch-Site", "")
    referrer = request.headers.get("Referer", "")
    if not fetched and referrer:  # browsers send the former to safe origins only
        return not same_host(referrer, request.host)
    return fetched in ("cross-site", "same-site")


class _Bare(RequestHandler):  # type: ignore[misc]  # Tornado is untyped
    """Leads to a page without what the address asked of it."""

    def initialize(self, page: str) -> None:
        self._page = page

    def get(self) -> None:
        self.redirect(self._page)


class Gate:
    """Decides on requests to the Panel server.

    Parameters
    ----------
    names
        Host names this server answers under; see :func:`names_of`.
    session_secret
        Signs the tokens of sessions.
    cookie_secret
        Signs the sign-in; empty where there is none.
    stands
        Whether the sign-in of a ``user`` cookie stands; None where nobody has to sign in.
    proxies
        Addresses of proxies that are believed where they say whom a request comes from.
    """

    def __init__(
        self,
        names: Collection[str],
        session_secret: str,
        cookie_secret: str = "",
        stands: Callable[[str], bool] | None = None,
        proxies: frozenset[str] = frozenset(),
    ) -> None:
        self._proxies = proxies
        self._names = frozenset(names)
        self._session_secret = session_secret.encode()
        self._cookie_secret = cookie_secret
        self._stands = stands

    def refuses(self, request: Any) -> str:
        """Return why a request is turned away, for the log of the server; empty where it is not."""
        # nobody is a guest here, and the cookie would hide who has signed in
        if "is_guest" in request.cookies:
            del request.cookies["is_guest"]
        headers = request.headers
        if host_of(request.host) not in self._names:
            return "another host name"  # a foreign name made to point at this machine
        if {"bokeh-session-id", "bokeh-token"} & set(request.arguments) or (
            "Bokeh-Session-Id" in headers
        ):
            return "the address chooses its session"
        if not unquote(str(request.path)).isprintable():
            return "signs that no address has"  # a file handler would stumble over them
        if request.path.startswith("/components"):
            return "no module is loaded because an address names it"
        if request.path.endswith("/autoload.js"):
            return "pages are not embedded elsewhere"
        if self._sent_elsewhere(request):
            return "asked by a page of another site"
        if request.path.endswith("/ws") and not self._own_session(request):
            return "the session of somebody else"
        return ""

    def _sent_elsewhere(self, request: Any) -> bool:
        """Return whether a page of another site asks for more than to be led here."""
        fetched = request.headers.get("Sec-Fetch-Site", "")
        if fetched in ("cross-site", "same-site") and not self._followed(request):
            return True
        if request.method in SAFE_METHODS:
            # nobody is signed out by a link that somebody else wrote
            return request.path == "/logout" and _elsewhere(request)
        # browsers that say nothing of sites say where a form comes from; of others it may be "null"
        origin = request.headers.get("Origin", "")
        return not fetched and bool(origin) and not same_host(origin, request.host)

    def sign_in_first(self, request: Any) -> str:
        """Return the address of the sign-in where a request needs one and has none; else empty."""
        if self._stands is None or request.path in OPEN:
            return ""
        cookie = request.cookies.get("user")
        if self._stands(cookie.value if cookie else ""):
            return ""
        return f"/login?{urlencode({'next': request.uri})}"

    @staticmethod
    def _followed(request: Any) -> bool:
        """Return whether a whole page is asked for, as by somebody who follows a link."""
        document: bool = request.headers.get("Sec-Fetch-Dest", "") == "document"
        return document and request.method == "GET"

    def bare(self, request: Any) -> str:
        """Return the page to which a link on another site leads instead; empty if it may lead on.

        The case, the reason and the plate of such a link were chosen by whoever wrote that page,
        and would stand in the log under the name of the officer who follows it.
        """
        if request.path == CALLBACK:  # a provider leads back, and its answer is in the address
            return ""
        if not (_elsewhere(request) and request.query and request.method == "GET"):
            return ""
        # never "//host", which would be a page elsewhere
        return "/" + str(request.path).lstrip("/\\")

    def _own_session(self, request: Any) -> bool:
        """Return whether a websocket's token was signed here, for the one who has signed in."""
        protocols = headers_list(request.headers.get("Sec-WebSocket-Protocol", ""))
        if len(protocols) != 2:
            return False
        try:
            if not check_token_signature(protocols[1], self._session_secret, signed=True):
                return False
            made_for = get_token_payload(protocols[1]).get("cookies", {}).get("user", "")
        except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
            return False
        if not self._cookie_secret:
            return True
        cookie = request.cookies.get("user")
        asking = signed_in(cookie.value if cookie else "", self._cookie_secret)
        return asking is not None and asking == signed_in(made_for, self._cookie_secret)

    def guard(self, application: Application) -> None:
        """Put this gate before every handler of an application."""
        find = application.find_handler

        def guarded(request: Any, **more: Any) -> Any:
            request.uri = one_question(str(request.uri))
            forwarded = request.headers.get("X-Forwarded-For", "")
            request.remote_ip = origin_of(str(request.remote_ip), forwarded, self._proxies)
            if self.refuses(request):
                return application.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
            if page := self.bare(request) or self.sign_in_first(request):
                if request.method != "GET":
                    facts = {"status_code": 401}
                    return application.get_handler_delegate(request, ErrorHandler, facts)
                return application.get_handler_delegate(request, _Bare, {"page": page})
            return find(request, **more)

        application.find_handler = guarded


def one_question(uri: str) -> str:
    """Return an address with one question mark: Panel falls over a second one.

    >>> one_question("/a?b=c&?")
    '/a?b=c&%3F'
    """
    path, mark, query = uri.partition("?")
    return path + mark + query.replace("?", "%3F")


def headers_list(value: str) -> list[str]:
    """Return the parts of a comma-separated header.

    >>> headers_list("bokeh, abc")
    ['bokeh', 'abc']
    """
    return [part.strip() for part in value.split(",") if part.strip()]
