"""The publication of signed desired states, retained, and the progress of their rollouts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from central.collector.retained import RetainedPublisher
from central.rollouts.advance import advance_rollouts
from central.store.database import Database
from central.store.rollouts import had_messages, read_messages
from edge.events.payload import Topics

_LATE_US = 30_000_000
"""Between two looks at rollouts that have ended, whose last stations may still report."""


class DesiredPublisher(RetainedPublisher):
    """Advances rollouts, and publishes to each station the desired state that holds."""

    _late_us = 0

    def _topic(self, station: str) -> str:
        return Topics(station, self._prefix).desired

    def _settle(self, database: Database, now_us: int) -> None:
        is_late_due = not 0 <= now_us - self._late_us < _LATE_US
        if is_late_due:
            self._late_us = now_us
        advance_rollouts(database, now_us, also_ended=is_late_due)

    def _messages(self, connection: Connection, now_us: int) -> Mapping[str, bytes]:
        return read_messages(connection, now_us)

    def _had_messages(self, connection: Connection, station: str) -> bool:
        return had_messages(connection, station)
