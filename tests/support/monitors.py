"""A monitor of a station, with scripted self-tests and a scripted drift detector."""

from __future__ import annotations

import threading
from pathlib import Path

from edge.records import Frame, Verdict
from edge.station.monitor.thread import Monitor, MonitorRules
from tests.support.station import CLOCK


def monitor(
    folder: Path, self_test=None, drifting=None, *, every_ns: int = 1, clock=CLOCK, **rules
) -> Monitor:
    return Monitor(
        station_id="s1",
        bundle_id="b1",
        drifting=drifting,
        self_test=self_test,
        rules=MonitorRules(self_test_interval_ns=every_ns, **rules),
        self_test_path=folder / "self_test.json",
        clock=clock,
    )


class ScriptedSelfTest:
    """Named golden frames, each with a scripted difference from the expected result."""

    def __init__(self, *faults: str | Exception | None, during=lambda: None) -> None:
        self.faults, self.during, self.threads = list(faults), during, []
        self.count = 2

    @property
    def upcoming(self) -> str:
        return f"s{len(self.threads) + 1}"

    @property
    def shows_defect(self) -> bool:
        return len(self.threads) % 2 == 0

    def prove(self) -> str | None:
        self.threads.append(threading.current_thread().name)
        self.during()
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault


class ScriptedDrift:
    """Returns the alarms of the script for the n-th measured part."""

    def __init__(self, script: dict[int, list]) -> None:
        self.script, self.parts, self.active, self.gate = script, [], {}, threading.Event()
        self.gate.set()

    def load(self) -> None:
        pass

    def measure(self, frame: Frame, verdict: Verdict) -> list:
        assert self.gate.wait(30)
        self.parts.append((frame.part_id, verdict.decision))
        alarms = self.script.get(len(self.parts), [])
        if isinstance(alarms, Exception):
            raise alarms
        for alarm in alarms:
            self.active = {alarm.measure: alarm} if alarm.raised else {}
        return alarms
