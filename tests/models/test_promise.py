"""The false rejects that a run states, and how often the statement is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edge.records import SeverityMap
from models.evaluation.interval import upper_bound
from models.evaluation.part_threshold import ScoredPart, search_part_threshold_within
from models.evaluation.promise import FalseRejectPromise, allowed_of, escapes_at
from models.evaluation.reject_severity import WorstDefect, search_reject_severity
from models.evaluation.threshold import search_threshold

RESAMPLES = 200
CONFIDENCE = 0.95
# With a true confidence of 0.95, fewer than 182 of 200 statements are true in 1 of 200 tests.
FEWEST_TRUE = 182


@dataclass(frozen=True)
class Part:
    defective: bool
    score: float


@pytest.mark.parametrize(
    ("limit", "good", "allowed"), [(0.005, 199, 0), (0.005, 200, 1), (0.1, 30, 3), (0.29, 100, 29)]
)
def test_a_limit_allows_whole_parts(limit: float, good: int, allowed: int) -> None:
    assert allowed_of(limit, good) == allowed


def test_the_bound_is_that_of_a_tolerance_limit() -> None:
    """The largest of n exceeds all but a share p of further ones with 1 - (1 - p)^n = 0.95."""
    promise = FalseRejectPromise(0.005, good=100, rejected=0)
    assert promise.upper == pytest.approx(1 - 0.05 ** (1 / 100))
    assert FalseRejectPromise(0.005, 100, 0, cuts=2).upper == upper_bound(1, 100)
    assert FalseRejectPromise(0.005, 1, 0, cuts=2).upper == 1.0
    assert FalseRejectPromise(0.005, 597, 0).missing == 1
    assert FalseRejectPromise(0.005, 598, 0).missing == 0


def test_it_is_stated_for_a_shift() -> None:
    text = FalseRejectPromise(0.005, good=99, rejected=0).per(20_000)
    assert text.startswith("of 20,000 good parts about 200 are rejected, and with 95% confidence")
    assert text.endswith("at most 597")


@pytest.mark.parametrize(
    ("good", "rejected", "text"),
    [
        (598, 0, "the limit is proved"),
        (98, 0, "500 more held-back good parts would prove the limit"),
        (98, 1, "the limit is not kept"),
    ],
)
def test_it_says_how_far_the_limit_is_proved(good: int, rejected: int, text: str) -> None:
    assert str(FalseRejectPromise(0.005, good, rejected)).endswith(text)


def test_escapes_within_a_limit() -> None:
    good = [Part(False, score) for score in range(10)]
    bad = [Part(True, score) for score in (0.5, 7.5, 8.5, 20.0)]
    assert [escapes_at([*good, *bad], limit) for limit in (0.0, 0.1, 0.2, 1.0)] == [3, 2, 1, 0]


def population(rng: np.random.Generator) -> np.ndarray:
    """Severities of many good parts: mostly faint, with a long tail, below the highest of 12."""
    return np.minimum(rng.gamma(1.5, 0.9, 20_000), 11.8)


@pytest.mark.parametrize(("good", "limit"), [(30, 0.005), (150, 0.02), (400, 0.005)])
def test_the_bound_of_a_reject_severity_is_true_as_often_as_stated(good: int, limit: float) -> None:
    rng = np.random.default_rng(good)
    everyone, true = population(rng), 0
    for _ in range(RESAMPLES):
        held_back = [WorstDefect(False, float(some)) for some in rng.choice(everyone, good)]
        held_back += [WorstDefect(True, float(some)) for some in rng.uniform(2.0, 12.0, 20)]
        allowed = allowed_of(limit, good)
        found = search_reject_severity(held_back, 0.3, allowed)
        rate = float((everyone >= (found or 0.3)).mean())
        true += rate <= FalseRejectPromise(limit, good, allowed).upper
    assert true >= FEWEST_TRUE


@pytest.mark.parametrize(("good", "limit"), [(30, 0.005), (150, 0.02)])
def test_the_bound_of_t_is_true_as_often_as_stated(good: int, limit: float) -> None:
    rng = np.random.default_rng(good)
    everyone, true = population(rng), 0
    nothing = np.zeros((1, 1), np.bool_)
    for _ in range(RESAMPLES):
        maps = [
            (SeverityMap(np.full((1, 1), some, np.float32), 1.0, 0, 1), nothing)
            for some in rng.choice(everyone, good)
        ]
        rate = float((everyone >= search_threshold(maps, limit).best).mean())
        true += rate <= FalseRejectPromise(limit, good, allowed_of(limit, good)).upper
    assert true >= FEWEST_TRUE


@pytest.mark.parametrize(("good", "limit"), [(30, 0.005), (150, 0.02)])
def test_the_bound_of_map_and_score_together_is_true_as_often_as_stated(
    good: int, limit: float
) -> None:
    """The score depends on the map in part, as that of a decision head does."""
    rng = np.random.default_rng(good)
    by_map = population(rng)
    by_score = np.minimum(0.5 * by_map + rng.gamma(1.0, 1.0, len(by_map)), 11.8)
    allowed, true = allowed_of(limit, good), 0
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(by_map), good)
        parts = [WorstDefect(False, float(by_map[one])) for one in drawn]
        parts += [WorstDefect(True, float(some)) for some in rng.uniform(0.0, 12.0, 20)]
        severity = search_reject_severity(parts, 0.3, allowed) or 0.3
        scored = [
            ScoredPart(False, bool(by_map[one] >= severity), float(by_score[one])) for one in drawn
        ]
        left = allowed - sum(part.is_rejected for part in scored)
        scored += [ScoredPart(True, False, float(some)) for some in rng.uniform(3.0, 12.0, 20)]
        threshold = search_part_threshold_within(scored, left)
        rejected = by_map >= severity
        if threshold is not None:
            rejected |= by_score >= threshold
        cuts = 1 + (threshold is not None)
        true += float(rejected.mean()) <= FalseRejectPromise(limit, good, allowed, cuts).upper
    assert true >= FEWEST_TRUE
