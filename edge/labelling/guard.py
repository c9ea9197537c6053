"""The guard in front of the page: host, code, token, size of a request, and the headers."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.labelling.requests import MOST_BODY_BYTES
from edge.labelling.tls import PageCertificate

TOKEN_HEADER = "x-outfeed-token"
_OPEN_PATHS = ("/", "/login", "/page/style.css", "/page/login.js")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters that look alike
_CODE_CHARS = 20  # 98 bits
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


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


class PageGuard:
    """ASGI middleware that refuses a request before the page's code runs."""

    def __init__(self, app: ASGIApp, access: Access, most_bytes: int = MOST_BODY_BYTES) -> None:
        self._app = app
        self._access = access
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        body = await _body(receive, self._most_bytes)
        if body is None:
            await _refuse(413, "the request is too large")(scope, receive, with_headers)
            return
        sent = False

        async def whole() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._app(scope, whole, with_headers)
        except asyncio.CancelledError:
            # The command ends, and a request has taken longer than the server waits.
            await _refuse(503, "the command has ended")(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        method, path = scope["method"], scope["path"]
        if not is_own_host(headers.get("host", ""), self._access.names):
            return _refuse(421, "this name is not one of this machine; use the printed address")
        if method not in ("GET", "HEAD", "POST"):
            return _refuse(405, "expected GET or POST")
        if path not in _OPEN_PATHS and not self._access.is_admitted(headers.get("cookie", "")):
            return _refuse(403, "the code is missing: open the address that the command printed")
        if method == "POST" and path != "/login":
            token = headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(token.encode(), self._access.token.encode()):
                return _refuse(403, "the token of the page is missing or of an earlier start")
        if method == "POST" and _declared_bytes(headers) > self._most_bytes:
            return _refuse(413, "the request is too large")
        return None


def is_own_host(host: str, names: Iterable[str] = ()) -> bool:
    """Return whether a Host header is an address, localhost or a name of this machine.

    Against DNS rebinding: a page of another site reaches this server only under its own name.
    names: of the certificate, for which a browser has verified this server.
    """
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    name = name.strip("[]").lower().rstrip(".")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        own = socket.gethostname().lower()
        return name in ("localhost", own, f"{own.partition('.')[0]}.local", *names)
    return True


def _declared_bytes(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _body(receive: Receive, most_bytes: int) -> bytes | None:
    """Return the body of a request; None where it is longer than allowed."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most_bytes:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


def _refuse(status: int, line: str) -> Response:
    if status == 421:
        return PlainTextResponse(line + "\n", status)
    return JSONResponse({"error": line}, status)
