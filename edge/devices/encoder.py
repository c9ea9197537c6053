"""The protocol of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EncoderPosition:
    """A position of the belt.

    count: signed; it grows while the belt runs forward. at_ns: CLOCK_MONOTONIC.
    gap: an unknown number of edges was lost before this one, so the count must not be compared with
    earlier ones. An implementation that knows the number and the direction of lost edges adds them
    and reports no gap (one channel, and a kernel that numbers its events).
    """

    count: int
    at_ns: int
    gap: bool = False


class Encoder(Protocol):
    """The position of the belt in counts. The constructor opens it; one thread may use it.

    Quadrature counts up and down. The implementation knows which channel leads when the belt runs
    forward. A single channel does not show the direction: its count only grows, and a belt that can
    move backwards must not be tracked with it. Every implementation passes
    tests/devices/test_encoder_contract.py.
    """

    @property
    def origin(self) -> int:
        """The identifier of count 0; not negative, below 2**63.

        An encoder that another process opens later with the same origin has counted meanwhile (a
        counter in the kernel). An encoder that only counts while it is open has a new origin each
        time: the time of opening on CLOCK_MONOTONIC, in nanoseconds.
        """
        ...

    def read(self) -> Sequence[EncoderPosition]:
        """Return every change of the count since the last ``read``, oldest first. Never blocks.

        The first call begins with the position at the time of opening, with that time. Without a
        change the sequence is empty. at_ns is the time of the edge, not of the call, and never
        decreases. A counter without stamps returns one position, with the time of the call.

        Raises DeviceError when the device fails or is closed.
        """
        ...

    def fileno(self) -> int | None:
        """Return a descriptor that is readable while ``read`` has data; None: it must be polled."""
        ...

    def close(self) -> None:
        """Release the device. May be called twice; ``read`` must not follow."""
        ...
