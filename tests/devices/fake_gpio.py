"""A GPIO chip for machines without one: it stands in for gpiod.Chip, and for nothing else of gpiod.

Settings, enums and events are the library's own, so what the drivers ask of it is checked by it.
It behaves as the kernel's character device does. A line has one owner. The output takes its level
in one step. Logical levels follow active_low. Edges are stamped and counted per line from 1. The
buffer (one per line here) holds the newest edges: where it is full, the oldest edge is dropped. One
read returns up to 64 edges. There is no electrical behaviour and no delay.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
from gpiod.line import Direction, Edge, Value


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass
class FakeLine:
    """high: the level of the wire. history: every change of it."""

    name: str = ""
    high: bool = False
    history: list[bool] = field(default_factory=list)
    settings: gpiod.LineSettings | None = None
    consumer: str | None = None
    buffer: int = 16
    events: deque[gpiod.EdgeEvent] = field(default_factory=deque)
    sequence: int = 0
    request: FakeRequest | None = None
    gone: bool = False

    def drive(self, high: bool) -> None:
        if high != self.high:
            self.high = high
            self.history.append(high)


@dataclass
class FakeKernel:
    """The chips of a machine, by the path of their device."""

    now_ns: Callable[[], int]
    sleep_ns: Callable[[int], None]
    chips: dict[str, tuple[str, list[FakeLine]]] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)

    def line(self, path: str, number: int) -> FakeLine:
        return self.chips[path][1][number]

    def press(self, path: str, number: int, high: bool) -> None:
        """Change the level of an input from outside."""
        line = self.line(path, number)
        if high == line.high:
            return
        line.drive(high)
        wanted = line.settings
        if wanted is None or wanted.edge_detection is Edge.NONE:
            return
        rising = high != wanted.active_low
        if wanted.edge_detection is not Edge.BOTH and rising != (
            wanted.edge_detection is Edge.RISING
        ):
            return
        line.sequence = (line.sequence + 1) % (1 << 32)
        kind = gpiod.EdgeEvent.Type.RISING_EDGE if rising else gpiod.EdgeEvent.Type.FALLING_EDGE
        if len(line.events) == line.buffer:
            line.events.popleft()
        assert line.request is not None
        line.request.number = (line.request.number + 1) % (1 << 32)
        line.events.append(
            gpiod.EdgeEvent(kind.value, self.now_ns(), number, line.request.number, line.sequence)
        )
        os.eventfd_write(line.request.fd, 1)

    def install(self, monkeypatch, folder: Path) -> FakeKernel:
        """Let gpiod open these chips, and Outfeed find them: /dev becomes ``folder``."""
        kernel = self

        class Chip(FakeChip):
            def __init__(self, path: str) -> None:
                super().__init__(kernel, path)

        monkeypatch.setattr(gpiod, "Chip", Chip)
        for path in self.chips:
            Path(path).touch()
        monkeypatch.setattr("edge.devices.gpio.DEV", folder)
        return self


class FakeChip:
    def __init__(self, kernel: FakeKernel, path: str) -> None:
        if path not in kernel.chips:
            raise _error(errno.ENOENT)
        if path in kernel.forbidden:
            raise _error(errno.EACCES)
        self.kernel, self.path = kernel, path
        self.label, self.lines = kernel.chips[path]

    def __enter__(self) -> FakeChip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass

    def get_info(self) -> gpiod.ChipInfo:
        return gpiod.ChipInfo(Path(self.path).name, self.label, len(self.lines))

    def line_offset_from_id(self, id: str | int) -> int:
        if isinstance(id, str):
            for number, line in enumerate(self.lines):
                if line.name == id:
                    return number
            if not id.isdigit():
                raise _error(errno.ENOENT)
            id = int(id)
        if id >= len(self.lines):
            raise ValueError("line offset of out range")
        return id

    def request_lines(
        self,
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
        output_values: dict[int | str, Value] | None = None,
    ) -> FakeRequest:
        numbers = [self.line_offset_from_id(key) for key in config]
        lines = [self.lines[number] for number in numbers]
        if any(line.settings is not None for line in lines):
            raise _error(errno.EBUSY)
        for line, wanted in zip(lines, config.values(), strict=True):
            gpiod.line_settings._line_settings_to_ext(wanted)  # the library's own checks
            line.settings, line.consumer = wanted, consumer
            line.buffer = event_buffer_size or 16
            line.events.clear()
            line.sequence = 0
            if wanted.direction is Direction.OUTPUT:
                line.drive(bool(wanted.output_value) != wanted.active_low)
        return FakeRequest(self.kernel, dict(zip(numbers, lines, strict=True)))


class FakeRequest:
    def __init__(self, kernel: FakeKernel, lines: dict[int, FakeLine]) -> None:
        self.kernel, self.lines, self.released = kernel, lines, False
        self.number = 0  # of the last edge of any of its lines
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        for line in lines.values():
            line.request = self

    def _check(self) -> None:
        if self.released:
            raise gpiod.RequestReleasedError
        if any(line.gone for line in self.lines.values()):
            raise _error(errno.ENODEV)

    def set_value(self, line: int | str, value: Value) -> None:
        self._check()
        held = self.lines[int(line)]
        assert held.settings is not None
        held.drive(bool(value) != held.settings.active_low)

    def get_value(self, line: int | str) -> Value:
        self._check()
        held = self.lines[int(line)]
        assert held.settings is not None
        return Value.ACTIVE if held.high != held.settings.active_low else Value.INACTIVE

    def wait_edge_events(self, timeout: float | None = None) -> bool:
        self._check()
        if not any(line.events for line in self.lines.values()) and timeout:
            self.kernel.sleep_ns(round(timeout * 1e9))
        self._check()
        return any(line.events for line in self.lines.values())

    def read_edge_events(self, max_events: int | None = None) -> list[gpiod.EdgeEvent]:
        self._check()
        events = [event for line in self.lines.values() for event in line.events]
        events.sort(key=lambda event: event.global_seqno)
        taken, left = events[: max_events or 64], events[max_events or 64 :]
        for number, line in self.lines.items():
            line.events = deque(event for event in left if event.line_offset == number)
        if not left:
            os.eventfd_read(self.fd)
        return taken

    def fileno(self) -> int:
        self._check()
        return self.fd

    def release(self) -> None:
        if self.released:
            return
        self.released = True
        os.close(self.fd)
        for line in self.lines.values():
            line.settings = line.consumer = line.request = None
