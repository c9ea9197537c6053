"""Step filter: the same result as interpolating the whole map and comparing."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.chain.filter import TOLERANCE, apply_threshold, stored_threshold
from edge.errors import FrameError
from edge.records import SeverityMap


def whole(severity: SeverityMap, height: int, width: int) -> np.ndarray:
    """Return the severity of every pixel of the frame, without a crop."""
    cells = (severity.values.astype(np.float32) - np.float32(severity.zero_point)) * np.float32(
        severity.scale
    )
    rows, cols = cells.shape
    size = (cols * severity.stride_px, rows * severity.stride_px)
    return cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[:height, :width]


@st.composite
def maps(draw: st.DrawFn) -> tuple[SeverityMap, int, int]:
    rows, cols = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    stride = draw(st.sampled_from([1, 2, 4, 8]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sparse = rng.random((rows, cols)) < draw(st.sampled_from([0.01, 0.1, 0.5, 1.0]))
    height = rows * stride - draw(st.integers(0, stride - 1))
    width = cols * stride - draw(st.integers(0, stride - 1))
    if draw(st.booleans()):
        values = (rng.integers(0, 256, (rows, cols)) * sparse).astype(np.uint8)
        scale, zero = (
            draw(st.sampled_from([0.05, 0.047058823529411764, 1 / 17])),
            draw(st.sampled_from([0, 3, 40])),
        )
        return SeverityMap(values, scale, zero, stride), height, width
    floats = (rng.random((rows, cols)) * 12 * sparse).astype(np.float32)
    return SeverityMap(floats, 1.0, 0, stride), height, width


@settings(deadline=None, max_examples=400)
@given(some=maps(), threshold=st.sampled_from([0.1, 2.0, 4.1, 4.5, 5.4, 9.0, 11.9]))
def test_it_is_the_whole_map_upsampled_and_compared(
    some: tuple[SeverityMap, int, int], threshold: float
) -> None:
    severity, height, width = some
    fine = whole(severity, height, width)
    expected = fine >= np.float32(threshold - TOLERANCE)
    mask = apply_threshold(severity, threshold, height, width)
    if mask is None:
        assert not expected.any()
        return
    assert mask.pixels.dtype == np.uint8
    assert mask.severity.dtype == np.float32
    assert mask.pixels.any()
    found = np.zeros((height, width), np.bool_)
    h, w = mask.pixels.shape
    found[mask.top : mask.top + h, mask.left : mask.left + w] = mask.pixels
    assert set(np.unique(mask.pixels)) <= {0, 1}
    crop = fine[mask.top : mask.top + h, mask.left : mask.left + w]
    near = np.abs(fine - np.float32(threshold - TOLERANCE)) < 2e-6  # one ulp of a crop's weights
    assert ((found == expected) | near).all()
    assert np.abs(mask.severity - crop)[mask.pixels == 1].max() < 2e-6


@pytest.mark.parametrize("zero_point", [0, 7])
def test_the_quantised_limit_is_right_for_every_value_and_many_thresholds(zero_point: int) -> None:
    scale = 0.05
    for step in range(1, 241):
        threshold = step * 0.05  # not exact in binary: 0.15 / 0.05 is 2.9999999999999996
        values = np.arange(256, dtype=np.uint8)
        limit = stored_threshold(SeverityMap(values[None], scale, zero_point, 2), threshold)
        expected = [v for v in range(256) if (v - zero_point) * 5 >= step * 5]
        assert [v for v in range(256) if v >= limit] == expected
        between = threshold + 0.01  # a fifth of a step above: one value more
        limit = stored_threshold(SeverityMap(values[None], scale, zero_point, 2), between)
        assert [v for v in range(256) if v >= limit] == expected[1:]


@pytest.mark.parametrize("value", range(0, 256, 5))
def test_a_flat_map_passes_at_its_own_severity_and_not_above(value: int) -> None:
    severity = SeverityMap(np.full((6, 6), value, np.uint8), 0.05, 0, 2)
    if value:
        mask = apply_threshold(severity, value * 0.05, 12, 12)
        assert mask is not None
        assert mask.pixels.all()
        assert mask.pixels.shape == (12, 12)
    assert apply_threshold(severity, value * 0.05 + 0.001, 12, 12) is None


def test_a_clean_map_is_none() -> None:
    assert apply_threshold(SeverityMap(np.zeros((8, 8), np.uint8), 0.05, 0, 2), 4.0, 16, 16) is None
    assert (
        apply_threshold(SeverityMap(np.full((8, 8), 79, np.uint8), 0.05, 0, 2), 4.0, 16, 16) is None
    )


def test_the_mask_is_a_crop_about_what_passed() -> None:
    values = np.zeros((40, 40), np.uint8)
    values[20, 30] = 240
    mask = apply_threshold(SeverityMap(values, 0.05, 0, 2), 4.0, 80, 80)
    assert mask is not None
    assert (mask.left, mask.top, mask.pixels.shape) == (56, 36, (10, 10))


def test_a_lone_cell_must_be_above_the_threshold_by_what_interpolation_takes() -> None:
    """Documented in apply_threshold: 16/9 at stride 2, where no pixel's centre is a cell's."""
    values = np.zeros((9, 9), np.float32)
    values[4, 4] = 4.0 * 16 / 9 - 0.01
    assert apply_threshold(SeverityMap(values, 1.0, 0, 2), 4.0, 18, 18) is None
    values[4, 4] = 4.0 * 16 / 9 + 0.01
    mask = apply_threshold(SeverityMap(values, 1.0, 0, 2), 4.0, 18, 18)
    assert mask is not None
    assert int(mask.pixels.sum()) == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_severity_that_is_not_a_number_is_never_clean(bad: float) -> None:
    values = np.zeros((8, 8), np.float32)
    values[3, 3] = bad
    severity = SeverityMap(values, 1.0, 0, 2)
    with pytest.raises(FrameError, match="is not a number"):
        apply_threshold(severity, 4.0, 16, 16)
