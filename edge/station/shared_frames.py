"""The memory in which a station offers frames to the shadow of another bundle."""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

from edge.updates.channel import SLOTS


class SharedFrames:
    """SLOTS frames in a memfd. A slot is written while it is free, and read by the other side until
    that frees it. For one thread."""

    def __init__(self, slot_bytes: int) -> None:
        """slot_bytes: the size of a frame. Larger ones are not taken. Raises OSError."""
        self.slot_bytes = slot_bytes
        self.descriptor = os.memfd_create("outfeed-frames", os.MFD_CLOEXEC)
        os.posix_fallocate(self.descriptor, 0, SLOTS * slot_bytes)
        memory = mmap.mmap(self.descriptor, SLOTS * slot_bytes)
        self._slots = np.frombuffer(memory, np.uint8).reshape(SLOTS, slot_bytes)
        self._free = set(range(SLOTS))

    def put(self, pixels: NDArray[np.uint8]) -> int | None:
        """Copy a frame into a free slot and return its number; None: there is none, or too small.

        numpy copies without the interpreter's lock.
        """
        if not self._free or pixels.nbytes > self.slot_bytes:
            return None
        slot = self._free.pop()
        self._slots[slot, : pixels.nbytes] = pixels.reshape(-1)
        return slot

    def free(self, slot: int) -> None:
        """Take a slot back."""
        self._free.add(slot)

    def __del__(self) -> None:
        os.close(self.descriptor)
