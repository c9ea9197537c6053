"""The collector with real brokers: acknowledgement after the commit, and statements."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event as sqlalchemy_event

from central.collector.collector import Collector
from central.collector.inbox import MessageInbox, ReceivedMessage
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.store.database import Database
from edge.receiver import DueStatements
from edge.sim.broker import EmbeddedBroker
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.support.central_events import JOURNAL, RUN, message, stored
from tests.support.central_stations import ImaginedStation


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a broker of each kind."""
    if request.param == "embedded":
        pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
        with EmbeddedBroker() as broker:
            yield broker.port
        return
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as mosquitto:
        yield mosquitto.port


@contextmanager
def _collecting(database: Database, port: int, **settings: object) -> Iterator[Collector]:
    broker = BrokerConfig(kind="external", port=port, retry_max_s=0.2)
    collector = Collector(
        database,
        broker.connection(),
        CollectorConfig(statement_s=0.1, **settings),
        RetentionConfig(),
    )
    collector.start()
    try:
        assert collector.connection.wait_subscribed(20)
        yield collector
    finally:
        collector.close()


def test_events_are_stored_and_stated(database: Database, port: int) -> None:
    with _collecting(database, port) as collector, ImaginedStation(port, 500) as station:
        wait_for(lambda: station.uncommitted == 0, "statements cover all events", 60)
        last = station.statements[-1]
        assert (last.complete_to, last.known_to, last.ranges) == (500, 500, ())
        assert (last.station, last.journal, last.central) == ("press-3", JOURNAL, "central")
        assert collector.is_running
    assert stored(database) == [(RUN, number) for number in range(1, 501)]


def test_a_journal_without_events_gets_a_statement(database: Database, port: int) -> None:
    with _collecting(database, port), ImaginedStation(port, 0) as station:
        wait_for(lambda: station.statements, "a statement on the journal of the status")
        first = station.statements[0]
        assert (first.complete_to, first.known_to, first.journal) == (0, 0, JOURNAL)


def test_each_connect_gives_a_live_statement(database: Database, port: int) -> None:
    with ImaginedStation(port, 20) as station:
        with _collecting(database, port):
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", 60)
        before = len(station.statements)
        with _collecting(database, port):
            wait_for(lambda: len(station.statements) > before, "a further statement")
        assert station.statements[-1].complete_to == 20


def test_a_full_window_is_not_exceeded_and_not_waited_for(database: Database, port: int) -> None:
    # The broker stops after 5 messages. Batches that waited for 500 would take 100 s.
    with (
        _collecting(database, port, window=5, batch_ms=5000.0) as collector,
        ImaginedStation(port, 100) as station,
    ):
        wait_for(lambda: station.uncommitted == 0, "statements cover all events", 60)
        assert collector.counts["stored"] == 100


def test_nothing_is_acknowledged_before_the_commit(database: Database, port: int) -> None:
    allowed = threading.Event()
    tried = threading.Event()

    def note(connection, cursor, statement, *_) -> None:
        if statement.startswith("UPDATE journals"):  # a transaction with events
            tried.set()

    def hold(connection: object) -> None:
        if tried.is_set() and threading.current_thread().name == "collector-database":
            assert allowed.wait(60)

    with _collecting(database, port) as collector:
        acknowledged: list[ReceivedMessage] = []
        acknowledge = collector.connection.acknowledge
        collector.connection.acknowledge = lambda messages: (
            acknowledged.extend(messages),
            acknowledge(messages),
        )[1]
        sqlalchemy_event.listen(database.engine, "before_cursor_execute", note)
        sqlalchemy_event.listen(database.engine, "commit", hold)
        with ImaginedStation(port, 10) as station:
            assert tried.wait(20)
            time.sleep(0.3)  # the time in which a wrong acknowledgement would be made
            assert (acknowledged, stored(database)) == ([], [])
            allowed.set()
            wait_for(lambda: station.uncommitted == 0, "statements cover all events", 60)
        assert len(acknowledged) >= 10


@needs_mosquitto
def test_two_collectors_share_the_events(database: Database, tmp_path_factory) -> None:
    if not database.is_postgresql:
        pytest.skip("several collectors need PostgreSQL")
    with (
        Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker,
        _collecting(database, broker.port, share="plant") as first,
        _collecting(database, broker.port, share="plant") as second,
        ImaginedStation(broker.port, 1500) as station,
    ):
        wait_for(lambda: station.uncommitted == 0, "statements cover all events", 90)
        counts = (first.counts["stored"], second.counts["stored"])
    assert sum(counts) == 1500
    assert min(counts) > 100
    assert stored(database) == [(RUN, number) for number in range(1, 1501)]


def test_a_batch_ends_by_size_by_time_and_by_quiet() -> None:
    inbox = MessageInbox()
    assert inbox.take(10, 1.0, 0.01) == []
    for number in range(25):
        inbox.put(ReceivedMessage(message(number + 1), 1, number, 1))
    assert [len(inbox.take(10, 1.0, 1.0)) for _ in range(3)] == [10, 10, 5]
    stop = threading.Event()

    def trickle() -> None:
        while not stop.is_set():
            inbox.put(ReceivedMessage(message(1), 1, 1, 1))
            time.sleep(0.0005)

    thread = threading.Thread(target=trickle)
    thread.start()
    batch = inbox.take(1_000_000, 0.1, 1.0)  # ends although a message is always there
    stop.set()
    thread.join()
    assert batch


def test_statements_are_limited_by_time_for_each_journal() -> None:
    schedule = DueStatements(1.0)
    one, other = ("press-3", "a"), ("press-3", "b")
    schedule.add([one])
    assert schedule.due(100.0) == [one]
    schedule.published(one, 100.0)
    schedule.add([one, other])
    assert schedule.due(100.5) == [other]
    schedule.published(other, 100.5)
    assert schedule.due(100.9) == []
    assert schedule.due(101.0) == [one]
