"""The sign-in of the pages: a form, argon2 behind it, and a wait for whoever keeps guessing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment
from panel.auth import BasicAuthProvider
from tornado.web import RequestHandler

from workbench.cases.people import Throttle
from workbench.errors import Refused, WorkbenchError
from workbench.investigation import Workbench
from workbench.investigation.people import SignIn, sign_in, sign_in_stands, sign_out
from workbench.views.gate import SIGNED_IN_DAYS, signed_in
from workbench.views.page import ASSETS

LONGEST_FIELD = 300
"""Signs that a field of the form may have; more are not looked at."""
_TEMPLATES = Environment(autoescape=True)


class Door:
    """Who may come in: tries passwords one at a time, off the event loop.

    Parameters
    ----------
    secure
        Whether the pages are served over TLS: the cookie then goes over nothing else.
    single
        Whether one may sign in through the organisation's provider, too.
    """

    def __init__(
        self, wb: Workbench, cookie_secret: str, home: str, *, secure: bool, single: bool = False
    ) -> None:
        self.wb, self.secret, self.home, self.secure = wb, cookie_secret, home, secure
        self.single = single
        self._throttle = Throttle()
        # one at a time: each takes 64 MiB, and whoever guesses in parallel gains nothing
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sign-in")

    def wait_s(self, name: str, origin: str) -> float:
        """Return how long the next try has to wait."""
        return self._throttle.wait_s(self._keys(name, origin), self.wb.now())

    async def enter(self, name: str, password: str, origin: str) -> SignIn:
        """Return a sign-in; Refused where name and password do not go together."""
        keys = self._keys(name, origin)

        def attempt() -> SignIn:
            if self.wait_s(name, origin) > 0:  # others were before it
                raise Refused("too many tries")
            try:
                found = sign_in(self.wb, name, password, origin=origin)
            except Refused:
                self._throttle.failed(keys, self.wb.now())
                raise
            self._throttle.succeeded(keys[:1])
            return found

        return await asyncio.get_running_loop().run_in_executor(self._pool, attempt)

    def whose(self, cookie: str) -> SignIn | None:
        """Return the sign-in of a cookie while it stands."""
        one = signed_in(cookie, self.secret)
        try:
            return one if one is not None and sign_in_stands(self.wb, one) else None
        except WorkbenchError:
            return None  # the list of people cannot be read: nobody is let in by it

    def welcome(self, handler: RequestHandler, one: SignIn, after: str) -> None:
        """Give a browser the cookie of a sign-in, and lead it on to where it was going."""
        handler.set_signed_cookie(
            "user", one.text(), expires_days=SIGNED_IN_DAYS, httponly=True,
            samesite="Lax", secure=self.secure,
        )  # fmt: skip
        handler.redirect(inside(after, self.home))

    def form(self, trouble: str, wait_s: int = 0, after: str = "") -> str:
        """Return the form of the sign-in, with what was wrong before."""
        text = (ASSETS / "login.html").read_text("utf-8")
        asked = f"?{urlencode({'next': after})}" if after else ""
        return _TEMPLATES.from_string(text).render(
            trouble=trouble, wait_s=wait_s, single=self.single, asked=asked
        )

    @staticmethod
    def _keys(name: str, origin: str) -> tuple[str, str]:
        return f"name {name}", f"from {origin}"


class _Login(RequestHandler):  # type: ignore[misc]  # Tornado is untyped
    door: Door

    def get(self) -> None:
        self._show("")

    async def post(self) -> None:
        name = self.get_body_argument("username", "", strip=True)[:LONGEST_FIELD].casefold()
        password = self.get_body_argument("password", "", strip=False)[:LONGEST_FIELD]
        origin = str(self.request.remote_ip)
        wait_s = self.door.wait_s(name, origin)
        if wait_s > 0:
            self.set_status(429)
            self.set_header("Retry-After", str(math.ceil(wait_s)))
            self._show("wait", math.ceil(wait_s))
            return
        try:
            one = await self.door.enter(name, password, origin)
        except Refused:
            # which of the two was wrong, or that the account is locked, is no stranger's business
            self.set_status(401)
            self._show("wrong")
            return
        self.door.welcome(self, one, self.get_query_argument("next", ""))

    def _show(self, trouble: str, wait_s: int = 0) -> None:
        self.set_header("Cache-Control", "no-store")
        after = inside(self.get_query_argument("next", ""), "")
        self.finish(self.door.form(trouble, wait_s, after))


class _Logout(RequestHandler):  # type: ignore[misc]  # Tornado is untyped
    door: Door

    def get(self) -> None:
        one = self.door.whose(self.get_cookie("user") or "")
        if one is not None:
            sign_out(self.door.wb, one)
        self.clear_cookie("user")
        self.set_header("Cache-Control", "no-store")
        self.finish((ASSETS / "logout.html").read_text("utf-8"))


class HouseSignIn(BasicAuthProvider):  # type: ignore[misc]  # Panel is untyped
    """Panel's place for a sign-in, filled with the house's own."""

    def __init__(self, door: Door) -> None:
        self._door = door
        super().__init__()

    def _remove_user(self, session_context: Any) -> None:
        pass  # Panel counts users by the text of a cookie; nothing here asks it

    @property
    def get_user(self) -> Callable[[Any], str | None]:
        """Return who a request is of; None leads to the form."""

        def get_user(handler: Any) -> str | None:
            one = self._door.whose(handler.get_cookie("user") or "")
            return one.name if one else None

        return get_user

    @property
    def login_handler(self) -> type[RequestHandler]:
        """The form."""
        return type("Login", (_Login,), {"door": self._door})

    @property
    def logout_handler(self) -> type[RequestHandler]:
        """The way out."""
        return type("Logout", (_Logout,), {"door": self._door})


def inside(address: str, home: str) -> str:
    """Return an address of this house to go on to; `home` where it leads elsewhere.

    >>> [inside(one, "/a") for one in ("/b?c=1", "//evil/", "https://evil/", "/\\\\evil", "")]
    ['/b?c=1', '/a', '/a', '/a', '/a']
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return home
    plain = not (parts.scheme or parts.netloc) and address.startswith("/")
    return address if plain and not address.startswith(("//", "/\\")) else home
