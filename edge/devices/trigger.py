"""The protocol of a trigger, the photo-eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TriggerEdge:
    """An edge of the photo-eye: the beginning of a part, or a bounce.

    sequence: number of the edge, from 1; a missing number is an edge that was lost before it was
    read. at_ns: time of the edge on CLOCK_MONOTONIC.
    """

    sequence: int
    at_ns: int


class EndOfParts(Exception):  # noqa: N818 - an end, not an error, as StopIteration is
    """Raised after the last part of a simulated belt. A real trigger never raises it."""


class Trigger(Protocol):
    """A trigger. The constructor opens it, and ``close`` closes it.

    One thread at a time may use it. Every implementation passes
    tests/devices/test_trigger_contract.py.
    """

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        """Return the next edge, or None without one. Blocks for at most timeout_s.

        at_ns is the time of the edge, not of this call. Bounces are returned too; the caller must
        separate them from parts.

        Raises DeviceError when the device fails, and EndOfParts at the end of a simulation.
        """
        ...

    def close(self) -> None:
        """Release the device. May be called twice; ``wait`` must not follow."""
        ...
