"""The pages of the login: with a password, and at a provider of OpenID Connect."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from central.access.audit import Actor
from central.access.caller import Caller
from central.access.login import log_in, log_out
from central.access.openid import OpenIdError
from central.access.openid_login import begin_openid, finish_openid
from central.access.passwords import MAX_CHARS
from central.web.access import (
    client_of,
    find_caller,
    open_to_all,
    require_login,
    session_cookie,
    session_limits,
)
from central.web.context import WebContext

_SEE_OTHER = 303
_LOGIN_S = 600
_MAX_TARGET = 500

TargetForm = Annotated[str, Form(alias="next", max_length=_MAX_TARGET)]


def make_login(context: WebContext) -> APIRouter:
    """Return the routes of the login. They are no part of the API."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    web = context.web
    cookie = session_cookie(web)
    login_cookie = f"{cookie}-login"

    def show(target: str, fault: str = "", status: int = 200, wait_s: int = 0) -> HTMLResponse:
        page = context.page(
            "login.html",
            status=status,
            target=safe_target(target),
            fault=fault,
            openid=None if context.openid is None else context.openid.config.issuer,
        )
        if wait_s:
            page.headers["retry-after"] = str(wait_s)
        return page

    def enter(token: str, target: str) -> Response:
        response = RedirectResponse(safe_target(target), _SEE_OTHER)
        response.set_cookie(
            cookie,
            token,
            max_age=web.session_hours * 3600,
            path="/",
            secure=web.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    @router.get("/login", dependencies=[open_to_all()])
    def login_page(request: Request, next: str = "/") -> Response:
        if find_caller(request) is not None:
            return RedirectResponse(safe_target(next), _SEE_OTHER)
        return show(next)

    @router.post("/login", dependencies=[open_to_all()])
    def login(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=4 * MAX_CHARS)] = "",
        target: TargetForm = "/",
    ) -> Response:
        if web.accounts == "off":
            return RedirectResponse("/", _SEE_OTHER)
        result = log_in(
            context.database,
            name,
            password,
            client_of(request),
            now_us=context.now_us(),
            limits=session_limits(web),
            old_token=request.cookies.get(cookie, ""),
        )
        if result.token:
            return enter(result.token, target)
        if result.wait_us:
            wait_s = math.ceil(result.wait_us / 1e6)
            return show(target, f"Too many attempts. Try again in {wait_s} s.", 429, wait_s)
        return show(target, "Name or password is wrong.", 401)

    @router.post("/logout")
    def logout(request: Request, caller: Annotated[Caller, require_login()]) -> Response:
        token = request.cookies.get(cookie, "")
        if token and caller.account_id is not None:
            actor = Actor(caller.name, caller.via, caller.address)
            log_out(context.database, token, actor, context.now_us())
        response = RedirectResponse("/login", _SEE_OTHER)
        response.delete_cookie(cookie, path="/", secure=web.is_secure, httponly=True)
        response.headers["clear-site-data"] = '"cache", "storage"'
        return response

    @router.get("/login/openid", dependencies=[open_to_all()])
    def openid_begin(request: Request, next: str = "/") -> Response:
        if context.openid is None:
            return show(next, "No provider is configured.", 404)
        try:
            url, token = begin_openid(
                context.database, context.openid, safe_target(next), context.now_us()
            )
        except OpenIdError as error:
            return show(next, str(error), 503)
        response = RedirectResponse(url, _SEE_OTHER)
        response.set_cookie(
            login_cookie,
            token,
            max_age=_LOGIN_S,
            path="/",
            secure=web.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    @router.get("/login/openid/return", dependencies=[open_to_all()])
    def openid_return(request: Request) -> Response:
        if context.openid is None:
            return show("/", "No provider is configured.", 404)
        try:
            token, target = finish_openid(
                context.database,
                context.openid,
                request.cookies.get(login_cookie, ""),
                dict(request.query_params),
                client_of(request),
                now_us=context.now_us(),
                limits=session_limits(web),
                old_token=request.cookies.get(cookie, ""),
            )
        except OpenIdError as error:
            response: Response = show("/", str(error), 401)
        else:
            response = enter(token, target)
        response.delete_cookie(login_cookie, path="/", secure=web.is_secure, httponly=True)
        return response

    return router


def safe_target(target: str) -> str:
    """Return a path of this server; the wall for an address of anywhere else."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    is_plain = target.isprintable() and "\\" not in target and len(target) <= _MAX_TARGET
    return target if is_path and is_plain else "/"
