"""Every route of the application, for every role and scope: what is denied is tried.

The routes and what they declare come from the application. The expectations come from the table of
permissions. A new route is therefore tested without a change here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from sqlalchemy import func, select

from central.access.audit import audited
from central.access.permissions import DESCRIPTIONS, GRANTED, WHOLE, Permission, Role
from central.access.tokens import add_token
from central.store.access_tables import audit, sessions, station_lines, tokens, user_roles, users
from central.store.database import Database
from central.web.access import (
    LoginRequirement,
    NoRequirement,
    Requirement,
    check_routes,
    declared_access,
    iterate_routes,
)
from tests.support.central_access import (
    CLI,
    NOW_US,
    PLACES,
    SUBJECTS,
    Subject,
    app_of,
    audit_count,
    build_plant,
    client_for,
    fast_database,
    log_in_as,
)

_OWN = "/requests"
"""The one page whose permission depends on the action: it is empty of actions without a right."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    database = fast_database(tmp_path_factory.mktemp("matrix"))
    build_plant(database)
    yield app_of(database)
    database.close()


def routes_of(app: FastAPI) -> list[tuple[str, APIRoute]]:
    found = []
    for route in iterate_routes(app):
        assert isinstance(route, APIRoute)
        found += [(method, route) for method in sorted(route.methods)]
    return sorted(found, key=lambda each: (each[1].path, each[0]))


def addresses(route: APIRoute) -> list[tuple[str, str | None]]:
    """The addresses of a route, one for each station if it names one."""
    units = list(PLACES) if "{station}" in route.path else [None]
    found = []
    for unit in units:
        path = route.path.replace("{station}", unit or "")
        path = re.sub(r"\{(\w*name|kind)[^}]*\}", "someone", path)
        found.append((re.sub(r"\{\w+[^}]*\}", "1", path), unit))
    return found


def may(subject: Subject, permission: Permission) -> bool:
    if subject.role is None or permission not in GRANTED[subject.role]:
        return False
    return subject.scope == "everywhere" or permission not in WHOLE


def rows(database: Database) -> list[int]:
    """The numbers of rows that a route could change."""
    with database.read() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (audit, users, user_roles, sessions, tokens, station_lines)
        ]


def test_application_has_the_routes_that_this_test_walks(app: FastAPI) -> None:
    paths = {route.path for _, route in routes_of(app)}
    assert {"/", "/api/stations", "/accounts", "/audit", "/login", "/logout"} <= paths
    described = set(app.openapi()["paths"])
    assert described <= paths
    assert len(paths) >= 30


def test_every_route_declares_exactly_one_access(app: FastAPI) -> None:
    for _, route in routes_of(app):
        kinds = {type(each) for each in declared_access(route)}
        assert len(kinds) == 1, route.path


def test_routes_that_are_open_to_all_are_these(app: FastAPI) -> None:
    found = {
        route.path
        for _, route in routes_of(app)
        if any(isinstance(each, NoRequirement) for each in declared_access(route))
    }
    assert found == {
        "/api/health",
        "/health/live",
        "/health/ready",
        "/login",
        "/login/openid",
        "/login/openid/return",
    }


def test_route_that_declares_nothing_is_refused(app: FastAPI) -> None:
    careless = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    router = APIRouter()

    @router.get("/careless")
    def page() -> None: ...

    careless.include_router(router)
    with pytest.raises(RuntimeError, match="/careless"):
        check_routes(careless)


def test_no_one_enters_without_a_login(app: FastAPI) -> None:
    browser = client_for(app)
    for method, route in routes_of(app):
        for path, _ in addresses(route):
            answer = browser.request(method, path) if not _is_open(route) else None
            if answer is None:
                continue
            if method == "GET" and not path.startswith(("/api/", "/openapi", "/live")):
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/login?next=")
            else:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_matrix(app: FastAPI, subject: Subject) -> None:
    """Denials change nothing. What is allowed is not denied."""
    database = app.state.context.database
    browser = log_in_as(app, subject.name)
    denied = allowed = 0
    for method, route in routes_of(app):
        for path, unit in addresses(route):
            needed = [
                each.permission for each in declared_access(route) if isinstance(each, Requirement)
            ]
            refusal = _expected_refusal(subject, needed, unit)
            if refusal is None and (_is_open(route) or _is_endless(route)):
                continue
            before = rows(database)
            answer = browser.request(method, path, headers={"accept": "application/json"})
            where = (method, path, answer.text[:200])
            if refusal is not None:
                denied += 1
                assert answer.status_code == refusal, where
                assert rows(database) == before, where
                continue
            allowed += 1
            assert answer.status_code < 500, where
            assert answer.status_code != 401, where
            if not path.startswith(_OWN):
                assert answer.status_code != 403, where
            if unit is not None and "/pictures/" not in path:  # no picture was received
                assert answer.status_code != 404, where
            if method == "POST":  # the session may have been ended
                browser = log_in_as(app, subject.name)
    assert denied > 0 or (subject.role is Role.ADMIN and subject.scope == "everywhere")
    assert allowed > 0


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_lists_hold_only_stations_of_the_scope(app: FastAPI, subject: Subject) -> None:
    browser = log_in_as(app, subject.name)
    answer = browser.get("/api/stations")
    if subject.role is None:
        assert answer.status_code == 403
        return
    assert {each["name"] for each in answer.json()} == subject.stations
    page = browser.get("/", headers={"accept": "text/html"}).text
    assert {name for name in PLACES if f"/stations/{name}" in page} == subject.stations


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.name)
def test_api_token_has_the_rights_of_its_account(app: FastAPI, subject: Subject) -> None:
    database = app.state.context.database
    with audited(database, CLI, NOW_US) as change:
        token = add_token(change, subject.name, "test", 1)
    program = client_for(app, headers={"authorization": f"Bearer {token}"})
    for method, route in routes_of(app):
        for path, unit in addresses(route):
            needed = [
                each.permission for each in declared_access(route) if isinstance(each, Requirement)
            ]
            refusal = _expected_refusal(subject, needed, unit)
            if refusal is not None:
                count = audit_count(database)
                assert program.request(method, path).status_code == refusal, (method, path)
                assert audit_count(database) == count
            elif path.startswith("/api/"):
                # Some routes need a body, a parameter or a row that is not there.
                status = program.request(method, path).status_code
                assert status < 400 or status in (404, 415, 422), (method, path)
            elif path == "/account" or path.startswith("/account/"):
                assert program.request(method, path).status_code == 403, (method, path)


def test_local_user_without_accounts_has_every_role(app: FastAPI) -> None:
    from central.web.app import LOCAL_WEB

    local = client_for(app_of(app.state.context.database, LOCAL_WEB))
    assert local.get("/api/account").json()["permissions"] == [each.value for each in Permission]
    assert {each["name"] for each in local.get("/api/stations").json()} == set(PLACES)
    # Without accounts there is no second person.
    answer = local.post("/requests/deletion", data={"unit": "alpha", "before": "2026-01-01"})
    assert answer.status_code == 422


def test_table_is_complete() -> None:
    assert set(DESCRIPTIONS) == set(Permission)
    assert set(GRANTED) == set(Role)
    assert frozenset().union(*GRANTED.values()) == set(Permission)


def _expected_refusal(subject: Subject, needed: list[Permission], unit: str | None) -> int | None:
    for permission in needed:
        if not may(subject, permission):
            return 403
        if unit is not None and unit not in subject.stations:
            return 404
    return None


def _is_open(route: APIRoute) -> bool:
    return any(isinstance(each, NoRequirement) for each in declared_access(route))


def _is_endless(route: APIRoute) -> bool:
    return route.response_class is EventSourceResponse


def test_login_requirement_is_used(app: FastAPI) -> None:
    found = {
        route.path
        for _, route in routes_of(app)
        if any(isinstance(each, LoginRequirement) for each in declared_access(route))
    }
    assert "/logout" in found
    assert not any(path.startswith(("/accounts", "/audit", "/lines")) for path in found)
