"""Run the real station or uplink with a recording photo-eye and a moved wall clock.

``python -m bench.chaos.victim station TOML CLOCK EYE BEGAN GAP SEED`` and ``… uplink TOML CLOCK``.
CLOCK is a file with the offset of the wall clock in seconds. CLOCK_MONOTONIC is not changed.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import edge.assembly.station
import edge.clock
import edge.pictures.writer
from bench.chaos.plant import PartSchedule, RecordingEye
from edge.__main__ import main
from edge.clock import Clock
from edge.config.station import StationConfig
from edge.devices.trigger import Trigger
from edge.uplink.__main__ import main as uplink


def _move_wall_clock(offset: Path) -> None:
    """Add the file's current offset to every reading of the wall clock in this process."""
    true_time = time.time

    def moved_time() -> float:
        return true_time() + int(offset.read_text(encoding="ascii") or 0)

    class MovedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> MovedDatetime:
            moved = timedelta(seconds=moved_time() - true_time())
            return super().now(tz) + moved

    time.time = moved_time
    for module in (edge.clock, edge.pictures.writer):
        module.datetime = MovedDatetime  # type: ignore[attr-defined]


def _record_edges(record: Path, schedule: PartSchedule) -> None:
    def make_trigger(config: StationConfig, *, clock: Clock) -> Trigger:
        return RecordingEye(schedule, record, clock=clock)

    edge.assembly.station.make_trigger = make_trigger


if __name__ == "__main__":
    _, which, toml, clock, *rest = sys.argv
    _move_wall_clock(Path(clock))
    if which == "uplink":
        sys.exit(uplink(["--config", toml]))
    _record_edges(Path(rest[0]), PartSchedule(*map(int, rest[1:])))
    sys.exit(main(["--quiet", "run", "--config", toml]))
