"""Killed collectors, brokers and databases: every event is stored once, whatever is killed.

The imagined stations publish again what no statement covers, as the uplink does.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from bench.postgresql import PostgresqlServer, missing_postgresql
from central.config.sections import DatabaseConfig
from central.store import tables
from central.store.database import Database
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.support.central_events import RUN, count, covered, rows, stored
from tests.support.central_stations import CollectorProcess, ImaginedStation

pytestmark = needs_mosquitto

_EVENTS = 1000
_WAIT_S = 120.0


def _wait_statement(station: ImaginedStation) -> None:
    """Wait until a further statement covers further events, or all of them."""
    before = station.uncommitted
    wait_for(lambda: not station.uncommitted or station.uncommitted < before, "events", _WAIT_S)


def _assert_complete(config: DatabaseConfig, name: str = "press-3") -> None:
    """Every event once, in all tables."""
    database = Database(config)
    assert stored(database) == [(RUN, number) for number in range(1, _EVENTS + 1)]
    assert covered(database, name) == set(range(1, _EVENTS + 1))
    assert sorted(rows(database, tables.parts, "part_id")) == [
        (number,) for number in range(1, _EVENTS + 1)
    ]
    assert sum(row[0] for row in rows(database, tables.rollups, "inspected")) == _EVENTS
    assert count(database, tables.conflicts) == count(database, tables.refused) == 0
    database.close()


@pytest.mark.timeout(300)
def test_a_collector_that_is_killed_in_the_middle_of_batches(
    database_config: DatabaseConfig, tmp_path: Path
) -> None:
    chance = random.Random(18)
    with (
        Mosquitto(tmp_path / "broker") as broker,
        CollectorProcess(tmp_path / "central", broker.port, database_config) as collector,
        ImaginedStation(broker.port, _EVENTS) as station,
    ):
        for _ in range(3):
            _wait_statement(station)
            time.sleep(chance.uniform(0, 0.4))  # another point of a batch each time
            if not station.uncommitted:
                break
            collector.end(signal.SIGKILL)
            collector.start()
        wait_for(lambda: station.uncommitted == 0, "statements cover all events", _WAIT_S)
        assert collector.end() == 0
    assert "Traceback" not in collector.log()
    _assert_complete(database_config)


@pytest.mark.timeout(300)
def test_a_broker_that_is_killed_and_forgets_everything(
    database_config: DatabaseConfig, tmp_path: Path
) -> None:
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    try:
        with (
            CollectorProcess(tmp_path / "central", broker.port, database_config) as collector,
            ImaginedStation(broker.port, _EVENTS) as station,
        ):
            for _ in range(3):
                _wait_statement(station)
                broker.stop(signal.SIGKILL)
                broker.start()
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", _WAIT_S)
            assert collector.end() == 0
        assert "Traceback" not in collector.log()
    finally:
        broker.stop()
    _assert_complete(database_config)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_database_that_is_stopped_and_started(number: int, tmp_path: Path) -> None:
    if reason := missing_postgresql():
        pytest.skip(reason)
    server = PostgresqlServer()
    try:
        server.start()
        config = server.database()
        with (
            Mosquitto(tmp_path / "broker") as broker,
            CollectorProcess(tmp_path / "central", broker.port, config) as collector,
            ImaginedStation(broker.port, _EVENTS) as station,
        ):
            for _ in range(2):
                _wait_statement(station)
                server.stop(number)
                before = len(station.statements)
                time.sleep(1.0)  # the collector tries in vain meanwhile
                assert len(station.statements) <= before + 1
                server.start()
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", _WAIT_S)
            log = collector.log()
            assert collector.end() == 0
        assert "database_lost" in log
        assert "database_found" in log
        assert "Traceback" not in log
        assert log.count("collector_subscribed") == 1  # the connection to the broker remained
        _assert_complete(config)
    finally:
        server.close()


@pytest.mark.timeout(300)
def test_one_of_two_collectors_is_killed(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    config = postgresql.database()
    with (
        Mosquitto(tmp_path / "broker") as broker,
        CollectorProcess(tmp_path / "one", broker.port, config, share="plant") as one,
        CollectorProcess(tmp_path / "two", broker.port, config, share="plant") as two,
        ImaginedStation(broker.port, _EVENTS) as station,
    ):
        _wait_statement(station)
        one.end(signal.SIGKILL)
        wait_for(lambda: station.uncommitted == 0, "statements cover all events", _WAIT_S)
        assert two.end() == 0
    _assert_complete(config)
