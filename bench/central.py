"""Events per second from a broker to the committed database: ``python -m bench.central``.

A process publishes verdicts of several stations with QoS 1 to a broker. ``outfeed-central collect``
stores them. The time runs from the first stored event to the last one. At the end every event must
be in the database once. Broker, publisher, collector and database share the cores of the machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from sqlalchemy import func, select

from bench.postgresql import PostgresqlServer, missing_postgresql
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.schema import migrate
from central.store.tables import events, journals
from edge.clock import utc_now
from edge.errors import OutfeedError, UsageError
from edge.sim.broker import EmbeddedBroker

_WINDOW = 1000
_LIMIT_S = 900.0
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class CentralLoad:
    """The load: the number of stations, and of events in all."""

    stations: int
    events: int


def verdict(station: int, sequence: int) -> bytes:
    """Return the payload of a verdict; every 50th part is rejected with one defect."""
    name, journal, run = f"press-{station}", f"journal-{station}", f"{station:016x}"
    is_bad = sequence % 50 == 0
    box = {"kind": "scratch", "confidence": 0.97, "guidance": "", "box": [10, 20, 30, 40]}
    sizes = {"area_px": 120, "peak_severity": 9.1, "mean_severity": 6.5}
    return json.dumps(
        {
            "event_id": f"{name}:{journal}:{run}:{sequence}",
            "journal": journal,
            "run": run,
            "sequence": sequence,
            "type": "outfeed.part/1",
            "station": name,
            "boot_id": "0f0e0d0c-1111-4222-8333-444455556666",
            "utc": utc_now(),
            "bundle": "textures-lean-1-db8395dea9ff",
            "part_id": sequence,
            "decision": "REJECT" if is_bad else "PASS",
            "reason": "scratch: 1 of severity up to 9.1" if is_bad else "no defect",
            "peak_severity": 9.1 if is_bad else 0.4,
            "defects": [{**box, **sizes}] if is_bad else [],
            "timings_us": dict.fromkeys(
                ("detect", "filter", "components", "classify", "decide"), 812.5
            ),
            "triggered_ns": sequence * 100_000_000,
        }
    ).encode()


def publish(port: int, load: CentralLoad) -> None:
    """Publish all events on one connection, at most 1,000 unacknowledged. MQTT 3.1.1."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        name = b"bench-publisher"
        head = b"\x00\x04MQTT\x04\x02\x00\x3c" + struct.pack(">H", len(name)) + name
        sock.sendall(b"\x10" + _length(len(head)) + head)
        if sock.recv(4)[3:] != b"\x00":
            raise OutfeedError("the broker refuses the publisher")
        sent = confirmed = 0
        rest = b""
        while confirmed < load.events:
            packets = b""
            while sent < load.events and sent - confirmed < _WINDOW and len(packets) < 1 << 16:
                station, sequence = sent % load.stations, sent // load.stations + 1
                sent += 1
                packets += _packet(f"outfeed/v1/press-{station}/events", sent, station, sequence)
            sock.sendall(packets)
            if sent - confirmed >= _WINDOW or sent == load.events:
                rest += sock.recv(1 << 16)
                confirmed += len(rest) // 4  # a PUBACK has four bytes
                rest = rest[len(rest) // 4 * 4 :]


def _packet(topic: str, number: int, station: int, sequence: int) -> bytes:
    name = topic.encode()
    message_id = struct.pack(">H", (number - 1) % 65535 + 1)
    body = struct.pack(">H", len(name)) + name + message_id + verdict(station, sequence)
    return b"\x32" + _length(len(body)) + body


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, byte = divmod(size, 128)
        encoded.append(byte | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


@contextmanager
def _broker(kind: str, folder: Path) -> Iterator[int]:
    """Start a broker, and yield its port."""
    if kind == "embedded":
        with EmbeddedBroker() as broker:
            yield broker.port
        return
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise UsageError("--broker mosquitto: mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "user root"]
    lines += [f"max_inflight_messages {_WINDOW}", "max_queued_messages 0"]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    process = subprocess.Popen(
        [program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(kind: str, broker: str, load: CentralLoad, batch: int) -> float:
    """Return the events per second. kind: sqlite or postgresql.

    Raises OutfeedError where an event is missing or doubled, or none arrives any more.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outfeed-bench-")))
        settings = DatabaseConfig(path=folder / "central.db")
        if kind == "postgresql":
            server = PostgresqlServer(fsync=True)
            stack.callback(server.close)
            server.start()
            settings = server.database()
        port = stack.enter_context(_broker(broker, folder))
        database = Database(settings)
        stack.callback(database.close)
        migrate(database)
        collector = _start_collector(folder, port, settings, batch)
        stack.callback(collector.wait)
        stack.callback(collector.terminate)
        process = multiprocessing.get_context("spawn").Process(target=publish, args=(port, load))
        process.start()
        stack.callback(process.join)
        return _wait(database, load)


def _start_collector(
    folder: Path, port: int, settings: DatabaseConfig, batch: int
) -> subprocess.Popen[str]:
    keys = settings.model_dump(mode="json", include=settings.model_fields_set)
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    config = folder / "central.toml"
    config.write_text(
        f'[broker]\nkind = "external"\nport = {port}\n[collector]\nwindow = {_WINDOW}\n'
        f"batch_events = {batch}\n[database]\n" + "\n".join(lines) + "\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "central", "collect", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    deadline_s = time.monotonic() + _START_S
    while "collector_subscribed" not in (line := process.stderr.readline()):
        if time.monotonic() > deadline_s or not line:
            raise OutfeedError(f"the collector does not start: {line}")
    return process


def _wait(database: Database, load: CentralLoad) -> float:
    """Wait for all events; return the events per second, from the first event to the last."""
    known = select(func.coalesce(func.sum(journals.c.complete_to), 0))
    first_s, first, stored = 0.0, 0, 0
    deadline_s = time.monotonic() + _LIMIT_S
    while stored < load.events:
        time.sleep(0.05)
        with database.read() as connection:
            stored = int(connection.execute(known).scalar_one())
        if stored and not first_s:
            first_s, first = time.monotonic(), stored
        if time.monotonic() > deadline_s:
            raise OutfeedError(f"{stored} of {load.events} events after {_LIMIT_S:g} s")
    took_s = time.monotonic() - first_s
    with database.read() as connection:
        count = connection.execute(select(func.count()).select_from(events)).scalar_one()
    if count != load.events:
        raise OutfeedError(f"{count} rows of {load.events} events")
    return (load.events - first) / took_s


def main(arguments: list[str] | None = None) -> None:
    """Measure and print one line for each database."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--events", type=int, default=30_000)
    parser.add_argument("--stations", type=int, default=8)
    parser.add_argument("--batch", type=int, default=500, help="collector.batch_events")
    parser.add_argument("--broker", choices=("mosquitto", "embedded"), default="mosquitto")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    options = parser.parse_args(arguments)
    load = CentralLoad(options.stations, options.events // options.stations * options.stations)
    console = Console(highlight=False)
    for kind in options.database or ["sqlite", "postgresql"]:
        if kind == "postgresql" and (reason := missing_postgresql()):
            console.print(f"{kind}: {reason}")
            continue
        rate = measure(kind, options.broker, load, options.batch)
        size = len(verdict(0, 1))
        console.print(
            f"{kind}: {rate:,.0f} events/s of {size} bytes from {options.broker}, "
            f"{load.stations} stations, {load.events:,} events, each stored once"
        )


if __name__ == "__main__":
    main()
