"""Statements of people: reviews of parts, guidance for kinds, and frozen limits of charts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from central.figures.charts import FrozenLimits
from central.store.plant_tables import chart_limits, guidance, guidance_answers, reviews
from central.store.rows import storable_text
from central.store.search import VERDICTS
from central.store.tables import rollup_kinds, stations

MAX_BODY_CHARS = 4_000
MAX_NOTE_CHARS = 500


class JudgementError(ValueError):
    """A statement that cannot be stored as it is. The text is for the person."""


@dataclass(frozen=True, slots=True)
class GuidanceVersion:
    """A version of the guidance for a kind. helped, not_helped: answers of people about it."""

    kind: str
    version: int
    body: str
    made_by: str
    made_us: int
    helped: int = 0
    not_helped: int = 0


@dataclass(frozen=True, slots=True)
class PartReview:
    """The verdict of a person about a part."""

    verdict: str
    note: str
    made_by: str
    made_us: int


def station_number(connection: Connection, station: str) -> int:
    """Return the number of a station. Raises JudgementError where there is none."""
    number = connection.execute(select(stations.c.id).where(stations.c.name == station)).scalar()
    if number is None:
        raise JudgementError("there is no station with this name")
    return int(number)


def write_guidance(connection: Connection, kind: str, body: str, by: str, now_us: int) -> int:
    """Store a new version of the guidance for a kind, and return its number, from 1.

    Raises JudgementError for a text without content or that is too long, and where it is equal to
    the present one.
    """
    kind = storable_text(kind.strip(), 100)
    body = storable_text(body.strip().replace("\r\n", "\n"), MAX_BODY_CHARS + 1)
    if not kind or not body:
        raise JudgementError("guidance has a kind and a text")
    if len(body) > MAX_BODY_CHARS:
        raise JudgementError(f"guidance has at most {MAX_BODY_CHARS} characters")
    latest = connection.execute(
        select(guidance.c.version, guidance.c.body)
        .where(guidance.c.kind == kind)
        .order_by(guidance.c.version.desc())
        .limit(1)
    ).first()
    if latest is not None and latest[1] == body:
        raise JudgementError("this is the present text")
    version = 1 if latest is None else int(latest[0]) + 1
    row = {"kind": kind, "version": version, "body": body, "made_by": by, "made_us": now_us}
    connection.execute(guidance.insert().values(row))
    return version


def answer_guidance(
    connection: Connection, station: str, kind: str, helped: bool, by: str, now_us: int
) -> None:
    """Count whether the present guidance for a kind helped at a station. Raises JudgementError."""
    version = connection.execute(
        select(func.max(guidance.c.version)).where(guidance.c.kind == kind)
    ).scalar()
    if version is None:
        raise JudgementError("there is no guidance for this kind")
    row = {
        "kind": kind,
        "version": version,
        "station_id": station_number(connection, station),
        "helped": int(helped),
        "made_by": by,
        "made_us": now_us,
    }
    connection.execute(guidance_answers.insert().values(row))


def read_guidance(
    connection: Connection, kind: str | None = None, *, every: bool = False
) -> tuple[GuidanceVersion, ...]:
    """Return the present guidance of each kind, by name; every: all versions, latest first."""
    yes = func.coalesce(func.sum(guidance_answers.c.helped), 0)
    answers = (
        select(
            guidance_answers.c.kind,
            guidance_answers.c.version,
            yes.label("yes"),
            func.count().label("all"),
        )
        .group_by(guidance_answers.c.kind, guidance_answers.c.version)
        .subquery()
    )
    columns = ("kind", "version", "body", "made_by", "made_us")
    statement = (
        select(*(guidance.c[name] for name in columns), answers.c.yes, answers.c.all)
        .outerjoin(
            answers,
            (answers.c.kind == guidance.c.kind) & (answers.c.version == guidance.c.version),
        )
        .order_by(guidance.c.kind, guidance.c.version.desc())
    )
    if kind is not None:
        statement = statement.where(guidance.c.kind == kind)
    found: list[GuidanceVersion] = []
    for row in connection.execute(statement):
        if every or not found or found[-1].kind != row[0]:
            helped = int(row[5] or 0)
            found.append(GuidanceVersion(*row[:5], helped, int(row[6] or 0) - helped))
    return tuple(found)


def read_kind_names(connection: Connection, since_minute: int) -> tuple[str, ...]:
    """Return the kinds of rejected parts since a minute, by name, at most 200."""
    statement = (
        select(rollup_kinds.c.kind)
        .where(rollup_kinds.c.minute >= since_minute, rollup_kinds.c.kind != "")
        .distinct()
        .order_by(rollup_kinds.c.kind)
        .limit(200)
    )
    return tuple(connection.execute(statement).scalars())


def write_review(
    connection: Connection,
    station: str,
    part_id: int,
    review: PartReview,
) -> None:
    """Store the verdict of a person about a part. Raises JudgementError."""
    if review.verdict not in VERDICTS:
        raise JudgementError(f"expected one of {', '.join(VERDICTS)}")
    if len(review.note) > MAX_NOTE_CHARS:
        raise JudgementError(f"a note has at most {MAX_NOTE_CHARS} characters")
    row = {
        "station_id": station_number(connection, station),
        "part_id": part_id,
        "verdict": review.verdict,
        "note": storable_text(review.note),
        "made_by": review.made_by,
        "made_us": review.made_us,
    }
    connection.execute(reviews.insert().values(row))


def read_reviews(connection: Connection, station: str, part_id: int) -> tuple[PartReview, ...]:
    """Return the reviews of a part, latest first."""
    statement = (
        select(reviews.c.verdict, reviews.c.note, reviews.c.made_by, reviews.c.made_us)
        .join(stations, stations.c.id == reviews.c.station_id)
        .where(stations.c.name == station, reviews.c.part_id == part_id)
        .order_by(reviews.c.id.desc())
    )
    return tuple(PartReview(*row) for row in connection.execute(statement))


def write_limits(
    connection: Connection,
    station: str,
    bundle: str,
    limits: FrozenLimits | None,
    times_us: tuple[int, int],
    by: str,
    now_us: int,
) -> None:
    """Freeze the limits of a chart; None: let them follow the groups again.

    times_us: the time of the groups behind them. Raises JudgementError for a wrong station.
    """
    row = {
        "station_id": station_number(connection, station),
        "bundle": bundle,
        "centre": 0.0 if limits is None else limits.centre,
        "spread": 0.0 if limits is None else limits.spread,
        "groups": 0 if limits is None else limits.groups,
        "first_us": times_us[0],
        "last_us": times_us[1],
        "made_by": by,
        "made_us": now_us,
    }
    connection.execute(chart_limits.insert().values(row))


def read_limits(connection: Connection) -> dict[tuple[int, str], FrozenLimits]:
    """Return the frozen limits by the number of the station and the bundle."""
    latest = select(func.max(chart_limits.c.id)).group_by(
        chart_limits.c.station_id, chart_limits.c.bundle
    )
    names = ("station_id", "bundle", "centre", "spread", "groups")
    statement = select(*(chart_limits.c[name] for name in names)).where(
        chart_limits.c.id.in_(latest), chart_limits.c.groups > 0
    )
    return {(row[0], row[1]): FrozenLimits(*row[2:]) for row in connection.execute(statement)}
