"""The part of the JSON API about accounts, plants and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from central.access.accounts import Account, read_accounts
from central.access.audit import AuditEntry, read_entries
from central.access.caller import Caller, Grant
from central.access.permissions import Permission
from central.access.places import Plant, read_plants
from central.web.access import require, require_login
from central.web.context import WebContext

_MAX = (1 << 63) - 1


def make_access_api(context: WebContext) -> APIRouter:
    """Return the routes of accounts, plants and the audit log below /api."""
    router = APIRouter(prefix="/api")

    @router.get("/account", tags=["accounts"])
    def own_account(caller: Annotated[Caller, require_login()]) -> dict[str, object]:
        """Return the name of the caller, its permissions and its roles.

        A permission may hold for some stations only.
        """
        return {
            "name": caller.name,
            "permissions": [each.value for each in Permission if caller.may(each)],
            "roles": [_grant(each) for each in caller.grants],
        }

    @router.get("/accounts", tags=["accounts"], dependencies=[require(Permission.MANAGE_ACCOUNTS)])
    def accounts() -> tuple[Account, ...]:
        """Return all accounts with their roles."""
        with context.database.read() as connection:
            return read_accounts(connection)

    @router.get("/plants", tags=["plants"], dependencies=[require(Permission.MANAGE_LINES)])
    def plants() -> tuple[Plant, ...]:
        """Return all plants with their lines and stations."""
        with context.database.read() as connection:
            return read_plants(connection)

    @router.get("/audit", tags=["audit"], dependencies=[require(Permission.SEE_AUDIT)])
    def audit(
        before: Annotated[
            int | None, Query(ge=1, le=_MAX, description="only rows with a smaller number")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="the largest number of rows")] = 100,
    ) -> tuple[AuditEntry, ...]:
        """Return the latest rows of the audit log, newest first."""
        with context.database.read() as connection:
            return read_entries(connection, before=before, limit=limit)

    return router


def _grant(grant: Grant) -> dict[str, object]:
    return {"role": grant.role.value, "plant_id": grant.plant_id, "line_id": grant.line_id}
