"""A small OpenID provider on loopback: signs with a key of its own, and lies on command."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Provider:
    """Signs whoever comes in as ``name``; ``lie`` is what it does wrong. Use it as a context."""

    def __init__(self, name="lan"):
        self.name, self.lie = name, ""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.asked = {}
        self.secrets = []

    def __enter__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.get(self)

            def do_POST(self):
                size = int(self.headers["Content-Length"])
                provider.post(self, parse_qs(self.rfile.read(size).decode()))

            def log_message(self, *_words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler, told, status=200):
        data = json.dumps(told).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def get(self, handler):
        parts = urlsplit(handler.path)
        if parts.path.startswith("/.well-known"):
            told = {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            }  # fmt: skip
            if self.lie == "another issuer":
                told["issuer"] = "http://127.0.0.1:9"
            if self.lie == "in the clear":
                told["token_endpoint"] = "http://id.example/token"
            self.answer(handler, told, 500 if self.lie == "broken" else 200)
        elif parts.path == "/keys":
            numbers = self.key.public_key().public_numbers()
            n = packed(numbers.n.to_bytes(256))
            key = {"kty": "RSA", "kid": "1", "n": n, "e": packed(numbers.e.to_bytes(3))}
            self.answer(handler, {"keys": [key]})
        else:
            asked = {key: value[0] for key, value in parse_qs(parts.query).items()}
            self.asked["code-7"] = asked
            back = urlencode({"code": "code-7", "state": asked["state"]})
            handler.send_response(302)
            handler.send_header("Location", f"{asked['redirect_uri']}?{back}")
            handler.end_headers()

    def post(self, handler, form):
        asked = self.asked[form["code"][0]]
        challenge = packed(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        assert challenge == asked["code_challenge"]
        self.secrets.append(form["client_secret"][0])
        self.answer(handler, {"access_token": "x", "id_token": self.token(asked)})

    def token(self, asked):
        now = int(time.time())
        header = {"alg": "none" if self.lie == "unsigned" else "RS256", "kid": "1"}
        claims = {
            "iss": self.issuer, "aud": asked["client_id"], "exp": now + 300, "iat": now,
            "nonce": asked["nonce"], "preferred_username": self.name, "roles": ["auditor"],
        }  # fmt: skip
        claims |= {
            "over": {"exp": now - 3600}, "for another": {"aud": "another"},
            "another try": {"nonce": "x"}, "of another": {"iss": "http://127.0.0.1:9"},
            "to come": {"iat": now + 3600},
        }.get(self.lie, {})  # fmt: skip
        text = ".".join(packed(json.dumps(one).encode()) for one in (header, claims))
        key = self.key
        if self.lie == "another key":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        signature = key.sign(text.encode(), padding.PKCS1v15(), SHA256())
        if self.lie == "altered":
            claims["preferred_username"] = "minh"
            text = f"{text.split('.')[0]}.{packed(json.dumps(claims).encode())}"
        return f"{text}.{packed(b'' if self.lie == 'unsigned' else signature)}"
