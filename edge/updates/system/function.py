"""The function of a unit, judged from outside its processes: station, rejector, journal, broker."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.errors import JournalError
from edge.journal.reader import JournalReader
from edge.updates.system.record import Function

STATION, UPLINK = "outfeed-station.service", "outfeed-uplink.service"
JOURNAL = Path("/var/lib/outfeed/journal.sqlite")
_EVENTS = 500
_SHOWN = "ActiveState,MainPID,NRestarts,StatusText"


@dataclass(frozen=True, slots=True)
class SystemdUnit:
    """The state of a unit, as systemd knows it. ``status`` is the line that the service reports."""

    active: bool
    pid: int
    restarts: int
    status: str


class Observer(Protocol):
    """Reads the state of this machine, so that tests can state one."""

    def unit(self, name: str) -> SystemdUnit:
        """Return the state of a unit."""

    def realtime(self, pid: int) -> bool:
        """Return whether a child of this process runs with real-time priority."""

    def events(self) -> list[dict[str, object]]:
        """Return the newest events of the journal that this boot wrote, the newest first."""


class SystemdObserver:
    """Asks systemd, /proc and the journal of the station."""

    def __init__(self, boot_id: str, journal: Path = JOURNAL) -> None:
        self._boot_id = boot_id
        self._journal = journal

    def unit(self, name: str) -> SystemdUnit:
        done = subprocess.run(
            ("systemctl", "show", "-p", _SHOWN, name), capture_output=True, text=True, check=False
        )
        found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        return SystemdUnit(
            found.get("ActiveState") == "active",
            int(found.get("MainPID") or 0),
            int(found.get("NRestarts") or 0),
            found.get("StatusText", ""),
        )

    def realtime(self, pid: int) -> bool:
        for entry in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                children = entry.read_text().split()
            except OSError:
                continue
            if any(_is_fifo(int(child)) for child in children):
                return True
        return False

    def events(self) -> list[dict[str, object]]:
        try:
            with JournalReader(self._journal) as reader:
                bodies = [json.loads(event.body) for event in reader.latest(_EVENTS)]
        except JournalError:
            return []
        return [body for body in bodies if body.get("boot_id") == self._boot_id]


def function_now(observer: Observer) -> Function:
    """Return what works now, before a switch."""
    uplink = observer.unit(UPLINK)
    return Function(
        station=observer.unit(STATION).active,
        broker=uplink.active and uplink.status.startswith("connected"),
    )


def failed_functions(observer: Observer, before: Function) -> list[str]:
    """Return what does not work of what worked before the switch; empty when all of it does."""
    if not before.station:
        return []
    station = observer.unit(STATION)
    if not station.active:
        return [f"the station is not READY (restarts: {station.restarts})"]
    failed = []
    if not observer.realtime(station.pid):
        failed.append("the rejector has no real-time priority")
    events = observer.events()
    if not any(event.get("type") == "outfeed.start/1" for event in events):
        failed.append("the journal has no event of this start")
    tests = [event for event in events if event.get("type") == "outfeed.self-test/1"]
    if tests and not tests[0].get("reproduced"):
        newest = tests[0]
        failed.append(f"the self-test failed, {newest.get('subject')}: {newest.get('reason')}")
    if before.broker:
        uplink = observer.unit(UPLINK)
        if not (uplink.active and uplink.status.startswith("connected")):
            failed.append(f"the uplink is not connected: {uplink.status or 'not running'}")
    return failed


def _is_fifo(pid: int) -> bool:
    try:
        return os.sched_getscheduler(pid) == os.SCHED_FIFO
    except OSError:
        return False
