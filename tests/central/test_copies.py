"""The end of a copied card: the coverage afterwards, the conditions, and two people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from central.access.accounts import add_account, set_grants
from central.access.audit import audited, read_entries
from central.access.caller import Grant
from central.access.permissions import Role
from central.store.copies import QUIET_US, ForgottenCopy, forget_copies
from central.store.database import Database
from central.store.queries import read_wall
from central.store.registry import Registry
from central.store.tables import conflicts, journals
from central.store.writer import BatchWriter
from edge.errors import UsageError
from tests.support.central_access import CLI, NOW_US, app_of, build_plant, fast_database, log_in_as
from tests.support.central_events import (
    JOURNAL,
    OTHER_RUN,
    PREFIX,
    RUN,
    count,
    message,
    now_us,
    rows,
    stored,
)


def copied(writer: BatchWriter, station: str = "press-3", at_us: int | None = None) -> None:
    """Events 1 to 10 of one run, and 8 to 12 of a copy."""
    at_us = now_us() - 2 * QUIET_US if at_us is None else at_us
    own = [message(n, station=station, received_us=at_us) for n in range(1, 11)]
    other = [
        message(n, station=station, run=OTHER_RUN, received_us=at_us, note="") for n in range(8, 13)
    ]
    writer.write([*own, *other])


def test_a_forgotten_copy_no_longer_lowers_the_statement(
    database: Database, writer: BatchWriter, make_writer: Callable[[], BatchWriter]
) -> None:
    copied(writer)
    other_collector = make_writer()
    other_collector.write([message(11, received_us=now_us() - 2 * QUIET_US)])
    assert rows(database, journals, "complete_to", "shared_from") == [(7, 8)]
    before = stored(database)
    with database.write() as connection:
        found = forget_copies(connection, "press-3", now_us())
    assert found == (ForgottenCopy(JOURNAL, 8, 12, 4),)
    assert stored(database) == before
    assert count(database, conflicts) == 0
    with database.read() as connection:
        assert read_wall(connection, now_us())[0].conflicts == 0
    # Collectors that knew the journal read it again.
    for each, sequence in ((writer, 13), (other_collector, 14)):
        each.write([message(sequence)])
        assert rows(database, journals, "complete_to", "shared_from") == [(sequence, None)]


def test_a_copy_that_is_still_in_use_is_found_again(
    database: Database, writer: BatchWriter
) -> None:
    copied(writer)
    with database.write() as connection:
        forget_copies(connection, "press-3", now_us())
    writer.write([message(7, run=OTHER_RUN)])
    assert rows(database, journals, "complete_to", "shared_from") == [(6, 7)]
    with database.write() as connection, pytest.raises(UsageError, match="within the last hour"):
        forget_copies(connection, "press-3", now_us())
    with database.write() as connection:
        later_us = now_us() + QUIET_US + 1_000_000
        assert forget_copies(connection, "press-3", later_us)[0].shared_from == 7


def test_a_station_that_was_not_copied_is_one_line(database: Database, writer: BatchWriter) -> None:
    writer.write([message(1)])
    with database.write() as connection:
        with pytest.raises(UsageError, match="no journal of station 'press-3' is known as copied"):
            forget_copies(connection, "press-3", now_us())
        with pytest.raises(UsageError, match="there is no station 'press-4'"):
            forget_copies(connection, "press-4", now_us())


def test_two_people_forget_a_copy(tmp_path: Path) -> None:
    database = fast_database(tmp_path)
    build_plant(database)
    writer = BatchWriter(database, Registry(), prefix=PREFIX)
    copied(writer, "alpha", NOW_US - 2 * QUIET_US)
    app = app_of(database)
    admin, quality = log_in_as(app, "admin-everywhere"), log_in_as(app, "quality-everywhere")
    form = {"unit": "alpha", "reason": "card replaced"}
    assert quality.post("/requests/copy", data=form).status_code == 403
    assert admin.post("/requests/copy", data=form).status_code == 303
    assert "Ask to forget the copy" in admin.get("/requests").text
    assert admin.post("/requests/1/approve").status_code == 422
    with database.read() as connection:
        assert connection.execute(select(journals.c.shared_from)).scalar() == 8
    second = _second_admin(database, app)
    assert second.post("/requests/1/approve").status_code == 303
    with database.read() as connection:
        assert connection.execute(select(journals.c.shared_from)).scalar() is None
        entry = read_entries(connection, limit=1)[0]
    assert (entry.action, entry.object) == ("copy.forgotten", "alpha")
    assert f'"journal":"{JOURNAL}","shared_from":8' in entry.detail
    assert RUN not in entry.detail
    database.close()


def _second_admin(database: Database, app: FastAPI) -> TestClient:
    with audited(database, CLI, NOW_US) as change:
        add_account(change, "second")
        set_grants(change, "second", [Grant(Role.ADMIN)])
    return log_in_as(app, "second")
