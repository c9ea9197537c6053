"""The statement of a central system on the events that its database has committed.

A central system publishes it retained, one for each station and journal
(docs/decisions/0063-acknowledgement-by-central.md). A broker that confirms an event may still lose
it. Only this statement shows that an event is delivered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import OutfeedError
from edge.validation_messages import describe

MAX_RANGES = 256
"""Most ranges of one statement. 256 of them are 14 kB."""

MAX_STATEMENT_BYTES = 64 << 10
"""A longer message is ignored."""

MAX_SEQUENCE = 1 << 53
"""Above every sequence number, and still an exact number in JSON."""

_Sequence = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]


class CommittedRange(BaseModel):
    """A range of sequence numbers, all of which the database has committed."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    first: _Sequence = Field(description="first sequence number of the range")
    last: _Sequence = Field(description="last sequence number of the range, inclusive")
    run: str = Field(
        default="",
        pattern=r"^[0-9a-f]{0,16}$",
        description="the run that wrote these events; empty: the range holds for every run",
    )


class CommittedStatement(BaseModel):
    """The events of one journal that a central system has committed to its database.

    A number above ``complete_to`` and not above ``known_to`` that lies in no range is missing at
    the central system. Nothing is stated about numbers above ``known_to``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    type: Literal["outfeed.committed/1"] = Field(
        default="outfeed.committed/1", description="type and version of the statement"
    )
    station: str = Field(max_length=256, description="id of the station")
    journal: str = Field(max_length=64, description="UUID of the journal")
    complete_to: _Sequence = Field(
        description="the database has every event up to this sequence number, each by itself or "
        "within a gap event; 0: not even the first one. The number is below the first sequence "
        "number that two runs share (copied storage cards)"
    )
    known_to: _Sequence = Field(
        description="the statement covers the sequence numbers up to this one"
    )
    ranges: tuple[CommittedRange, ...] = Field(
        default=(),
        max_length=MAX_RANGES,
        description="further committed sequence numbers above complete_to, ascending by first",
    )
    utc: str = Field(max_length=64, description="time of the statement, RFC 3339")
    central: str = Field(
        default="", max_length=256, description="name of the central system, for people"
    )

    @model_validator(mode="after")
    def _check(self) -> CommittedStatement:
        if self.known_to < self.complete_to:
            raise ValueError("known_to is below complete_to")
        for each in self.ranges:
            if each.last < each.first:
                raise ValueError("a range ends before it begins")
            if each.last > self.known_to:
                raise ValueError("a range ends above known_to")
        return self

    def missing(self, run_of: Iterable[CommittedRange]) -> tuple[CommittedRange, ...]:
        """Return what is missing of the given ranges, up to ``known_to``, ascending.

        run_of: ranges of sequence numbers of the station, each with the run that wrote it. An empty
        run is committed by any range.
        """
        missing: list[CommittedRange] = []
        known_ranges = sorted(self.ranges, key=lambda each: each.first)
        for own in run_of:
            begin, end = max(own.first, self.complete_to + 1), min(own.last, self.known_to)
            for known in known_ranges:
                if begin > end:
                    break
                if known.last < begin or not _same_run(known.run, own.run):
                    continue
                if known.first > begin:
                    last = min(known.first - 1, end)
                    missing.append(CommittedRange(first=begin, last=last, run=own.run))
                begin = max(begin, known.last + 1)
            if begin <= end:
                missing.append(CommittedRange(first=begin, last=end, run=own.run))
        return tuple(missing)


def parse_statement(payload: bytes) -> CommittedStatement:
    """Return the statement of a message. Raises OutfeedError with one line."""
    if len(payload) > MAX_STATEMENT_BYTES:
        raise OutfeedError(
            f"not a statement of committed events: {len(payload)} bytes, at most "
            f"{MAX_STATEMENT_BYTES} are read"
        )
    try:
        return CommittedStatement.model_validate_json(payload)
    except ValidationError as error:
        line = f"not a statement of committed events: {describe(error)}"
        raise OutfeedError(line) from error


def _same_run(known: str, own: str) -> bool:
    return known == own or "" in (known, own)
