"""A small MQTT 5 broker over real sockets that answers as a script has it: for what Mosquitto
cannot be made to send. It keeps no session and hands nothing on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

CONNECT, PUBLISH, PUBACK, PINGREQ, DISCONNECT = 1, 3, 4, 12, 14


@dataclass(frozen=True)
class Published:
    """A PUBLISH as it came. connection: the how manyeth, from 1. packet_bytes: its whole size."""

    connection: int
    topic: str
    payload: bytes
    retain: bool
    packet_bytes: int

    @property
    def keys(self) -> dict[str, Any]:
        return json.loads(self.payload)

    @property
    def sequence(self) -> int:
        """0 for a status."""
        return int(self.keys.get("sequence", 0))

    @property
    def is_original(self) -> bool:
        """An event as the journal has it, and no gap event in its place."""
        return "does not take this event" not in self.keys.get("reason", "")


@dataclass(frozen=True)
class Answer:
    """To a PUBLISH: a PUBACK with this reason and these properties, or the end of the connection.
    disconnect: the reason of a DISCONNECT; hang_up: no word at all."""

    reason: int = 0
    properties: bytes = b""
    disconnect: int | None = None
    hang_up: bool = False
    silent: bool = False


OK = Answer()
Script = Callable[[Published], Answer]


def string(identifier: int, text: str) -> bytes:
    """A property whose value is a text."""
    data = text.encode()
    return bytes([identifier]) + len(data).to_bytes(2, "big") + data


@dataclass
class ScriptedBroker:
    """connack: its reason code and properties, by the number of the connection."""

    script: Script = lambda published: OK
    connack: Callable[[int], tuple[int, bytes]] = lambda number: (0, b"")
    published: list[Published] = field(default_factory=list)
    connects: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def events(self) -> list[Published]:
        return [one for one in self.published if one.topic.endswith("/events")]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [one.keys for one in self.published if one.topic.endswith("/status")]

    def taken(self, number: int) -> list[Published]:
        """Events with this sequence that came, whatever the answer."""
        return [one for one in self.events if one.sequence == number]

    @contextmanager
    def running(self) -> Iterator[ScriptedBroker]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            yield self
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)

    def _accept(self, listener: socket.socket) -> None:
        number = 0
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self._serve, args=(link, number), daemon=True).start()

    def _serve(self, link: socket.socket, number: int) -> None:
        with link, suppress(OSError, IndexError):
            stream = link.makefile("rb")
            while True:
                head = stream.read(1)
                if not head:
                    return
                length, used = _variable(stream.read)
                body = stream.read(length)
                kind = head[0] >> 4
                if kind == CONNECT:
                    self.connects.append(body)
                    reason, properties = self.connack(number)
                    link.sendall(_packet(0x20, bytes([0, reason]) + _sized(properties)))
                    if reason >= 0x80:
                        return
                elif kind == PINGREQ:
                    link.sendall(bytes([0xD0, 0]))
                elif kind == DISCONNECT or (
                    kind == PUBLISH and not self._answer(link, number, head[0], body, used)
                ):
                    return

    def _answer(self, link: socket.socket, number: int, flags: int, body: bytes, used: int) -> bool:
        at = 2 + int.from_bytes(body[:2], "big")
        topic, message_id = body[2:at].decode(), body[at : at + 2]
        rest = iter(body[at + 2 :])
        length, width = _variable(lambda count: bytes([next(rest)]))
        payload = body[at + 2 + width + length :]
        size = 1 + used + len(body)
        one = Published(number, topic, payload, bool(flags & 1), size)
        self.published.append(one)
        answer = self.script(one) if topic.endswith("/events") else OK
        if answer.disconnect is not None:
            link.sendall(_packet(0xE0, bytes([answer.disconnect]) + _sized(answer.properties)))
            return False
        if answer.hang_up:
            return False
        if not answer.silent:
            ack = message_id + bytes([answer.reason]) + _sized(answer.properties)
            link.sendall(_packet(0x40, ack))
        return True


def _variable(read: Callable[[int], bytes]) -> tuple[int, int]:
    """A variable byte integer (MQTT 5, section 1.5.5) and its width."""
    value, width = 0, 0
    while True:
        byte = read(1)[0]
        value |= (byte & 0x7F) << (7 * width)
        width += 1
        if byte < 0x80:
            return value, width


def _sized(properties: bytes) -> bytes:
    return _number(len(properties)) + properties


def _packet(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + _number(len(body)) + body


def _number(value: int) -> bytes:
    data = bytearray()
    while True:
        value, low = divmod(value, 128)
        data.append(low | (0x80 if value else 0))
        if not value:
            return bytes(data)
