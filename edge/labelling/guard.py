"""The guard in front of the label page: code and token."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from edge.labelling.requests import MOST_BODY_BYTES
from edge.web.certificate import PageCertificate
from edge.web.guard import RequestGuard, refuse

TOKEN_HEADER = "x-outfeed-token"
_OPEN_PATHS = ("/", "/login", "/page/palette.css", "/page/style.css", "/page/login.js")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters that look alike
_CODE_CHARS = 20  # 98 bits


class Access:
    """The secrets of one run of the command. code: in the printed address. token: in the page, and
    in a header of each change, which a page of another site cannot send. names: further hosts by
    which a browser may open the page, lower case."""

    def __init__(self, port: int, certificate: PageCertificate | None = None) -> None:
        """certificate: of a page with TLS. Its names are permitted, and the cookie is sent by TLS
        only."""
        self.names = () if certificate is None else certificate.names
        self._is_secure = certificate is not None
        self.code = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_CHARS))
        self.token = secrets.token_urlsafe(24)
        self._cookie = secrets.token_urlsafe(24)
        self._name = f"outfeed_label_{port}"  # browsers share cookies between ports

    def knows(self, code: str) -> bool:
        """Return whether this is the printed code."""
        return hmac.compare_digest(code.encode(), self.code.encode())

    def admit(self, response: Response) -> None:
        """Let the browser that gets this response in."""
        response.set_cookie(
            self._name,
            self._cookie,
            httponly=True,
            samesite="strict",
            path="/",
            secure=self._is_secure,
        )

    def is_admitted(self, cookies: str) -> bool:
        """Return whether the header of cookies is of an admitted browser."""
        try:
            found = SimpleCookie(cookies).get(self._name)
        except CookieError:
            return False
        return found is not None and hmac.compare_digest(
            found.value.encode(), self._cookie.encode()
        )


class PageGuard(RequestGuard):
    """ASGI middleware that refuses a request before the page's code runs."""

    def __init__(self, app: ASGIApp, access: Access, most_bytes: int = MOST_BODY_BYTES) -> None:
        super().__init__(app, access.names, most_bytes)
        self._access = access

    def refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        method, path = scope["method"], scope["path"]
        if path not in _OPEN_PATHS and not self._access.is_admitted(headers.get("cookie", "")):
            return refuse(403, "the code is missing: open the address that the command printed")
        if method == "POST" and path != "/login":
            token = headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(token.encode(), self._access.token.encode()):
                return refuse(403, "the token of the page is missing or of an earlier start")
        return None
