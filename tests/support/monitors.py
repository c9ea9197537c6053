"""A monitor of a station, with scripted parts of its own."""

from __future__ import annotations

from pathlib import Path

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
