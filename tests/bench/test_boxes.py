"""The pairing of reported and annotated boxes, compared with results made by hand."""

from __future__ import annotations

import pytest

from bench.boxes import BoxCounts, LabelledBox, count, iou, pair, widened
from edge.records import Box

SQUARE = Box(10, 10, 20, 20)


def mark(left: int, top: int, right: int, bottom: int, kind: str = "open") -> LabelledBox:
    return LabelledBox(Box(left, top, right, bottom), kind)


def test_iou_is_the_intersection_over_the_union() -> None:
    assert iou(SQUARE, SQUARE) == 1.0
    assert iou(SQUARE, Box(20, 10, 30, 20)) == 0.0
    assert iou(SQUARE, Box(15, 10, 25, 20)) == pytest.approx(50 / 150)
    assert iou(SQUARE, Box(0, 0, 40, 40)) == pytest.approx(100 / 1600)


def test_an_iou_of_more_than_0_33_is_a_match() -> None:
    """The rule is "more than 0.33". A third is a match, 100 of 304 px are not."""
    truth = [LabelledBox(SQUARE, "open")]
    assert pair([mark(15, 10, 25, 20)], truth, same_kind=False) == (0,)
    assert pair([mark(10, 10, 29, 26)], truth, same_kind=False) == (None,)


def test_each_box_is_in_at_most_one_pair() -> None:
    twice = [mark(10, 10, 20, 19), mark(10, 10, 20, 20)]
    assert pair(twice, [LabelledBox(SQUARE, "open")], same_kind=False) == (0,)
    assert count(twice, [LabelledBox(SQUARE, "open")], same_kind=False) == BoxCounts(1, 2, 1)
    large = [mark(10, 10, 20, 20)]
    near = [mark(10, 10, 20, 15), mark(10, 10, 20, 20)]
    assert pair(large, near, same_kind=False) == (None, 0)


def test_boxes_of_different_kinds_do_not_match_with_same_kind() -> None:
    reported_boxes = [LabelledBox(SQUARE, "short")]
    truth = [LabelledBox(SQUARE, "open")]
    assert pair(reported_boxes, truth, same_kind=False) == (0,)
    assert pair(reported_boxes, truth, same_kind=True) == (None,)
    both = [LabelledBox(SQUARE, "open"), LabelledBox(SQUARE, "short")]
    assert pair(reported_boxes, both, same_kind=True) == (None, 0)


def test_precision_recall_and_f1_follow_from_the_counts() -> None:
    some = BoxCounts(3, 4, 6) + BoxCounts(1, 1, 2)
    assert some == BoxCounts(4, 5, 8)
    assert (some.precision, some.recall) == (0.8, 0.5)
    assert some.f1 == pytest.approx(2 * 0.8 * 0.5 / 1.3)
    assert (BoxCounts().precision, BoxCounts().recall, BoxCounts().f1) == (1.0, 1.0, 1.0)
    assert BoxCounts(0, 3, 0).precision == 0.0


def test_a_widened_box_stays_inside_the_frame() -> None:
    assert widened(SQUARE, 4, 100, 100) == Box(6, 6, 24, 24)
    assert widened(SQUARE, 15, 30, 22) == Box(0, 0, 22, 30)
