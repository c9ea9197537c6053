"""Requests for dangerous actions, which a second person approves.

The action runs in the transaction that approves it. Both people need the permission then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from central.access.accounts import read_account
from central.access.audit import Change, canonical
from central.access.caller import Caller
from central.access.permissions import Permission
from central.store.access_tables import requests, users
from edge.errors import UsageError

EXPIRY_US = 24 * 3600 * 1_000_000
"""The time in which a second person may approve a request."""

MAX_OPEN = 100
_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class DangerousAction:
    """An action for two people.

    permission: both need it, for the whole installation. apply: makes the change and records it;
    its arguments are the object and the detail of the request. It may raise UsageError.
    """

    name: str
    text: str
    permission: Permission
    apply: Callable[[Change, str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """A request. state: open, expired, done, refused or withdrawn."""

    request_id: int
    action: str
    object: str
    detail: Mapping[str, Any]
    reason: str
    asked_by: str
    asked_us: int
    expires_us: int
    state: str
    decided_by: str
    decided_us: int | None


class Requests:
    """The requests for a set of actions."""

    def __init__(self, actions: tuple[DangerousAction, ...]) -> None:
        self.actions: Mapping[str, DangerousAction] = {each.name: each for each in actions}

    def ask(
        self,
        change: Change,
        caller: Caller,
        action: str,
        subject: str,
        detail: Mapping[str, object],
        reason: str,
    ) -> int:
        """Create a request and return its number. Raises UsageError."""
        found = self._allowed(caller, action)
        reason = reason.strip()
        if not reason or len(reason) > _MAX_REASON:
            raise UsageError(f"a request needs a reason of 1 to {_MAX_REASON} characters")
        is_open = (requests.c.state == "open") & (requests.c.expires_us > change.now_us)
        rows = change.connection.execute(
            select(requests.c.action, requests.c.object, requests.c.detail).where(is_open)
        ).all()
        values = {"action": found.name, "object": subject, "detail": canonical(detail)}
        if tuple(values.values()) in [tuple(row) for row in rows]:
            raise UsageError("the same request is open already")
        if len(rows) >= MAX_OPEN:
            raise UsageError(f"there are {MAX_OPEN} open requests already")
        number = change.connection.execute(
            requests.insert()
            .values(
                **values,
                reason=reason,
                asked_by=caller.account_id,
                asked_us=change.now_us,
                expires_us=change.now_us + EXPIRY_US,
                state="open",
            )
            .returning(requests.c.id)
        ).scalar_one()
        change.record(
            "request.created", subject, {"request": number, "action": action, "reason": reason}
        )
        return int(number)

    def approve(self, change: Change, caller: Caller, request_id: int) -> None:
        """Run the action of a request that another person made. Raises UsageError."""
        row = self._open(change, request_id)
        action = self._allowed(caller, row.action)
        if row.asked_by == caller.account_id:
            raise UsageError("a request is approved by another person than the one who made it")
        asker = read_account(change.connection, row.asked_by)
        if (
            asker is None
            or asker.is_disabled
            or not Caller(asker.name, asker.grants).may_everywhere(action.permission)
        ):
            raise UsageError("the person who made the request has no longer the permission")
        self._decide(change, caller, request_id, "done")
        change.record(
            "request.approved",
            row.object,
            {"request": request_id, "action": row.action, "asked_by": asker.name},
        )
        action.apply(change, row.object, json.loads(row.detail))

    def refuse(self, change: Change, caller: Caller, request_id: int) -> None:
        """Refuse a request, or withdraw an own one. Raises UsageError."""
        row = self._open(change, request_id)
        self._allowed(caller, row.action)
        state = "withdrawn" if row.asked_by == caller.account_id else "refused"
        self._decide(change, caller, request_id, state)
        change.record(f"request.{state}", row.object, {"request": request_id, "action": row.action})

    def read(
        self, connection: Connection, caller: Caller, now_us: int, limit: int = 100
    ) -> tuple[ActionRequest, ...]:
        """Return the latest requests for actions that the caller may ask for, newest first."""
        may = [
            name
            for name, action in self.actions.items()
            if caller.may_everywhere(action.permission)
        ]
        asker, decider = users.alias(), users.alias()
        rows = connection.execute(
            select(requests, asker.c.name.label("asker"), decider.c.name.label("decider"))
            .join(asker, asker.c.id == requests.c.asked_by)
            .join(decider, decider.c.id == requests.c.decided_by, isouter=True)
            .where(requests.c.action.in_(may))
            .order_by(requests.c.id.desc())
            .limit(limit)
        )
        return tuple(_request(row, now_us) for row in rows)

    def _allowed(self, caller: Caller, name: str) -> DangerousAction:
        action = self.actions.get(name)
        if action is None:
            raise UsageError(f"there is no action {name[:80]!r} for two people")
        if caller.account_id is None:
            raise UsageError("a request needs accounts: set web.accounts")
        if caller.via == "token":
            raise UsageError("a request needs a person who has logged in, not an API token")
        if not caller.may_everywhere(action.permission):
            raise UsageError(f"this account has no permission {action.permission.value}")
        return action

    def _open(self, change: Change, request_id: int) -> Row[Any]:
        row = change.connection.execute(
            select(requests).where(requests.c.id == request_id).with_for_update()
        ).first()
        if row is None:
            raise UsageError(f"there is no request {request_id}")
        if row.state != "open":
            raise UsageError(f"request {request_id} is {row.state} already")
        if row.expires_us <= change.now_us:
            raise UsageError(f"request {request_id} has expired")
        return row

    def _decide(self, change: Change, caller: Caller, request_id: int, state: str) -> None:
        change.connection.execute(
            update(requests)
            .where(requests.c.id == request_id)
            .values(state=state, decided_by=caller.account_id, decided_us=change.now_us)
        )


def _request(row: Row[Any], now_us: int) -> ActionRequest:
    state = "expired" if row.state == "open" and row.expires_us <= now_us else row.state
    return ActionRequest(
        request_id=row.id,
        action=row.action,
        object=row.object,
        detail=json.loads(row.detail),
        reason=row.reason,
        asked_by=row.asker,
        asked_us=row.asked_us,
        expires_us=row.expires_us,
        state=state,
        decided_by=row.decider or "",
        decided_us=row.decided_us,
    )
