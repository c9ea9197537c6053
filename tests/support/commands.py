"""Signed commands for tests, and a publisher that may be anyone."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.commands.message import CommandBody, MarkAction, SignedCommand, sign_command
from edge.commands.process import CommandProcess
from edge.config.station import StationConfig
from edge.config.uplink import UplinkConfig
from edge.events.command import command_event
from edge.events.event import mark_event, part_event
from edge.events.identity import parse_payload
from edge.events.payload import Topics
from edge.inbox import Inbox, Mark
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.records import Decision, Verdict
from edge.uplink.client import make_client

_Event = TypeVar("_Event")

OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
SECOND_OPERATOR = Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
UNKNOWN_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(4, 36)))


def public(key: Ed25519PrivateKey) -> str:
    return "ed25519:" + key.public_key().public_bytes_raw().hex()


def place(config: StationConfig) -> dict[str, str]:
    """The station, journal and present run of a command, as the central system knows them."""
    with JournalReader(config.paths.journal) as reader:
        (latest,) = reader.latest(1)
    return {"station": config.id, "journal": latest.journal, "run": latest.run}


def command(
    place: dict[str, str], action: Any = None, key: Ed25519PrivateKey = OPERATOR, **changes: Any
) -> SignedCommand:
    """A command that is signed now and expires in an hour, unless the changes say otherwise."""
    now_s = time.time()
    fields: dict[str, Any] = {
        **place,
        "counter": round(now_s * 1e6),
        "expires": round(now_s) + 3600,
        "action": action or MarkAction(part_id=1, mark="false-reject"),
        **changes,
    }
    return sign_command(CommandBody(**fields), key)


def publish(
    broker: UplinkConfig, station: str, payload: bytes, *, retain: bool = True, name: str = "anyone"
) -> None:
    """Publish a message on the topic of commands with QoS 1, and wait for the broker."""
    client = make_client(broker, name, clean_session=True)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        info = client.publish(Topics(station).commands, payload, qos=1, retain=retain)
        info.wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


def with_commands(path: Path, accept: str = '"mark", "resend"', *keys: Ed25519PrivateKey) -> str:
    """Add operator keys and a [commands] section to a station.toml; return its new text."""
    listed = ", ".join(f'"{public(each)}"' for each in keys or (OPERATOR,))
    text = path.read_text().replace("[trust]\n", f"[trust]\noperator_keys = [{listed}]\n")
    path.write_text(f"{text}\n[commands]\naccept = [{accept}]\n")
    return path.read_text()


class Recorder:
    """The station's side of the inbox: it journals marks and answers. It takes no pictures."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.journal = Journal.open(
            config.paths.journal,
            station=config.id,
            max_bytes=config.journal.max_bytes,
            cursor_path=config.paths.cursor,
        )
        self.inbox = Inbox(config.paths.inbox)
        self.inbox.make()

    def parts(self, count: int) -> None:
        """Journal good parts with the numbers 1 to ``count``."""
        for number in range(1, count + 1):
            verdict = Verdict(number, Decision.PASS, "test", (), 0.0, None)
            self.journal.append([part_event(self.config.id, "b", verdict, 0)])

    def turn(self) -> int:
        """Journal what waits in the inbox. Return the number of items."""
        waiting = self.inbox.waiting()
        for item in waiting:
            if isinstance(item, Mark):
                self.journal.append([mark_event(self.config.id, item, None)])
            else:
                self.journal.append([command_event(self.config.id, item)])
            self.inbox.remove(item)
        return len(waiting)

    def events(self, kind: type[_Event]) -> list[_Event]:
        """The journalled events of this type, in order."""
        with JournalReader(self.config.paths.journal) as reader:
            events = [parse_payload(each.payload)[1] for each in reader.read(None, 10_000)]
        return [each for each in events if isinstance(each, kind)]

    def run(self, stop: threading.Event) -> None:
        """Journal what arrives until ``stop`` is set."""
        while not stop.wait(0.01):
            self.turn()


def deliver(process: CommandProcess, recorder: Recorder, turns: int = 20) -> None:
    """Let both sides work until nothing is left to do."""
    for _ in range(turns):
        process.step()
        recorder.turn()
