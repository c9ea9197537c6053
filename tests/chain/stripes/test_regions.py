"""Regions of large frames: those of the ordinary steps, byte for byte."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.chain.components import Components, components
from edge.chain.filter import apply_threshold
from edge.chain.stripes import bands
from edge.chain.stripes.bands import BandedMask
from edge.chain.stripes.regions import LargeComponents, large_components
from edge.errors import FrameError
from edge.records import SeverityMap


@pytest.fixture(autouse=True)
def _narrow_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "_BAND_PX", 1)
    monkeypatch.setattr(bands, "_LEAST_CELLS", 32)


def both(
    severity: SeverityMap, threshold: float, height: int, width: int, join_px: float
) -> tuple[Components | None, LargeComponents | None]:
    whole = apply_threshold(severity, threshold, height, width)
    banded = BandedMask.of(severity, threshold, height, width)
    return (
        None if whole is None else components(whole, join_px),
        None if banded is None else large_components(banded, join_px),
    )


def require_equal(
    severity: SeverityMap, threshold: float, height: int, width: int, join_px: float
) -> Components | None:
    wanted, found = both(severity, threshold, height, width, join_px)
    assert (wanted is None) == (found is None)
    if wanted is None or found is None:
        return None
    assert found.regions == wanted.regions
    assert (found.left, found.top) == (wanted.left, wanted.top)
    listed = np.where(wanted.labels > 0, wanted.labels, 0)
    assert (found.labels == listed).all()
    for label in range(1, min(len(wanted.regions), 20) + 1):
        assert (found.mask_of(label) == wanted.mask_of(label)).all()
    return wanted


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(20, 150),
    cols=st.integers(20, 90),
    stride=st.sampled_from([2, 4]),
    join=st.sampled_from([0.0, 4.0, 5.5, 11.0]),
    share=st.floats(0.0002, 0.3),
    cut=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    exact=st.booleans(),
)
def test_bands_give_the_regions_of_the_whole_map(
    seed: int,
    rows: int,
    cols: int,
    stride: int,
    join: float,
    share: float,
    cut: tuple[int, int],
    exact: bool,
) -> None:
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 80, (rows, cols), np.uint8)
    # Few levels make regions of equal peaks, whose order is then by place.
    cells[rng.random(cells.shape) < share] = 200 if exact else rng.integers(80, 256)
    if seed % 3 == 0:
        cv2.line(cells, (0, 0), (cols - 1, rows - 1), 255, 1)
    height, width = rows * stride - cut[0] % stride, cols * stride - cut[1] % stride
    require_equal(SeverityMap(cells, 12 / 255, 0, stride), 4.1, height, width, join)


def test_more_clusters_than_are_joined() -> None:
    cells = np.zeros((300, 300), np.uint8)
    cells[::3, ::3] = np.random.default_rng(0).integers(200, 256, (100, 100), np.uint8)
    found = require_equal(SeverityMap(cells, 12 / 255, 0, 4), 4.1, 1200, 1200, 9.0)
    assert found is not None
    assert len(found.regions) == 1001  # all of them listed, none joined


def test_a_spiral_is_one_region_through_all_bands() -> None:
    cells = np.zeros((200, 200), np.uint8)
    for ring in range(2, 96, 4):
        cells[ring:-ring, ring] = cells[ring:-ring, -ring] = 255
        cells[ring if ring % 8 else -ring, ring:-ring] = 255
    require_equal(SeverityMap(cells, 12 / 255, 0, 2), 4.1, 400, 400, 0.0)
    require_equal(SeverityMap(cells, 12 / 255, 0, 2), 4.1, 400, 400, 6.0)


def test_float_maps_and_what_is_not_a_number() -> None:
    cells = np.random.default_rng(0).random((150, 80)).astype(np.float32) * 5
    require_equal(SeverityMap(cells, 1.0, 0, 2), 4.1, 300, 160, 4.0)
    cells[70, 3] = np.nan
    with pytest.raises(FrameError, match="not a number"):
        BandedMask.of(SeverityMap(cells, 1.0, 0, 2), 4.1, 300, 160)


def test_memory_does_not_grow_with_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    cells = np.zeros((3200, 1024), np.uint8)
    cells[::40, ::40] = 255
    cells[:, 5] = 255  # one region from the first to the last row
    severity = SeverityMap(cells, 12 / 255, 0, 2)
    tracemalloc.start()
    banded = BandedMask.of(severity, 4.1, 6400, 2048)
    assert banded is not None
    assert large_components(banded, 4.0) is not None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A band has 2 megapixels; severity and labels of the frame alone are 105 MB.
    assert peak < 80e6
