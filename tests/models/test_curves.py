"""The paper's figures against examples worked out by hand, and what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.curves import (
    LEVELS,
    IouCurve,
    KindScores,
    PixelScores,
    by_kind,
    iou_curve,
    kind_recall,
    mean_sd,
    per_picture,
    picture_ar,
    together,
)
from models.evaluation.metrics import Match, PictureOutcome, summarise

KINDS = ("crack", "hole")
NAN = float("nan")


def part(
    *,
    pixels: tuple[int, int, int] = (0, 0, 0),
    near: tuple[int, int] | None = None,
    matches: tuple[Match, ...] = (),
    reports: tuple[tuple[float, bool], ...] = (),
) -> PictureOutcome:
    """pixels: hit, reported, annotated. reports: IoU and whether the kind is right."""
    counts = (*pixels, *(near or (pixels[0], pixels[0])))
    ious, right = tuple(iou for iou, _ in reports), tuple(flag for _, flag in reports)
    return PictureOutcome("x", (), False, 0.0, *counts, matches, ious, right)


SOME = (
    part(
        matches=(Match("crack", 0.9, "crack"), Match("hole", 0.5, "crack")),
        reports=((0.9, True), (0.5, False), (0.1, True)),
    ),
    part(matches=(Match("hole", 0.2, "hole"), Match("crack", 0.0, "")), reports=((0.2, True),)),
    part(reports=((0.0, False),)),
)


def test_recall_and_precision_worked_out_by_hand() -> None:
    # Annotated 0.9 (right), 0.5 (wrong), 0.2 (right), 0; reported 0.9, 0.5 (wrong), 0.1, 0.2, 0.
    assert iou_curve(SOME, (0.1, 0.5, 0.6, 1.0)) == IouCurve(
        (0.1, 0.5, 0.6, 1.0),
        (3 / 4, 2 / 4, 1 / 4, 0.0),
        (4 / 5, 2 / 5, 1 / 5, 0.0),
        (2 / 4, 1 / 4, 1 / 4, 0.0),
        (3 / 5, 1 / 5, 1 / 5, 0.0),
    )


def test_the_levels_unless_told_go_to_one_in_twentieths() -> None:
    assert LEVELS[:3] == (0.05, 0.1, 0.15)
    assert (LEVELS[9], LEVELS[-1], len(LEVELS)) == (0.5, 1.0, 20)
    assert iou_curve(SOME).levels == LEVELS


def test_the_curve_meets_the_metrics_at_one_half() -> None:
    found, curve = summarise(SOME), iou_curve(SOME)
    at = LEVELS.index(0.5)
    assert curve.recall[at] == found.defect_recall_50
    assert curve.precision[at] == found.defect_precision_50
    assert curve.recall_kind[at] == found.defect_recall_50_kind


def test_where_there_is_nothing_to_count_it_is_nan() -> None:
    curve = iou_curve([part()], (0.5,))
    assert all(math.isnan(v[0]) for v in (curve.recall, curve.precision, curve.recall_kind))
    assert math.isnan(kind_recall(SOME, "scratch", (0.5,))[0])
    assert math.isnan(per_picture([part(pixels=(0, 3, 0))]).f1)
    assert math.isnan(picture_ar([part()]))


matches = st.builds(
    Match,
    st.sampled_from(KINDS),
    st.floats(0, 1),
    st.sampled_from((*KINDS, "")),
)
parts = st.builds(
    lambda matches, reports: part(matches=tuple(matches), reports=tuple(reports)),
    st.lists(matches, max_size=4),
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=4),
)


@given(st.lists(parts, min_size=1, max_size=5))
def test_curves_fall_and_the_kind_can_only_cost(outcomes: list[PictureOutcome]) -> None:
    curve = iou_curve(outcomes)
    for plain, named in (
        (curve.recall, curve.recall_kind),
        (curve.precision, curve.precision_kind),
    ):
        for values in (plain, named):
            assert not (np.diff(values) > 0).any()
        assert not (np.array(named) > np.array(plain)).any()
    for kind in KINDS:
        assert not (np.diff(kind_recall(outcomes, kind)) > 0).any()


@given(st.lists(parts, min_size=1, max_size=5))
def test_ar_is_twice_the_area_under_the_curve(outcomes: list[PictureOutcome]) -> None:
    levels = (np.arange(2000) + 0.5) / 4000 + 0.5
    area = 2 * float(np.mean(iou_curve(outcomes, levels.tolist()).recall)) * 0.5
    assert summarise(outcomes).ar == pytest.approx(area, abs=1e-3, nan_ok=True)


def test_each_kind_by_itself() -> None:
    crack, hole = by_kind(SOME, KINDS)
    assert crack == KindScores("crack", 2, 0.5, 0.5, pytest.approx(0.4), pytest.approx(0.45))
    assert hole == KindScores("hole", 2, 0.5, 0.0, 0.0, pytest.approx(0.35))
    assert by_kind(SOME, ("scratch",))[0].defects == 0
    assert kind_recall(SOME, "hole", (0.2, 0.5, 0.6)) == (1.0, 0.5, 0.0)


PIXELS = (
    part(pixels=(6, 8, 10), near=(8, 10)),  # 0.75, 0.6; within the tolerance 1, 1
    part(pixels=(0, 0, 10)),  # nothing reported
    part(pixels=(0, 4, 0)),  # a false report on a good part
)


def test_pixels_of_all_pictures_together() -> None:
    assert together(PIXELS) == PixelScores(
        pytest.approx(6 / 12), pytest.approx(6 / 20), pytest.approx(2 * 6 / 32)
    )
    tolerant = together(PIXELS, tolerant=True)
    assert tolerant == PixelScores(
        pytest.approx(8 / 12), pytest.approx(10 / 20), pytest.approx(4 / 7)
    )
    found = summarise(PIXELS)
    assert tolerant == PixelScores(
        found.pixel_precision_tol, found.pixel_recall_tol, found.pixel_f1_tol
    )


def test_pixels_per_picture_are_means_over_defective_ones() -> None:
    assert per_picture(PIXELS) == PixelScores(
        pytest.approx(0.75 / 2), pytest.approx(0.6 / 2), pytest.approx(2 * 0.45 / 1.35 / 2)
    )
    assert per_picture(PIXELS, tolerant=True) == PixelScores(0.5, 0.5, 0.5)


def test_ar_of_pictures_counts_all_that_is_reported() -> None:
    # IoU 9/10 and 6/12; the good part is none.
    some = [part(pixels=(9, 9, 10)), part(pixels=(6, 8, 10)), part(pixels=(0, 4, 0))]
    assert picture_ar(some) == pytest.approx(2 * (0.4 + 0.0) / 2)


def test_mean_and_deviation() -> None:
    assert mean_sd([0.5]) == (0.5, 0.0)
    assert mean_sd([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert math.isnan(mean_sd([1.0, NAN])[0])
    with pytest.raises(ValueError, match="no value"):
        mean_sd([])
