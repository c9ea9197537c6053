"""The web application of the page: routes, forms, and errors as one line."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, quote

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from edge.errors import OutfeedError
from edge.station_page import form_view, part_view
from edge.station_page.figures import ShownPart
from edge.station_page.guard import PageAccess, StationPageGuard
from edge.station_page.html import document, moment, words
from edge.station_page.people import Person, Session
from edge.station_page.service import MarkRefusedError, PageService
from edge.validation_messages import one_line
from edge.web.files import PageFiles

_log = logging.getLogger(__name__)

_FILES = PageFiles("edge.station_page")
_THREADS = 4
_MOST_FIELDS = 20
_KEEP_PICTURE_S = 3600
_MOST_DIGITS = 19

Who = tuple[Person, Session] | None


class StationPageApp:
    """The routes of one page.

    Synchronization: requests that read files run in at most four threads of the framework.
    turned_s: the time of the last turn of the event loop, by the monotonic clock.
    """

    def __init__(
        self, service: PageService, access: PageAccess, names: tuple[str, ...] = ()
    ) -> None:
        """names: further hosts by which a browser may open the page."""
        self.turned_s = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service = service
        self._access = access
        self.asgi = Starlette(
            routes=[
                Route("/", self._line),
                Route("/live", self._live),
                Route("/parts", self._parts),
                Route("/parts/{number:int}", self._part),
                Route("/pictures/{name}", self._picture),
                Route("/login", self._login, methods=["GET", "POST"]),
                Route("/logout", self._logout, methods=["POST"]),
                Route("/mark", self._mark, methods=["GET", "POST"]),
                _FILES.route(),
            ],
            middleware=[Middleware(StationPageGuard, access=access, names=names)],
            exception_handlers={OutfeedError: _failed},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        turning = asyncio.create_task(self._turn())
        try:
            yield
        finally:
            turning.cancel()

    def in_loop(self, function: Callable[[], None]) -> None:
        """Have the event loop call a function, so that no connection begins meanwhile. Returns at
        once. Any thread may call."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(function)

    async def _turn(self) -> None:
        while True:
            self.turned_s = time.monotonic()
            await asyncio.sleep(0.5)

    def _line(self, request: Request) -> Response:
        live = self._service.live()
        body = (
            f'<h1 class="hidden">Station {words(self._service.station)}</h1>'
            f'<div id="live" data-tag="{live.tag}">\n{live.text}\n</div>'
        )
        return self._page(request, "Line", body, is_live=True)

    def _live(self, request: Request) -> Response:
        live = self._service.live()
        headers = {"etag": f'"{live.tag}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(live.text, headers=headers)

    def _parts(self, request: Request) -> Response:
        now_s = self._service.now_s()
        rows = "".join(_row(each, now_s) for each in self._service.parts())
        rows = rows or '<tr><td colspan="5">no part was read yet</td></tr>'
        body = (
            "<h1>Last parts</h1>"
            '<div class="scroll card" tabindex="0"><table><thead><tr><th scope="col">part</th>'
            '<th scope="col">time</th><th scope="col">decision</th><th scope="col">defect</th>'
            f'<th scope="col">ejector</th></tr></thead><tbody>{rows}</tbody></table></div>'
        )
        if self._service.can_mark:
            body += '<p><a href="/mark">Mark a part by its number</a></p>'
        return self._page(request, "Parts", body)

    def _part(self, request: Request) -> Response:
        number = request.path_params["number"]
        view = self._service.part(number)
        body = (
            f'<section class="card"><h1>Part {number}</h1>'
            "<p>It is not one of the last parts of the station.</p></section>"
        )
        if view is not None:
            body = part_view.full(view, self._service.now_s())
        if "marked" in request.query_params:
            body = '<p class="alert" role="status">The mark is saved.</p>' + body
        who = self._who(request)
        if self._may_mark(who) and number <= (1 << 63) - 1:
            assert who is not None
            body += form_view.mark_form(who[1].token, number)
        return self._page(request, f"Part {number}", body, status=404 if view is None else 200)

    def _picture(self, request: Request) -> Response:
        data = self._service.pictures.jpeg(request.path_params["name"])
        if data is None:
            return JSONResponse({"error": "no such picture"}, 404)
        keep = {"cache-control": f"private, max-age={_KEEP_PICTURE_S}"}
        return Response(data, media_type="image/jpeg", headers=keep)

    async def _login(self, request: Request) -> Response:
        people = self._access.people
        if people is None:
            return self._page(
                request, "Log in", '<h1>Log in</h1><p class="card">page.people is not set.</p>'
            )
        if request.method == "GET":
            target = _own_path(request.query_params.get("next", "/"))
            return self._page(request, "Log in", form_view.login_form(target))
        fields = await _fields(request)
        target = _own_path(fields.get("next", "/"))
        secret = await run_in_threadpool(
            people.log_in, fields.get("name", "").strip(), fields.get("password", "")
        )
        if secret is None:
            fault = "Name or password is wrong. After ten wrong ones, wait for a minute."
            return self._page(request, "Log in", form_view.login_form(target, fault), status=403)
        response = RedirectResponse(target, 303)
        self._access.admit(response, secret)
        return response

    async def _logout(self, request: Request) -> Response:
        who, fields = self._who(request), await _fields(request)
        if who is None or not _is_token(who, fields):
            return JSONResponse({"error": "the form is of another session"}, 403)
        if self._access.people is not None:
            self._access.people.log_out(self._access.secret(request.headers.get("cookie", "")))
        response = RedirectResponse("/", 303)
        self._access.forget(response)
        return response

    async def _mark(self, request: Request) -> Response:
        who = self._who(request)
        if who is None and self._service.can_mark and request.method == "GET":
            return RedirectResponse("/login?next=%2Fmark", 303)
        if who is None or not self._may_mark(who):
            return JSONResponse({"error": "this person may not mark parts here"}, 403)
        token = who[1].token
        if request.method == "GET":
            return self._page(request, "Mark", form_view.mark_form(token, None))
        fields = await _fields(request)
        if not _is_token(who, fields):
            return JSONResponse({"error": "the form is of another session"}, 403)
        part, kind, note = (fields.get(each, "").strip() for each in ("part", "kind", "note"))
        try:
            number = await run_in_threadpool(self._service.mark, who[0].name, part, kind, note)
        except MarkRefusedError as error:
            body = form_view.mark_form(token, None, str(error))
            return self._page(request, "Mark", body, status=422)
        _log.warning("page_mark part=%s kind=%s person=%r", number, kind, who[0].name)
        return RedirectResponse(f"/parts/{number}?marked", 303)

    def _who(self, request: Request) -> Who:
        return self._access.find(request.headers.get("cookie", ""))

    def _may_mark(self, who: Who) -> bool:
        return who is not None and who[0].may == "mark" and self._service.can_mark

    def _page(
        self, request: Request, name: str, body: str, *, is_live: bool = False, status: int = 200
    ) -> Response:
        station = self._service.station
        return HTMLResponse(
            document(
                f"{name} · {station}",
                body,
                header=self._header(request, self._who(request)),
                is_live=is_live,
            ),
            status,
        )

    def _header(self, request: Request, who: Who) -> str:
        links = "".join(
            f'<a href="{path}"{_current(request, path)}>{name}</a>'
            for path, name in (("/", "Line"), ("/parts", "Parts"))
        )
        account = ""
        if who is not None:
            account = (
                f'<form method="post" action="/logout" class="account"><span>{words(who[0].name)}'
                f'</span><input type="hidden" name="token" value="{words(who[1].token)}">'
                "<button>Log out</button></form>"
            )
        elif self._access.people is not None and request.url.path != "/login":
            target = quote(request.url.path, safe="")
            account = f'<a class="account" href="/login?next={target}">Log in</a>'
        return (
            f'<strong class="station">{words(self._service.station)}</strong>'
            f'<nav aria-label="pages">{links}</nav><span id="link" role="status" hidden></span>'
            f"{account}"
        )


def _row(part: ShownPart, now_s: float) -> str:
    event = part.event
    kind = event.defects[0].kind if event.defects else "–"
    return (
        f'<tr><td><a href="/parts/{event.part_id}">{event.part_id}</a></td>'
        f"<td>{moment(event.utc, now_s)}</td>"
        f'<td class="decision {event.decision.value}">{event.decision.value}</td>'
        f"<td>{words(kind)}</td><td>{words(part_view.ejector_words(part.action))}</td></tr>"
    )


def _current(request: Request, path: str) -> str:
    return ' aria-current="page"' if request.url.path == path else ""


def _own_path(text: str) -> str:
    """Return a path of this page to go to; / for any other address."""
    is_own = text.startswith("/") and not text.startswith("//") and text.isascii()
    return text if is_own and text.isprintable() and "\\" not in text else "/"


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form. The guard limits its size. Raises MarkRefusedError."""
    try:
        text = (await request.body()).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as error:  # not UTF-8, or too many fields
        raise MarkRefusedError("expected the form of this page") from error


def _is_token(who: tuple[Person, Session], fields: dict[str, str]) -> bool:
    return hmac.compare_digest(fields.get("token", "").encode(), who[1].token.encode())


async def _failed(_: Request, error: Exception) -> Response:
    _log.warning("page_failed reason=%s", error)
    return JSONResponse({"error": one_line(error)}, 422)
