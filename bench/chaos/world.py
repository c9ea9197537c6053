"""The line under test, its broker, its network, its disk and its clock."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.broker import KilledBroker
from bench.chaos.central import RestlessCentral
from bench.chaos.disk import StateDisk
from bench.chaos.plant import PartSchedule, read_eye
from bench.chaos.processes import KeptProcess, runs
from bench.chaos.proxy import NetworkState, ProxiedNetwork
from bench.chaos.referee import Evidence
from bench.chaos.witness import Ejector
from edge.errors import OutfeedError
from edge.events.identity import StoredEvent
from edge.journal.reader import JournalReader

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "models/zoo"
STATION = "chaos"
TRAVEL_MS, BUDGET_MS, PULSE_MS = 300, 150, 12

_DRAIN_S = 60.0

_TOML = """\
id = "{station}"
bundle = "{zoo}/textures-nano.outfeed"
state_dir = "{state}"
[trust]
keys = ["{zoo}/zoo.pub"]
[camera]
kind = "files"
path = "{frames}"
loop = true
[line]
travel_ms = {travel_ms}
purge_at_start = false
budget_ms = {budget_ms}
pulse_ms = {pulse_ms}
[output]
safe_state = "active"
record = "{edges}"
[watchdog]
stage_s = 3.0
journal_s = 30.0
[journal]
max_mb = 16
[pictures]
max_mb = 8
min_free_mb = 4
ring_mb = 4
[uplink]
start = false
port = {port}
keepalive_s = 2
retry_max_s = 0.5
"""


@dataclass(frozen=True, slots=True)
class Records:
    """Files that the harness reads at the end."""

    folder: Path

    @property
    def eye(self) -> Path:
        """Every edge of the photo-eye that a station received."""
        return self.folder / "eye"

    @property
    def edges(self) -> Path:
        """Every edge of the reject output."""
        return self.folder / "edges"

    @property
    def clock(self) -> Path:
        """The offset of the wall clock, in seconds."""
        return self.folder / "clock"

    @property
    def received(self) -> Path:
        """Every delivered event, one JSON object a line."""
        return self.folder / "received.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "log"


class World:
    """All targets of faults. ``open`` blocks until the line inspects."""

    def __init__(self, folder: Path, *, rate_hz: float, seed: int) -> None:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        folder = folder.resolve()
        self.records = Records(folder)
        self.disk = StateDisk(folder / "state", folder / "disk.image")
        self.broker = KilledBroker(folder / "broker")
        self.broker.start()
        self.network = ProxiedNetwork(self.broker.port)
        self.central = RestlessCentral(self.broker.port, STATION)
        began_ns = time.monotonic_ns() + 1_000_000_000
        self.schedule = PartSchedule(began_ns, round(1e9 / rate_hz), seed)
        self.set_wall_clock(0)
        config = self._write_config(folder)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        victim, common = ["-m", "bench.chaos.victim"], [str(config), str(self.records.clock)]
        eye = [str(self.records.eye), str(began_ns), str(self.schedule.gap_ns), str(seed)]
        self.station = KeptProcess(
            "station",
            [*victim, "station", *common, *eye],
            log=self.records.log,
            environment=environment,
            pause_s=0.1,
            settle=True,
        )
        self.uplink = KeptProcess(
            "uplink",
            [*victim, "uplink", *common],
            log=self.records.log,
            environment=environment,
            pause_s=0.1,
        )

    def open(self) -> None:
        """Start all processes. Raises OutfeedError where no part is detected within 30 s."""
        self.central.come()
        if not self.central.wait_subscribed(10):
            raise OutfeedError("chaos: the broker did not confirm the subscription")
        self.station.start()
        self.uplink.start()
        self.wait_inspecting(30.0)

    def wait_inspecting(self, timeout_s: float) -> None:
        """Wait until a running station receives an edge. Raises OutfeedError."""
        before = self._edges_given()
        limit_s = time.monotonic() + timeout_s
        while self._edges_given() <= before:
            if time.monotonic() > limit_s:
                raise OutfeedError(f"chaos: no part was detected within {timeout_s:g} s")
            time.sleep(0.02)

    def rejector(self) -> int | None:
        """Return the process identifier of the rejector, None while there is none."""
        family = self.station.family
        return next((pid for pid in family if runs(pid, "edge.rejector")), None)

    def set_wall_clock(self, offset_s: int) -> None:
        """Set the offset of the wall clock of station and uplink."""
        beside = self.records.clock.with_suffix(".new")
        beside.write_text(f"{offset_s}\n", encoding="ascii")
        beside.replace(self.records.clock)

    def heal(self) -> None:
        """End every fault, run the line, end it, and wait a minute for the remaining events.

        Raises OutfeedError where the line does not inspect again, or ends with another status.
        """
        self.disk.free()
        self.network.state = NetworkState.UP
        self.set_wall_clock(0)
        self.wait_inspecting(60.0)
        time.sleep(3.0)
        if (status := self.station.end(30.0)) != 0:
            raise OutfeedError(f"chaos: the last station ended with status {status}")
        last = self._rows()[-1]
        limit_s = time.monotonic() + _DRAIN_S
        while not self.central.has(last):
            if time.monotonic() > limit_s:
                break  # events missing after this time are lost
            time.sleep(0.05)
        self.uplink.end(10.0)

    def evidence(self) -> Evidence:
        """Return the evidence to compare, and write the delivered events to a file.

        Call it after ``heal``.
        """
        with self.records.received.open("w", encoding="utf-8") as file:
            for each in self.central.received:
                line = {**each.identity.model_dump(), **each.event.model_dump(mode="json")}
                file.write(json.dumps(line) + "\n")
        return Evidence(
            edges=read_eye(self.records.eye),
            ejector=Ejector.read(self.records.edges),
            received=tuple(self.central.received),
            rows=self._rows(),
            travel_ns=TRAVEL_MS * 1_000_000,
            pulse_ns=PULSE_MS * 1_000_000,
        )

    def close(self) -> None:
        """End all processes and unmount the disk. May be called twice."""
        for child in (self.station, self.uplink):
            child.held = True
            child.end(20.0)
        self.central.go()
        self.network.close()
        self.broker.end()
        self.disk.close()

    def _rows(self) -> list[StoredEvent]:
        """Return the journal with gap events in the place of damaged rows."""
        rows: list[StoredEvent] = []
        with JournalReader(self.disk.folder / "journal.sqlite") as reader:
            while page := reader.read(rows[-1].position if rows else None, 10_000):
                rows += page
        return rows

    def _edges_given(self) -> int:
        eye = self.records.eye
        return eye.stat().st_size if eye.exists() else 0

    def _write_config(self, folder: Path) -> Path:
        parts = str(folder / "parts")
        command = [sys.executable, "-m", "models.data.textures", "--out", parts]
        command += ["--count", "24", "--seed", "3", "--defective", "0.4", "--force"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        path = folder / "station.toml"
        text = _TOML.format(
            station=STATION,
            zoo=ZOO,
            state=self.disk.folder,
            frames=folder / "parts/images",
            travel_ms=TRAVEL_MS,
            budget_ms=BUDGET_MS,
            pulse_ms=PULSE_MS,
            edges=self.records.edges,
            port=self.network.port,
        )
        path.write_text(text, encoding="utf-8")
        return path
