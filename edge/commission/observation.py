"""Observation of two photo-eyes, and of the encoder between them, for a number of parts."""

from __future__ import annotations

from collections import deque

from edge.clock import Clock
from edge.commission.arrivals import Watched
from edge.devices.encoder import Encoder
from edge.devices.trigger import EndOfParts, Trigger
from edge.line.odometer import Odometer

_READ_INTERVAL_S = 0.002  # of the encoder: the kernel buffers 1,024 of its edges


class TwoEyes:
    """The photo-eye and the ejector eye, read by one thread.

    The kernel stamps each edge, so the time of reading does not matter. With an encoder the place
    of an edge is the count at its stamp; edges while the belt moves backwards are left out. Without
    an encoder the place is the stamp in nanoseconds.
    """

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
        """debounce: an edge nearer than this to the last edge of the same eye is a bounce."""
        self._eyes: tuple[Trigger | None, Trigger | None] = (first, second)
        self._encoder = encoder
        self._clock = clock
        self._debounce = max(1, debounce)
        self._odometer = Odometer(backlash=backlash)
        self._places: tuple[list[int], list[int]] = ([], [])
        self._waiting: deque[tuple[int, int]] = deque()  # eye, stamp

    def watch(self, parts: int, *, most: int, wait_s: float) -> Watched:
        """Observe until ``parts`` parts passed the first eye and the last one is ``most`` further.

        Also end after wait_s seconds without an edge, or when both triggers have ended. Blocks.
        Raises DeviceError.
        """
        self._read_encoder()
        began = self._now()
        quiet_ns = self._clock.now_ns()
        first, second = self._places
        while True:
            before = len(first), len(second)
            self._read_encoder()
            self._read_eyes()
            now_ns = self._clock.now_ns()
            if (len(first), len(second)) != before:
                quiet_ns = now_ns
            enough = len(first) >= parts and self._now() - first[parts - 1] > most
            if enough or now_ns - quiet_ns > wait_s * 1e9 or self._eyes == (None, None):
                return Watched(tuple(first), tuple(second), began, self._now())

    def _now(self) -> int:
        return self._clock.now_ns() if self._encoder is None else self._odometer.count

    def _read_encoder(self) -> None:
        if self._encoder is not None:
            for position in self._encoder.read():
                self._odometer.moved(position)

    def _read_eyes(self) -> None:
        first, second = self._eyes
        self._eyes = self._read(0, first, _READ_INTERVAL_S), self._read(1, second, 0.0)
        if self._eyes[0] is None:
            self._clock.sleep_until_ns(self._clock.now_ns() + round(_READ_INTERVAL_S * 1e9))
        self._read_encoder()  # the count at an edge is known only after the encoder is read again
        while self._waiting:
            eye, stamp_ns = self._waiting.popleft()
            place = self._place(stamp_ns)
            places = self._places[eye]
            if place is not None and not (places and place - places[-1] < self._debounce):
                places.append(place)

    def _read(self, eye: int, trigger: Trigger | None, timeout_s: float) -> Trigger | None:
        """Read all waiting edges. Return the trigger, or None once it has ended."""
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
