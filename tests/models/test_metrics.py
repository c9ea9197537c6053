"""The paper's metrics and a line manager's, against examples worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.metrics import (
    Match,
    PictureOutcome,
    auroc,
    average_precision,
    confusion,
    f1,
    near_px,
    outcome,
    summarise,
    within,
)

KINDS = ("crack", "hole")


def part(
    *,
    rejected: bool = False,
    score: float = 0.0,
    hit: int = 0,
    reported: int = 0,
    annotated: int = 0,
    near: tuple[int, int] | None = None,
    matches: tuple[Match, ...] = (),
    ious: tuple[float, ...] = (),
) -> PictureOutcome:
    counts = (hit, reported, annotated, *(near or (hit, hit)))
    return PictureOutcome("x", (), rejected, score, *counts, matches, ious, (True,) * len(ious))


def picture(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    """20×40: rectangles (left, top, right, bottom, value)."""
    values = np.zeros((20, 40), np.uint8)
    for left, top, right, bottom, value in boxes:
        values[top:bottom, left:right] = value
    return values


def test_one_part_worked_out_by_hand() -> None:
    # Annotated: a crack of 4×2 = 8 px and a hole of 5×4 = 20 px.
    # Reported: region 1 (hole) covers 2×2 = 4 px of the crack and 4 px beside it; region 2 (hole)
    # is the hole less one column: 16 px; region 3 (crack), 4 px, touches nothing.
    truth = picture((2, 2, 6, 4, 1), (20, 10, 25, 14, 2))
    labels = picture((4, 2, 8, 4, 1), (20, 10, 24, 14, 2), (34, 2, 36, 4, 3)).astype(np.int64)
    found = outcome("p", truth, KINDS, labels, ["hole", "hole", "crack"], rejected=True, score=7.5)
    assert (found.hit_px, found.reported_px, found.annotated_px) == (4 + 16, 8 + 16 + 4, 28)
    assert found.iou == pytest.approx(20 / (28 + 28 - 20))
    assert found.kinds == ("crack", "hole")
    assert found.matches == (
        Match("crack", pytest.approx(4 / 12), "hole"),  # type: ignore[arg-type]
        Match("hole", pytest.approx(16 / 20), "hole"),  # type: ignore[arg-type]
    )
    assert found.reported_ious == pytest.approx((4 / 12, 16 / 20, 0.0))
    assert found.reported_right_kind == (False, True, False)
    assert (found.name, found.rejected, found.score) == ("p", True, 7.5)


def test_the_report_that_covers_a_defect_best_names_it() -> None:
    # A crack of 10 px; one report covers 3 of it (IoU 3/10), another 6 and 2 beside (6/12).
    truth = picture((0, 0, 10, 1, 1))
    labels = picture((0, 0, 3, 1, 1), (4, 0, 12, 1, 2)).astype(np.int64)
    found = outcome("p", truth, KINDS, labels, ["crack", "hole"], rejected=True, score=1)
    (match,) = found.matches
    assert (match.reported_kind, match.iou) == ("hole", pytest.approx(0.5))


def test_annotated_clusters_nearer_than_four_pixels_are_one_defect() -> None:
    near = picture((0, 0, 2, 2, 1), (4, 0, 6, 2, 1))  # 2 sound pixels between: distance 3
    far = picture((0, 0, 2, 2, 1), (5, 0, 7, 2, 1))
    kinds = picture((0, 0, 2, 2, 1), (4, 0, 6, 2, 2))  # two kinds are never one
    nothing = np.zeros((20, 40), np.int64)
    counts = [
        len(outcome("p", truth, KINDS, nothing, [], rejected=False, score=0).matches)
        for truth in (near, far, kinds)
    ]
    assert counts == [1, 2, 2]


def test_a_crack_drawn_one_row_off_worked_out_by_hand() -> None:
    # Annotated: a row of 10 px. Reported: the row 2 below it, 10 px from 2 px further right, and a
    # spot of 4 px elsewhere.
    truth = picture((5, 5, 15, 6, 1))
    labels = picture((7, 7, 17, 8, 1), (30, 15, 32, 17, 2)).astype(np.int64)

    def near(tolerance_px: float) -> tuple[int, ...]:
        found = outcome(
            "p",
            truth,
            KINDS,
            labels,
            ["crack", "crack"],
            rejected=True,
            score=1,
            tolerance_px=tolerance_px,
        )
        return found.near_reported_px, found.near_annotated_px, found.hit_px, found.reported_px

    assert near(0) == near(1.9) == (0, 0, 0, 14)
    # Straight above or below at a distance of 2: columns 7 to 14.
    assert near(2) == (8, 8, 0, 14)
    # √5 = 2.24 also reaches one column to the side.
    assert near(2.24) == (9, 9, 0, 14)
    found = outcome("p", truth, KINDS, labels, ["crack"] * 2, rejected=True, score=1)
    assert (found.near_reported_px, found.near_annotated_px) == near(2)[:2]  # 2 px by default


masks = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random((2, 9, 13)) > [[[0.8]], [[0.9]]]
)


@given(masks, st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]))
def test_tolerance_by_its_definition(pair: np.ndarray, tolerance_px: float) -> None:
    reported, annotated = pair
    near = []
    for some, others in ((reported, annotated), (annotated, reported)):
        gaps = np.argwhere(some)[:, None] - np.argwhere(others)[None]
        close = (gaps**2).sum(2) <= tolerance_px**2
        near.append(int(close.any(1).sum()))
    assert near_px(reported, annotated, tolerance_px) == tuple(near)
    more = near_px(reported, annotated, tolerance_px + 1)
    assert more[0] >= near[0]
    assert more[1] >= near[1]
    assert not (annotated & ~within(annotated, tolerance_px)).any()


@given(masks)
def test_without_tolerance_the_figures_are_the_plain_ones(pair: np.ndarray) -> None:
    reported, annotated = pair
    found = summarise(
        [
            outcome(
                "p",
                annotated.astype(np.uint8),
                KINDS,
                reported.astype(np.int64),
                ["crack"],
                rejected=True,
                score=1,
                tolerance_px=0,
            )
        ]
    )
    plain = [found.pixel_precision, found.pixel_recall, found.pixel_f1]
    tolerant = [found.pixel_precision_tol, found.pixel_recall_tol, found.pixel_f1_tol]
    assert tolerant == pytest.approx(plain, nan_ok=True)


def test_f1_where_a_side_is_undefined() -> None:
    nan = float("nan")
    assert f1(0.5, 1.0) == pytest.approx(2 / 3)
    assert (f1(0.0, 0.0), f1(nan, 0.0), f1(0.0, nan)) == (0.0, 0.0, 0.0)
    assert math.isnan(f1(nan, nan))


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"-1 px"):
        near_px(np.ones((2, 2), np.bool_), np.ones((2, 2), np.bool_), -1)


def test_nothing_annotated_and_nothing_reported() -> None:
    nothing = np.zeros((20, 40), np.int64)
    found = outcome("p", picture(), KINDS, nothing, [], rejected=False, score=0)
    assert (found.matches, found.reported_ious, found.iou) == ((), (), 1.0)


def test_a_set_worked_out_by_hand() -> None:
    some = [
        # hit 6, reported 8, annotated 10: IoU 6/12; its defect found at 0.8, right kind
        part(
            rejected=True,
            score=9,
            hit=6,
            reported=8,
            annotated=10,
            near=(7, 9),
            matches=(Match("crack", 0.8, "crack"),),
            ious=(0.8, 0.1),
        ),
        # an escape: IoU 0; two defects, one found at exactly 0.5 under another name
        part(
            rejected=False,
            score=5,
            hit=0,
            reported=0,
            annotated=10,
            matches=(Match("crack", 0.5, "hole"), Match("hole", 0.0, "")),
            ious=(0.5,),
        ),
        part(score=6, rejected=True, reported=4, ious=(0.0,)),  # a false reject
        part(score=1),
        part(score=0),
    ]
    found = summarise(some)
    assert (found.parts, found.defective) == (5, 2)
    assert found.pixel_precision == pytest.approx(6 / 12)
    assert found.pixel_recall == pytest.approx(6 / 20)
    assert found.pixel_f1 == pytest.approx(2 * 0.5 * 0.3 / 0.8)
    assert found.pixel_precision_tol == pytest.approx(7 / 12)
    assert found.pixel_recall_tol == pytest.approx(9 / 20)
    assert found.pixel_f1_tol == pytest.approx(2 * (7 / 12) * (9 / 20) / (7 / 12 + 9 / 20))
    assert found.mean_iou == pytest.approx((0.5 + 0) / 2)
    assert found.mean_iou_all == pytest.approx((0.5 + 0 + 0 + 1 + 1) / 5)
    # Equation (3): 2/3 · (0.3 + 0 + 0)
    assert found.ar == pytest.approx(0.2)
    assert found.defect_recall_50 == pytest.approx(2 / 3)
    assert found.defect_recall_50_kind == pytest.approx(1 / 3)
    assert found.defect_precision_50 == pytest.approx(2 / 4)
    assert (found.escapes, found.false_rejects) == (1, 1)
    assert found.escape_rate == pytest.approx(1 / 2)
    assert found.false_reject_rate == pytest.approx(1 / 3)
    # Ranked 9 (bad), 6 (good), 5 (bad): (1/1 + 2/3) / 2
    assert found.image_ap == pytest.approx((1 + 2 / 3) / 2)
    # Of six pairs of a bad and a good part all rank right but 5 < 6.
    assert found.image_auroc == pytest.approx(5 / 6)
    assert set(found.as_dict()) == set(type(found).__dataclass_fields__)


def test_a_defective_part_that_nobody_drew_counts_as_a_part_and_not_as_pixels() -> None:
    drawn = [part(rejected=True, score=8, hit=5, reported=5, annotated=5), part(score=1)]
    undrawn = [
        replace(part(rejected=True, score=9, reported=40, ious=(0.0,)), unmasked=True),
        replace(part(score=0), unmasked=True),
    ]
    found = summarise([*drawn, *undrawn])
    assert (found.parts, found.defective, found.escapes, found.false_rejects) == (4, 3, 1, 0)
    # Ranked 9 (bad), 8 (bad), 1 (good), 0 (bad)
    assert found.image_ap == pytest.approx((1 + 1 + 3 / 4) / 3)
    alone = summarise(drawn)
    for name in ("mean_iou", "mean_iou_all", "pixel_precision", "pixel_f1_tol", "ar"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name), nan_ok=True)
    assert math.isnan(summarise(undrawn).mean_iou)


def test_ar_is_the_area_under_recall_against_iou() -> None:
    """Equation (3) states both forms; the sum must be twice the integral from 0.5 to 1."""
    ious = np.random.default_rng(0).random(50)
    matches = tuple(Match("crack", float(iou), "crack") for iou in ious)
    levels = (np.arange(20000) + 0.5) / 40000 + 0.5
    integral = 2 * np.mean([(ious >= level).mean() for level in levels]) * 0.5
    assert summarise([part(annotated=1, matches=matches)]).ar == pytest.approx(integral, abs=1e-4)


def test_where_there_is_nothing_to_count_it_is_nan() -> None:
    good = summarise([part()])
    for name in ("image_ap", "mean_iou", "ar", "pixel_recall", "escape_rate", "pixel_precision"):
        assert math.isnan(getattr(good, name))
    assert good.false_reject_rate == 0
    assert math.isnan(summarise([part(annotated=3)]).false_reject_rate)
    with pytest.raises(ValueError, match="no part"):
        summarise([])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=30))
def test_auroc_by_its_definition(rows: list[tuple[bool, int]]) -> None:
    """The share of pairs of a positive and a negative that are ranked right; equal ones half."""
    pairs = [(a, b) for positive, a in rows if positive for negative, b in rows if not negative]
    found = auroc([p for p, _ in rows], [float(s) for _, s in rows])
    if not pairs:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(np.mean([(a > b) + (a == b) / 2 for a, b in pairs]))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=30).filter(
        lambda rows: any(positive for positive, _ in rows)
    )
)
def test_average_precision_by_its_definition(rows: list[tuple[bool, int]]) -> None:
    """Σ (R_n − R_(n−1)) P_n over the distinct scores, each "at or above this score"."""
    positive, scores = [p for p, _ in rows], [float(s) for _, s in rows]
    area, recall = 0.0, 0.0
    for level in sorted(set(scores), reverse=True):
        above = [p for p, s in zip(positive, scores, strict=True) if s >= level]
        now = sum(above) / sum(positive)
        area += (now - recall) * sum(above) / len(above)
        recall = now
    assert average_precision(positive, scores) == pytest.approx(area)
    backwards = average_precision(positive[::-1], scores[::-1])
    assert backwards == pytest.approx(area)  # ties in any order


def test_the_confusion_matrix() -> None:
    some = [
        part(matches=(Match("crack", 0.9, "crack"), Match("crack", 0.2, "hole"))),
        part(matches=(Match("hole", 0.6, "hole"), Match("crack", 0.0, ""))),
        part(matches=(Match("hole", 0.6, "defect"),)),  # a name that is no kind: not found as one
    ]
    assert confusion(some, KINDS).tolist() == [[1, 1, 1], [0, 1, 1]]
