"""The page of the own account: password, sessions and API tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from starlette.responses import Response

from central.access.accounts import end_sessions, get_account, set_password
from central.access.audit import Actor, audited
from central.access.caller import Caller
from central.access.passwords import MAX_CHARS, verify_password
from central.access.sessions import read_sessions
from central.access.throttle import begin_attempt, end_attempt
from central.access.tokens import MAX_DAYS, add_token, read_tokens, remove_token
from central.store.access_tables import users
from central.web.access import Context, require_login, session_cookie
from central.web.context import RowNumber, WebContext
from edge.errors import UsageError

_SEE_OTHER = 303

LoggedIn = Annotated[Caller, require_login()]
PasswordForm = Annotated[str, Form(max_length=4 * MAX_CHARS)]


def actor_of(caller: Caller) -> Actor:
    """Return the caller as the audit log names it."""
    return Actor(caller.name, caller.via, caller.address)


router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _show(
    context: WebContext,
    request: Request,
    caller: Caller,
    fault: str = "",
    token: str = "",
    status: int = 200,
) -> HTMLResponse:
    with context.database.read() as connection:
        account = get_account(connection, caller.name)
        return context.page(
            "account.html",
            caller,
            status,
            account=account,
            sessions=read_sessions(
                connection, account.account_id, request.cookies.get(session_cookie(context.web), "")
            ),
            tokens=read_tokens(connection, account.account_id),
            fault=fault,
            token=token,
        )


@router.get("/account")
def account_page(context: Context, request: Request, caller: LoggedIn) -> Response:
    """Return the page of the own account."""
    _check_own(caller)
    return _show(context, request, caller)


@router.post("/account/password")
def change_password(
    context: Context,
    request: Request,
    caller: LoggedIn,
    old: PasswordForm = "",
    new: PasswordForm = "",
) -> Response:
    """Change the own password. All sessions end."""
    _check_own(caller)
    now_us = context.now_us()
    with context.database.write() as connection:
        wait_us = begin_attempt(connection, caller.name, caller.address, now_us)
        stored = connection.execute(
            select(users.c.password).where(users.c.id == caller.account_id)
        ).scalar_one()
    if wait_us:
        return _show(context, request, caller, "Too many attempts. Try again later.", status=429)
    if not verify_password(old, stored):
        return _show(context, request, caller, "The present password is wrong.", status=422)
    try:
        with audited(context.database, actor_of(caller), now_us) as change:
            end_attempt(change.connection, caller.name, caller.address)
            set_password(change, caller.name, new)
    except UsageError as error:
        return _show(context, request, caller, str(error), status=422)
    return RedirectResponse("/login", _SEE_OTHER)


@router.post("/account/sessions/end")
def log_out_everywhere(context: Context, caller: LoggedIn) -> Response:
    """End all own sessions."""
    _check_own(caller)
    assert caller.account_id is not None
    with audited(context.database, actor_of(caller), context.now_us()) as change:
        end_sessions(change.connection, caller.account_id)
        change.record("logout.everywhere", caller.name)
    return RedirectResponse("/login", _SEE_OTHER)


@router.post("/account/tokens")
def create_token(
    context: Context,
    request: Request,
    caller: LoggedIn,
    label: Annotated[str, Form(max_length=200)] = "",
    days: Annotated[int, Form(ge=1, le=MAX_DAYS)] = 90,
) -> Response:
    """Create an API token, and show it once."""
    _check_own(caller)
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as change:
            token = add_token(change, caller.name, label, days)
    except UsageError as error:
        return _show(context, request, caller, str(error), status=422)
    return _show(context, request, caller, token=token)


@router.post("/account/tokens/{token_id}/remove")
def delete_token(
    context: Context, request: Request, caller: LoggedIn, token_id: RowNumber
) -> Response:
    """Remove an own API token."""
    _check_own(caller)
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as change:
            remove_token(change, caller.name, token_id)
    except UsageError as error:
        return _show(context, request, caller, str(error), status=404)
    return RedirectResponse("/account", _SEE_OTHER)


def _check_own(caller: Caller) -> None:
    """Check that a person with a session asks. Raises HTTPException 403.

    An API token cannot make further tokens, or change the password.
    """
    if caller.account_id is None:
        raise HTTPException(403, 'there are no accounts: web.accounts is "off"')
    if caller.via == "token":
        raise HTTPException(403, "an API token cannot use the page of the account")
