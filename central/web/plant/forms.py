"""Forms: their fields, where they may come from, and the change that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response

from central.access.audit import AuditedChange, audited
from central.access.caller import Caller
from central.store.database import StoreError
from central.store.judgements import JudgementError
from central.store.lots import LotError
from central.store.message import parse_utc
from central.web.account_pages import actor_of
from central.web.context import WebContext
from edge.errors import OutfeedError, UsageError
from edge.validation_messages import one_line

MAX_BYTES = 64 << 10
_MAX_FIELDS = 600
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class FormFields:
    """The fields of a form. A field that is missing is empty."""

    values: dict[str, list[str]]

    def text(self, name: str) -> str:
        """Return the first value of a field, without space around it."""
        return self.values.get(name, [""])[0].strip()

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a field, without repeats."""
        return tuple(dict.fromkeys(self.values.get(name, ())))

    def moment(self, name: str) -> int | None:
        """Return a time in microseconds since 1970 UTC; None for an empty field.

        Raises HTTPException 422 for another text.
        """
        return read_moment(self.text(name), name)

    def real(self, name: str) -> float:
        """Return a number. Raises HTTPException 422 for another text."""
        try:
            value = float(self.text(name).replace(",", "."))
        except ValueError as error:
            raise HTTPException(422, f"{name}: expected a number") from error
        if not abs(value) < 1e15:
            raise HTTPException(422, f"{name}: expected a number below 1e15")
        return value


def read_moment(text: str, name: str) -> int | None:
    """Return a time of RFC 3339 in microseconds, UTC where it has no zone; None for no text.

    name: the field or parameter. Raises HTTPException 422.
    """
    if not text:
        return None
    moment = parse_utc(text)
    if moment is None:
        raise HTTPException(422, f"{name}: expected a time, for instance 2026-01-31T14:00")
    return moment


async def read_form(request: Request) -> FormFields:
    """Return the fields of a form of these pages.

    The token of the session is checked where a route declares its permission. Raises HTTPException
    411 and 413 for a form without a length or of more than 64 KiB, and 415 for another kind of
    body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "expected a form (application/x-www-form-urlencoded)")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise HTTPException(411, "expected the length of the form (Content-Length)")
    if len(length) > 9 or int(length) > MAX_BYTES:
        raise HTTPException(413, f"a form has at most {MAX_BYTES} bytes")
    values: dict[str, list[str]] = {}
    for name, value in (await request.form(max_fields=_MAX_FIELDS)).multi_items():
        if isinstance(value, str):
            values.setdefault(name, []).append(value)
    return FormFields(values)


Form = Annotated[FormFields, Depends(read_form)]
"""The parameter of a route that takes a form."""


def change(
    context: WebContext,
    caller: Caller,
    action: str,
    target: str,
    make: Callable[[Connection], _Made],
) -> _Made:
    """Make the change of a person in one transaction.

    action, target: what was done, and to what, for the audit log: the change and its entry are
    committed together. make: changes the database and may raise LotError or JudgementError, whose
    text becomes HTTPException 422. Raises StoreError.
    """
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as open_change:
            made = make(open_change.connection)
            open_change.record(action, target)
            return made
    except (LotError, JudgementError) as error:
        raise HTTPException(422, str(error)) from error
    except DBAPIError as error:
        raise StoreError(f"{context.database.name}: {one_line(error.orig)}") from error


def audited_step(
    context: WebContext, caller: Caller, step: Callable[[AuditedChange], _Made]
) -> _Made:
    """Make a change that records itself in the audit log, in one transaction.

    Raises HTTPException 422 for a UsageError and a plain OutfeedError, and StoreError.
    """
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as open_change:
            return step(open_change)
    except OutfeedError as error:
        if not isinstance(error, UsageError) and type(error) is not OutfeedError:
            raise
        raise HTTPException(422, str(error)) from error


def see_other(path: str) -> Response:
    """Return the answer to a form: the browser loads this path of the same server."""
    return RedirectResponse(quote(path, safe="/?&=%#:+.-_~,"), 303)
