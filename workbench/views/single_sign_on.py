"""Sign-in through the organisation's own provider (OpenID Connect), beside the house's passwords.

The provider says who somebody is; the house says what they may do. No account is made by a sign-in:
a claim names somebody who is on the list of people, or the sign-in is refused. Roles stay there.

Panel's own OAuth handlers take a token without looking at its signature and put the claim into the
cookie that is believed afterwards; so this speaks the protocol itself (authorization code, PKCE,
state, nonce; ID tokens signed with RS256) and sets the house's own cookie. See RFC 6749, RFC 7636
and OpenID Connect Core 1.0, 3.1.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.web import RequestHandler

from workbench.errors import N_, BadInput, Refused
from workbench.investigation.people import sign_in_by
from workbench.secret_files import read_secret
from workbench.timeline import SECOND_NS
from workbench.views.gate import CALLBACK

if TYPE_CHECKING:
    from workbench.views.sign_in import Door

FILE = "sign-in.toml"
STATE = "oidc"
STATE_MINUTES = 10
ANSWER_S, LARGEST_ANSWER = 10.0, 1 << 20
LEEWAY_S = 60
"""How far the provider's clock may be off, s."""
_OIDC = {"issuer", "client_id", "client_secret", "redirect", "claim", "ca_file"}


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID provider: its issuer address, what this house is there, which claim is a name."""

    issuer: str
    client_id: str
    redirect: str
    client_secret: str = field(default="", repr=False)
    claim: str = "preferred_username"
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """What ``sign-in.toml`` says: a provider, or none, and the proxies that are believed."""

    provider: Provider | None = None
    proxies: frozenset[str] = frozenset()


def read_sign_in(path: Path) -> SignInSettings:
    """Return what the file says; an absent one: passwords alone, and no proxy.

    Raises
    ------
    BadInput
        When others than its owner may read it, or it does not say what it should.
    """
    try:
        text = read_secret(path)
        if text is None:
            return SignInSettings()
        told = tomllib.loads(text)
        if set(told) - {"oidc", "proxies"}:
            raise ValueError(sorted(set(told) - {"oidc", "proxies"})[0])
        proxies = told.get("proxies", {"trusted": []})["trusted"]
        addresses = frozenset(str(ipaddress.ip_address(one)) for one in proxies)
        provider = _provider(told["oidc"]) if "oidc" in told else None
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # a parser's own message could quote the secret
        name = f": {error.args[0]}" if isinstance(error, KeyError) and error.args else ""
        raise BadInput(
            N_("the settings of signing in cannot be read ({kind}{name})"),
            N_("compare them with the example in docs/operations.md"),
            where=str(path),
            kind=type(error).__name__,
            name=name,
        ) from None
    return SignInSettings(provider, addresses)


def _provider(told: Mapping[str, Any]) -> Provider:
    if not isinstance(told, dict) or set(told) - _OIDC:
        raise TypeError("oidc")
    given = {key: str(value) for key, value in told.items()}
    found = Provider(**{"issuer": given["issuer"].rstrip("/"), **{
        key: value for key, value in given.items() if key != "issuer"}})  # fmt: skip
    for address in (found.issuer, found.redirect):
        if not is_private(address):
            raise ValueError("https")
    if urlsplit(found.redirect).path != CALLBACK or not found.claim:
        raise ValueError("redirect")
    return found


def is_private(address: str) -> bool:
    """Return whether nobody can read along an address: HTTPS, or this machine.

    >>> [is_private(one) for one in ("https://id.x/a", "http://127.0.0.1:1", "http://id.x", "x")]
    [True, True, False, False]
    """
    try:
        parts = urlsplit(address)
        loopback = parts.hostname == "localhost" or (
            bool(parts.hostname) and ipaddress.ip_address(str(parts.hostname)).is_loopback
        )
    except ValueError:
        loopback = False
    return (parts.scheme == "https" and bool(parts.hostname)) or (
        parts.scheme == "http" and loopback
    )


def verified(
    token: str, keys: Sequence[Mapping[str, Any]], provider: Provider, nonce: str, now_ns: int
) -> Mapping[str, Any]:
    """Return the claims of an ID token that the provider signed for this house, and for this try.

    Raises
    ------
    Refused
        Where it did not, or the token is over.
    """
    try:
        head, body, signature = token.split(".")
        header, claims = (json.loads(_unpacked(part)) for part in (head, body))
        if header["alg"] != "RS256":  # "none", too, and HMAC under the public key
            raise ValueError("alg")
        found = [
            one for one in keys if one.get("kty") == "RSA" and one.get("kid") == header.get("kid")
        ]
        number, exponent = (int.from_bytes(_unpacked(found[0][part])) for part in ("n", "e"))
        public = rsa.RSAPublicNumbers(exponent, number).public_key()
        public.verify(_unpacked(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256())
        meant = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        now_s = now_ns / SECOND_NS
        whole = (
            str(claims["iss"]).rstrip("/") == provider.issuer
            and provider.client_id in meant
            and (len(meant) == 1 or claims.get("azp") == provider.client_id)
            and float(claims["exp"]) > now_s - LEEWAY_S
            and float(claims.get("iat", 0)) < now_s + LEEWAY_S
            and secrets.compare_digest(str(claims["nonce"]), nonce)
        )
        if not whole:
            raise ValueError("claims")
    except (
        ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError,
        InvalidSignature,
    ) as error:  # fmt: skip
        raise Refused(
            N_("the provider's answer is not for this house and this sign-in"), N_("try again")
        ) from error
    return dict(claims)


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class SingleSignOn(RequestHandler):  # type: ignore[misc]  # Tornado is untyped
    """Leads to the provider, and takes what comes back."""

    door: Door
    provider: Provider

    def initialize(self, door: Door, provider: Provider) -> None:
        """Take what every request needs."""
        self.door, self.provider = door, provider

    async def get(self) -> None:
        """Answer whoever comes from the form, or back from the provider."""
        self.set_header("Cache-Control", "no-store")
        try:
            if "state" in self.request.arguments:
                await self._come_back()
            else:
                await self._go()
        except Refused:
            # who is not on the list, and why not, is no stranger's business: the log has it
            self.set_status(401)
            self.clear_cookie(STATE, path=CALLBACK)
            await self._say("single")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.set_status(502)
            self.door.wb.as_actor("?")._log(
                "sign-in.refused", "the provider does not answer as it should",
                details={"by": self.provider.issuer, "error": type(error).__name__},
            )  # fmt: skip
            await self._say("provider")

    async def _go(self) -> None:
        known = await self._known()
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        after = self.get_query_argument("next", "")[:2000]
        self.set_signed_cookie(
            STATE, json.dumps([state, nonce, verifier, after]), expires_days=STATE_MINUTES / 1440,
            httponly=True, samesite="Lax", secure=self.door.secure, path=CALLBACK,
        )  # fmt: skip
        challenge = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code", "client_id": self.provider.client_id,
            "scope": "openid profile",
            "redirect_uri": self.provider.redirect, "state": state, "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }  # fmt: skip
        self.redirect(f"{known['authorization_endpoint']}?{urlencode(asked)}")

    async def _come_back(self) -> None:
        kept = self.get_signed_cookie(STATE, max_age_days=STATE_MINUTES / 1440)
        self.clear_cookie(STATE, path=CALLBACK)
        state, nonce, verifier, after = json.loads(kept) if kept else ("", "", "", "")
        code = self.get_query_argument("code", "")[:4000]
        given = self.get_query_argument("state", "")
        if not (state and code and secrets.compare_digest(given.encode(), state.encode())):
            raise self._refused("an answer that nobody here asked for")
        known = await self._known()
        told = await self._asked(
            known["token_endpoint"],
            grant_type="authorization_code", code=code, redirect_uri=self.provider.redirect,
            client_id=self.provider.client_id, client_secret=self.provider.client_secret,
            code_verifier=verifier,
        )  # fmt: skip
        keys = (await self._asked(known["jwks_uri"]))["keys"]
        try:
            claims = verified(str(told["id_token"]), keys, self.provider, nonce, self.door.wb.now())
        except Refused:
            raise self._refused("an answer that the provider did not sign for this") from None
        one = sign_in_by(
            self.door.wb, str(claims.get(self.provider.claim, "")).casefold(),
            by=self.provider.issuer, origin=str(self.request.remote_ip),
        )  # fmt: skip
        self.door.welcome(self, one, after)

    def _refused(self, why: str) -> Refused:
        details = {"from": str(self.request.remote_ip), "by": self.provider.issuer}
        self.door.wb.as_actor("?")._log("sign-in.refused", why, details=details)
        return Refused(why)

    async def _known(self) -> Mapping[str, Any]:
        """Return what the provider says of itself; its own addresses must be as private."""
        known = await self._asked(f"{self.provider.issuer}/.well-known/openid-configuration")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if str(known["issuer"]).rstrip("/") != self.provider.issuer:
            raise ValueError("issuer")
        if not all(is_private(str(known[name])) for name in names):
            raise ValueError("endpoint")
        return known

    async def _asked(self, address: str, **form: str) -> dict[str, Any]:
        request = HTTPRequest(
            address, method="POST" if form else "GET", body=urlencode(form) if form else None,
            request_timeout=ANSWER_S, connect_timeout=ANSWER_S, follow_redirects=False,
            ca_certs=self.provider.ca_file or None, headers={"Accept": "application/json"},
        )  # fmt: skip
        client = AsyncHTTPClient(force_instance=True, max_body_size=LARGEST_ANSWER)
        try:
            answer = await client.fetch(request, raise_error=False)
        finally:
            client.close()
        if answer.code != 200:
            raise ValueError(answer.code)
        told = json.loads(answer.body)
        if not isinstance(told, dict):
            raise TypeError("answer")
        return told

    async def _say(self, trouble: str) -> None:
        self.finish(self.door.form(trouble))
