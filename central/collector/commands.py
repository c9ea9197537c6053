"""The publication of signed commands, retained, until their stations have answered."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from central.access.commands import settle
from central.collector.retained import RetainedPublisher
from central.store.commands import has_commands, read_queue, read_queued
from central.store.database import Database
from edge.commands.message import commands_message
from edge.events.payload import Topics


class CommandPublisher(RetainedPublisher):
    """Takes over answers, and publishes to each station what it has not answered."""

    def _topic(self, station: str) -> str:
        return Topics(station, self._prefix).commands

    def _settle(self, database: Database, now_us: int) -> None:
        settle(database, now_us)

    def _messages(self, connection: Connection, now_us: int) -> Mapping[str, bytes]:
        return {
            station: commands_message(read_queue(connection, station, now_us))
            for station in read_queued(connection, now_us)
        }

    def _had_messages(self, connection: Connection, station: str) -> bool:
        return has_commands(connection, station)
