"""The short soak, on lines with every kind of fault. `make soak` is the long one."""

from dataclasses import replace

import pytest

from bench.soak.line import SoakedLine
from bench.soak.plan import MIXED, SoakPlan
from bench.soak.wire import OutputLine

PARTS = 3_000


@pytest.mark.parametrize("plan", MIXED, ids=lambda plan: plan.name)
def test_no_wrong_part_and_one_outcome_each(plan: SoakPlan):
    line = SoakedLine(plan, seed=7)
    line.run(PARTS)
    account, faults = line.referee.account, line.counters
    assert line.referee.errors == []
    assert account["parts"] > 0.95 * PARTS
    assert line.referee.open < 60  # on the belt
    # All kinds of fault happened.
    assert faults["taken"] > 40
    assert account["no_part backward"] > 5
    assert account["no_part seen_again"] > 5
    assert account["ejected verdict"] > 500
    assert account["ejected too_close"] > 20
    assert account["ejected unknown" if plan.eject_unknown else "passed unknown"] > 50


def test_stalls_in_pulses_happen_and_their_effects_are_reported():
    line = SoakedLine(replace(MIXED[0], pulse_stalls=0.3), seed=7)
    line.run(PARTS)
    assert line.referee.errors == []
    assert line.counters["stalls in a pulse"] > 50
    assert line.counters["stalls in a pulse, all stopped"] > 20
    assert line.referee.account["hit by a pulse that nothing could end"] > 5


def test_the_referee_finds_an_unreported_part_in_an_open_ejector(monkeypatch):
    monkeypatch.setattr(OutputLine, "passed", lambda self, report, now_ns: [report])
    line = SoakedLine(replace(MIXED[0], pulse_stalls=0.3), seed=7)
    line.run(PARTS)
    assert any("the wrong part was hit" in error for error in line.referee.errors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing": 0}, "the wrong part was hit"),  # a pulse hits the neighbour
        (
            {"debounce": 1, "slipped": 0.3},
            "outcomes",
        ),  # a part that slid and returned is counted twice
        ({"pulse_ns": 30_000_000}, "the wrong part was hit"),
    ],
)
def test_the_referee_finds_wrong_settings(change: dict[str, object], message: str):
    line = SoakedLine(replace(MIXED[0], **change), seed=7)
    line.run(3_000)
    assert any(message in error for error in line.referee.errors)
