"""An imagined plant for tests of the collector: stations that publish and send again, and a
collector as a process of its own.

The stations do what the protocol of docs/decisions/0064 asks of them: they read the statements, and
publish again what no statement covers.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from central.config.sections import DatabaseConfig
from edge.events.committed import CommittedRange, CommittedStatement, parse_statement
from tests.support.central_events import JOURNAL, PREFIX, RUN, message, status

_AGAIN_S = 3.0


class ImaginedStation:
    """One station with a journal of ``events`` events, on a connection and a thread of its own."""

    def __init__(self, port: int, events: int, name: str = "press-3") -> None:
        self.name = name
        self.statements: list[CommittedStatement] = []
        self.published = 0
        self._port = port
        self._payloads = [message(n + 1, station=name).payload for n in range(events)]
        self._waiting = set(range(1, events + 1))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ImaginedStation:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    @property
    def uncommitted(self) -> int:
        """The number of events that no statement covers."""
        with self._lock:
            return len(self._waiting)

    def _run(self) -> None:
        while not self._stop.is_set():
            client = mqtt.Client(
                CallbackAPIVersion.VERSION2,
                client_id=f"station-{self.name}",
                protocol=MQTTProtocolVersion.MQTTv5,
                reconnect_on_failure=False,
            )
            client.max_inflight_messages_set(200)
            client.on_message = self._on_message
            client.on_connect = self._on_connect
            try:
                client.connect("127.0.0.1", self._port, 10)
                self._publish(client)
            except OSError:
                time.sleep(0.05)
            finally:
                client.disconnect()
                if (sock := client.socket()) is not None:
                    sock.close()

    def _publish(self, client: mqtt.Client) -> None:
        """Publish what waits, each event again after 3 s, until the connection is lost."""
        sent_s: dict[int, float] = {}
        while not self._stop.is_set():
            if client.loop(0.01) != mqtt.MQTT_ERR_SUCCESS:
                return
            if not client.is_connected():
                continue
            now_s = time.monotonic()
            with self._lock:
                first = sorted(self._waiting)[:200]
            for number in first:
                if now_s - sent_s.get(number, -_AGAIN_S) >= _AGAIN_S:
                    sent_s[number] = now_s
                    client.publish(f"{PREFIX}/{self.name}/events", self._payloads[number - 1], 1)
                    self.published += 1

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{PREFIX}/{self.name}/committed/+", 1)
        client.publish(
            f"{PREFIX}/{self.name}/status",
            status(self.name, journal=JOURNAL).payload,
            1,
            retain=True,
        )

    def _on_message(self, client: mqtt.Client, _: object, received: mqtt.MQTTMessage) -> None:
        statement = parse_statement(received.payload)
        self.statements.append(statement)
        own = CommittedRange(first=1, last=len(self._payloads), run=RUN)
        missing = {
            number
            for each in statement.missing([own])
            for number in range(each.first, each.last + 1)
        }
        unknown = set(range(statement.known_to + 1, len(self._payloads) + 1))
        with self._lock:
            # What central had, it has: a statement of an older state changes nothing.
            self._waiting &= missing | unknown


class CollectorProcess:
    """``outfeed-central collect`` as a process, started and killed at will."""

    def __init__(
        self, folder: Path, port: int, database: DatabaseConfig, *, share: str | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._config = folder / "central.toml"
        self._log = folder / "collector.log"
        self._process: subprocess.Popen[bytes] | None = None
        keys = database.model_dump(mode="json", include=database.model_fields_set)
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        group = "" if share is None else f'share = "{share}"\n'
        self._config.write_text(
            f'[broker]\nkind = "external"\nport = {port}\nretry_max_s = 0.2\n'
            f"[collector]\nbatch_events = 40\nstatement_s = 0.1\n{group}"
            "[database]\n" + "\n".join(lines) + "\n"
        )

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "central", "collect", "--config", str(self._config)],
                stdout=log,
                stderr=log,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """End the process; return its exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(30)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> CollectorProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)
