"""The guard in front of all pages: the proxy, the Host header, other sites, and headers."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.config.web import WebConfig

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With "no-referrer" browsers send forms with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
# One year. Subdomains are not of this server.
_STRICT_TRANSPORT = ("strict-transport-security", "max-age=31536000")
_CACHE = b"cache-control"
_SAFE = ("GET", "HEAD", "OPTIONS")


class HostGuard:
    """ASGI middleware that refuses requests which are not meant for these pages.

    A request must name this server in its Host header, because the name of another site may
    resolve to this address (DNS rebinding). A request that changes something must not come from a
    page of another site. Behind a proxy, a request must come from the proxy.
    """

    def __init__(self, app: ASGIApp, web: WebConfig) -> None:
        self._app = app
        self._names = web.names
        self._proxies = frozenset(web.proxies) if web.behind_proxy else None
        own = dict(HEADERS)
        if web.is_secure:
            own.update([_STRICT_TRANSPORT])
        self._headers = [(key.encode(), value.encode()) for key, value in own.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                # A route of pictures states itself how long the browser of a person may keep them.
                is_kept = any(key == _CACHE and b"private" in value for key, value in given)
                added = [each for each in self._headers if not (is_kept and each[0] == _CACHE)]
                message = {**message, "headers": [*given, *added]}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if self._proxies is not None and (scope.get("client") or [""])[0] not in self._proxies:
            return PlainTextResponse("use the address of the proxy\n", 403)
        host = headers.get("host", "")
        if _name_of(host) not in self._names:
            return PlainTextResponse("this address is not of this server\n", 421)
        if scope["method"] not in _SAFE and not _is_same_site(headers, host):
            return PlainTextResponse("requests of other sites are refused\n", 403)
        return None


def _is_same_site(headers: Headers, host: str) -> bool:
    """Return whether a browser states that the request comes from a page of this server.

    A program states nothing. It has no cookie of a person either.
    """
    site = headers.get("sec-fetch-site", "")
    if site and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin", "")
    return not origin or origin.partition("://")[2].lower() == host.lower()


def _name_of(host: str) -> str:
    name, _, port = host.rpartition(":")
    if not port.isdigit() or not name:
        name = host
    return name.strip("[]").lower()
