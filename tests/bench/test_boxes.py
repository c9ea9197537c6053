"""The matching of boxes, worked out by hand."""

from __future__ import annotations

import pytest

from bench.boxes import Counts, Marked, count, iou, pair, widened
from edge.records import Box

SQUARE = Box(10, 10, 20, 20)


def mark(left: int, top: int, right: int, bottom: int, kind: str = "open") -> Marked:
    return Marked(Box(left, top, right, bottom), kind)


def test_iou() -> None:
    assert iou(SQUARE, SQUARE) == 1.0
    assert iou(SQUARE, Box(20, 10, 30, 20)) == 0.0
    assert iou(SQUARE, Box(15, 10, 25, 20)) == pytest.approx(50 / 150)
    assert iou(SQUARE, Box(0, 0, 40, 40)) == pytest.approx(100 / 1600)


def test_right_is_more_than_a_third_and_no_less() -> None:
    """The rule is more than 0.33: a third is right, 100 of 304 px are not."""
    truth = [Marked(SQUARE, "open")]
    assert pair([mark(15, 10, 25, 20)], truth, same_kind=False) == (0,)
    assert pair([mark(10, 10, 29, 26)], truth, same_kind=False) == (None,)


def test_each_box_is_in_one_pair() -> None:
    twice = [mark(10, 10, 20, 19), mark(10, 10, 20, 20)]
    assert pair(twice, [Marked(SQUARE, "open")], same_kind=False) == (0,)
    assert count(twice, [Marked(SQUARE, "open")], same_kind=False) == Counts(1, 2, 1)
    large = [mark(10, 10, 20, 20)]
    near = [mark(10, 10, 20, 15), mark(10, 10, 20, 20)]
    assert pair(large, near, same_kind=False) == (None, 0)


def test_same_kind() -> None:
    found = [Marked(SQUARE, "short")]
    truth = [Marked(SQUARE, "open")]
    assert pair(found, truth, same_kind=False) == (0,)
    assert pair(found, truth, same_kind=True) == (None,)
    both = [Marked(SQUARE, "open"), Marked(SQUARE, "short")]
    assert pair(found, both, same_kind=True) == (None, 0)


def test_counts() -> None:
    some = Counts(3, 4, 6) + Counts(1, 1, 2)
    assert some == Counts(4, 5, 8)
    assert (some.precision, some.recall) == (0.8, 0.5)
    assert some.f1 == pytest.approx(2 * 0.8 * 0.5 / 1.3)
    assert (Counts().precision, Counts().recall, Counts().f1) == (1.0, 1.0, 1.0)
    assert Counts(0, 3, 0).precision == 0.0


def test_widened() -> None:
    assert widened(SQUARE, 4, 100, 100) == Box(6, 6, 24, 24)
    assert widened(SQUARE, 15, 30, 22) == Box(0, 0, 22, 30)
