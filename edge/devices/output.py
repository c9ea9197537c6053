"""The protocol of the reject output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutputEdge:
    """A change of the output level. at_ns: CLOCK_MONOTONIC, read directly after the change."""

    active: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """A pulse: the output was active for width_us from at_ns (CLOCK_MONOTONIC)."""

    at_ns: int
    width_us: int


class Output(Protocol):
    """The output line to an ejector. The constructor claims it as inactive, without a glitch.

    "Active" is logical; the implementation handles the polarity. One thread of a process may use
    it. After a fork both processes may set and read the same line. It is released when both have
    closed it. Every implementation passes tests/devices/test_output_contract.py.
    """

    def set(self, active: bool) -> None:
        """Drive the line. Blocks for microseconds, until it is driven. Raises DeviceError."""
        ...

    def is_active(self) -> bool:
        """Return the level of the line, whichever process set it. Raises DeviceError."""
        ...

    def close(self) -> None:
        """Release the line at its current level. May be called twice; ``set`` must not follow."""
        ...
