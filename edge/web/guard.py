"""The guard in front of a local page: host, size of a request, and the headers of each answer."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import ClassVar

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Mapping[str, str] = {
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


class RequestGuard:
    """ASGI middleware that refuses a request before the code of the page runs.

    A sub-class adds its own rules in ``refusal``.
    """

    headers: ClassVar[Mapping[str, str]] = HEADERS

    def __init__(self, app: ASGIApp, names: Iterable[str], most_bytes: int) -> None:
        """names: further hosts by which a browser may open the page. most_bytes: of a body."""
        self._app = app
        self._names = tuple(names)
        self._most_bytes = most_bytes

    def refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        """Return the answer to a request that is refused; None: it is not.

        headers: of the request, with names in lower case.
        """
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {key for key, _ in message["headers"]}
                own = [(key.encode(), value.encode()) for key, value in self.headers.items()]
                # An answer may state itself how long a browser may keep it.
                added = [
                    each for each in own if each[0] != b"cache-control" or each[0] not in given
                ]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refused(scope, receive, with_headers)
            return
        body = await _body(receive, self._most_bytes)
        if body is None:
            await refuse(413, "the request is too large")(scope, receive, with_headers)
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
            await refuse(503, "the command has ended")(scope, receive, with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        if not is_own_host(headers.get("host", ""), self._names):
            return refuse(421, "this name is not one of this machine; use the printed address")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return refuse(405, "expected GET or POST")
        refused = self.refusal(scope, headers)
        if refused is not None:
            return refused
        if scope["method"] == "POST" and _declared_bytes(headers) > self._most_bytes:
            return refuse(413, "the request is too large")
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


def refuse(status: int, line: str) -> Response:
    """Return a refusal with one line for the person."""
    if status == 421:
        return PlainTextResponse(line + "\n", status)
    return JSONResponse({"error": line}, status)
