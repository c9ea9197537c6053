"""Masks as runs, in both directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.labelling.errors import LabelPageError
from edge.labelling.runs import decode_runs, encode_runs


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_a_mask_comes_through_unchanged(mask: np.ndarray) -> None:
    assert np.array_equal(decode_runs(encode_runs(mask), *mask.shape), mask)


def test_runs_are_starts_and_lengths_row_by_row() -> None:
    mask = np.zeros((3, 4), np.bool_)
    mask[0, 3] = mask[1, 0] = mask[2, 1:3] = True
    assert encode_runs(mask) == [3, 2, 9, 2]


@pytest.mark.parametrize(
    "runs",
    [
        [3],
        [0, 0],
        [0, -1],
        [-1, 2],
        [4, 2, 0, 1],
        [0, 3, 2, 1],
        [0, 13],
        [12, 1],
        [2**62, 2**62],
        [2**80, 1],
    ],
)
def test_other_numbers_are_refused(runs: list[int]) -> None:
    with pytest.raises(LabelPageError, match=r"^runs: expected"):
        decode_runs(runs, 3, 4)
