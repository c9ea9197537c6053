"""A plant with accounts of every role and scope, and clients that are logged in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import event, func, select
from starlette.testclient import TestClient

from central.access.accounts import add_account, get_account, set_grants
from central.access.audit import Actor, audited
from central.access.caller import Grant
from central.access.permissions import Role
from central.access.places import add_line, add_plant, assign_station, find_place
from central.access.sessions import Client, csrf_of, open_session
from central.config.sections import DatabaseConfig
from central.config.web import WebConfig
from central.store.access_tables import audit
from central.store.database import Database
from central.store.partitions import Partitions
from central.store.schema import migrate
from central.store.tables import parts, stations
from central.web.access import session_limits
from central.web.app import make_app
from edge.errors import UsageError

CLI = Actor("tester", "command line")
PASSWORD = "ein langes Kennwort"
NOW_US = 1_800_000_000_000_000
ON = WebConfig()

# station: (plant, line); delta has no line.
PLACES = {
    "alpha": ("Ulm", "press"),
    "beta": ("Ulm", "paint"),
    "gamma": ("Graz", "saw"),
    "delta": None,
}
SCOPES: dict[str, tuple[str | None, str | None, frozenset[str]]] = {
    "everywhere": (None, None, frozenset({"alpha", "beta", "gamma", "delta"})),
    "plant": ("Ulm", None, frozenset({"alpha", "beta"})),
    "line": ("Ulm", "press", frozenset({"alpha"})),
}


@dataclass(frozen=True)
class Subject:
    """An account of one role in one scope; role: None: an account without roles."""

    role: Role | None
    scope: str

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.scope}" if self.role else "nobody"

    @property
    def stations(self) -> frozenset[str]:
        return SCOPES[self.scope][2] if self.role else frozenset()


SUBJECTS = [Subject(role, scope) for role in Role for scope in SCOPES] + [
    Subject(None, "everywhere")
]


def fast_database(folder: Path) -> Database:
    """A database on SQLite that does not wait for the disk."""
    database = Database(DatabaseConfig(path=folder / "central.db"))
    event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    migrate(database)
    return database


def build_plant(database: Database) -> None:
    """Fill the tables: four stations with one rejected part each, and all accounts."""
    Partitions(database).ensure([0])
    with database.write() as connection:
        for number, name in enumerate(PLACES, 1):
            connection.execute(stations.insert().values(id=number, name=name, first_us=1))
            connection.execute(parts.insert().values(**_part(number)))
    with audited(database, CLI, NOW_US) as change:
        for name, place in PLACES.items():
            if place is None:
                continue
            plant, line = place
            try:
                find_place(change.connection, plant, None)
            except UsageError:
                add_plant(change, plant)
            add_line(change, plant, line)
            assign_station(change, name, plant, line)
        for subject in SUBJECTS:
            add_account(change, subject.name)
            if subject.role is None:
                continue
            plant, line, _ = SCOPES[subject.scope]
            found = find_place(change.connection, plant, line) if plant else None
            grant = Grant(
                subject.role,
                found.plant_id if found and found.line_id is None else None,
                found.line_id if found else None,
            )
            set_grants(change, subject.name, [grant])


def _part(station_id: int) -> dict[str, Any]:
    place = {"received_us": 0, "station_id": station_id, "journal_id": 1, "sequence": station_id}
    return {**place, "at_us": 0, "part_id": 1, "decision": "REJECT", "reason": "scratch"}


def client_for(app: FastAPI, **options: Any) -> TestClient:
    """A browser that has no session yet."""
    return TestClient(app, base_url="http://127.0.0.1:8480", follow_redirects=False, **options)


def app_of(database: Database, web: WebConfig = ON, **options: Any) -> FastAPI:
    options.setdefault("now_us", lambda: NOW_US)
    return make_app(database, web=web, **options)


def log_in_as(app: FastAPI, name: str) -> TestClient:
    """A browser with a session of an account, which sends the token for forms."""
    context = app.state.context
    client = client_for(app)
    with context.database.write() as connection:
        account = get_account(connection, name)
        token = open_session(
            connection,
            account.account_id,
            "password",
            Client("testclient"),
            now_us=context.now_us(),
            limits=session_limits(context.web),
        )
    client.cookies.set("outfeed", token, domain="127.0.0.1")
    client.headers["x-csrf-token"] = csrf_of(token)
    return client


def audit_count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(audit)).scalar_one()
