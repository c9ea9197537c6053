"""The nouns: frozen, slotted, and their few computed properties."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge import records
from edge.records import Box, Decision, SeverityMap, Timings, Verdict

NOUNS = [
    value
    for value in vars(records).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type)
]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen_and_slotted(noun: type) -> None:
    assert noun.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(noun)


def test_a_box_is_exclusive_at_right_and_bottom() -> None:
    box = Box(2, 3, 10, 4)
    assert (box.width, box.height) == (8, 1)


def test_a_quantised_severity_is_scale_times_value_less_zero_point() -> None:
    severity = SeverityMap(np.array([[3, 103]], np.uint8), 0.05, 3, 2)
    assert severity.severity(3) == 0.0
    assert severity.severity(103) == pytest.approx(5.0)
    assert severity.peak() == pytest.approx(5.0)
    assert severity.severity(0) == pytest.approx(-0.15)  # below the zero point: no wrap to 255


def test_a_float_severity_is_itself() -> None:
    assert SeverityMap(np.array([[1.5, 4.25]], np.float32), 1.0, 0, 2).peak() == 4.25


def test_the_total_is_the_sum_of_the_steps() -> None:
    assert Timings(1, 2, 4, 8, 16).total_us == 31


def test_unknown_carries_its_reason_and_nothing_else() -> None:
    verdict = Verdict.unknown(7, reason="late")
    assert verdict == Verdict(7, Decision.UNKNOWN, "late", (), 0.0, None)
