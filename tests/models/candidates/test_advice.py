"""The advice of the comparison in words."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from models.candidates.advice import (
    alike,
    how_sure,
    next_pictures,
    rests_on,
    verdict,
)
from models.candidates.record import CandidateComparison, MethodCandidate
from tests.support.candidates import candidate


def comparison(*candidates: MethodCandidate, **changed: object) -> CandidateComparison:
    usual: dict[str, object] = {
        "reason": "none is drawn",
        "data": "/data",
        "limit": 0.005,
        "good": 100,
        "good_parts": 100,
        "bad": 0,
        "bad_parts": 0,
        "synthetic": 100,
        "ranked_by": "synthetic and bad",
        "recommended": candidates[0].method,
        "candidates": candidates,
        "left_out": (),
        "needed_good": 598,
        "needed_bad": None,
    }
    return CandidateComparison.model_validate(usual | changed)


MEMORY = candidate()


@pytest.mark.parametrize(
    ("behind", "sentence"),
    [
        (
            0.97,
            "memory-bank is better than texture in 97% of resamples of the parts: "
            "the difference is clear.",
        ),
        (0.85, "85% of resamples of the parts: the difference is likely, but not clear."),
        (
            0.6,
            "60% of resamples of the parts: these pictures do not show which of the two is better.",
        ),
    ],
)
def test_how_sure(behind: float, sentence: str) -> None:
    found = comparison(MEMORY, candidate(method="texture", behind=behind))
    assert how_sure(found).endswith(sentence)
    assert bool(alike(found)) == (behind < 0.95)
    few = how_sure(found.model_copy(update={"good_parts": 9}))
    assert few.endswith("9 good parts are too few for a clear result.") == (behind >= 0.8)


def test_the_verdict_on_the_recommended_candidate() -> None:
    chance = candidate(figure_low=0.45, synthetic_escapes=98)
    assert verdict(comparison(chance)).startswith(
        "NO CANDIDATE WORKS on these pictures. The best is memory-bank. It is not clearly better "
        "than chance, and 98 of 100 (98%"
    )
    many = candidate(synthetic_escapes=1, escapes=60)
    assert "too many for a line" in verdict(
        comparison(many, bad=100, bad_parts=100, ranked_by="bad")
    )
    fine = verdict(comparison(candidate(synthetic_escapes=3)))
    assert fine == "3 of 100 (3%; 95% interval 0.623–8.52%) are passed at its T."


def test_why_the_ensemble_is_recommended() -> None:
    pair = candidate(method="ensemble"), candidate(figure=0.95, behind=0.1)
    assert "synthetic defects do not rank methods as real ones do" in how_sure(comparison(*pair))
    real = comparison(*pair, bad=20, bad_parts=20, ranked_by="bad")
    assert "ensemble is better than memory-bank in 10% of resamples" in how_sure(real)


def test_one_candidate() -> None:
    found = comparison(MEMORY)
    assert how_sure(found) == (
        "memory-bank is the only candidate that can be trained on these pictures."
    )
    assert alike(found) == ()


def test_the_text_explains_that_synthetic_defects_are_generated() -> None:
    assert "They are not the defects of the line" in rests_on(comparison(MEMORY))
    assert "no part is bad" in rests_on(comparison(MEMORY))
    few = rests_on(comparison(MEMORY, bad=3, bad_parts=2))
    assert "100 synthetic defects and the bad pictures" in few
    assert "fewer than 8 bad parts are too few" in few
    real = rests_on(comparison(MEMORY, bad=20, bad_parts=20, ranked_by="bad"))
    assert "ynthetic" not in real
    assert "prove little" not in real
    assert "fewer than 10 good parts prove little" in rests_on(comparison(MEMORY, good_parts=9))


def test_the_pictures_to_take_next() -> None:
    alone = dict(next_pictures(comparison(MEMORY)))
    assert list(alone) == [
        "Photograph good parts until 498 more are held back, to prove at most 0.5% false rejects. "
        "About a quarter of all good parts is held back.",
        "Keep and photograph every bad part, with or without a mask. 59 bad parts, all rejected, "
        "prove less than 5% escapes.",
    ]
    assert "false rejects are below 2.95%" in next(iter(alone.values()))
    proved = comparison(MEMORY, good=1000, bad=100, bad_parts=100, ranked_by="bad")
    assert [text for text, _ in next_pictures(proved)] == [
        "At most 0.5% false rejects are proved at T = 4.1."
    ]


def test_the_defects_that_would_separate_two_candidates() -> None:
    two = (MEMORY, candidate(method="texture", behind=0.6, figure=0.88))
    text, basis = next_pictures(comparison(*two, needed_bad=300))[-1]
    assert text.startswith(
        "About 300 defects like the synthetic ones would show whether memory-bank or texture is "
        "better."
    )
    assert "At least 8 bad parts of the line would show more" in text
    assert basis == "AUROC: memory-bank 0.900 (0.800–1.000), texture 0.880 (0.800–1.000)"
    text, _ = next_pictures(comparison(*two, bad=9, bad_parts=9, ranked_by="bad"))[-1]
    assert text == "These pictures do not show whether memory-bank is better than texture."
