"""The page of accounts and their roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from central.access.accounts import (
    add_account,
    describe_grant,
    get_account,
    read_accounts,
    set_disabled,
    set_grants,
    set_password,
)
from central.access.actions import (
    ADMIN_DISABLE,
    ADMIN_ENABLE,
    ADMIN_ROLES,
    REQUESTS,
    grants_as_json,
)
from central.access.audit import AuditedChange, audited
from central.access.caller import Caller, Grant
from central.access.passwords import MAX_CHARS
from central.access.permissions import Permission, Role
from central.access.places import find_place, read_plants
from central.web.access import Context, require
from central.web.account_pages import actor_of
from central.web.context import WebContext
from edge.errors import UsageError

_SEE_OTHER = 303
_SECOND = "A second person must approve this request."

ManagesAccounts = Annotated[Caller, require(Permission.MANAGE_ACCOUNTS)]
NameForm = Annotated[str, Form(max_length=200)]
ReasonForm = Annotated[str, Form(max_length=500)]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _show_accounts(
    context: WebContext, caller: Caller, fault: str = "", note: str = ""
) -> HTMLResponse:
    with context.database.read() as connection:
        accounts = read_accounts(connection)
        roles = {
            each.name: [describe_grant(connection, grant) for grant in each.grants]
            for each in accounts
        }
        return context.page(
            "accounts.html",
            caller,
            422 if fault else 200,
            accounts=accounts,
            roles=roles,
            plants=read_plants(connection),
            every_role=list(Role),
            fault=fault,
            note=note,
        )


@router.get("/accounts")
def accounts_page(context: Context, caller: ManagesAccounts) -> Response:
    """Return the page of all accounts."""
    return _show_accounts(context, caller)


@router.post("/accounts")
def create_account(
    context: Context,
    caller: ManagesAccounts,
    name: NameForm = "",
    display: NameForm = "",
    password: Annotated[str, Form(max_length=4 * MAX_CHARS)] = "",
) -> Response:
    """Create an account without roles."""

    def step(change: AuditedChange) -> str:
        add_account(change, name, password=password, display=display)
        return ""

    return _apply(context, caller, step)


@router.post("/accounts/{name}/roles")
def change_roles(
    name: str,
    context: Context,
    caller: ManagesAccounts,
    role: Annotated[Role, Form()],
    give: Annotated[bool, Form()] = True,
    place: NameForm = "",
    reason: ReasonForm = "",
) -> Response:
    """Give or take away a role. For an admin, ask a second person."""

    def step(change: AuditedChange) -> str:
        account = get_account(change.connection, name)
        if account.issuer:
            raise UsageError(f"the roles of {name!r} come from its groups at {account.issuer}")
        plant, _, line = place.partition("/")
        found = find_place(change.connection, plant, line or None) if plant else None
        grant = (
            Grant(role)
            if found is None
            else Grant(role, None if found.line_id else found.plant_id, found.line_id)
        )
        others = tuple(each for each in account.grants if each != grant)
        grants = (*others, grant) if give else others
        if account.is_admin or role is Role.ADMIN:
            detail = {"roles": grants_as_json(grants)}
            REQUESTS.ask(change, caller, ADMIN_ROLES.name, account.name, detail, reason)
            return _SECOND
        set_grants(change, account.name, grants)
        return ""

    return _apply(context, caller, step)


@router.post("/accounts/{name}/state")
def change_state(
    name: str,
    context: Context,
    caller: ManagesAccounts,
    disabled: Annotated[bool, Form()],
    reason: ReasonForm = "",
) -> Response:
    """Disable or enable an account. For an admin, ask a second person."""

    def step(change: AuditedChange) -> str:
        account = get_account(change.connection, name)
        if account.is_admin:
            action = ADMIN_DISABLE if disabled else ADMIN_ENABLE
            REQUESTS.ask(change, caller, action.name, account.name, {}, reason)
            return _SECOND
        set_disabled(change, account.name, disabled)
        return ""

    return _apply(context, caller, step)


@router.post("/accounts/{name}/password")
def reset_password(
    name: str,
    context: Context,
    caller: ManagesAccounts,
    password: Annotated[str, Form(max_length=4 * MAX_CHARS)] = "",
) -> Response:
    """Set the password of an account that is no admin."""

    def step(change: AuditedChange) -> str:
        if get_account(change.connection, name).is_admin:
            raise UsageError(
                "an admin changes the own password; a forgotten one is set by "
                "`outfeed-central account password` on the machine"
            )
        set_password(change, name, password)
        return ""

    return _apply(context, caller, step)


def _apply(context: WebContext, caller: Caller, step: Callable[[AuditedChange], str]) -> Response:
    """Make a change. Show the page again with its fault, or with the note of the step."""
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as change:
            note = step(change)
    except UsageError as error:
        return _show_accounts(context, caller, str(error))
    if note:
        return _show_accounts(context, caller, note=note)
    return RedirectResponse("/accounts", _SEE_OTHER)
