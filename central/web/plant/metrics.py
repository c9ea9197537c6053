"""Metrics for Prometheus, and the health endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import Connection, func, select
from starlette.responses import JSONResponse, PlainTextResponse, Response

import edge
from central.access.caller import Caller
from central.access.permissions import Permission
from central.alarms.outbox import read_outbox
from central.store.database import StoreError
from central.store.drills import FAILED, read_drills
from central.store.plant_tables import alarms
from central.store.queries import read_counters
from central.store.tables import journals, rollups, stations
from central.web.access import open_to_all, require
from central.web.context import WebContext

SeeFleet = Annotated[Caller, require(Permission.SEE_FLEET)]
_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PARTS_MINUTES = 5
_COUNTED = ("inspected", "rejected", "unknown", "missed")

Sample = tuple[Sequence[tuple[str, str]], float]
"""The labels of a value, and the value."""


def make_metrics(context: WebContext) -> APIRouter:
    """Return the routes /metrics and /health."""
    router = APIRouter()

    @router.get("/metrics", tags=["central"], response_class=PlainTextResponse)
    def metrics(caller: SeeFleet) -> Response:
        """Return the figures of the central system and its stations for Prometheus."""
        allowed = caller.stations(Permission.SEE_FLEET)
        with context.database.read() as connection:
            text = write_metrics(connection, allowed, context.now_us())
        return PlainTextResponse(text, media_type=_MEDIA_TYPE)

    @router.get("/health/live", tags=["central"], dependencies=[open_to_all()])
    def live() -> dict[str, str]:
        """State that the process answers."""
        return {"status": "ok", "version": edge.__version__}

    @router.get("/health/ready", tags=["central"], dependencies=[open_to_all()])
    def ready() -> Response:
        """State whether the database can be read: status 200, otherwise 503."""
        try:
            with context.database.read() as connection:
                connection.execute(select(func.count()).select_from(journals))
        except StoreError:
            return JSONResponse({"status": "the database cannot be read"}, 503)
        return JSONResponse({"status": "ok"})

    return router


def write_metrics(connection: Connection, names: frozenset[str] | None, now_us: int) -> str:
    """Return the metrics in the text format of Prometheus.

    names: of stations; None: all. Counters are those of the database, so that they go on after a
    restart. Parts are of the last five whole minutes, because a counter of all parts would need to
    read them all.
    """
    families = [
        _family("outfeed_central_info", "gauge", "Version", [([("version", edge.__version__)], 1)]),
        *_stations(connection, names, now_us),
    ]
    outbox = read_outbox(connection)
    for name, text, count in (
        ("waiting", "Messages about alarms to be sent", outbox.waiting),
        ("given_up", "Messages about alarms that were given up", outbox.given_up),
    ):
        families.append(_family(f"outfeed_outbox_{name}_messages", "gauge", text, [([], count)]))
    counters = read_counters(connection)
    for name in ("repeats", "unproven", "refused"):
        total: list[Sample] = [([], float(counters.get(name, 0)))]
        families.append(
            _family(f"outfeed_messages_{name}_total", "counter", f"Messages: {name}", total)
        )
    return "".join((*families, *(_drills(connection) if names is None else ())))


def _drills(connection: Connection) -> list[str]:
    summary = read_drills(connection)
    good, last = summary.last_good_us, summary.last_ended
    return [
        _family(
            "outfeed_restore_drill_last_good_timestamp_seconds",
            "gauge",
            "End of the last good restore drill",
            [] if good is None else [([], good / 1e6)],
        ),
        _family(
            "outfeed_restore_drill_failed",
            "gauge",
            "One if the last restore drill failed",
            [] if last is None else [([], float(last.state == FAILED))],
        ),
    ]


def _stations(connection: Connection, names: frozenset[str] | None, now_us: int) -> list[str]:
    columns = ("id", "name", "state", "seen_us", "undelivered")
    rows = connection.execute(select(*(stations.c[each] for each in columns)))
    shown = {row[0]: row for row in rows if names is None or row[1] in names}

    def one(station_id: int, value: float) -> Sample:
        return [("station", shown[station_id][1])], value

    committed = connection.execute(
        select(journals.c.station_id, func.sum(journals.c.complete_to)).group_by(
            journals.c.station_id
        )
    )
    families = [
        _family(
            "outfeed_station_online",
            "gauge",
            "1 if the uplink of the station is online",
            [one(key, float(row[2] == "online")) for key, row in shown.items()],
        ),
        _family(
            "outfeed_station_last_event_timestamp_seconds",
            "gauge",
            "Reception of the last event",
            [one(key, row[3] / 1e6) for key, row in shown.items() if row[3] is not None],
        ),
        _family(
            "outfeed_station_undelivered_events",
            "gauge",
            "Events that a broker refused for a lasting reason",
            [one(key, row[4]) for key, row in shown.items()],
        ),
        _family(
            "outfeed_station_committed_events_total",
            "counter",
            "Events up to which all of each journal are committed",
            [one(row[0], float(row[1])) for row in committed if row[0] in shown],
        ),
    ]
    minute = now_us // 60_000_000
    sums = connection.execute(
        select(rollups.c.station_id, *(func.sum(rollups.c[each]) for each in _COUNTED))
        .where(rollups.c.minute.between(minute - _PARTS_MINUTES, minute - 1))
        .group_by(rollups.c.station_id)
    ).all()
    for place, name in enumerate(_COUNTED, 1):
        samples = [one(row[0], float(row[place])) for row in sums if row[0] in shown]
        text = f"Parts of the last five whole minutes: {name}"
        families.append(_family(f"outfeed_station_parts_{name}_5m", "gauge", text, samples))
    families.append(_alarms(connection, names, {key: row[1] for key, row in shown.items()}))
    return families


def _alarms(connection: Connection, names: frozenset[str] | None, shown: dict[int, str]) -> str:
    firing = connection.execute(
        select(alarms.c.station_id, alarms.c.rule, alarms.c.severity, func.count())
        .where(alarms.c.resolved_us.is_(None), alarms.c.state != "pending")
        .group_by(alarms.c.station_id, alarms.c.rule, alarms.c.severity)
    )
    samples: list[Sample] = [
        (
            [("station", shown.get(row[0], "")), ("rule", row[1]), ("severity", row[2])],
            float(row[3]),
        )
        for row in firing
        if row[0] in shown or (names is None and row[0] == 0)
    ]
    text = "Alarms that fire or are acknowledged; without a station: of a line, a plant or central"
    return _family("outfeed_alarms", "gauge", text, samples)


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {text}.", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        written = ",".join(f'{key}="{_escaped(own)}"' for key, own in labels)
        lines.append(f"{name}{{{written}}} {value!r}" if written else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
