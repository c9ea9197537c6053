"""The schedule of parts at the photo-eye, independent of the station, and a recording photo-eye."""

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

    The time is a pure function of the number, so the harness knows parts that no station saw.
    """

    began_ns: int
    gap_ns: int
    seed: int

    def at_ns(self, number: int) -> int:
        """Return the time of a part. Gaps vary by a fifth; the order never changes."""
        shift = random.Random(self.seed << 32 | number).uniform(-0.1, 0.1)
        return self.began_ns + round((number + shift) * self.gap_ns)

    def first_after(self, at_ns: int) -> int:
        """Return the number of the first part that passes the photo-eye after at_ns."""
        number = max(0, (at_ns - self.began_ns) // self.gap_ns - 1)
        while self.at_ns(number) <= at_ns:
            number += 1
        return number


class RecordingEye:
    """A Trigger that follows a schedule and records every edge before it returns it.

    The record is a file of lines ``number at_ns``, appended without a buffer. So it survives a kill
    of the process. Edges wait until they are read, as the kernel queues those of a GPIO line. Not
    simulated are bounces, missed edges and an overflow of the kernel's queue.
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
    """Return the edges that a station received: number of the part → at_ns."""
    if not record.exists():
        return {}
    lines = record.read_text(encoding="ascii").splitlines()
    return {int(number): int(at) for number, at in map(str.split, lines)}
