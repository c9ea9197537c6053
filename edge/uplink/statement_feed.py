"""The subscription of one connection to the statements of central systems."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.config.uplink import UplinkConfig
from edge.events.committed import MAX_STATEMENT_BYTES
from edge.events.payload import Topics

log = logging.getLogger(__name__)

# Statements that wait to be read. The newest one replaces all before it.
_MAX_WAITING = 16

# A larger message is no statement. The broker must not send it (MQTT 5, section 3.1.2.11.4).
_MAX_INCOMING_BYTES = MAX_STATEMENT_BYTES + 4096


@dataclass(frozen=True, slots=True)
class StatementMessage:
    """A message on the topic of statements. is_live: False for one that the broker had stored."""

    payload: bytes
    is_live: bool


class StatementFeed:
    """Receives the statements on one journal.

    Nothing is received if the configuration relies on the broker. A broker that refuses the
    subscription sends no statement, and everything else continues.

    Synchronization: the callbacks run on the thread that calls ``Client.loop``.
    """

    def __init__(self, client: mqtt.Client, topics: Topics, config: UplinkConfig) -> None:
        """Set the callbacks of a client that is not connected yet."""
        self._client = client
        self._topics = topics
        self._config = config
        self._waiting: deque[StatementMessage] = deque(maxlen=_MAX_WAITING)
        self._journal = ""
        self._message_id: int | None = None
        client.on_message = self._on_message

    def properties(self) -> Properties | None:
        """Return the properties of the CONNECT; None for MQTT 3.1.1."""
        if self._config.protocol != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _MAX_INCOMING_BYTES
        return properties

    def follow(self, journal: str) -> None:
        """Subscribe to the statements on this journal, unless that is done. Never blocks."""
        if self._config.acknowledged_by == "broker" or journal == self._journal:
            return
        if self._journal:
            self._client.unsubscribe(self._topics.committed(self._journal))
        self._journal = journal
        self._message_id = self._client.subscribe(self._topics.committed(journal), qos=1)[1]

    def take(self) -> list[StatementMessage]:
        """Return the statements that have arrived since the last call, the oldest first."""
        statements = list(self._waiting)
        self._waiting.clear()
        return statements

    def close(self) -> None:
        """Remove the callback."""
        self._client.on_message = None

    def refused(self, message_id: int, reason: str) -> None:
        """Log that the broker refused a subscription, if it is this one."""
        if message_id == self._message_id:
            log.warning("statements_refused journal=%s reason=%s", self._journal, reason)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        if self._journal and message.topic == self._topics.committed(self._journal):
            is_live = not message.retain
            self._waiting.append(StatementMessage(bytes(message.payload), is_live))
