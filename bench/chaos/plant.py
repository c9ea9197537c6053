"""The plant around the line: when which part passes the photo-eye, whoever watches."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from edge.clock import Clock
from edge.devices.trigger import TriggerEdge
from edge.errors import DeviceError


@dataclass(frozen=True, slots=True)
class PartSchedule:
    """Part ``number`` (from 0) passes the photo-eye at ``at_ns(number)``, CLOCK_MONOTONIC.

    The moment is a pure function, so the harness knows of parts that no station saw.
    """

    began_ns: int
    gap_ns: int
    seed: int

    def at_ns(self, number: int) -> int:
        """The gaps vary by a fifth either way; parts never change their order."""
        shift = random.Random(self.seed << 32 | number).uniform(-0.1, 0.1)
        return self.began_ns + round((number + shift) * self.gap_ns)

    def first_after(self, at_ns: int) -> int:
        """The number of the first part that passes the photo-eye after at_ns."""
        number = max(0, (at_ns - self.began_ns) // self.gap_ns - 1)
        while self.at_ns(number) <= at_ns:
            number += 1
        return number


class WitnessedEye:
    """A Trigger that follows a schedule and writes down every edge before it hands it over.

    The record is a file of lines ``number at_ns``, appended without a buffer: it survives the death
    of the process. Edges wait while nobody reads them, as the kernel queues those of a GPIO line.
    It does not simulate bounces, missed edges or an overflow of the kernel's queue.
    """

    def __init__(self, schedule: PartSchedule, record: Path, *, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock
        self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._number = schedule.first_after(clock.now_ns())
        self._sequence = 0
        self._closed = False

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self._closed:
            raise DeviceError("chaos eye: wait after close")
        at_ns = self._schedule.at_ns(self._number)
        until_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        if at_ns > until_ns:
            self._clock.sleep_until_ns(until_ns)
            return None
        self._clock.sleep_until_ns(at_ns)
        os.write(self._file, b"%d %d\n" % (self._number, at_ns))
        self._number += 1
        self._sequence += 1
        return TriggerEdge(self._sequence, at_ns)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._file)


def read_eye(record: Path) -> dict[int, int]:
    """The edges that some station was given: number of the part → at_ns."""
    if not record.exists():
        return {}
    lines = record.read_text(encoding="ascii").splitlines()
    return {int(number): int(at) for number, at in map(str.split, lines)}
