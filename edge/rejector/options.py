"""What a rejector is told at its start, as a record and as a command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Policy = Literal["reject", "pass"]
SafeState = Literal["inactive", "active"]


@dataclass(frozen=True, slots=True)
class RejectorOptions:
    """pulse_us: how long a kick is. on_unknown: what is done with a part without verdict.

    safe_state: the output's level once the station is dead and the announced parts are gone.
    realtime_priority: of SCHED_FIFO, 0 for none. capacity: parts between photo-eye and ejector.
    record: a file to which the simulated output writes its edges. silence_ms: whoever of station
    and rejector hears nothing from the other for so long takes it for dead; 0 for never.
    """

    pulse_us: int
    on_unknown: Policy = "reject"
    safe_state: SafeState = "inactive"
    realtime_priority: int = 50
    capacity: int = 4096
    record: Path | None = None
    silence_ms: int = 0

    def arguments(self, fd: int) -> list[str]:
        """The command line after ``python -m edge.rejector``; fd: the inherited socket."""
        line = [f"--fd={fd}", f"--pulse-us={self.pulse_us}", f"--on-unknown={self.on_unknown}"]
        line += [f"--safe-state={self.safe_state}", f"--priority={self.realtime_priority}"]
        line += [f"--capacity={self.capacity}", f"--silence-ms={self.silence_ms}"]
        return line if self.record is None else [*line, f"--record={self.record}"]


def parse_arguments(arguments: Sequence[str]) -> tuple[int, RejectorOptions]:
    """The inherited socket and the options. Ends the process with status 2 on a wrong line."""
    parser = argparse.ArgumentParser(
        prog="python -m edge.rejector",
        description="Owns the reject output. Started by the station, not by hand.",
    )
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--pulse-us", type=int, required=True)
    parser.add_argument("--on-unknown", choices=("reject", "pass"), required=True)
    parser.add_argument("--safe-state", choices=("inactive", "active"), required=True)
    parser.add_argument("--priority", type=int, required=True)
    parser.add_argument("--capacity", type=int, required=True)
    parser.add_argument("--silence-ms", type=int, required=True)
    parser.add_argument("--record", type=Path)
    given = parser.parse_args(arguments)
    return given.fd, RejectorOptions(
        pulse_us=given.pulse_us,
        on_unknown=given.on_unknown,
        safe_state=given.safe_state,
        realtime_priority=given.priority,
        capacity=given.capacity,
        record=given.record,
        silence_ms=given.silence_ms,
    )
