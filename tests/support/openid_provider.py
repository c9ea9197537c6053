"""A provider of OpenID Connect in the test's process, as a transport of httpx2.

It signs real tokens, checks the client's secret, the code and PKCE. It does not simulate: the pages
on which a person logs in, TLS, sessions of the provider, refresh tokens and logout. The answers to
the client can be falsified. ``openid_provider.mjs`` starts a real provider.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

ISSUER = "https://login.plant.example"
CLIENT = "outfeed"
SECRET = "a secret of the test client, long enough"


class ImaginedProvider:
    """One person, one client. Each attribute may be changed by a test."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "1", "use": "sig"})
        self.issuer = ISSUER
        self.person: dict[str, Any] = {
            "sub": "u-1",
            "preferred_username": "Anna",
            "name": "Anna Adler",
            "groups": ["quality-ulm", "other"],
        }
        self.falsify: Callable[[dict[str, Any]], None] = lambda claims: None
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "1"}
        self.signing_key: Any = None
        self.info_subject: str | None = None
        self.is_down = False
        self.requests: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def authorise(self, url: str) -> dict[str, str]:
        """Do what a person does there, and return the query of the way back."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["client_id"] == CLIENT
        code = f"code-{len(self._codes)}"
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": ISSUER}

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.requests.append(path)
        if self.is_down:
            raise httpx2.ConnectError("refused", request=request)
        if path == "/.well-known/openid-configuration":
            return httpx2.Response(200, json=self._metadata())
        if path == "/jwks":
            return httpx2.Response(200, json=KeySet([self.key]).as_dict(private=False))
        if path == "/token":
            return self._token(request)
        if path == "/me":
            subject = self.info_subject or self.person["sub"]
            return httpx2.Response(200, json={**self.person, "sub": subject})
        return httpx2.Response(404)

    def _metadata(self) -> dict[str, Any]:
        names = {
            "authorization_endpoint": "/auth",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
            "userinfo_endpoint": "/me",
        }
        return {"issuer": self.issuer, **{key: ISSUER + path for key, path in names.items()}}

    def _token(self, request: httpx2.Request) -> httpx2.Response:
        form = {key: values[0] for key, values in parse_qs(request.content.decode()).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        query = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            request.headers.get("authorization") != f"Basic {basic}"
            or query is None
            or query["code_challenge"] != challenge
            or query["redirect_uri"] != form["redirect_uri"]
        ):
            return httpx2.Response(400, json={"error": "invalid_grant"})
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": self.person["sub"],
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": query["nonce"],
        }
        self.falsify(claims)
        token = self._sign(claims)
        return httpx2.Response(
            200, json={"access_token": "opaque", "token_type": "Bearer", "id_token": token}
        )

    def _sign(self, claims: dict[str, Any]) -> str:
        if self.header["alg"] == "none":
            parts = [
                base64.urlsafe_b64encode(each).rstrip(b"=").decode()
                for each in (
                    b'{"alg":"none"}',
                    str(claims).replace("'", '"').encode(),
                )
            ]
            return ".".join([*parts, ""])
        if self.header["alg"] == "HS256":
            return jwt.encode(self.header, claims, OctKey.import_key(SECRET), algorithms=["HS256"])
        return jwt.encode(self.header, claims, self.signing_key or self.key)
