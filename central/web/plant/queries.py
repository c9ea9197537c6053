"""The parameters of searches and periods, of pages and of the API, within the caller's scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import HTTPException, Query, Request

from central.access.caller import Caller
from central.access.permissions import Permission
from central.store.search import PartPosition, PartSearch
from central.web.plant.figures import STEPS
from central.web.plant.forms import FormFields, read_moment
from edge.records import Decision

_MAX_ID = (1 << 63) - 1

HoursQuery = Annotated[
    int, Query(description="the period in hours up to now: 8, 24, 168 or 720", ge=8, le=720)
]
StationsQuery = Annotated[
    list[str] | None, Query(description="only these stations; none: all", max_length=200)
]
FromQuery = Annotated[
    str, Query(alias="from", description="the first time, RFC 3339; without a zone UTC")
]
UntilQuery = Annotated[str, Query(description="the time behind the last part, RFC 3339")]
DecisionsQuery = Annotated[
    list[Decision] | None,
    Query(description="only these decisions; none: REJECT and UNKNOWN", max_length=3),
]
KindQuery = Annotated[str, Query(description="the kind of the worst defect", max_length=100)]
LeastQuery = Annotated[float | None, Query(description="the least severity of the worst defect")]
MostQuery = Annotated[float | None, Query(description="the largest severity of the worst defect")]
LotQuery = Annotated[str, Query(description="only parts of this lot", max_length=100)]
PartQuery = Annotated[
    int | None, Query(description="the number of the part", ge=-_MAX_ID, le=_MAX_ID)
]
AfterQuery = Annotated[str, Query(description="the value `next` of the page before", max_length=70)]


def check_hours(hours: int) -> int:
    """Return the hours of a period. Raises HTTPException 422 for another number."""
    if hours not in STEPS:
        raise HTTPException(422, f"hours: expected one of {', '.join(map(str, STEPS))}")
    return hours


def api_search(
    station: StationsQuery = None,
    from_: FromQuery = "",
    until: UntilQuery = "",
    decision: DecisionsQuery = None,
    kind: KindQuery = "",
    least: LeastQuery = None,
    most: MostQuery = None,
    lot: LotQuery = "",
    part: PartQuery = None,
) -> PartSearch:
    """Return the search of the parameters of a request to the API."""
    return PartSearch(
        stations=frozenset(station) if station else None,
        from_us=read_moment(from_, "from"),
        until_us=read_moment(until, "until"),
        decisions=tuple(decision) if decision else (Decision.REJECT, Decision.UNKNOWN),
        kind=kind,
        least=least,
        most=most,
        lot=lot,
        part_id=part,
    )


def page_search(request: Request) -> PartSearch:
    """Return the search of a form, in which a field may be empty."""
    fields = FormFields(_filled(request.query_params.multi_items()))
    number = fields.text("part")
    if number and not (number.isdecimal() and len(number) < 19):
        raise HTTPException(422, "part: expected a whole number")
    decisions = [each for each in Decision if each.value in fields.texts("decision")]
    return PartSearch(
        stations=frozenset(fields.texts("station")) or None,
        from_us=fields.moment("from"),
        until_us=fields.moment("until"),
        decisions=tuple(decisions) or (Decision.REJECT, Decision.UNKNOWN),
        kind=fields.text("kind")[:100],
        least=fields.real("least") if fields.text("least") else None,
        most=fields.real("most") if fields.text("most") else None,
        lot=fields.text("lot")[:100],
        part_id=int(number) if number else None,
    )


def in_scope(caller: Caller, permission: Permission, search: PartSearch) -> PartSearch:
    """Return the search, only at stations where the caller has the permission."""
    from dataclasses import replace

    return replace(search, stations=scope_of(caller, permission, search.stations))


def scope_of(
    caller: Caller, permission: Permission, wanted: Iterable[str] | None = None
) -> frozenset[str] | None:
    """Return the stations that a caller asks for and may see; None: all."""
    allowed = caller.stations(permission)
    named = None if wanted is None else frozenset(wanted)
    if allowed is None or named is None:
        return allowed if named is None else named
    return allowed & named


def write_position(position: PartPosition | None) -> str | None:
    """Return a position as a parameter; None for None."""
    if position is None:
        return None
    return f"{position.at_us}.{position.journal_id}.{position.sequence}"


def read_position(text: str) -> PartPosition | None:
    """Return the position of a parameter; None for no text. Raises HTTPException 422."""
    if not text:
        return None
    numbers: Sequence[str] = text.split(".")
    if len(numbers) != 3 or not all(each.isdecimal() and len(each) < 19 for each in numbers):
        raise HTTPException(422, "after: expected the value `next` of the page before")
    return PartPosition(*map(int, numbers))


def _filled(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if value.strip():
            values.setdefault(name, []).append(value)
    return values
