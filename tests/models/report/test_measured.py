"""Confusion and ranking, by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.report.measured import NO_DEFECT, NOT_FOUND, confused, precision_recall
from tests.models.report.pages import outcome


def test_confusion_has_what_was_not_found_and_what_was_not_there() -> None:
    parts = (
        outcome("a", annotated_px=9, hit_px=5, rejected=True, reported=("pit",)),
        outcome("b", annotated_px=9, hit_px=5, rejected=True, reported=("bar",)),
        outcome("c", annotated_px=9),
    )
    rows, columns, table = confused(parts, ("bar", "pit"), {"bar": 4})
    assert rows == ("bar", "pit", NO_DEFECT)
    assert columns == ("bar", "pit", NOT_FOUND)
    assert table.tolist() == [[0, 0, 0], [1, 1, 1], [4, 0, 0]]


def test_confusion_without_a_classifier() -> None:
    parts = (outcome("a", annotated_px=9, hit_px=5, rejected=True, reported=("defect",)),)
    rows, columns, table = confused(parts, ("bar", "pit"), {})
    assert (rows, columns) == (("bar", "pit"), ("bar", "pit", "defect", NOT_FOUND))
    assert table.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]


def test_precision_and_recall_by_hand() -> None:
    parts = (
        outcome("a", annotated_px=9, score=9),
        outcome("b", score=7),
        outcome("c", annotated_px=9, score=7),
        outcome("d", score=1),
    )
    recall, precision, area = precision_recall(parts)
    assert recall == [0.5, 1.0, 1.0]
    assert precision == pytest.approx([1.0, 2 / 3, 0.5])
    assert area == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)
