"""The collector: batches of messages go to the database, and their acknowledgements back."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy.exc import DBAPIError

from central.collector.commands import CommandPublisher
from central.collector.connection import BrokerConnection
from central.collector.desired import DesiredPublisher
from central.collector.inbox import MessageInbox, ReceivedMessage
from central.collector.lot_statements import LotReceiver, LotTopics
from central.collector.retained import RetainedPublisher
from central.collector.statements import StatementPublisher
from central.config.sections import CollectorConfig, RetentionConfig
from central.store.database import Database, StoreError
from central.store.registry import Registry
from central.store.retention import Maintenance
from central.store.writer import BatchResult, BatchWriter
from edge.config.uplink import UplinkConfig
from edge.uplink.backoff import Backoff
from edge.validation_messages import one_line

_log = logging.getLogger(__name__)

_POLL_S = 0.2
_RETRY_MAX_S = 5.0
_CLOSE_S = 30.0


class Collector:
    """Receives messages, commits them in batches, acknowledges them and publishes statements.

    Two threads: one for the connection, one for the database. Neither a lost broker nor a lost
    database is an error. Nothing is acknowledged meanwhile.
    """

    def __init__(
        self,
        database: Database,
        broker: UplinkConfig,
        settings: CollectorConfig,
        retention: RetentionConfig,
        *,
        on_network: Callable[[], None] = lambda: None,
        on_database: Callable[[], None] = lambda: None,
    ) -> None:
        """Open nothing yet.

        Args:
            database: The database, with its tables.
            broker: The address, login and TLS files of the broker.
            settings: The section [collector].
            retention: The section [retention].
            on_network: Called on every iteration of the thread of the connection.
            on_database: The same for the thread of the database.
        """
        self._settings = settings
        self._on_database = on_database
        self._inbox = MessageInbox()
        self._lot_topics = LotTopics(broker.topic_prefix)
        self.connection = BrokerConnection(
            broker,
            self._inbox,
            share=settings.share,
            window=settings.window,
            further=[self._lot_topics.statements],
            on_iteration=on_network,
        )
        self._lots = LotReceiver(
            database,
            lambda topic, payload: self.connection.publish(topic, payload, retain=False),
            topics=self._lot_topics,
            central=settings.name,
        )
        registry = Registry()
        self._writer = BatchWriter(database, registry, prefix=broker.topic_prefix)
        self._statements = StatementPublisher(
            database,
            registry,
            self.connection.publish,
            prefix=broker.topic_prefix,
            central=settings.name,
            interval_s=settings.statement_s,
        )
        self._retained = self._publishers(database, broker.topic_prefix)
        self._maintenance = Maintenance(database, retention)
        self._stop = threading.Event()
        self._counts: Counter[str] = Counter()
        self._is_lost = False
        self._threads = [
            threading.Thread(target=self._run_network, name="collector-network", daemon=True),
            threading.Thread(target=self._run_database, name="collector-database", daemon=True),
        ]

    @property
    def counts(self) -> Counter[str]:
        """Return the numbers of messages by outcome since the start.

        The names are those of ``BatchResult``, and lots_stored, lots_repeated and lots_refused.
        """
        return Counter(self._counts)

    @property
    def is_running(self) -> bool:
        """Return whether both threads run. A thread ends early only by a bug."""
        return all(each.is_alive() for each in self._threads)

    def start(self) -> None:
        """Start the threads. Returns at once."""
        for each in self._threads:
            each.start()

    def close(self) -> None:
        """End the threads. Messages that are not committed are not acknowledged. At most 30 s.

        A transaction that takes longer ends by itself, because the database is closed by then.
        """
        self._stop.set()
        deadline_s = time.monotonic() + _CLOSE_S
        for each in reversed(self._threads):
            if each.ident is not None:
                each.join(max(0.0, deadline_s - time.monotonic()))
                if each.is_alive():
                    _log.warning("collector_ends_late thread=%s", each.name)
        self.connection.close()

    def _publishers(self, database: Database, prefix: str) -> tuple[RetainedPublisher, ...]:
        return tuple(
            kind(
                database,
                self.connection.publish,
                prefix=prefix,
                now_us=lambda: time.time_ns() // 1000,
            )
            for kind in (CommandPublisher, DesiredPublisher)
        )

    def _run_network(self) -> None:
        self.connection.run(self._stop)

    def _run_database(self) -> None:
        while not self._stop.is_set():
            self._on_database()
            batch = self._inbox.take(
                self._settings.batch_events, self._settings.batch_ms / 1000, _POLL_S
            )
            if batch:
                self._commit(batch)
            self._attend()

    def _commit(self, batch: Sequence[ReceivedMessage]) -> None:
        """Store a batch and acknowledge it: first what stations sent, then statements on lots."""
        lots = [each for each in batch if self._lot_topics.line_of(each.message.topic)]
        others = [each for each in batch if each not in lots] if lots else batch
        if others:
            self._insist(partial(self._write, others))
        for each in lots:
            self._insist(partial(self._receive_lot, each))

    def _write(self, batch: Sequence[ReceivedMessage]) -> None:
        result = self._writer.write([each.message for each in batch])
        self._statements.add_stations(result.statuses)
        for each in self._retained:
            each.add_stations(station for station, _ in result.statuses)
        self.connection.acknowledge(batch)
        self._statements.add_committed(result.journals)
        self._count(result)

    def _receive_lot(self, received: ReceivedMessage) -> None:
        answer = self._lots.receive(received.message)
        self.connection.acknowledge([received])
        self._counts[f"lots_{answer.outcome}"] += 1

    def _insist(self, step: Callable[[], None]) -> None:
        """Take a step, again and again while the database is lost."""
        backoff = Backoff(_RETRY_MAX_S)
        while not self._stop.is_set():
            try:
                step()
            except (DBAPIError, StoreError) as error:
                self._lose(error)
                self._pause(backoff.next_s())
                continue
            self._find()
            return

    def _attend(self) -> None:
        """Publish what is due, advance rollouts, and take one step of maintenance."""
        try:
            self._statements.publish_due(time.monotonic())
            for each in self._retained:
                each.publish_due(time.monotonic())
            self._maintenance.step(time.time_ns() // 1000)
        except (DBAPIError, StoreError) as error:
            self._lose(error)

    def _count(self, result: BatchResult) -> None:
        self._counts += result.counts
        for name in ("copies", "contents"):
            if result.counts[name]:
                _log.error(
                    "station_contradicts_itself kind=%s events=%s", name, result.counts[name]
                )
        if result.counts["refused"]:
            _log.warning("messages_refused count=%s", result.counts["refused"])

    def _lose(self, error: Exception) -> None:
        if not self._is_lost:
            self._is_lost = True
            _log.error("database_lost reason=%s", one_line(getattr(error, "orig", None) or error))

    def _find(self) -> None:
        if self._is_lost:
            self._is_lost = False
            _log.warning("database_found")

    def _pause(self, pause_s: float) -> None:
        until_s = time.monotonic() + pause_s
        while not self._stop.is_set() and time.monotonic() < until_s:
            self._on_database()
            self._stop.wait(_POLL_S)
