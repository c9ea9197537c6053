"""The condition of the station beside its journal: process, self-test, drift, uplink, updates."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edge.config.paths import StatePaths
from edge.doctor.machine import MachineState
from edge.doctor.station_process import find_running, unit
from edge.drift.state import MAX_BYTES, AlarmState, StateError, parse_state
from edge.events.identity import JournalPosition
from edge.files import read_regular_file
from edge.journal.cursor import read_cursor
from edge.station.monitor.self_test_state import SelfTestState, read_self_test
from edge.station_page.updates import NO_UPDATES, UpdatesCondition, UpdatesReader
from edge.uplink.state import read_state

ProcessState = Literal["ready", "starting", "stopped"]

_EXIT_REASONS = {
    "2": "its command line is wrong",
    "78": "its configuration is wrong",
}
_LOG = "journalctl -u outfeed-station -n 50"


@dataclass(frozen=True, slots=True)
class StationProcess:
    """The process of the station. reason: one line on why it is not ready; empty where it is.

    status: its status as the service manager has it; may be empty.
    """

    state: ProcessState
    reason: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way of events to the central system. trouble: why none can be sent; may be empty.

    delivered: the number up to which events are delivered; None: not known. is_committed: a central
    system states it, and not the broker only. runs: the uplink runs; None: it never has.
    """

    runs: bool | None = None
    trouble: str = ""
    since_utc: str = ""
    delivered: int | None = None
    is_committed: bool = False


@dataclass(frozen=True, slots=True)
class StationCondition:
    """The condition of the station now."""

    process: StationProcess
    delivery: Delivery
    self_test: SelfTestState | None = None
    drift: tuple[AlarmState, ...] = ()
    is_commissioned: bool = True
    updates: UpdatesCondition = NO_UPDATES


@dataclass(slots=True)
class ConditionReader:
    """Reads the small files of the station. A file that cannot be read counts as missing.

    For one thread at a time. A read blocks for the disk, and for 3 s where the service manager does
    not answer.
    """

    paths: StatePaths
    machine: MachineState = field(default_factory=MachineState)
    updates: UpdatesReader | None = None
    _drift_file: tuple[int, int] = (0, 0)
    _drift: tuple[AlarmState, ...] = ()

    def read(self, newest: JournalPosition | None) -> StationCondition:
        """Return the condition. newest: the last row of the journal, if it is known."""
        return StationCondition(
            process=self._process(),
            delivery=self._delivery(newest),
            self_test=read_self_test(self.paths.self_test),
            drift=self._alarms(),
            is_commissioned=self.paths.commissioning.exists(),
            updates=self._updates(),
        )

    def _updates(self) -> UpdatesCondition:
        if self.updates is None:
            self.updates = UpdatesReader(self.paths.updates)
        return self.updates.read()

    def _process(self) -> StationProcess:
        service = unit(self.machine)
        status = service.get("StatusText", "")
        if service.get("ActiveState") in ("activating", "reloading"):
            if service.get("SubState") == "auto-restart":
                reason = f"it ended and starts again; started again {service['NRestarts']} times"
                return StationProcess("starting", _of_exit(service, reason), status)
            return StationProcess("starting", status or "it starts", status)
        if find_running(self.machine, self.paths.journal_lock) is not None:
            return StationProcess("ready", status=status)
        if service.get("ActiveState") == "failed":
            return StationProcess("stopped", _of_exit(service, f"it failed; see {_LOG}"), status)
        return StationProcess("stopped", "the station does not run", status)

    def _delivery(self, newest: JournalPosition | None) -> Delivery:
        state, position = read_state(self.paths.uplink), read_cursor(self.paths.cursor)
        runs = find_running(self.machine, self.paths.uplink_lock) is not None
        has_run = runs or position is not None or self.paths.uplink_lock.exists()
        is_same = position is not None and newest is not None and position.journal == newest.journal
        return Delivery(
            runs=runs if has_run else None,
            trouble=state.trouble,
            since_utc=state.since_utc,
            delivered=position.delivered if position is not None and is_same else None,
            is_committed=position is not None and position.committed is not None,
        )

    def _alarms(self) -> tuple[AlarmState, ...]:
        """Return the active drift alarms. The file has a picture, so it is read when it changes."""
        found = _stamp(self.paths.drift)
        if found is None:
            return ()
        if found != self._drift_file:
            try:
                data = read_regular_file(self.paths.drift, MAX_BYTES + 1)
                self._drift = parse_state(data).alarms
            except (OSError, StateError):
                self._drift = ()
            self._drift_file = found
        return self._drift


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _of_exit(service: dict[str, str], otherwise: str) -> str:
    reason = _EXIT_REASONS.get(service.get("ExecMainStatus", ""))
    return otherwise if reason is None else f"it ended: {reason}; see {_LOG}"
