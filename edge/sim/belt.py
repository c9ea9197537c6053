"""A belt with parts that pass a photo-eye and then an ejector."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge.clock import Clock
from edge.devices.output import Pulse
from edge.devices.trigger import EndOfParts, TriggerEdge
from edge.errors import DeviceError

# What an endless belt remembers of its parts.
_HISTORY = 100_000


@dataclass(frozen=True, slots=True)
class SimulatedPart:
    """A part as the belt knows it, numbered from 1. seen: whether the photo-eye saw it."""

    number: int
    eye_ns: int
    ejector_ns: int
    seen: bool


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What goes wrong on this belt. Chances per part, 0 to 1.

    missing: the photo-eye does not see the part. double: its edge comes twice, 1 ms apart.
    slip_ms: the travel time varies by up to this, evenly, in both directions.
    """

    missing: float = 0.0
    double: float = 0.0
    slip_ms: float = 0.0


class SimulatedBelt:
    """A Trigger: parts come at rate_hz, each gap longer or shorter by up to ``jitter`` of itself.

    The first part comes one gap after the first ``wait``. The same seed gives the same belt. It
    knows afterwards which part a pulse of the ejector hit. No stops, no acceleration, no part that
    turns or lies across another; an ejected part leaves no hole and hits no neighbour.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        rate_hz: float,
        travel_ns: int,
        parts: int | None = None,
        jitter: float = 0.0,
        seed: int = 0,
        part_ms: float = 5.0,
        misbehaviour: Misbehaviour = Misbehaviour(),
    ) -> None:
        """part_ms: how long a part is in front of the ejector, from its ejector_ns on."""
        self._clock = clock
        self._gap_ns = 1e9 / rate_hz
        self._travel_ns = travel_ns
        self._left = parts
        self._jitter = jitter
        self._random = random.Random(seed)
        self._part_ns = round(part_ms * 1e6)
        self._wrong = misbehaviour
        self._closed = False
        self._eye_ns: int | None = None
        self._number = 0
        self._sequence = 0
        self._edges: deque[int] = deque()
        self._history: deque[SimulatedPart] = deque(maxlen=_HISTORY)

    @property
    def history(self) -> list[SimulatedPart]:
        """Every part so far, by time (the last 100,000)."""
        return list(self._history)

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self._closed:
            raise DeviceError("belt: wait after close")
        if self._eye_ns is None:
            self._eye_ns = self._clock.now_ns()
        while not self._edges:
            self._next_part()
        until_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        if self._edges[0] > until_ns:
            self._clock.sleep_until_ns(until_ns)
            return None
        self._clock.sleep_until_ns(self._edges[0])
        self._sequence += 1
        return TriggerEdge(self._sequence, self._edges.popleft())

    def close(self) -> None:
        self._closed = True

    def hits(self, pulses: Iterable[Pulse]) -> list[list[int]]:
        """Per pulse, the numbers of the parts in front of the ejector at any time of it.

        An empty list is a pulse into the air; two numbers are two parts hit by one pulse.
        """
        parts = sorted(self._history, key=lambda part: part.ejector_ns)
        arrivals = [part.ejector_ns for part in parts]
        struck = []
        for pulse in pulses:
            first = bisect_right(arrivals, pulse.at_ns - self._part_ns)
            last = bisect_right(arrivals, pulse.at_ns + pulse.width_us * 1000 - 1)
            struck.append([part.number for part in parts[first:last]])
        return struck

    def _next_part(self) -> None:
        """Let one more part reach the photo-eye; it may leave no edge, one or two."""
        assert self._eye_ns is not None
        if self._left is not None:
            if not self._left:
                raise EndOfParts
            self._left -= 1
        chance = self._random.random
        self._eye_ns += round(self._gap_ns * (1 + self._jitter * (2 * chance() - 1)))
        seen = chance() >= self._wrong.missing
        twice = chance() < self._wrong.double
        slip_ns = round(self._wrong.slip_ms * 1e6 * (2 * chance() - 1))
        self._number += 1
        ejector_ns = self._eye_ns + self._travel_ns + slip_ns
        self._history.append(SimulatedPart(self._number, self._eye_ns, ejector_ns, seen))
        if seen:
            self._edges.append(self._eye_ns)
            if twice:
                self._edges.append(self._eye_ns + 1_000_000)
