"""Scores against figures worked out by hand, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from sklearn import metrics

from bench.imagelevel.scores import confusion, score


def test_scores_by_hand() -> None:
    # 6 good: 4 called good, 2 crack. 4 crack: 1 good, 3 crack. 2 pit: both called crack.
    table = np.array([[4, 2, 0], [1, 3, 0], [0, 2, 0]])
    found = score(table)
    assert found.precision == pytest.approx((4 / 5 + 3 / 7 + 0) / 3)
    assert found.recall == pytest.approx((4 / 6 + 3 / 4 + 0) / 3)
    assert found.f1 == pytest.approx((8 / 11 + 6 / 11 + 0) / 3)
    assert found.accuracy == pytest.approx(7 / 12)
    # Bad: 5 of 7 called bad are; 5 of 6 bad are found, a pit called crack among them.
    assert (found.bad_precision, found.bad_recall) == pytest.approx((5 / 7, 5 / 6))
    assert found.bad_f1 == pytest.approx(10 / 13)
    assert found.bad_accuracy == pytest.approx(9 / 12)


def test_a_class_without_validation_pictures_does_not_count() -> None:
    assert score(np.array([[4, 0, 1], [0, 3, 0], [0, 0, 0]])).recall == pytest.approx(0.9)


def test_nothing_called_bad_is_zero() -> None:
    found = score(np.array([[4, 0], [3, 0]]))
    assert (found.bad_precision, found.bad_recall, found.bad_f1) == (0.0, 0.0, 0.0)


def test_they_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth, called = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    table = confusion(truth, called, 4)
    assert (table == metrics.confusion_matrix(truth, called)).all()
    found = score(table)
    macro = metrics.precision_recall_fscore_support(truth, called, average="macro")
    assert (found.precision, found.recall, found.f1) == pytest.approx(macro[:3])
    bad = metrics.precision_recall_fscore_support(truth > 0, called > 0, average="binary")
    assert (found.bad_precision, found.bad_recall, found.bad_f1) == pytest.approx(bad[:3])
