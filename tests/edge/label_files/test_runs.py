"""Run-length codes: COCO's against pycocotools, plain ones, and Label Studio's brush."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.label_files.runs import decode_brush, decode_counts, runs_mask
from edge.label_files.shapes import LabelError
from tests.support.label_exports import brush, column_runs, compressed, row_runs

# pycocotools 2.0 converts arrays by a call that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


@given(mask=MASKS)
@settings(deadline=None)
def test_runs_of_columns_and_rows_give_the_mask_again(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert np.array_equal(runs_mask(column_runs(mask), height, width, by_column=True), mask)
    assert np.array_equal(runs_mask(row_runs(mask), height, width, by_column=False), mask)


@given(counts=st.lists(st.integers(0, 1 << 28), min_size=1, max_size=30))
def test_compressed_counts_of_any_length_are_read_back(counts: list[int]) -> None:
    assert list(decode_counts(compressed(counts))) == counts


@given(mask=MASKS)
@settings(deadline=None)
def test_compressed_counts_are_those_of_pycocotools(mask: np.ndarray) -> None:
    oracle = pytest.importorskip("pycocotools.mask")
    coded = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = decode_counts(coded["counts"].decode("ascii"))
    assert np.array_equal(runs_mask(counts, *mask.shape, by_column=True), mask)
    assert compressed(column_runs(mask)) == coded["counts"].decode("ascii")


@given(mask=MASKS, singles=st.booleans())
@settings(deadline=None)
def test_the_brush_gives_the_mask_again(mask: np.ndarray, singles: bool) -> None:
    data = bytes(brush(mask, singles=singles))
    assert np.array_equal(decode_brush(data, *mask.shape), mask)


def test_the_beginning_of_a_brush_of_label_studio() -> None:
    """Header of a real export: 3332×2527 px, words of 8 bits, lengths of 3, 4, 8 and 16 bits.

    Source: label_JSON.json of the data set alkzar90/cell_benchmark, first region.
    """
    head = [2, 1, 233, 240, 57, 27, 255, 255, 255, 0]
    mask = np.zeros((2527, 3332), np.bool_)
    assert brush(mask)[:10] == head
    assert not decode_brush(bytes(brush(mask)), 2527, 3332).any()


@pytest.mark.parametrize(
    ("counts", "told"),
    [((3, 2), "cover 5 pixels; expected 6"), ((7, -1), "cover 6 pixels"), ((), "cover 0 pixels")],
)
def test_runs_that_do_not_fill_the_picture(counts: tuple[int, ...], told: str) -> None:
    with pytest.raises(LabelError, match=told):
        runs_mask(counts, 2, 3, by_column=True)


@pytest.mark.parametrize(
    ("coded", "told"), [("a b", "are damaged"), ("oo", "cut short"), ("oooooooooo", "are damaged")]
)
def test_compressed_counts_that_are_damaged(coded: str, told: str) -> None:
    with pytest.raises(LabelError, match=told):
        decode_counts(coded)


def test_a_brush_that_is_damaged() -> None:
    data = bytes(brush(np.eye(5, dtype=np.bool_)))
    with pytest.raises(LabelError, match="cut short"):
        decode_brush(data[:-2], 5, 5)
    with pytest.raises(LabelError, match="cut short"):
        decode_brush(bytes(brush(np.eye(5, dtype=np.bool_), singles=True))[:-2], 5, 5)
    with pytest.raises(LabelError, match="has 100 values; expected 400 for a picture of 10x10"):
        decode_brush(data, 10, 10)
    with pytest.raises(LabelError, match="values of 1 bits; expected 8"):
        decode_brush(data[:4] + bytes(20), 5, 5)
    longer = bytearray(brush(np.ones((5, 5), np.bool_)))
    longer[:4] = (4).to_bytes(4, "big")
    with pytest.raises(LabelError, match="more values than it states"):
        decode_brush(bytes(longer), 1, 1)
