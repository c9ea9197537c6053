"""What the chain asks of an inference engine."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """One network, loaded, with a static shape and buffers that are allocated once.

    Write uint8 pixels into ``input`` and call ``run``. Not thread-safe: one thread at a time. The
    same input gives the same output, byte for byte, on the same engine.
    """

    @property
    def input(self) -> NDArray[np.uint8]:
        """The input buffer, N×H×W×C, uint8, C-contiguous; the caller fills it."""
        ...

    def run(self, count: int | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Blocks while the first ``count`` (all) of the N inputs are computed.

        Returns a view of the output buffer, count × …, overwritten by the next run. Raises
        ValueError unless 1 ≤ count ≤ N.
        """
        ...
