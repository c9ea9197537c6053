"""The largest network within a budget, from measured times and from those of a board."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from edge.errors import UsageError
from models.data.dataset import DataError
from models.ladder.budget import RESERVE, Frames, TimeBudget, choose, lines, needs_ms
from models.ladder.record import ChainTime, Measured, NotTimed, Subject
from tests.support.boards import write_report
from tests.support.rung_times import replace_times

FRAMES = Frames(height=200, width=300, channels=1, kinds=2)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Subject]:
    """Times that are not measured, and the subjects that were asked for."""
    return replace_times(monkeypatch)


def test_the_largest_network_that_fits_is_chosen(asked: list[Subject], tmp_path: Path) -> None:
    record = choose(TimeBudget(9.0), FRAMES, tmp_path)
    assert record.chosen == "large"
    assert [rung.network for rung in record.rungs] == ["nano", "lean", "large", "extra-large"]
    large = record.rungs[2]
    assert large.needs_ms == pytest.approx((1.2 * 6.0 + 0.3) / (1 - RESERVE))
    assert (record.target, record.is_estimate, record.scale) == ("this machine", False, 1.0)
    assert {subject.size for subject in asked} == {"300x200"}
    text = "\n".join(lines(record))
    assert "large is the largest network within 9 ms a frame of 300x200 px" in text
    assert "extra-large: p50 12 ms, p99 14.4 ms, needs 16.3 ms: does not fit, by 7.33 ms" in text
    assert "10% of the budget stays free" in text


@pytest.mark.parametrize(("over", "chosen"), [(0.001, "lean"), (-0.001, "nano")])
def test_a_network_fits_exactly_up_to_what_it_needs(
    asked: list[Subject], tmp_path: Path, over: float, chosen: str
) -> None:
    assert choose(TimeBudget(needs_ms(3.6, 0.3) + over), FRAMES, tmp_path).chosen == chosen


def test_without_a_fitting_network_the_smallest_time_is_named(
    asked: list[Subject], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"the smallest, nano, needs 1\.67 ms for 300x200 px"):
        choose(TimeBudget(1.0), FRAMES, tmp_path)


def test_methods_of_good_parts_are_timed_where_asked(asked: list[Subject], tmp_path: Path) -> None:
    record = choose(TimeBudget(5.0, methods=("memory-bank",)), FRAMES, tmp_path)
    assert [each.network for each in record.methods] == ["memory-bank"]
    assert record.chosen == "lean"


def test_a_board_scales_the_times_and_says_that_they_are_an_estimate(
    asked: list[Subject], tmp_path: Path
) -> None:
    # Here lean takes 3 ms × 150 × 200 / (200 × 300) = 1.5 ms at the size of the board's frames.
    path = write_report(tmp_path / "pi.json", {"200x150": (15000.0, 18000.0)})
    record = choose(TimeBudget(50.0, str(path)), FRAMES, tmp_path)
    assert record.scale == pytest.approx(10.0)
    assert record.spread == pytest.approx(1.2)
    assert [rung.p50_ms for rung in record.rungs] == pytest.approx([10, 30, 60, 120])
    assert record.rungs[1].p99_ms == pytest.approx(36)
    assert record.chosen == "lean"
    assert record.is_estimate
    assert record.target == str(path)
    assert "an estimate: lean takes 15 ms at 200x150 px" in record.method
    assert Subject(name="lean", height=150, width=200, channels=1) in asked


def test_a_disturbed_measurement_is_named(asked: list[Subject], tmp_path: Path) -> None:
    record = choose(TimeBudget(9.0), FRAMES, tmp_path)
    slow = record.rungs[0].model_copy(update={"p99_ms": 3.1})
    busy = record.model_copy(update={"rungs": (slow, *record.rungs[1:])})
    assert not any("other work" in line for line in lines(record))
    assert any("other work disturbed the measurement of nano" in line for line in lines(busy))
    board = busy.model_copy(update={"is_estimate": True})
    assert any("disturbed the measurement on the board" in line for line in lines(board))


@pytest.mark.parametrize("ms", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_is_a_positive_number(ms: float) -> None:
    with pytest.raises(UsageError, match="expected more than 0"):
        TimeBudget(ms)


def test_networks_that_cannot_be_timed_are_named_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nano = FRAMES.subject("nano")
    time = ChainTime(subject=nano, engine="ort", frames=1, p50_ms=1.0, p99_ms=1.0)
    lost = NotTimed(subject=FRAMES.subject("lean"), reason="crashed")
    answer = Measured(processor="a PC", region_ms=0.1, times=(time,), not_timed=(lost,))
    monkeypatch.setattr("models.ladder.budget.measure", lambda *_: answer)
    assert choose(TimeBudget(50.0), FRAMES, tmp_path).chosen == "nano"
    assert "ladder lean is not timed: crashed" in caplog.text
    path = write_report(tmp_path / "pi.json", {"200x150": (15000.0, 18000.0)})
    with pytest.raises(DataError, match="lean cannot be timed here at 200x150 px"):
        choose(TimeBudget(50.0, str(path)), FRAMES, tmp_path)
    nothing = answer.model_copy(update={"times": ()})
    monkeypatch.setattr("models.ladder.budget.measure", lambda *_: nothing)
    with pytest.raises(DataError, match="no network of the ladder can be timed"):
        choose(TimeBudget(50.0), FRAMES, tmp_path)
