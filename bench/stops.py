"""Stop or kill real processes around ejector pulses: ``python -m bench.stops``.

A hundred parts a second pass a simulated output, and every third is ejected. At random times around
a pulse the loop of the rejector, its guard, or both are stopped for 30 ms, or the loop is killed.
The exit status is 1 where a good part met an open ejector without a report.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.clock import MonotonicClock
from edge.devices.output_simulated import pulses, read_record
from edge.line.outcome import Action
from edge.rejector.client import RejectorClient
from edge.rejector.messages import Actuated
from edge.rejector.options import RejectorOptions

_CLOCK = MonotonicClock()
_MS = 1_000_000
_PULSE_US, _GAP_NS, _STOP_S = 4_000, 10 * _MS, 0.03
_EVERY = 12  # parts between two stops
_KILLED_EVERY = 150  # the same for kills, because a new process needs time to start
_AHEAD = 20  # parts announced ahead of time
WHO = ("loop", "guard", "both", "killed")


@dataclass(slots=True)
class Stops:
    """A run that stops one kind of process, with its parts and reports."""

    who: str
    stops: int
    record: Path
    seed: int
    due: dict[int, int] = field(default_factory=dict)
    reports: list[Actuated] = field(default_factory=list)

    def run(self) -> bool:
        """Run, print a line, and return whether every good part in an open ejector was reported."""
        chance = random.Random(self.seed)
        every = _KILLED_EVERY if self.who == "killed" else _EVERY
        parts = every * (self.stops + 1)
        client = RejectorClient(
            RejectorOptions(pulse_us=_PULSE_US, record=self.record), clock=_CLOCK
        )
        client.start(self.reports.append)
        first_ns = _CLOCK.now_ns() + 300 * _MS
        self.due = {part: first_ns + part * _GAP_NS for part in range(1, parts + 1)}
        announced = 0
        try:
            for part in range(1, parts + 1):
                while announced < min(part + _AHEAD, parts):
                    announced += 1
                    client.announce(announced, self.due[announced])
                    client.resolve(announced, announced % 3 == 0)
                stop = part % every == 0 and part < parts
                offset_ns = chance.randint(-500, _PULSE_US) * 1_000 if stop else 0
                _sleep_until(self.due[part] + offset_ns)
                if stop and client.pid is not None:
                    self._stop(client.pid)
        finally:
            client.close(5.0)
        return self._compare(client.restarts)

    def _stop(self, loop: int) -> None:
        if self.who == "killed":
            os.kill(loop, signal.SIGKILL)
            return
        guard = _children(loop)
        pids = {"loop": [loop], "guard": guard, "both": [loop, *guard]}[self.who]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(_STOP_S)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def _compare(self, restarts: int) -> bool:
        pulse_records = pulses(read_record(self.record))
        spans = [(one.at_ns, one.at_ns + one.width_us * 1_000) for one in pulse_records]
        hit = {
            part
            for begin_ns, end_ns in spans
            for part in range(
                max(1, (begin_ns - self.due[1]) // _GAP_NS),
                min(len(self.due), (end_ns - self.due[1]) // _GAP_NS + 2) + 1,
            )
            if part % 3 and begin_ns <= self.due[part] < end_ns
        }
        outcomes = Counter(f"{one.action.name} {one.cause.name}".lower() for one in self.reports)
        ejected = {one.part_id for one in self.reports if one.action is Action.EJECTED}
        unfounded = {part for part in ejected if part % 3} - hit
        once = sorted(one.part_id for one in self.reports) == sorted(self.due)
        longest_us = max(one.width_us for one in pulse_records)
        print(
            f"{self.who}: {self.stops} faults, {len(self.due)} parts, {restarts} restarts; "
            f"good parts in a pulse {len(hit)}, unreported {len(hit - ejected)}, "
            f"reported but in no pulse {len(unfounded)}; "
            f"longest pulse {longest_us / 1e3:.2f} of {_PULSE_US / 1e3:g} ms; "
            + ("one report each; " if once else "NOT one report each; ")
            + ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items())),
            flush=True,
        )
        return once and hit <= ejected


def main(arguments: Sequence[str] | None = None) -> int:
    """Run each kind of fault, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m bench.stops", description=__doc__)
    parser.add_argument("--stops", type=int, default=300, help="faults of each kind")
    parser.add_argument("--who", choices=WHO, action="append", help="process to stop; repeat")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    right = True
    with tempfile.TemporaryDirectory() as folder:
        for who in given.who or WHO:
            right &= Stops(who, given.stops, Path(folder) / who, given.seed).run()
    print("every part in an open ejector is reported" if right else "WRONG")
    return 0 if right else 1


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in text.split()]


def _sleep_until(at_ns: int) -> None:
    while (left_ns := at_ns - _CLOCK.now_ns()) > 0:
        time.sleep(left_ns / 1e9)


if __name__ == "__main__":
    sys.exit(main())
