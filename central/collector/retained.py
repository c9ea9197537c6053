"""Retained messages to stations: one for each station, published again where it may be lost."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection

from central.store.database import Database

_log = logging.getLogger(__name__)

_INTERVAL_S = 1.0


class RetainedPublisher(ABC):
    """Publishes to each station the message that the database has for it. For one thread.

    A message replaces the one before it. An empty one removes it from the broker. The broker may
    lose them: a station whose status arrives gets its message again.
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[str, bytes], bool],
        *,
        prefix: str,
        now_us: Callable[[], int],
    ) -> None:
        """publish: sends a retained message; False while that is not possible."""
        self._database = database
        self._publish = publish
        self._prefix = prefix
        self._now_us = now_us
        self._published: dict[str, bytes] = {}
        self._again: set[str] = set()
        self._next_s = 0.0

    def add_stations(self, stations: Iterable[str]) -> None:
        """Note stations whose status has arrived: their message is published again."""
        for each in stations:
            self._again.add(each)
            self._next_s = 0.0

    def publish_due(self, now_s: float) -> int:
        """Do what is due, at most once a second. Return the number of published messages.

        Blocks. Raises StoreError, and DBAPIError.
        """
        if now_s < self._next_s:
            return 0
        self._next_s = now_s + _INTERVAL_S
        now_us = self._now_us()
        self._settle(self._database, now_us)
        count = 0
        with self._database.read() as connection:
            messages = self._messages(connection, now_us)
            # An empty message follows where an earlier one may be retained.
            last = {key for key, text in self._published.items() if text}
            again = {each for each in self._again if self._had_messages(connection, each)}
            self._again &= again
        for station in sorted({*messages} | last | again):
            payload = messages.get(station, b"")
            if self._published.get(station) == payload and station not in again:
                continue
            topic = self._topic(station)
            if not self._publish(topic, payload):
                break
            self._published[station] = payload
            self._again.discard(station)
            _log.info("retained_published topic=%s bytes=%s", topic, len(payload))
            count += 1
        return count

    @abstractmethod
    def _topic(self, station: str) -> str:
        """Return the topic of the messages."""

    @abstractmethod
    def _settle(self, database: Database, now_us: int) -> None:
        """Take over what stations have reported."""

    @abstractmethod
    def _messages(self, connection: Connection, now_us: int) -> Mapping[str, bytes]:
        """Return the messages that are to be retained, by station."""

    @abstractmethod
    def _had_messages(self, connection: Connection, station: str) -> bool:
        """Return whether a message to this station may ever have been published."""
