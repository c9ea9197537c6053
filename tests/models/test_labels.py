"""Severity and coverage per cell."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.training.labels import coverage_cells, severity_cells


def frame(*rows: list[tuple[int, int]]) -> np.ndarray:
    """An image of 2 px cells, each given by its minimum and maximum."""
    cells = [np.hstack([np.array([[low, high], [low, high]]) for low, high in row]) for row in rows]
    return np.vstack(cells).astype(np.uint8)


def mask_of(*rows: str) -> np.ndarray:
    """A mask of 2 px cells: X is defect."""
    cells = np.array([[c == "X" for c in row] for row in rows])
    return np.kron(cells, np.ones((2, 2))).astype(bool)


def test_worked_by_hand_against_both_references() -> None:
    image = frame([(100, 110), (40, 60), (90, 130)])
    # Left:  d0 = min(|40-100|, |60-110|) = 50, d1 = |60-100| = 40, s = 90.
    # Right: d0 = min(|40-90|, |60-130|) = 50, d1 = |60-90| = 30, s = 80. Mean 85, x 12 / 500.
    severity = severity_cells(image, mask_of(".X."), 2)
    assert severity.dtype == np.float32
    np.testing.assert_allclose(severity, [[0.0, 85 * 12 / 500, 0.0]], rtol=1e-6)


def test_a_run_uses_the_cells_that_bound_it() -> None:
    image = frame([(100, 100), (50, 50), (70, 70), (200, 200), (10, 10)])
    # Cell 1: left 50 + 50, right 150 + 150: mean 200. Cell 2: left 60, right 260: mean 160.
    # Cell 4: only the left reference, 190 + 190 = 380.
    severity = severity_cells(image, mask_of(".XX.X"), 2)
    expected = np.array([[0, 200, 160, 0, 380]]) * 12 / 500
    np.testing.assert_allclose(severity, expected, rtol=1e-6)


def test_a_row_that_is_all_defect_looks_along_its_columns() -> None:
    image = frame(
        [(100, 100), (120, 120)],
        [(50, 50), (50, 50)],
        [(60, 60), (60, 60)],
        [(180, 180), (90, 90)],
    )
    # Row 1 takes row 0, row 2 takes row 3: the nearer one.
    severity = severity_cells(image, mask_of("..", "XX", "XX", ".."), 2)
    expected = np.array([[0, 0], [100, 140], [240, 60], [0, 0]]) * 12 / 500
    np.testing.assert_allclose(severity, expected, rtol=1e-6)


def test_equally_near_in_the_column_is_the_one_above() -> None:
    image = frame([(100, 100)], [(50, 50)], [(200, 200)])
    severity = severity_cells(image, mask_of(".", "X", "."), 2)
    np.testing.assert_allclose(severity[:, 0], [0, 100 * 12 / 500, 0], rtol=1e-6)


def test_a_cross_takes_the_median_of_the_frame() -> None:
    image = frame(
        [(10, 10), (50, 50), (100, 100)],
        [(50, 50), (50, 50), (50, 50)],
        [(100, 100), (50, 50), (100, 100)],
    )
    severity = severity_cells(image, mask_of(".X.", "XXX", ".X."), 2)
    assert severity[1, 1] == pytest.approx(100 * 12 / 500)  # median 100: 50 + 50


def test_a_frame_that_is_all_defect_scores_nothing() -> None:
    image = frame([(10, 200), (50, 60)])
    assert not severity_cells(image, mask_of("XX"), 2).any()


def test_scores_are_truncated_at_lambda() -> None:
    image = frame([(250, 250), (0, 0), (240, 240)])
    mask = mask_of(".X.")
    assert severity_cells(image, mask, 2)[0, 1] == pytest.approx(490 * 12 / 500)
    assert severity_cells(image, mask, 2, truncate=200.0)[0, 1] == 12.0
    top = severity_cells(frame([(255, 255), (0, 0)]), mask_of(".X"), 2)
    assert top[0, 1] == 12.0  # 510 is the most that 8 bits allow


def test_one_pixel_makes_a_defect_cell_unless_coverage_is_asked_for() -> None:
    image = np.full((4, 8), 100, np.uint8)
    mask = np.zeros((4, 8), bool)
    mask[1, 5] = True
    image[mask] = 30
    # M_D is the sound surface's: d0 = 0 and d1 = 0, the paper's reading.
    assert severity_cells(image, mask, 4)[0, 1] == 0.0
    assert severity_cells(image, mask, 4, defect_pixels_only=True)[0, 1] == pytest.approx(
        140 * 12 / 500
    )
    wanting = severity_cells(image, mask, 4, min_coverage=0.1, defect_pixels_only=True)
    assert not wanting.any()
    exactly = severity_cells(image, mask, 4, min_coverage=1 / 16, defect_pixels_only=True)
    assert exactly[0, 1] > 0


def test_coverage_counts_pixels() -> None:
    mask = np.zeros((4, 8), bool)
    mask[:2, :3] = True
    np.testing.assert_array_equal(coverage_cells(mask, 4), np.float32([[6 / 16, 0.0]]))
    np.testing.assert_array_equal(coverage_cells(mask, 1), mask.astype(np.float32))
    assert coverage_cells(mask, 2).tolist() == [[1.0, 0.5, 0.0, 0.0], [0.0] * 4]


@pytest.mark.parametrize(("shape", "cell_px"), [((10, 8), 4), ((8, 10), 4), ((8, 8), 0)])
def test_sides_must_be_multiples_of_the_cell(shape: tuple[int, int], cell_px: int) -> None:
    with pytest.raises(ValueError, match="expected H and W multiples"):
        severity_cells(np.zeros(shape, np.uint8), np.zeros(shape, bool), cell_px)
    with pytest.raises(ValueError, match="expected H and W multiples"):
        coverage_cells(np.zeros(shape, bool), cell_px)


def test_image_and_mask_must_agree() -> None:
    with pytest.raises(ValueError, match="expected equal"):
        severity_cells(np.zeros((8, 8), np.uint8), np.zeros((8, 4), bool), 4)
    with pytest.raises(ValueError, match="truncate"):
        severity_cells(np.zeros((8, 8), np.uint8), np.ones((8, 8), bool), 4, truncate=0.0)


pixels = hnp.arrays(np.uint8, (12, 16))
masks = hnp.arrays(np.bool_, (12, 16))


@given(image=pixels, mask=masks, cell_px=st.sampled_from([1, 2, 4]), only=st.booleans())
def test_zero_outside_and_on_the_scale_inside(
    image: np.ndarray, mask: np.ndarray, cell_px: int, only: bool
) -> None:
    severity = severity_cells(image, mask, cell_px, defect_pixels_only=only)
    assert severity.shape == (12 // cell_px, 16 // cell_px)
    assert severity.min() >= 0.0
    assert severity.max() <= 12.0
    assert not severity[coverage_cells(mask, cell_px) == 0].any()


@given(image=pixels, mask=masks, cell_px=st.sampled_from([1, 2, 4]))
def test_a_mirrored_frame_has_mirrored_severity(
    image: np.ndarray, mask: np.ndarray, cell_px: int
) -> None:
    straight = severity_cells(image, mask, cell_px)
    mirrored = severity_cells(image[:, ::-1], mask[:, ::-1], cell_px)
    np.testing.assert_allclose(mirrored[:, ::-1], straight, rtol=1e-5)


@given(image=pixels, mask=masks, cell_px=st.sampled_from([1, 2, 4]), only=st.booleans())
def test_agrees_with_the_algorithm_written_as_loops(
    image: np.ndarray, mask: np.ndarray, cell_px: int, only: bool
) -> None:
    severity = severity_cells(image, mask, cell_px, defect_pixels_only=only)
    rows, cols = severity.shape
    cell = {
        (r, c): (slice(r * cell_px, (r + 1) * cell_px), slice(c * cell_px, (c + 1) * cell_px))
        for r in range(rows)
        for c in range(cols)
    }
    sound = {at for at in cell if not mask[cell[at]].any()}
    for (r, c), where in cell.items():
        if (r, c) in sound:
            continue
        left = [(r, k) for k in range(c - 1, -1, -1) if (r, k) in sound][:1]
        right = [(r, k) for k in range(c + 1, cols) if (r, k) in sound][:1]
        if not left + right:
            continue
        inside = image[where][mask[where]] if only else image[where]
        low, high = int(inside.min()), int(inside.max())
        scores = []
        for at in left + right:
            low_n, high_n = int(image[cell[at]].min()), int(image[cell[at]].max())
            scores.append(min(abs(low - low_n), abs(high - high_n)) + abs(high - low_n))
        expected = min(sum(scores) / len(scores), 500.0) * 12 / 500
        assert severity[r, c] == pytest.approx(expected, abs=1e-4)


@given(
    level=st.integers(60, 200),
    depths=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    bright=st.booleans(),
)
def test_more_contrast_on_an_even_surface_is_more_severe(
    level: int, depths: tuple[int, int], bright: bool
) -> None:
    mask = np.zeros((16, 16), bool)
    mask[4:12, 6:10] = True
    low, high = sorted(depths)

    def severity(depth: int) -> np.ndarray:
        image = np.full((16, 16), level, np.uint8)
        image[mask] = min(255, level + depth) if bright else level - depth
        return severity_cells(image, mask, 2)

    assert (severity(high) >= severity(low)).all()


def test_fast_enough_for_a_loader() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (256, 256), dtype=np.uint8)
    mask = np.zeros((256, 256), bool)
    mask[60:190, 60:190] = True
    times_ms = []
    for _ in range(15):
        start = time.process_time()
        severity_cells(image, mask, 2)
        times_ms.append((time.process_time() - start) * 1e3)
    assert min(times_ms) < 4.0  # 1.2 ms on the machine it was written on; the budget is 2
