"""The pages of accounts, plants and lines."""

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
from central.access.audit import Change, audited
from central.access.caller import Caller, Grant
from central.access.passwords import MAX_CHARS
from central.access.permissions import Permission, Role
from central.access.places import (
    add_line,
    add_plant,
    assign_station,
    find_place,
    read_plants,
    read_unassigned,
    remove_line,
)
from central.web.access import require
from central.web.account_pages import actor_of
from central.web.context import WebContext
from edge.errors import UsageError

_SEE_OTHER = 303

ManagesAccounts = Annotated[Caller, require(Permission.MANAGE_ACCOUNTS)]
ManagesLines = Annotated[Caller, require(Permission.MANAGE_LINES)]
NameForm = Annotated[str, Form(max_length=200)]
ReasonForm = Annotated[str, Form(max_length=500)]


def make_admin_pages(context: WebContext) -> APIRouter:
    """Return the routes of accounts, plants and lines. They are no part of the API."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    def show_accounts(caller: Caller, fault: str = "", note: str = "") -> HTMLResponse:
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

    def show_lines(caller: Caller, fault: str = "") -> HTMLResponse:
        with context.database.read() as connection:
            return context.page(
                "lines.html",
                caller,
                422 if fault else 200,
                plants=read_plants(connection),
                unassigned=read_unassigned(connection),
                fault=fault,
            )

    def apply(
        caller: Caller,
        step: Callable[[Change], str],
        show: Callable[[Caller, str], HTMLResponse],
        address: str,
    ) -> Response:
        """Make a change. Show the page again with its fault, or with the note of the step."""
        try:
            with audited(context.database, actor_of(caller), context.now_us()) as change:
                note = step(change)
        except UsageError as error:
            return show(caller, str(error))
        return show_accounts(caller, note=note) if note else RedirectResponse(address, _SEE_OTHER)

    @router.get("/accounts")
    def accounts_page(caller: ManagesAccounts) -> Response:
        return show_accounts(caller)

    @router.post("/accounts")
    def create_account(
        caller: ManagesAccounts,
        name: NameForm = "",
        display: NameForm = "",
        password: Annotated[str, Form(max_length=4 * MAX_CHARS)] = "",
    ) -> Response:
        def step(change: Change) -> str:
            add_account(change, name, password=password, display=display)
            return ""

        return apply(caller, step, show_accounts, "/accounts")

    @router.post("/accounts/{name}/roles")
    def change_roles(
        name: str,
        caller: ManagesAccounts,
        role: Annotated[Role, Form()],
        give: Annotated[bool, Form()] = True,
        place: NameForm = "",
        reason: ReasonForm = "",
    ) -> Response:
        def step(change: Change) -> str:
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
                return "A second person must approve this request."
            set_grants(change, account.name, grants)
            return ""

        return apply(caller, step, show_accounts, "/accounts")

    @router.post("/accounts/{name}/state")
    def change_state(
        name: str,
        caller: ManagesAccounts,
        disabled: Annotated[bool, Form()],
        reason: ReasonForm = "",
    ) -> Response:
        def step(change: Change) -> str:
            account = get_account(change.connection, name)
            if account.is_admin:
                action = ADMIN_DISABLE if disabled else ADMIN_ENABLE
                REQUESTS.ask(change, caller, action.name, account.name, {}, reason)
                return "A second person must approve this request."
            set_disabled(change, account.name, disabled)
            return ""

        return apply(caller, step, show_accounts, "/accounts")

    @router.post("/accounts/{name}/password")
    def reset_password(
        name: str,
        caller: ManagesAccounts,
        password: Annotated[str, Form(max_length=4 * MAX_CHARS)] = "",
    ) -> Response:
        def step(change: Change) -> str:
            if get_account(change.connection, name).is_admin:
                raise UsageError(
                    "an admin changes the own password; a forgotten one is set by "
                    "`outfeed-central account password` on the machine"
                )
            set_password(change, name, password)
            return ""

        return apply(caller, step, show_accounts, "/accounts")

    @router.get("/lines")
    def lines_page(caller: ManagesLines) -> Response:
        return show_lines(caller)

    @router.post("/lines/plants")
    def create_plant(caller: ManagesLines, plant: NameForm = "") -> Response:
        def step(change: Change) -> str:
            add_plant(change, plant)
            return ""

        return apply(caller, step, show_lines, "/lines")

    @router.post("/lines")
    def create_line(caller: ManagesLines, plant: NameForm = "", line: NameForm = "") -> Response:
        def step(change: Change) -> str:
            add_line(change, plant, line)
            return ""

        return apply(caller, step, show_lines, "/lines")

    @router.post("/lines/remove")
    def delete_line(caller: ManagesLines, plant: NameForm = "", line: NameForm = "") -> Response:
        def step(change: Change) -> str:
            remove_line(change, plant, line)
            return ""

        return apply(caller, step, show_lines, "/lines")

    @router.post("/lines/stations")
    def assign(caller: ManagesLines, unit: NameForm = "", place: NameForm = "") -> Response:
        def step(change: Change) -> str:
            plant, _, line = place.partition("/")
            assign_station(change, unit, plant or None, line or None)
            return ""

        return apply(caller, step, show_lines, "/lines")

    return router
