"""What a trigger must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TriggerEdge:
    """The photo-eye saw something begin. at_ns: CLOCK_MONOTONIC.

    sequence counts edges from 1; where it leaves numbers out, so many edges were lost unread.
    """

    sequence: int
    at_ns: int


class EndOfParts(Exception):  # noqa: N818 - an end, not an error, as StopIteration is
    """A simulated belt has sent its last part. A real trigger never raises it."""


class Trigger(Protocol):
    """Opened by its constructor, used by one thread at a time, closed by ``close``.

    Every implementation passes tests/devices/test_trigger_contract.py.
    """

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        """Block until the next edge, at most timeout_s; None when there was none.

        at_ns is when the edge happened, not when it was read. Edges are handed over as they come,
        bounces too: to tell parts from bounces is the line's affair. Raises DeviceError when the
        device fails, EndOfParts when a simulation is over.
        """
        ...

    def close(self) -> None:
        """Release the device. May be called twice; no wait afterwards."""
        ...
