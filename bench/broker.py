"""Count the confirmed events that a killed broker loses: ``python -m bench.broker``.

A real Mosquitto receives QoS 1 events while the central system is away. It is killed with SIGKILL,
started again, and delivers the remaining events. The shipped persistence settings are compared with
two others, in lost events and in events a second. An event has the size of a verdict.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from rich.console import Console
from rich.table import Table

_PAYLOAD_BYTES = 600  # a verdict with two defects has 621
_TOPIC = "outfeed/v1/press-3/events"
_WINDOW = 64  # uplink.max_inflight
_ANSWER_S = 10.0
_SETTINGS = {
    "autosave_interval 60": ("autosave_interval 60",),
    "autosave_interval 1": ("autosave_interval 1",),
    "autosave_on_changes true, autosave_interval 1 (as shipped)": (
        "autosave_on_changes true",
        "autosave_interval 1",
    ),
}


@dataclass(frozen=True, slots=True)
class KillOutcome:
    """The result for one broker. lost: events confirmed to the publisher and never delivered."""

    settings: str
    kills: int
    confirmed: int
    lost: int
    events_per_s: float


class Broker:
    """A Mosquitto on the loopback interface with a separate folder."""

    def __init__(self, folder: Path, settings: Sequence[str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._file = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence true"]
        lines += [f"persistence_location {folder}/", "max_queued_messages 0"]
        lines += ["max_inflight_messages 100", "user root", *settings]
        self._file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker and wait until it accepts a connection, at most 10 s."""
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if program is None:
            sys.exit("bench.broker: mosquitto is not installed")
        self._process = subprocess.Popen(
            [program, "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        limit_s = time.monotonic() + _ANSWER_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > limit_s:
                    sys.exit("bench.broker: mosquitto accepts no connection")
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill the broker by SIGKILL, so that it saves nothing more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(_ANSWER_S)


class EventReader:
    """A subscriber with a persistent session. ``numbers`` holds the delivered events."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.numbers: set[int] = set()

    def receive(self, until_quiet_s: float) -> None:
        """Receive until no event arrived for ``until_quiet_s``, then disconnect."""
        client = _client("central")
        subscribed: list[int] = []
        last_event_s = [time.monotonic()]

        def record(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
            self.numbers.add(int(message.payload[:12]))
            last_event_s[0] = time.monotonic()

        client.on_message = record
        client.on_subscribe = lambda *_: subscribed.append(1)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 86_400
        client.connect("127.0.0.1", self._port, clean_start=False, properties=session)
        while not client.is_connected():
            client.loop(0.05)
        client.subscribe(_TOPIC, qos=1)
        while not subscribed or time.monotonic() - last_event_s[0] < until_quiet_s:
            client.loop(0.05)
        client.disconnect()
        client.loop(0.05)


def _client(name: str) -> mqtt.Client:
    return mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=False,
    )


def publish(port: int, first: int, count: int, kill_after: int, broker: Broker) -> set[int]:
    """Publish ``count`` events, numbered from ``first``, and return the confirmed numbers.

    The window is that of the uplink. The broker is killed after ``kill_after`` confirmations.
    """
    client = _client("outfeed-press-3")
    client.max_inflight_messages_set(_WINDOW)
    numbers: dict[int, int] = {}
    confirmed: set[int] = set()
    client.on_publish = lambda _c, _d, message_id, _r, _p: confirmed.add(numbers[message_id])
    client.connect("127.0.0.1", port)
    while not client.is_connected():
        client.loop(0.05)
    sent = 0
    killed = False
    while len(confirmed) < count:
        while sent < count and sent - len(confirmed) < _WINDOW:
            body = f"{first + sent:012d}".encode().ljust(_PAYLOAD_BYTES, b".")
            numbers[client.publish(_TOPIC, body, qos=1).mid] = first + sent
            sent += 1
        if client.loop(0.05) != mqtt.MQTT_ERR_SUCCESS:
            break
        if not killed and len(confirmed) >= kill_after:
            broker.kill()
            killed = True
    if not killed:
        broker.kill()
    if (sock := client.socket()) is not None:
        sock.close()
    return confirmed


def measure(settings: str, *, events: int, kills: int, dice: random.Random) -> KillOutcome:
    """Measure one broker that is killed ``kills`` times while the central system is away."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder), _SETTINGS[settings])
        central = EventReader(broker.port)
        broker.start()
        central.receive(0.2)  # creates the session
        time.sleep(1.5)  # the session itself is saved by now, if the settings save it
        confirmed: set[int] = set()
        duration_s = 0.0
        for turn in range(kills):
            # The last kill follows all confirmations. The others are in mid-stream.
            after = events if turn == kills - 1 else dice.randrange(events // 2, events)
            began_s = time.monotonic()
            confirmed |= publish(broker.port, turn * events, events, after, broker)
            duration_s += time.monotonic() - began_s
            broker.start()
        central.receive(1.0)
        broker.kill()
    lost = len(confirmed - central.numbers)
    return KillOutcome(settings, kills, len(confirmed), lost, len(confirmed) / duration_s)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each setting and print the table.

    Return 1 where the shipped setting lost more than one event per kill. Mosquitto confirms an
    event before it saves it, and the uplink repeats its last 2 s.
    """
    parser = argparse.ArgumentParser(prog="bench.broker", description=__doc__)
    parser.add_argument("--events", type=int, default=1000, help="events per kill")
    parser.add_argument("--kills", type=int, default=3, help="kills of each broker")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    table = Table("settings", "kills", "confirmed", "lost", "events/s")
    shipped_lost = 0
    for settings in _SETTINGS:
        dice = random.Random(options.seed)
        outcome = measure(settings, events=options.events, kills=options.kills, dice=dice)
        shipped_lost = outcome.lost  # the shipped setting is the last
        table.add_row(
            outcome.settings,
            str(outcome.kills),
            str(outcome.confirmed),
            str(outcome.lost),
            f"{outcome.events_per_s:.0f}",
        )
    Console().print(table)
    return 1 if shipped_lost > options.kills else 0


if __name__ == "__main__":
    sys.exit(main())
