"""The API against its own description, by schemathesis, for an account of each role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, settings

from central.access.audit import audited
from central.access.permissions import Role
from central.access.tokens import add_token
from central.web.server import WebServer
from tests.support.central_access import CLI, NOW_US, app_of, build_plant, fast_database

_EXAMPLES = 15


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, str]]:
    """The application, and the address of a real server."""
    database = fast_database(tmp_path_factory.mktemp("schemathesis"))
    build_plant(database)
    app = app_of(database)
    server = WebServer(app, host="127.0.0.1", port=0)
    server.start()
    yield app, server.address.rstrip("/")
    server.close()
    database.close()


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_api_answers_as_it_is_described(served: tuple[FastAPI, str], role: Role) -> None:
    """Every operation with random and with wrong arguments: no 5xx, and answers fit."""
    schemathesis = pytest.importorskip("schemathesis")  # loads in a second, so not at collection
    app, address = served
    database = app.state.context.database
    with audited(database, CLI, NOW_US) as change:
        token = add_token(change, f"{role.value}-everywhere", "schemathesis", 1)
    headers = {"authorization": f"Bearer {token}", "connection": "close"}
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [each.ok() for each in schema.get_all_operations()]
    assert len(operations) >= 8
    for operation in operations:
        _try(operation, address, headers)


def _try(operation, address: str, headers: dict[str, str]) -> None:
    from hypothesis import given

    seen: list[int] = []

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def attempt(case) -> None:
        response = case.call(base_url=address, headers=headers)
        seen.append(response.status_code)
        assert response.status_code < 500, case.as_curl_command()
        assert response.status_code != 401
        if response.status_code == 200:
            case.operation.validate_response(response)

    attempt()
    assert seen
