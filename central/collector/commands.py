"""The publication of signed commands, retained, until their stations have answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from central.access.commands import settle
from central.store.commands import has_commands, read_queue, read_queued
from central.store.database import Database
from edge.commands.message import commands_message
from edge.events.payload import Topics

_log = logging.getLogger(__name__)

_INTERVAL_S = 1.0


class CommandPublisher:
    """Takes over answers, and publishes to each station what it has not answered.

    A message replaces the one before it. An empty one removes it from the broker. The broker may
    lose them: a station whose status arrives gets its message again. For one thread.
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
        settle(self._database, now_us)
        count = 0
        with self._database.read() as connection:
            queued = read_queued(connection, now_us)
            # An empty message follows where an earlier one may be retained.
            last = {key for key, text in self._published.items() if text}
            again = {each for each in self._again if has_commands(connection, each)}
            self._again &= again
            for station in sorted({*queued} | last | again):
                queue = read_queue(connection, station, now_us)
                payload = commands_message(queue) if queue else b""
                if self._published.get(station) == payload and station not in again:
                    continue
                if not self._publish(Topics(station, self._prefix).commands, payload):
                    break
                self._published[station] = payload
                self._again.discard(station)
                _log.info("commands_published station=%s count=%s", station, len(queue))
                count += 1
        return count
