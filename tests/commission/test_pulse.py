"""Step pulse: the operator reports whether a part was ejected."""

from pathlib import Path

import pytest

from edge.commission.context import CommissionSettings, NoOperator
from edge.commission.result import Figure, StepOutcome, judge_figures
from edge.commission.single_pulses import TestPulses
from edge.commission.steps.pulse import run_pulse
from edge.commission.steps.travel import measured_travel
from edge.rejector.messages import Actuated
from tests.commission.stations import DecliningOperator, ScriptedOperator, context_of, write_station

FEW = CommissionSettings(wait_s=5.0)


def ejecting(path: Path, needed_ms: float) -> tuple[ScriptedOperator, list[str]]:
    """Return an operator at an ejector that needs a pulse of needed_ms, and the printed lines."""
    lines: list[str] = []
    return ScriptedOperator(
        lambda text: "yes" if float(lines[-1].split()[3]) >= needed_ms else "no"
    ), lines


@pytest.mark.parametrize(
    ("needed_ms", "outcome", "proposed_ms"),
    [(6, StepOutcome.GO, None), (2, StepOutcome.GO, None), (8, StepOutcome.NO_GO, 12.3)],
)
def test_the_shortest_pulse_and_its_margin(
    tmp_path: Path, needed_ms: float, outcome: StepOutcome, proposed_ms: float | None
) -> None:
    path = write_station(tmp_path, rate_hz=100.0)
    operator, lines = ejecting(path, needed_ms)
    result = run_pulse(context_of(path, operator=operator, print_line=lines.append, settings=FEW))
    assert result.outcome is outcome, result.reason
    shortest = result.figure("shortest")
    assert shortest is not None
    assert needed_ms <= shortest <= needed_ms + 0.5
    if proposed_ms is None:
        assert result.proposals == ()
        assert (len(result.notes) == 1) is (needed_ms == 2)  # the pulse could be much shorter
    else:
        assert result.proposals[0].key == "pulse_ms"
        assert result.proposals[0].value == pytest.approx(proposed_ms, abs=0.3)


def test_pulses_use_the_measured_and_not_the_configured_travel(tmp_path: Path) -> None:
    """Step travel measured 60 ms; station.toml still has 120."""
    path = write_station(tmp_path, rate_hz=100.0)
    text = path.read_text().replace("[output]\n", '[output]\nrecord = "edges"\n')
    path.write_text(text)
    operator, lines = ejecting(path, 6)
    travel = judge_figures("travel", [Figure(name="travel", value=60, unit="ms")])
    context = context_of(
        path, operator=operator, print_line=lines.append, settings=FEW, done={"travel": travel}
    )
    assert measured_travel(context) == 60_000_000
    assert measured_travel(context_of(path)) == 120_000_000
    stamps: list[int] = []
    fire = TestPulses.fire

    def remember(self: TestPulses, delay: int, pulse_us: int, *, wait_s: float) -> Actuated:
        stamps.append(delay)
        return fire(self, delay, pulse_us, wait_s=wait_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestPulses, "fire", remember)
        assert run_pulse(context).outcome is StepOutcome.GO
    assert set(stamps) == {60_000_000}


def test_a_pulse_longer_than_the_gap_between_parts_is_no_go(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=100.0)
    path.write_text(path.read_text().replace("pulse_ms", "min_spacing_ms = 12\npulse_ms"))
    operator, lines = ejecting(path, 11)
    result = run_pulse(context_of(path, operator=operator, print_line=lines.append, settings=FEW))
    assert result.outcome is StepOutcome.NO_GO
    assert "parts may come 12 ms apart" in result.reason
    operator, lines = ejecting(path, 900)
    result = run_pulse(context_of(path, operator=operator, print_line=lines.append, settings=FEW))
    assert result.reason == "no pulse up to 12 ms ejects"


def test_without_an_operator_it_is_skipped(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    assert run_pulse(context_of(path, operator=NoOperator())).outcome is StepOutcome.SKIPPED
    assert run_pulse(context_of(path, operator=DecliningOperator())).outcome is StepOutcome.SKIPPED
    assert (
        run_pulse(context_of(path, operator=ScriptedOperator(), settings=FEW)).reason
        == "the operator did not answer"
    )


def test_no_part_comes(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=0.01)
    context = context_of(path, operator=ScriptedOperator(), settings=CommissionSettings(wait_s=0.2))
    assert run_pulse(context).reason == "no part came within 0.2 s"
