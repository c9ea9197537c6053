"""An encoder on a simulated belt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge.clock import Clock
from edge.devices.encoder import EncoderPosition
from edge.errors import DeviceError
from edge.sim.motion import Motion

Channels = Literal["quadrature", "single"]


class SimulatedEncoder:
    """An Encoder that follows a motion exactly, with the time stamp of every edge.

    Not simulated: jitter, bounce, and a descriptor to wait for.
    """

    def __init__(
        self,
        motion: Motion,
        *,
        clock: Clock,
        channels: Channels = "quadrature",
        survives: bool = True,
    ) -> None:
        """channels: a single channel counts every change as forward. survives: the count continues
        while no process reads it, as with a counter in the kernel; else it begins at 0 at each
        open.
        """
        if survives and channels == "single":
            raise DeviceError("encoder_simulated: a single channel does not survive its process")
        self._motion = motion
        self._clock = clock
        self._single = channels == "single"
        self._closed = False
        self._lost = 0
        self._gap = False
        self._read_ns = clock.now_ns()
        self._origin = 0 if survives else self._read_ns
        self._zero = 0 if survives else motion.count_at(self._read_ns)
        self._last = motion.count_at(self._read_ns) - self._zero
        self._first: EncoderPosition | None = EncoderPosition(self._last, self._read_ns)

    @property
    def origin(self) -> int:
        return self._origin

    def lose(self, edges: int) -> None:
        """Lose the next edges, as a kernel buffer that overflows does."""
        self._lost += edges

    def read(self) -> Sequence[EncoderPosition]:
        if self._closed:
            raise DeviceError("encoder_simulated: read after close")
        now_ns = self._clock.now_ns()
        positions = [] if self._first is None else [self._first]
        self._first = None
        for count, at_ns in self._motion.changes(self._read_ns, now_ns):
            if self._lost:
                self._lost -= 1
                self._gap = True
                continue
            self._last = self._last + 1 if self._single else count - self._zero
            positions.append(EncoderPosition(self._last, at_ns, self._gap))
            self._gap = False
        self._read_ns = max(now_ns, self._read_ns)
        return positions

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._closed = True
