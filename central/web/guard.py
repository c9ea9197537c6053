"""The guard in front of all pages: the Host header, and the headers of every response."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class HostGuard:
    """ASGI middleware that answers only requests for this machine's own names.

    The pages have no accounts and listen on the loopback interface. A page of another site, whose
    name resolves to 127.0.0.1, must not read them (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        if not _is_own(_host(scope)):
            refusal = PlainTextResponse("this address is not of this machine\n", 421)
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _host(scope: Scope) -> str:
    for key, value in scope["headers"]:
        if key == b"host":
            return bytes(value).decode("latin-1")
    return ""


def _is_own(host: str) -> bool:
    name, _, port = host.rpartition(":")
    if not port.isdigit() or not name:
        name = host
    return name.lower() in _HOSTS
