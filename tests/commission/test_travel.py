"""Step travel: with an ejector eye on simulated belts, and with an operator who sees pulses."""

from pathlib import Path

import pytest

from edge.commission.arrivals import Distance
from edge.commission.context import CommissionSettings, NoOperator
from edge.commission.result import StepOutcome
from edge.commission.steps.travel import judge_distance, run_travel
from edge.config.station import load_config
from edge.devices.output_simulated import pulses, read_record
from tests.commission.stations import (
    EYE,
    DecliningOperator,
    ScriptedOperator,
    context_of,
    write_station,
)

FEW = CommissionSettings(parts=10, wait_s=5.0)
COUNTS = "[encoder]\nmax_counts_per_s = 2000\ncounts_per_s = 1500\nvariation = 0.3\n"
COUNTS += "[ejector_eye]\nto_ejector_counts = 40\ntolerance_counts = 8\n"


def by_counts(path: Path) -> None:
    path.write_text(path.read_text().replace("travel_ms = 120.0", "travel_counts = 210"))


@pytest.mark.parametrize(
    ("travel_ms", "outcome"),
    [(120, StepOutcome.GO), (122.4, StepOutcome.GO), (150, StepOutcome.NO_GO)],
)
def test_the_second_eye_measures_it(tmp_path: Path, travel_ms: float, outcome: StepOutcome) -> None:
    path = write_station(tmp_path, EYE, trigger=f"ejector_at = {travel_ms}")
    result = run_travel(context_of(path, settings=FEW))
    assert result.outcome is outcome, result.reason
    assert result.figure("travel") == pytest.approx(travel_ms, abs=1)  # the belt counts in 1 ms
    assert (result.figure("seen by both eyes") or 0) >= 9
    if outcome is StepOutcome.GO:
        assert result.proposals == ()
    else:
        (proposal,) = result.proposals
        assert (proposal.section, proposal.key) == ("line", "travel_ms")
        assert proposal.value == pytest.approx(150, abs=1)
        assert "at least 117, at most 123" in result.reason


@pytest.mark.parametrize(("counts", "outcome"), [(210, StepOutcome.GO), (273, StepOutcome.NO_GO)])
def test_by_counts_on_a_belt_that_varies_its_speed(
    tmp_path: Path, counts: int, outcome: StepOutcome
) -> None:
    path = write_station(tmp_path, COUNTS, trigger=f"ejector_at = {counts}")
    by_counts(path)
    result = run_travel(context_of(path, settings=FEW))
    assert result.outcome is outcome, result.reason
    assert result.figure("travel") == pytest.approx(counts, abs=2)
    gap = result.figure("least gap")
    assert gap is not None
    assert 75 * 0.7 - 2 <= gap <= 75 * 1.3
    if outcome is StepOutcome.NO_GO:
        assert result.proposals[0].line == f"travel_counts = {result.proposals[0].value}"


def test_parts_that_are_taken_and_added_are_noticed(tmp_path: Path) -> None:
    path = write_station(tmp_path, EYE + "taken = 0.5\nadded = 0.5\n")
    result = run_travel(context_of(path, settings=FEW))
    assert result.outcome is StepOutcome.NO_GO
    assert "seen by the first only" in result.reason or "too even" in result.reason


def test_an_operator_who_declines_skips_the_step(tmp_path: Path) -> None:
    result = run_travel(context_of(write_station(tmp_path, EYE), operator=DecliningOperator()))
    assert (result.outcome, result.reason) == (
        StepOutcome.SKIPPED,
        "the operator declined to run parts",
    )


def test_no_parts(tmp_path: Path) -> None:
    path = write_station(tmp_path, EYE, trigger="parts = 4")
    result = run_travel(context_of(path, settings=CommissionSettings(parts=10, wait_s=3.0)))
    assert result.reason == "4 of 10 parts came"


def test_even_gaps_on_a_full_belt_are_no_measurement(tmp_path: Path) -> None:
    config = load_config(write_station(tmp_path, EYE))
    assert config.ejector_eye is not None
    found = Distance(90_000_000, 90_000_000, 90_000_000, 0, 10, 0, 0, certain=False)
    result = judge_distance(config, config.ejector_eye, found, parts=10)
    assert "too even" in result.reason
    assert result.proposals == ()
    assert "seen by both" in judge_distance(config, config.ejector_eye, None, parts=10).reason


class Line:
    """An operator of a line where a part is at the ejector from true_ms - 8 to true_ms + 8."""

    def __init__(self, true_ms: float) -> None:
        self.true_ms = true_ms
        self.lines: list[str] = []

    def answer(self, text: str) -> str:
        pulse_at_ms = float(self.lines[-1].split()[3])
        if pulse_at_ms < self.true_ms - 8:
            return "early"
        return "late" if pulse_at_ms > self.true_ms + 8 else "hit"


@pytest.mark.parametrize(("true_ms", "outcome"), [(121, StepOutcome.GO), (150, StepOutcome.NO_GO)])
def test_an_operator_sees_where_pulses_hit(
    tmp_path: Path, true_ms: float, outcome: StepOutcome
) -> None:
    line = Line(true_ms)
    operator = ScriptedOperator(line.answer)
    path = write_station(tmp_path, rate_hz=100.0)
    text = path.read_text().replace("[output]\n", '[output]\nrecord = "edges"\n')
    path.write_text(text)
    result = run_travel(
        context_of(path, operator=operator, print_line=line.lines.append, settings=FEW)
    )
    assert result.outcome is outcome, result.reason
    assert result.figure("travel") == pytest.approx(true_ms, abs=2)
    if outcome is StepOutcome.NO_GO:
        assert result.proposals[0].value == pytest.approx(true_ms, abs=2)
    # Every test pulse was one pulse of the rejector process, and there was no other.
    assert len(pulses(read_record(tmp_path / "edges"))) == len(line.lines)
    assert "hands away from the ejector" in operator.asked[0]


def test_without_eye_and_operator_it_is_skipped(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    result = run_travel(context_of(path, operator=NoOperator(agrees=True)))
    assert result.outcome is StepOutcome.SKIPPED
    assert (
        run_travel(context_of(path, operator=ScriptedOperator(), settings=FEW)).reason
        == "the operator did not answer"
    )
    assert (
        run_travel(context_of(path, operator=DecliningOperator())).reason
        == "the operator declined test pulses"
    )


def test_test_pulses_by_counts(tmp_path: Path) -> None:
    """An operator and an encoder without an ejector eye: the delay is the travel in counts."""
    operator = ScriptedOperator(lambda text: "hit")
    path = write_station(tmp_path, COUNTS.split("[ejector_eye]")[0], rate_hz=50.0)
    by_counts(path)
    result = run_travel(context_of(path, operator=operator, settings=FEW))
    # Everything from half to twice the way hits: the middle of that, and the configured is not.
    assert result.figure("travel") == pytest.approx(262, abs=4)
