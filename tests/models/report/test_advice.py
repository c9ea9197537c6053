"""Advice on the pictures to take next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.data.dataset import Sample
from models.methods.registry import METHODS
from models.report.advice import Advice, advise
from models.report.cases import (
    FalseAlarm,
)
from models.report.findings import Findings
from tests.models.report.pages import outcome


def advice_of(findings: Findings, **changes: object) -> list[Advice]:
    return list(advise(replace(findings, **changes)))  # type: ignore[arg-type]


def about(advice: list[Advice], word: str) -> Advice:
    return next(one for one in advice if word in one.text)


def sample(name: str, group: str, *kinds: str) -> Sample:
    return Sample(name, Path(name), group, kinds)


def test_advice_on_rare_and_missed_kinds(findings: Findings) -> None:
    many = tuple(sample(f"{i}", f"{i}", "pit") for i in range(30))
    few = tuple(sample(f"{i}", "one part", "bar") for i in range(30))
    parts = (
        *(outcome(f"s{i}", annotated_px=10) for i in range(6)),
        *(
            outcome(f"l{i}", annotated_px=400, hit_px=200, rejected=True, reported=("pit",))
            for i in range(4)
        ),
    )
    advice = advice_of(findings, train=many + few, validation=many + few, outcomes=parts)
    assert "1 physical parts in training, 1 in validation" in about(advice, "with bar").rests_on
    pit = about(advice, "with pit")
    assert "defects found: 4 of 10 (40%" in pit.rests_on
    assert "small ones above all (median 10 px for 6 escapes of 10 parts, 400 px" in pit.text
    found = tuple(replace(o, rejected=True) for o in parts[6:])
    advice = advice_of(findings, train=many, validation=many, outcomes=found)
    assert not any("with pit" in one.text for one in advice)


def test_who_learns_from_good_parts_needs_no_defects_in_training(
    findings: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = replace(METHODS["regression"], good_only=True)
    monkeypatch.setitem(METHODS, "texture", learner)
    recipe = findings.record.recipe.model_copy(update={"method": "texture"})
    record = findings.record.model_copy(update={"recipe": recipe})
    many = tuple(sample(f"{i}", f"{i}", "pit") for i in range(30))
    few = tuple(sample(f"{i}", f"{i}", "bar") for i in range(3))
    advice = advice_of(
        findings, record=record, train=(), validation=many + few, outcomes=(outcome("g"),)
    )
    assert about(advice, "with bar").rests_on == "3 physical parts in validation (wanted: 10)"
    hits = tuple(
        outcome(f"{i}", annotated_px=9, hit_px=9, rejected=True, reported=("pit",))
        for i in range(30)
    )
    advice = advice_of(findings, record=record, train=(), validation=many, outcomes=hits)
    assert not any("with pit" in one.text for one in advice)


def test_advice_on_false_alarms(findings: Findings) -> None:
    parts = (*findings.outcomes, outcome("g", rejected=True, score=9, reported=("bar",)))
    alarm = FalseAlarm(True, "bar", 40, True, -30.0)
    other = replace(alarm, good=False, kind="pit")
    cases = replace(findings.cases, false_alarms=(alarm, alarm, other))
    found = about(advice_of(findings, outcomes=parts, cases=cases), "marks like the false alarms")
    assert "40 px in the median, darker than the surface, at the frame's edge" in found.text
    assert "2 false regions on them (bar 2), 2 darker, 0 lighter, 2 at the edge" in found.rests_on


def test_the_good_parts_that_set_the_limit_are_named(findings: Findings) -> None:
    good = tuple(outcome(f"g{i}", score=1.0 + i / 100) for i in range(50))
    odd = (outcome("odd", score=9.0), outcome("worse", score=9.5))
    bad = tuple(outcome(f"b{i}", annotated_px=9, score=5.0 + i) for i in range(8))
    deciding = "highest scores"
    found = about(advice_of(findings, outcomes=(*good, *odd, *bad), limit=0.005), deciding)
    assert "highest scores: worse, odd. They set the limit" in found.text
    assert found.rests_on == (
        "escapes within 0.5% false rejects, by the score of the verdict: 5 of 8 with them, "
        "0 of 8 without them"
    )
    found = about(advice_of(findings, outcomes=(*good, odd[0], *bad), limit=0.005), deciding)
    assert "highest scores: odd. It sets the limit" in found.text
    for calm in ((*good, *bad), (*good, *odd, *bad[-2:]), (*odd, *bad[:1]), odd):
        advice = advice_of(findings, outcomes=calm, limit=0.005)
        assert not any(deciding in one.text for one in advice)


def test_advice_on_proof(findings: Findings) -> None:
    good = tuple(outcome(f"{i}") for i in range(100))
    found = about(advice_of(findings, outcomes=good, limit=0.01), "more good parts")
    assert "at least 199 more good parts for validation to prove at most 1%" in found.text
    thrown = (*good, *(outcome(f"r{i}", rejected=True) for i in range(5)))
    found = about(advice_of(findings, outcomes=thrown, limit=0.01), "cannot be proved")
    assert "105 good validation parts" in found.rests_on
    proved = tuple(outcome(f"{i}") for i in range(400))
    assert not any("1%" in one.text for one in advice_of(findings, outcomes=proved, limit=0.01))


def test_advice_on_more_data(findings: Findings) -> None:
    missed = tuple(outcome(f"{i}", annotated_px=9) for i in range(10))
    found = tuple(
        outcome(f"{i}", annotated_px=9, hit_px=9, rejected=True, reported=("pit",))
        for i in range(10)
    )
    learned = advice_of(findings, outcomes=missed, trained=found)
    assert "10 of 10" in about(learned, "Add pictures of every kind").rests_on
    blind = advice_of(findings, outcomes=missed, trained=missed)
    assert "0 of 10" in about(blind, "will not help").rests_on
    assert not any("pictures of" in a.text for a in advice_of(findings, outcomes=found))


def test_advice_on_classifier_loss_masks_and_groups(findings: Findings) -> None:
    falling = tuple((100 * i, 2.0 - 0.1 * i) for i in range(1, 16))
    whole = {**findings.metrics, "escapes": 9.0}
    result = findings.result.model_copy(
        update={
            "detector_loss": falling,
            "metrics": {"float": whole, "float without classifier": findings.metrics},
        }
    )
    record = findings.record.model_copy(update={"unmasked": ("a.png", "b.png")})
    advice = advice_of(findings, result=result, record=record)
    assert "from 0.800 to 0.500 over the last fifth" in about(advice, "more steps").rests_on
    assert "9 with the classifier" in about(advice, "called them background").rests_on
    assert "2 defective pictures" in about(advice, "Draw the masks").rests_on
    assert "groups.csv" in about(advice, "show the same part").text
