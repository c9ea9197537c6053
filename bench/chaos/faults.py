"""The faults of the line, one method per kind of fault."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.proxy import NetworkState
from bench.chaos.world import World
from edge.errors import OutfeedError

# Files of the state folder that a power cut may empty. `_flip` damages the journal.
_SMALL_FILES = ("uplink.json", "bundles.json", "drift.json", "self_test.json")


@dataclass(frozen=True, slots=True)
class PastFault:
    """A fault that happened, from its beginning to its end, CLOCK_MONOTONIC."""

    name: str
    from_ns: int
    to_ns: int


class Faults:
    """A source of random faults, by weight. A fault without a target is drawn again."""

    def __init__(self, world: World, seed: int, *, without: Collection[str] = ()) -> None:
        """without: kinds that are never drawn. Raises OutfeedError for an unknown kind."""
        self._world = world
        self._dice = random.Random(seed)
        self._kinds: dict[str, tuple[Callable[[], bool], float]] = {
            "kill station": (self._kill_station, 1.0),
            "kill rejector": (self._kill_rejector, 1.0),
            "kill uplink": (self._kill_uplink, 2.0),
            "kill broker": (self._kill_broker, 1.0),
            "end station in order": (self._terminate, 0.3),
            "stop rejector": (self._stop_rejector, 6.0),
            "stop station": (self._stop_station, 2.0),
            "stop uplink": (self._stop_uplink, 1.0),
            "stop broker": (self._stop_broker, 0.5),
            "cut network": (self._cut, 2.0),
            "silent network": (self._silence, 1.0),
            "central away": (self._central_away, 1.0),
            "disk full": (self._fill, 1.0),
            "disk full and kill station": (self._fill_and_kill, 0.5),
            "wall clock jumps": (self._jump, 2.0),
            "bit flips in the journal": (self._flip, 0.5),
            "bit flips while the station is down": (self._flip_down, 0.3),
            "files emptied by a power cut": (self._empty, 0.5),
        }

        for name in without:
            if self._kinds.pop(name, None) is None:
                raise OutfeedError(f"chaos: no fault '{name}'; there are {', '.join(self._kinds)}")

    def strike(self) -> PastFault:
        """Cause one fault, from its beginning to its end. Blocks for a few seconds at most."""
        names = list(self._kinds)
        weights = [weight for _, weight in self._kinds.values()]
        while True:
            name = self._dice.choices(names, weights)[0]
            began_ns = time.monotonic_ns()
            if self._kinds[name][0]():
                return PastFault(name, began_ns, time.monotonic_ns())
            time.sleep(0.02)

    def pause(self) -> None:
        """Wait for the next fault. The time is often short enough that two faults overlap."""
        time.sleep(self._dice.choice((0.02, 0.1, 0.3, 0.6)))

    def _signal(self, pid: int | None, number: int) -> bool:
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    def _stop(self, pid: int | None, from_s: float, to_s: float) -> bool:
        if not self._signal(pid, signal.SIGSTOP):
            return False
        time.sleep(self._dice.uniform(from_s, to_s))
        self._signal(pid, signal.SIGCONT)
        return True

    def _kill_station(self) -> bool:
        return self._signal(self._world.station.pid, signal.SIGKILL)

    def _kill_rejector(self) -> bool:
        return self._signal(self._world.rejector(), signal.SIGKILL)

    def _kill_uplink(self) -> bool:
        return self._signal(self._world.uplink.pid, signal.SIGKILL)

    def _kill_broker(self) -> bool:
        broker = self._world.broker
        broker.end(signal.SIGKILL)
        time.sleep(self._dice.uniform(0.0, 0.5))
        broker.start()
        return True

    def _terminate(self) -> bool:
        return self._signal(self._world.station.pid, signal.SIGTERM)

    def _stop_rejector(self) -> bool:
        """Stop the rejector for three pulses at most. Half of the stops begin within a pulse."""
        if self._dice.random() < 0.5:
            self._wait_for_pulse()
        return self._stop(self._world.rejector(), 0.003, 0.04)

    def _wait_for_pulse(self) -> None:
        edges = self._world.records.edges
        limit_s = time.monotonic() + 0.5
        size = _size(edges)
        while _size(edges) == size and time.monotonic() < limit_s:
            time.sleep(0.001)

    def _stop_station(self) -> bool:
        return self._stop(self._world.station.pid, 0.02, 0.9)

    def _stop_uplink(self) -> bool:
        return self._stop(self._world.uplink.pid, 0.1, 1.5)

    def _stop_broker(self) -> bool:
        process = self._world.broker.process
        return self._stop(None if process is None else process.pid, 0.1, 1.0)

    def _network(self, state: NetworkState, to_s: float) -> bool:
        self._world.network.state = state
        time.sleep(self._dice.uniform(0.05, to_s))
        self._world.network.state = NetworkState.UP
        return True

    def _cut(self) -> bool:
        return self._network(NetworkState.CUT, 0.6)

    def _silence(self) -> bool:
        return self._network(NetworkState.SILENT, 1.5)

    def _central_away(self) -> bool:
        central = self._world.central
        central.go()
        time.sleep(self._dice.uniform(0.1, 1.0))
        central.come()
        return True

    def _fill(self, *, kill: bool = False) -> bool:
        disk = self._world.disk
        if not disk.is_real:
            return False
        disk.fill()
        try:
            time.sleep(self._dice.uniform(0.2, 2.0))
            return not kill or self._kill_station()
        finally:
            disk.free()

    def _fill_and_kill(self) -> bool:
        return self._fill(kill=True)

    def _jump(self) -> bool:
        self._world.set_wall_clock(self._dice.choice((-86_400, -3_600, -7, 0, 7, 3_600)))
        return True

    def _flip(self) -> bool:
        """Flip one bit of the journal's file while the station runs."""
        return flip_bit(self._world.disk.folder / "journal.sqlite", self._dice)

    def _flip_down(self) -> bool:
        """Flip one bit of the journal or of its log while the station is down."""
        station = self._world.station
        station.held = True
        try:
            self._kill_station()
            limit_s = time.monotonic() + 10.0
            while (station.pid is not None or station.family) and time.monotonic() < limit_s:
                time.sleep(0.02)
            name = self._dice.choice(("journal.sqlite", "journal.sqlite-wal"))
            return flip_bit(self._world.disk.folder / name, self._dice)
        finally:
            station.held = False

    def _empty(self) -> bool:
        """Simulate a power cut: kill the processes, and empty files that were just written."""
        self._kill_station()
        self._kill_uplink()
        for name in self._dice.sample(_SMALL_FILES, 2):
            with suppress(OSError):
                os.truncate(self._world.disk.folder / name, 0)
        return True


def flip_bit(path: Path, dice: random.Random) -> bool:
    """Change one bit of a file in place. Return False where there is no file or no byte."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        size = os.fstat(file).st_size
        if not size:
            return False
        place = dice.randrange(size)
        byte = os.pread(file, 1, place)[0]
        os.pwrite(file, bytes([byte ^ 1 << dice.randrange(8)]), place)
    finally:
        os.close(file)
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise OutfeedError(f"chaos: {path}: {error.strerror}") from error
