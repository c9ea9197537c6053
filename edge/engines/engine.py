"""The protocol of an inference engine, as the chain uses it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """A loaded network with a static shape and buffers that are allocated once.

    Write uint8 pixels into ``input`` and call ``run``. It is not thread-safe: one thread at a time
    may use it. On the same machine the same input gives the same output, byte for byte.
    """

    @property
    def input(self) -> NDArray[np.uint8]:
        """The input buffer: uint8 N×H×W×C, C-contiguous. The caller fills it."""
        ...

    def run(self, count: int | None = None) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Run the network on the first ``count`` of the N inputs; None: on all. Blocks.

        Return a view of the output buffer, count × …, that the next run overwrites. Raises
        ValueError unless 1 ≤ count ≤ N.
        """
        ...


class MakesEngine(Protocol):
    """The constructor of an engine. It raises BundleError, one line, for a refused network.

    model: bytes of the network file. batch: N, the largest number of inputs in one run. height,
    width, channels: shape of one input. threads: cores that a run may use.
    group: hint that most counts are multiples of it; other counts work too.
    dequantise: return float32 where the output is quantised and carries its scale (LiteRT). An ONNX
    network returns the type with which it was exported.
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
    """Return the number of inputs of a run. Raises ValueError unless 1 ≤ count ≤ batch."""
    if count is None:
        return batch
    if not 1 <= count <= batch:
        raise ValueError(f"count is {count}; expected 1 to {batch}")
    return count
