"""The dangerous actions: changes of admins, the deletion of data, and the end of a copied card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, select

from central.access.accounts import count_admins, set_disabled, set_grants
from central.access.audit import AuditedChange
from central.access.caller import Grant
from central.access.permissions import Permission, Role
from central.access.requests import DangerousAction, Requests
from central.store import tables
from central.store.command_tables import command_answers
from central.store.copies import forget_copies
from central.store.rollout_tables import system_reports, update_reports
from edge.errors import UsageError

_DATA = (
    tables.events,
    tables.parts,
    tables.defects,
    tables.actuations,
    tables.marks,
    tables.gaps,
    tables.starts,
    tables.drifts,
    tables.self_tests,
    command_answers,
    update_reports,
    system_reports,
)


def grants_as_json(grants: tuple[Grant, ...]) -> list[dict[str, object]]:
    """Return roles for the detail of a request."""
    return [
        {"role": each.role.value, "plant": each.plant_id, "line": each.line_id} for each in grants
    ]


def _change_roles(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    grants = tuple(
        Grant(Role(each["role"]), each["plant"], each["line"]) for each in detail["roles"]
    )
    set_grants(change, subject, grants)
    _check_admins(change)


def _disable(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    set_disabled(change, subject, True)
    _check_admins(change)


def _enable(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    set_disabled(change, subject, False)


def _check_admins(change: AuditedChange) -> None:
    if not count_admins(change.connection):
        raise UsageError("the last admin keeps the role; give it to another account first")


def _delete_data(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    """Delete the rows of a station that were received before a time, in one transaction.

    Figures per minute stay. The station does not send the events again, because the coverage of
    its journals stays too.
    """
    number = change.connection.execute(
        select(tables.stations.c.id).where(tables.stations.c.name == subject)
    ).scalar()
    if number is None:
        raise UsageError(f"there is no station {subject[:80]!r}")
    counts = {}
    for table in _DATA:
        done = change.connection.execute(
            delete(table).where(
                table.c.station_id == number, table.c.received_us < int(detail["before_us"])
            )
        )
        counts[table.name] = done.rowcount
    change.record("data.deleted", subject, {"before_us": detail["before_us"], "rows": counts})


def _forget_copies(change: AuditedChange, subject: str, detail: Mapping[str, Any]) -> None:
    """Treat the journals of a station as not copied any more. Stored events stay."""
    for each in forget_copies(change.connection, subject, change.now_us):
        change.record("copy.forgotten", subject, asdict(each))


ADMIN_ROLES = DangerousAction(
    "account.roles",
    "give the role admin, or change the roles of an admin",
    Permission.MANAGE_ACCOUNTS,
    _change_roles,
)
ADMIN_DISABLE = DangerousAction(
    "account.disable", "disable an admin", Permission.MANAGE_ACCOUNTS, _disable
)
ADMIN_ENABLE = DangerousAction(
    "account.enable", "enable an admin", Permission.MANAGE_ACCOUNTS, _enable
)
DELETE_DATA = DangerousAction(
    "data.delete",
    "delete events, parts and reports of a station before the end of their retention",
    Permission.DELETE_DATA,
    _delete_data,
)

FORGET_COPIES = DangerousAction(
    "copy.forget",
    "treat the journals of a station as not copied, after its copied card was replaced",
    Permission.DELETE_DATA,
    _forget_copies,
)

ACTIONS = (ADMIN_ROLES, ADMIN_DISABLE, ADMIN_ENABLE, DELETE_DATA, FORGET_COPIES)
REQUESTS = Requests(ACTIONS)
