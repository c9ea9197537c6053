"""Statements of line controllers about lots: their payload, the answers, and what is kept of them.

A controller repeats a statement until it has an answer. A repeat has the same id as
its statement.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from sqlalchemy import Connection, Select, delete, func, select

from central.store.lots import MAX_NAME_CHARS
from central.store.message import parse_utc
from central.store.plant_tables import lot_statements
from central.store.rows import storable_text
from edge.errors import OutfeedError
from edge.validation_messages import describe, printable

MAX_KEPT = 50_000
"""The statements that are kept; older ones are removed."""

MAX_STATEMENT_BYTES = 64 << 10
LotOutcome = Literal["stored", "repeated", "refused"]
_Name = Annotated[str, Field(max_length=MAX_NAME_CHARS)]
_MOMENT = "time of RFC 3339 with its zone"


class LotPayload(BaseModel):
    """A part of the exchange with a line controller. Unknown keys of a statement are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LotStatement(LotPayload):
    """The statement of a line controller that stations of its line begin or end a lot."""

    type: Literal["outfeed.lot/1"] = Field(
        default="outfeed.lot/1", description="type and version of the statement"
    )
    message_id: str = Field(
        pattern=r"^[A-Za-z0-9._:-]{1,64}$",
        description="id of this statement: the same in each repeat, and never used for another one",
    )
    action: Literal["begin", "end"] = Field(
        description="`begin`: the stations work on the lot from `at` on, and end the one before. "
        "`end`: they end it at `at`"
    )
    lot: str = Field(min_length=1, max_length=MAX_NAME_CHARS, description="name of the lot")
    at: str = Field(description=f"beginning or end of the lot, {_MOMENT}")
    until: str | None = Field(
        default=None,
        description=f"for `begin`: end of the lot where it is known, {_MOMENT}; null: it lasts "
        "until the next one, or until it is ended",
    )
    order: _Name = Field(default="", description="name of the order; may be empty")
    product: _Name = Field(default="", description="name of the product; may be empty")
    note: str = Field(default="", max_length=400, description="a note for people; may be empty")
    stations: tuple[str, ...] = Field(
        default=(),
        max_length=200,
        description="the stations of the line that are meant; empty: all of them",
    )

    @field_validator("at", "until")
    @classmethod
    def _is_moment(cls, value: str | None) -> str | None:
        has_zone = value is None or value.endswith(("Z", "z")) or value[-6:-5] in ("+", "-")
        if value is not None and (parse_utc(value) is None or not has_zone):
            raise ValueError("expected a time with its zone, for instance 2026-01-31T14:00:00Z")
        return value

    @model_validator(mode="after")
    def _check(self) -> LotStatement:
        if self.action == "end" and self.until is not None:
            raise ValueError("until belongs to the action begin")
        return self


class LotAnswer(LotPayload):
    """The answer of the central system to one statement. It is not retained."""

    type: Literal["outfeed.lot-answer/1"] = Field(
        default="outfeed.lot-answer/1", description="type and version of the answer"
    )
    message_id: str = Field(
        description="id of the statement; empty where the statement has none that can be read"
    )
    outcome: LotOutcome = Field(
        description="`stored`: the database has it. `repeated`: the same statement is stored "
        "already. `refused`: nothing was changed, see `reason`"
    )
    reason: str = Field(default="", description="the reason of a refusal; otherwise empty")
    lot_number: int | None = Field(
        default=None, description="number of the entry in the list of lots; null: none was made"
    )
    utc: str = Field(description="time of the answer, RFC 3339")
    central: str = Field(description="name of the central system, `collector.name`")


class LotStatementError(OutfeedError):
    """A payload that is no statement about a lot. message_id: empty where it cannot be read."""

    def __init__(self, message: str, message_id: str = "") -> None:
        super().__init__(message)
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """A statement that the database has, and its outcome. Times: microseconds since 1970 UTC."""

    place: str
    message_id: str
    action: str
    lot: str
    digest: str
    outcome: str
    reason: str
    lot_id: int | None
    received_us: int


class _WithId(BaseModel):
    message_id: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")


def parse_lot_statement(payload: bytes) -> LotStatement:
    """Return the statement in a payload. Raises LotStatementError with one line."""
    if len(payload) > MAX_STATEMENT_BYTES:
        raise LotStatementError(f"has more than {MAX_STATEMENT_BYTES} bytes")
    try:
        return LotStatement.model_validate_json(payload)
    except ValidationError as error:
        try:
            message_id = _WithId.model_validate_json(payload).message_id
        except ValidationError:
            message_id = ""
        raise LotStatementError(printable(describe(error)), message_id) from error


def digest_of(statement: LotStatement) -> str:
    """Return the SHA-256 of the contents, which do not depend on the form of the JSON."""
    return hashlib.sha256(statement.model_dump_json().encode()).hexdigest()


def find_statement(connection: Connection, place: str, message_id: str) -> KeptStatement | None:
    """Return the statement of a line with this id; None where there is none."""
    row = connection.execute(
        _kept().where(lot_statements.c.place == place, lot_statements.c.message_id == message_id)
    ).first()
    return None if row is None else KeptStatement(*row)


def read_statements(
    connection: Connection, places: frozenset[str] | None, limit: int = 20
) -> tuple[KeptStatement, ...]:
    """Return the latest statements, newest first. places: only of these lines; None: of all."""
    statement = _kept().order_by(lot_statements.c.id.desc()).limit(limit)
    if places is not None:
        statement = statement.where(lot_statements.c.place.in_(sorted(places)))
    return tuple(KeptStatement(*row) for row in connection.execute(statement))


def keep_statement(connection: Connection, kept: KeptStatement) -> None:
    """Store a statement with its outcome in place of an earlier outcome of the same statement.

    The oldest ones beyond ``MAX_KEPT`` are removed.
    """
    connection.execute(
        delete(lot_statements).where(
            lot_statements.c.place == kept.place,
            lot_statements.c.message_id == kept.message_id,
            lot_statements.c.outcome == "refused",
        )
    )
    values = {name: getattr(kept, name) for name in KeptStatement.__slots__}
    values["lot"] = storable_text(kept.lot, MAX_NAME_CHARS)
    values["reason"] = storable_text(kept.reason)
    connection.execute(lot_statements.insert().values(values))
    newest = connection.execute(select(func.max(lot_statements.c.id))).scalar_one()
    connection.execute(delete(lot_statements).where(lot_statements.c.id <= newest - MAX_KEPT))


def _kept() -> Select[Any]:
    return select(*(lot_statements.c[name] for name in KeptStatement.__slots__))
