"""What the reject output must do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutputEdge:
    """The output changed its level. at_ns: CLOCK_MONOTONIC, read right after the change."""

    active: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """The output was active for width_us from at_ns (CLOCK_MONOTONIC) on."""

    at_ns: int
    width_us: int


class Output(Protocol):
    """One line to an ejector: claimed inactive by its constructor, without a glitch.

    "Active" is logical; polarity is the implementation's affair. Used by one thread of a process;
    after a fork both processes may set and read the same line, which is released when both have
    closed it. Every implementation passes tests/devices/test_output_contract.py.
    """

    def set(self, active: bool) -> None:
        """Drive the line; returns when it is driven, in microseconds. Raises DeviceError."""
        ...

    def is_active(self) -> bool:
        """Read the level back from the line, whichever process set it. Raises DeviceError."""
        ...

    def close(self) -> None:
        """Release the line at the level it has. May be called twice; no set afterwards."""
        ...
