"""Looks at two photo-eyes, and the encoder between them, for some parts."""

from __future__ import annotations

from collections import deque

from edge.clock import Clock
from edge.commission.arrivals import Watched
from edge.devices.encoder import Encoder
from edge.devices.trigger import EndOfParts, Trigger
from edge.line.odometer import Odometer

_TURN_S = 0.002  # between two looks at the encoder: a kernel keeps 1,024 edges of it


class TwoEyes:
    """Photo-eye and ejector's eye, read by one thread. Stamps are the kernel's: when they are read
    makes no difference. With an encoder a place is its count at the stamp, and edges while the belt
    backs up are left out; without it a place is the stamp."""

    def __init__(
        self,
        first: Trigger,
        second: Trigger,
        encoder: Encoder | None,
        *,
        clock: Clock,
        debounce: int,
        backlash: int = 2,
    ) -> None:
        """debounce: an edge this near to the last one of its eye, in places, is a bounce."""
        self._eyes: tuple[Trigger | None, Trigger | None] = (first, second)
        self._encoder = encoder
        self._clock = clock
        self._debounce = max(1, debounce)
        self._odometer = Odometer(backlash=backlash)
        self._seen: tuple[list[int], list[int]] = ([], [])
        self._waiting: deque[tuple[int, int]] = deque()  # eye, stamp

    def watch(self, parts: int, *, most: int, wait_s: float) -> Watched:
        """Until so many parts passed the first eye and the last of them is ``most`` places further,
        or nothing has happened for wait_s. Blocks. Raises DeviceError."""
        self._move()
        began = self._now()
        quiet_ns = self._clock.now_ns()
        first, second = self._seen
        while True:
            before = len(first), len(second)
            self._move()
            self._look()
            now_ns = self._clock.now_ns()
            if (len(first), len(second)) != before:
                quiet_ns = now_ns
            enough = len(first) >= parts and self._now() - first[parts - 1] > most
            if enough or now_ns - quiet_ns > wait_s * 1e9 or self._eyes == (None, None):
                return Watched(tuple(first), tuple(second), began, self._now())

    def _now(self) -> int:
        return self._clock.now_ns() if self._encoder is None else self._odometer.count

    def _move(self) -> None:
        if self._encoder is not None:
            for position in self._encoder.read():
                self._odometer.moved(position)

    def _look(self) -> None:
        first, second = self._eyes
        self._eyes = self._read(0, first, _TURN_S), self._read(1, second, 0.0)
        if self._eyes[0] is None:
            self._clock.sleep_until_ns(self._clock.now_ns() + round(_TURN_S * 1e9))
        self._move()  # the count at an edge is known once the encoder was read after it
        while self._waiting:
            eye, stamp_ns = self._waiting.popleft()
            place = self._place(stamp_ns)
            seen = self._seen[eye]
            if place is not None and not (seen and place - seen[-1] < self._debounce):
                seen.append(place)

    def _read(self, eye: int, trigger: Trigger | None, timeout_s: float) -> Trigger | None:
        """The trigger, or None once it is over."""
        if trigger is None:
            return None
        try:
            while (edge := trigger.wait(timeout_s)) is not None:
                self._waiting.append((eye, edge.at_ns))
                timeout_s = 0.0
        except EndOfParts:
            return None
        return trigger

    def _place(self, stamp_ns: int) -> int | None:
        if self._encoder is None:
            return stamp_ns
        spot = self._odometer.at(stamp_ns)
        return spot.count if spot is not None and spot.forward else None
