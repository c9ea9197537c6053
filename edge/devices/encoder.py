"""What an encoder must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class EncoderPosition:
    """The count changed. count: signed, grows as the belt runs forward; at_ns: CLOCK_MONOTONIC.

    gap: edges were lost before this one and nobody can say how many, so this count is not to be
    compared with earlier ones. An implementation that knows how many were lost and which way they
    went (one channel and a kernel that numbers its events) adds them itself and reports no gap.
    """

    count: int
    at_ns: int
    gap: bool = False


class Encoder(Protocol):
    """Where the belt is, in counts. Opened by its constructor, used by one thread.

    Quadrature counts up and down; which channel leads when the belt runs forward is the
    implementation's affair, as ``Output`` keeps polarity to itself. A single channel cannot tell
    the direction: its count only grows, and a belt that backs up must not be tracked with one.
    Every implementation passes tests/devices/test_encoder_contract.py.
    """

    @property
    def origin(self) -> int:
        """Names what count 0 means; not negative, below 2**63.

        An encoder that is opened later, by another process, and has the same origin went on
        counting meanwhile (a counter in the kernel). One whose count dies with its process has a
        new origin at each open: the CLOCK_MONOTONIC nanoseconds of that moment.
        """
        ...

    def read(self) -> Sequence[EncoderPosition]:
        """Every change of the count since the last ``read``, oldest first; never blocks.

        The first call begins with the position at which the encoder stood when it was opened,
        stamped with that moment; a call after which nothing has changed gives an empty sequence.
        at_ns is when the edge happened, not when it was read, and never goes backwards. A counter
        that keeps no stamps gives one position, stamped with the moment at which it was looked at.
        Raises DeviceError when the device fails or is closed.
        """
        ...

    def fileno(self) -> int | None:
        """A descriptor that is readable while ``read`` has something; None: it must be polled."""
        ...

    def close(self) -> None:
        """Release the device. May be called twice; no read afterwards."""
        ...
