"""A simulated belt with a constant speed, tracked by time."""

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

_HISTORY = 100_000  # the parts that an endless belt stores


@dataclass(frozen=True, slots=True)
class SimulatedPart:
    """A part on the simulated belt."""

    number: int
    """From 1."""
    eye_ns: int
    """The time at the photo-eye."""
    ejector_ns: int
    """The time at the ejector."""
    is_detected: bool
    """The photo-eye detects it."""


@dataclass(frozen=True, slots=True)
class BeltFaults:
    """The faults of a simulated belt. Probabilities are for each part, 0 to 1."""

    missing: float = 0.0
    """The probability that the photo-eye does not detect the part."""

    double: float = 0.0
    """The probability of a second edge, 1 ms after the first."""

    slip_ms: float = 0.0
    """The largest deviation of the travel time, uniformly distributed in both directions."""


class SimulatedBelt:
    """A Trigger: parts arrive at rate_hz. Each gap is longer or shorter by up to ``jitter`` of it.

    The first part arrives one gap after the first ``wait``. The same seed gives the same belt.
    ``hits`` returns afterwards which parts a pulse of the ejector hit.

    Not simulated: stops, acceleration, parts that turn or lie across another, and the effect of an
    ejected part on its neighbours.
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
        faults: BeltFaults = BeltFaults(),
    ) -> None:
        """part_ms: the time for which a part is in front of the ejector, from its ejector_ns on."""
        self._clock = clock
        self._gap_ns = 1e9 / rate_hz
        self._travel_ns = travel_ns
        self._left = parts
        self._jitter = jitter
        self._random = random.Random(seed)
        self._part_ns = round(part_ms * 1e6)
        self._faults = faults
        self._closed = False
        self._eye_ns: int | None = None
        self._number = 0
        self._sequence = 0
        self._edges: deque[int] = deque()
        self._history: deque[SimulatedPart] = deque(maxlen=_HISTORY)

    @property
    def history(self) -> list[SimulatedPart]:
        """Return all parts so far in the order of time, at most the last 100,000."""
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
        """Return for each pulse the numbers of the parts in front of the ejector during it.

        An empty list is a pulse without a part. Two numbers are two parts hit by one pulse.
        """
        parts = sorted(self._history, key=lambda part: part.ejector_ns)
        arrivals = [part.ejector_ns for part in parts]
        hits = []
        for pulse in pulses:
            first = bisect_right(arrivals, pulse.at_ns - self._part_ns)
            last = bisect_right(arrivals, pulse.at_ns + pulse.width_us * 1000 - 1)
            hits.append([part.number for part in parts[first:last]])
        return hits

    def _next_part(self) -> None:
        """Let one more part reach the photo-eye. It makes no edge, one or two."""
        assert self._eye_ns is not None
        if self._left is not None:
            if not self._left:
                raise EndOfParts
            self._left -= 1
        chance = self._random.random
        self._eye_ns += round(self._gap_ns * (1 + self._jitter * (2 * chance() - 1)))
        is_detected = chance() >= self._faults.missing
        twice = chance() < self._faults.double
        slip_ns = round(self._faults.slip_ms * 1e6 * (2 * chance() - 1))
        self._number += 1
        ejector_ns = self._eye_ns + self._travel_ns + slip_ns
        self._history.append(SimulatedPart(self._number, self._eye_ns, ejector_ns, is_detected))
        if is_detected:
            self._edges.append(self._eye_ns)
            if twice:
                self._edges.append(self._eye_ns + 1_000_000)
