"""The short soak: lines on which everything goes wrong. `make soak` is the long one."""

from dataclasses import replace

import pytest

from bench.soak.line import SoakedLine
from bench.soak.plan import MIXED, SoakPlan
from bench.soak.wire import Wire

PARTS = 3_000


@pytest.mark.parametrize("plan", MIXED, ids=lambda plan: plan.name)
def test_no_wrong_part_and_one_outcome_each(plan: SoakPlan):
    line = SoakedLine(plan, seed=7)
    line.run(PARTS)
    account, happened = line.referee.account, line.counters
    assert line.referee.errors == []
    assert account["parts"] > 0.95 * PARTS
    assert line.referee.open < 60  # on the belt
    # It was a bad line indeed.
    assert happened["taken"] > 40
    assert account["no_part backward"] > 5
    assert account["no_part seen_again"] > 5
    assert account["ejected verdict"] > 500
    assert account["ejected too_close"] > 20
    assert account["ejected unknown" if plan.eject_unknown else "passed unknown"] > 50


def test_stalls_in_pulses_are_tried_and_what_they_do_is_reported():
    line = SoakedLine(replace(MIXED[0], pulse_stalls=0.3), seed=7)
    line.run(PARTS)
    assert line.referee.errors == []
    assert line.counters["stalls in a pulse"] > 50
    assert line.counters["stalls in a pulse, all stopped"] > 20
    assert line.referee.account["hit by a pulse that nobody could end"] > 5


def test_the_referee_sees_a_part_in_an_open_ejector_that_is_not_reported(monkeypatch):
    monkeypatch.setattr(Wire, "passed", lambda self, report, now_ns: [report])
    line = SoakedLine(replace(MIXED[0], pulse_stalls=0.3), seed=7)
    line.run(PARTS)
    assert any("the wrong part was hit" in error for error in line.referee.errors)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"spacing": 0}, "the wrong part was hit"),  # a pulse touches the neighbour
        ({"debounce": 1, "slipped": 0.3}, "outcomes"),  # a part that slid and returned is two
        ({"pulse_ns": 30_000_000}, "the wrong part was hit"),
    ],
)
def test_the_referee_sees_what_is_wrong(change: dict[str, object], complaint: str):
    line = SoakedLine(replace(MIXED[0], **change), seed=7)
    line.run(3_000)
    assert any(complaint in error for error in line.referee.errors)
