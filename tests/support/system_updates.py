"""A unit in memory for the tests of system updates: its services, boot loader and clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.updates.system.boot_state import BootState
from edge.updates.system.function import STATION, UPLINK, SystemdUnit

START = {"type": "outfeed.start/1"}


@dataclass
class Unit:
    """A machine whose state a test states."""

    station: SystemdUnit = field(default_factory=lambda: SystemdUnit(True, 7, 0, "12 parts"))
    uplink: SystemdUnit = field(
        default_factory=lambda: SystemdUnit(True, 8, 0, "connected to b:8883")
    )
    fifo: bool = True
    journal: list[dict[str, object]] = field(default_factory=lambda: [START])
    each_look: Callable[[Unit], None] = lambda _: None

    def unit(self, name: str) -> SystemdUnit:
        assert name in (STATION, UPLINK)
        return self.station if name == STATION else self.uplink

    def realtime(self, pid: int) -> bool:
        self.each_look(self)
        return self.fifo

    def events(self) -> list[dict[str, object]]:
        return self.journal


class Memory:
    """A boot loader in memory. history: every state that was written."""

    def __init__(self, state: BootState) -> None:
        self.history = [state]

    def read(self) -> BootState:
        return self.history[-1]

    def write(self, state: BootState) -> None:
        self.history.append(state)


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def now_s(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
