"""T and keep_severity: no new escape, fewer false rejects, nearest to what was."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.feedback.operating_grid import OperatingGrid
from models.feedback.settings import (
    FeedbackFacts,
    FeedbackSettings,
    Limits,
    Shortfall,
    choose_settings,
    decisions,
    left_out_right,
    mistakes,
)

TS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def peaks(*values: float) -> OperatingGrid:
    """Pictures without a classifier: rejected at every T up to their peak."""
    rows = [[math.inf if peak >= t else -1.0 for t in TS] for peak in values]
    return OperatingGrid(TS, np.array(rows))


def facts(
    bad: str, marked: str, grid: OperatingGrid, old: FeedbackSettings, synthetic: str = ""
) -> FeedbackFacts:
    """By letters: x where it is so."""
    told = (np.array([c == "x" for c in text.ljust(len(bad))]) for text in (bad, marked, synthetic))
    is_bad, is_marked, is_set_in = told
    return FeedbackFacts(is_bad, decisions(grid, old), is_marked, is_set_in)


OLD = FeedbackSettings(2.0)


def test_t_is_raised_above_the_marked_and_stays_below_the_defects() -> None:
    found = peaks(8, 8, 0, 3, 3)
    known = facts("xx...", "...xx", found, OLD)
    chosen = choose_settings(found, known, OLD, Limits(), classified=False)
    # 4 passes them, and 5 is one step of the grid above that; the defects would allow 7.
    assert isinstance(chosen, FeedbackSettings)
    assert chosen == FeedbackSettings(5.0)
    assert mistakes(decisions(found, OLD), known) == 2
    assert mistakes(decisions(found, chosen), known) == 0


def test_the_reject_severity_of_the_old_bundle_stays() -> None:
    found = peaks(8, 8, 0, 3, 3)
    old = FeedbackSettings(2.0, reject_severity=2.5)
    chosen = choose_settings(
        found, facts("xx...", "...xx", found, old), old, Limits(), classified=False
    )
    assert chosen == FeedbackSettings(5.0, reject_severity=2.5)


def test_no_escape_is_taken_for_any_number_of_false_rejects() -> None:
    found = peaks(4, 8, 3, 3, 3, 3, 3, 3)
    known = facts("xx......", "..xxxxxx", found, OLD)
    # At 4 the first defect is caught, and not at the next step: an isolated value.
    assert choose_settings(found, known, OLD, Limits(), classified=False) == OLD
    allowed = choose_settings(found, known, OLD, Limits(new_escapes=1), classified=False)
    assert allowed == FeedbackSettings(5.0)


def test_a_marked_escape_goes_before_marked_false_rejects() -> None:
    old = FeedbackSettings(5.0)
    found = peaks(8, 0, 3, 6, 6)
    known = facts("x.x..", "..xxx", found, old)
    assert choose_settings(found, known, old, Limits(), classified=False) == FeedbackSettings(2.0)


def test_old_good_parts_bound_how_far_t_may_fall() -> None:
    old = FeedbackSettings(5.0)
    found = peaks(8, 4, 4, 4, 3)
    known = facts("x...x", "....x", found, old)
    assert choose_settings(found, known, old, Limits(), classified=False) == old
    wide = Limits(more_false_rejects=1.0)
    assert choose_settings(found, known, old, wide, classified=False) == FeedbackSettings(2.0)


def test_what_escaped_before_is_no_reason_to_move() -> None:
    old = FeedbackSettings(5.0)
    found = peaks(3, 8, 0, 6)
    known = facts("xx..", "...x", found, old)
    limits = Limits(more_false_rejects=1.0)
    # The first part was passed when T was chosen; the marked one needs T above 6.
    chosen = choose_settings(found, known, old, limits, classified=False)
    assert isinstance(chosen, FeedbackSettings)
    assert chosen.threshold > 5.0


def test_some_synthetic_parts_may_be_passed_but_no_real_defect() -> None:
    found = peaks(3, 8, 8, 8, 2, 2)
    known = facts("xxxx..", "....xx", found, OLD, synthetic="xxxx")
    some, none = Limits(synthetic_escapes=0.25), Limits(synthetic_escapes=0.2)
    assert choose_settings(found, known, OLD, some, classified=False) == FeedbackSettings(4.0)
    assert choose_settings(found, known, OLD, none, classified=False) == OLD
    drawn = facts("xxxx..", "....xx", found, OLD)
    assert choose_settings(found, drawn, OLD, some, classified=False) == OLD


def test_nothing_may_be_within_the_limits() -> None:
    found = peaks(1, 0)
    known = FeedbackFacts(
        *map(np.array, ([True, False], [True, False], [False, True], [False, False]))
    )
    shortfall = choose_settings(found, known, OLD, Limits(), classified=False)
    assert isinstance(shortfall, Shortfall)
    assert shortfall.lost == (0,)
    assert str(shortfall) == (
        "no T is within the limits; at the nearest T 1 bad parts that are rejected would be passed "
        "(0 allowed), 0 synthetic bad parts would be passed (0 allowed), 0 good validation "
        "parts would be rejected (0 allowed)"
    )


def test_among_equals_the_fewest_made_bad_parts_are_passed() -> None:
    """T 4 and above pass the marked one; at 6 and above a made bad part is lost."""
    old = FeedbackSettings(7.0)
    found = peaks(8, 8, 6, 5, 7)
    known = facts("xxxx.", "....x", found, old, synthetic=".xxx")
    assert known.caught.tolist() == [True, True, False, False, True]
    limits = Limits(synthetic_escapes=1.0)
    assert choose_settings(found, known, old, limits, classified=False) == old
    held = FeedbackFacts(known.bad, known.bad | known.caught, known.marked, known.synthetic)
    # Nothing passes the marked part without losing the drawn one, so the made ones decide.
    assert choose_settings(found, held, old, limits, classified=False) == FeedbackSettings(4.0)


def test_keep_severity_is_moved_where_there_is_a_classifier() -> None:
    """A marked part whose region is called background at a keep_severity of 3, at every T."""
    old = FeedbackSettings(2.0, 2.0)
    rows = [[math.inf] * 8, [3.0] * 8]
    found = OperatingGrid(TS, np.array(rows))
    known = facts("x.", ".x", found, old)
    chosen = choose_settings(found, known, old, Limits(), classified=True)
    assert chosen == FeedbackSettings(2.0, 3.5)  # 3.25 passes it, and the step before does not
    assert choose_settings(found, known, old, Limits(), classified=False) == old


def test_leaving_one_out_is_not_flattered_by_the_part_itself() -> None:
    found = peaks(8, 8, 3, 3, 5)
    known = facts("xx...", "..xxx", found, OLD)
    chosen = choose_settings(found, known, OLD, Limits(), classified=False)
    assert isinstance(chosen, FeedbackSettings)
    assert mistakes(decisions(found, chosen), known) == 0
    # Without the third marked part T is 5, at which that one is rejected.
    assert left_out_right(found, known, OLD, Limits(), classified=False) == (2, 3)


@pytest.mark.parametrize("keep", [0.0, 3.0, 12.0])
def test_decisions_are_those_of_the_table(keep: float) -> None:
    found = OperatingGrid((1.0, 2.0), np.array([[math.inf, 3.0], [2.5, -1.0]]))
    second = [keep <= 3.0, False]
    assert decisions(found, FeedbackSettings(2.0, keep)).tolist() == second
    assert found.rejected([keep])[0, :, 1].tolist() == second
