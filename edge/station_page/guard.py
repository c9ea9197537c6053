"""The guard in front of the page: who may see it, and where a form comes from."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import ClassVar
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Scope

from edge.station_page.people import PagePeople, PagePerson, Session
from edge.web.guard import HEADERS, RequestGuard, refuse

MOST_BODY_BYTES = 8 << 10
_OPEN_PATHS = ("/login", "/page/palette.css", "/page/page.css", "/page/icon.svg")


class PageAccess:
    """The access to one page. people: those who may log in; None: the page accepts no login.

    needs_login: other machines can reach the page, so it is shown after a login only.
    """

    def __init__(
        self, people: PagePeople | None, port: int, *, needs_login: bool, is_secure: bool
    ) -> None:
        self.people = people
        self.needs_login = needs_login
        self._is_secure = is_secure
        self._cookie = f"outfeed_page_{port}"  # browsers share cookies between ports

    def secret(self, cookies: str) -> str:
        """Return the secret of the session in a header of cookies; empty where there is none."""
        try:
            found = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return ""
        return "" if found is None else found.value

    def find(self, cookies: str) -> tuple[PagePerson, Session] | None:
        """Return the person who is logged in, with the session; else None."""
        secret = self.secret(cookies)
        return self.people.find(secret) if self.people is not None and secret else None

    def admit(self, response: Response, secret: str) -> None:
        """Give the browser that gets this response a session."""
        response.set_cookie(
            self._cookie, secret, httponly=True, samesite="strict", secure=self._is_secure
        )

    def forget(self, response: Response) -> None:
        """Remove the session from the browser that gets this response."""
        response.delete_cookie(self._cookie, httponly=True, samesite="strict")


class StationPageGuard(RequestGuard):
    """ASGI middleware that refuses a request before the page's code runs."""

    headers: ClassVar[Mapping[str, str]] = {
        **HEADERS,
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        # With "no-referrer" browsers send forms with the origin "null".
        "referrer-policy": "same-origin",
    }

    def __init__(self, app: ASGIApp, access: PageAccess, names: tuple[str, ...]) -> None:
        super().__init__(app, names, MOST_BODY_BYTES)
        self._access = access

    def refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        path = scope["path"]
        if scope["method"] == "POST" and not _is_own_form(headers):
            return refuse(403, "requests of other sites are refused")
        if not self._access.needs_login or path in _OPEN_PATHS:
            return None
        if self._access.find(headers.get("cookie", "")) is not None:
            return None
        if scope["method"] != "POST" and path != "/live":
            return RedirectResponse(f"/login?next={quote(path, safe='')}", 303)
        return refuse(401, "log in first")


def _is_own_form(headers: Mapping[str, str]) -> bool:
    """Return whether a form comes from this page, as far as the browser states it."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin", "")
    return not origin or origin.partition("://")[2].lower() == headers.get("host", "").lower()
