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


class MakesEngine(Protocol):
    """An engine's class. Raises BundleError, one line, for a network that it refuses.

    model: the network's file. batch: N, the most inputs of one run. threads: cores that a run may
    use. group: the counts that will be asked for are multiples of it (any other works too).
    dequantise: a quantised output that knows its own scale (LiteRT's) comes as float32; ONNX
    networks give what they were exported to give.
    """

    def __call__(
        self,
        model: bytes,
        *,
        batch: int,
        height: int,
        width: int,
        channels: int,
        threads: int = 1,
        group: int = 1,
        dequantise: bool = False,
    ) -> Engine: ...


def require_count(count: int | None, batch: int) -> int:
    """How many inputs a run computes; ValueError unless 1 ≤ count ≤ batch."""
    if count is None:
        return batch
    if not 1 <= count <= batch:
        raise ValueError(f"count is {count}; expected 1 to {batch}")
    return count
