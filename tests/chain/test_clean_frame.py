"""The memory that a clean frame needs beside the network. Most frames of a line are clean."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from edge.bundle import parse_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector
from edge.records import Frame
from tests.support.bundles import bundle_bytes, picture

# The verdict, its timings and some numbers. A copy of the frame below would be 64 KiB, of its map
# 16 KiB.
OBJECTS_BYTES = 4096


def inspector(size: tuple[int, int]) -> Inspector:
    bundle = parse_bundle(bundle_bytes(size=size))
    return build_inspector(bundle, now_ns=time.perf_counter_ns)


def allocated(chain: Inspector, frame: Frame) -> int:
    """Return the peak of allocated bytes during one inspection, in Python and numpy."""
    for _ in range(3):
        chain.inspect(frame)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        chain.inspect(frame)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [(256, 256), (96, 128)], ids=["one run", "tiles"])
def test_no_frame_and_no_map_is_allocated(size: tuple[int, int]) -> None:
    chain = inspector(size)
    frame = Frame(1, 1, 0, 0, picture(size=(256, 256)))
    assert chain.examine(frame).components is None
    assert allocated(chain, frame) < OBJECTS_BYTES


def test_the_measure_sees_a_map() -> None:
    """Control: a frame with a defect needs arrays of the severity per pixel."""
    frame = Frame(1, 1, 0, 0, picture((40, 30, 156, 142, 0), size=(256, 256)))
    assert allocated(inspector((256, 256)), frame) > OBJECTS_BYTES


def test_the_map_is_the_engines_own_buffer() -> None:
    chain = inspector((256, 256))
    frames = [Frame(n, n, 0, 0, picture(size=(256, 256))) for n in range(2)]
    first, second = (chain.examine(frame).severity.values for frame in frames)
    assert first.dtype == np.uint8
    assert np.shares_memory(first, second)
