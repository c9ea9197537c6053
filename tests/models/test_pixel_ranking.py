"""Pixel AUROC, AUPRO, pixel AP and best F1: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from edge.chain.filter import apply_threshold
from edge.records import SeverityMap
from models.evaluation.pixel_ranking import (
    BINS,
    PRO_LIMIT,
    TOP,
    PixelCounts,
    pixel_ranking,
    pixel_severity,
)


def of_row(severity: list[float], annotated: list[int]) -> tuple[npt.NDArray[np.float32], ...]:
    return np.array([severity], np.float32), np.array([annotated], np.bool_)


def test_figures_of_eight_pixels_by_hand() -> None:
    # Two regions: one of two pixels with 9 and 3, one of a pixel with 5. Sound: 4, 2, 2, 1, 0.
    ranking = pixel_ranking([of_row([9, 3, 4, 5, 2, 2, 1, 0], [1, 1, 0, 1, 0, 0, 0, 0])])
    assert ranking.regions == 2
    # 9 and 5 are above all five sound pixels, 3 above four of them.
    assert ranking.auroc == pytest.approx((5 + 5 + 4) / 15)
    # Precision at each defect pixel from the top: 1, 1, 3/4.
    assert ranking.ap == pytest.approx((1 + 1 + 0.75) / 3)
    assert ranking.best_f1 == pytest.approx(2 * 3 / (4 + 3))
    # Overlap at rate 0 is (1/2 + 1) / 2, stays until rate 1/5, and is then 1 up to the limit.
    assert ranking.aupro == pytest.approx((0.75 * 0.2 + 1.0 * 0.1) / 0.3)


def test_equal_severities_rise_on_a_line() -> None:
    # All pixels are equal: every curve is the diagonal.
    ranking = pixel_ranking([of_row([2, 2, 2, 2], [1, 0, 0, 0])])
    assert ranking.auroc == pytest.approx(0.5)
    assert ranking.aupro == pytest.approx(PRO_LIMIT / 2)
    assert ranking.ap == pytest.approx(0.25)


def test_a_small_region_weighs_as_much_as_a_large_one_in_aupro_only() -> None:
    found = [9.0] * 9 + [0.0, 0.0, 1.0, 1.0]
    ranking = pixel_ranking([of_row(found, [1] * 9 + [0, 1, 0, 0])])
    assert ranking.aupro == pytest.approx(0.5)
    assert ranking.auroc > 0.9


def test_figures_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    pictures = []
    for _ in range(4):
        annotated = cv2.GaussianBlur(rng.normal(size=(40, 60)), (0, 0), 3) > 0.12
        severity = rng.gamma(2.0, 1.0, (40, 60)) + 2.0 * annotated
        step = TOP / (BINS - 1)
        severity = np.round(severity.clip(0, TOP) / step) * step
        pictures.append((severity.astype(np.float32), np.asarray(annotated, np.bool_)))
    truth = np.concatenate([annotated.ravel() for _, annotated in pictures])
    values = np.concatenate([severity.ravel() for severity, _ in pictures])
    ranking = pixel_ranking(pictures)
    assert ranking.auroc == pytest.approx(roc_auc_score(truth, values), abs=1e-9)
    assert ranking.ap == pytest.approx(average_precision_score(truth, values), abs=1e-9)
    precision, recall, _ = precision_recall_curve(truth, values)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert ranking.best_f1 == pytest.approx(f1.max(), abs=1e-9)


def test_aupro_equals_a_sweep_over_thresholds() -> None:
    rng = np.random.default_rng(6)
    annotated = np.zeros((30, 30), np.bool_)
    annotated[2:6, 2:8] = annotated[20:22, 5:25] = annotated[12, 12] = True
    severity = (rng.integers(0, 9, (30, 30)) + 3 * annotated).astype(np.float32)
    _, labels = cv2.connectedComponents(annotated.view(np.uint8), connectivity=8)
    rates, overlaps = [0.0], [0.0]
    for threshold in range(12, -1, -1):
        above = severity >= threshold
        rates.append(float(above[~annotated].mean()))
        overlaps.append(float(np.mean([above[labels == n].mean() for n in (1, 2, 3)])))
    fine = np.linspace(0, PRO_LIMIT, 300_001)
    curve = np.interp(fine, rates, overlaps)
    expected = float(np.mean((curve[1:] + curve[:-1]) / 2))
    assert pixel_ranking([(severity, annotated)]).aupro == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_compared_is_nan() -> None:
    counts = PixelCounts()
    counts.add(*of_row([1, 2], [0, 0]))
    nothing = counts.ranking()
    assert math.isnan(nothing.auroc)
    assert math.isnan(nothing.aupro)
    assert nothing.regions == 0
    everything = pixel_ranking([of_row([1, 2], [1, 1])])
    assert math.isnan(everything.auroc)
    assert everything.ap == 1.0
    with pytest.raises(ValueError, match="annotation"):
        counts.add(np.zeros((2, 2), np.float32), np.zeros((2, 3), np.bool_))


def test_pixel_severity_equals_that_of_the_filter() -> None:
    values = np.random.default_rng(7).integers(0, 255, (9, 12), np.uint8)
    severity = SeverityMap(values, 0.05, 3, 4)
    mask = apply_threshold(severity, 6.0, 33, 47)
    assert mask is not None
    fine = pixel_severity(severity, 33, 47)
    height, width = mask.pixels.shape
    part = fine[mask.top : mask.top + height, mask.left : mask.left + width]
    assert np.allclose(part, mask.severity, atol=1e-5)
    assert fine.shape == (33, 47)
