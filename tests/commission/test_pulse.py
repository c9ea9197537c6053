"""Step pulse: a person sees whether a part was ejected."""

from pathlib import Path

import pytest

from edge.commission.context import CommissionSettings
from edge.commission.operator import NoOperator
from edge.commission.result import Figure, StepOutcome, judged
from edge.commission.single_pulses import TestKicks
from edge.commission.steps.pulse import run_pulse
from edge.commission.steps.travel import measured_travel
from edge.rejector.messages import Actuated
from tests.commission.benches import Declining, Scripted, bench_of, write_station

FEW = CommissionSettings(wait_s=5.0)


def ejecting(path: Path, needed_ms: float) -> tuple[Scripted, list[str]]:
    """A person before an ejector that needs so long."""
    said: list[str] = []
    return Scripted(lambda text: "yes" if float(said[-1].split()[2]) >= needed_ms else "no"), said


@pytest.mark.parametrize(
    ("needed_ms", "outcome", "proposed_ms"),
    [(6, StepOutcome.GO, None), (2, StepOutcome.GO, None), (8, StepOutcome.NO_GO, 12.3)],
)
def test_the_shortest_pulse_and_its_margin(
    tmp_path: Path, needed_ms: float, outcome: StepOutcome, proposed_ms: float | None
) -> None:
    path = write_station(tmp_path, rate_hz=100.0)
    person, said = ejecting(path, needed_ms)
    result = run_pulse(bench_of(path, person=person, say=said.append, settings=FEW))
    assert result.outcome is outcome, result.reason
    shortest = result.figure("shortest")
    assert shortest is not None
    assert needed_ms <= shortest <= needed_ms + 0.5
    if proposed_ms is None:
        assert result.proposals == ()
        assert (len(result.notes) == 1) is (needed_ms == 2)  # could be much shorter
    else:
        assert result.proposals[0].key == "pulse_ms"
        assert result.proposals[0].value == pytest.approx(proposed_ms, abs=0.3)


def test_kicks_come_where_the_part_is_and_not_where_it_was_thought_to_be(tmp_path: Path) -> None:
    """Step travel measured 60 ms; station.toml still says 120."""
    path = write_station(tmp_path, rate_hz=100.0)
    text = path.read_text().replace("[output]\n", '[output]\nrecord = "edges"\n')
    path.write_text(text)
    person, said = ejecting(path, 6)
    travel = judged("travel", [Figure(name="travel", value=60, unit="ms")])
    bench = bench_of(path, person=person, say=said.append, settings=FEW, done={"travel": travel})
    assert measured_travel(bench) == 60_000_000
    assert measured_travel(bench_of(path)) == 120_000_000
    stamps: list[int] = []
    kick = TestKicks.kick

    def remember(self: TestKicks, delay: int, pulse_us: int, *, wait_s: float) -> Actuated:
        stamps.append(delay)
        return kick(self, delay, pulse_us, wait_s=wait_s)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestKicks, "kick", remember)
        assert run_pulse(bench).outcome is StepOutcome.GO
    assert set(stamps) == {60_000_000}


def test_a_pulse_longer_than_parts_are_apart(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=100.0)
    path.write_text(path.read_text().replace("pulse_ms", "min_spacing_ms = 12\npulse_ms"))
    person, said = ejecting(path, 11)
    result = run_pulse(bench_of(path, person=person, say=said.append, settings=FEW))
    assert result.outcome is StepOutcome.NO_GO
    assert "parts may come 12 ms apart" in result.reason
    person, said = ejecting(path, 900)
    result = run_pulse(bench_of(path, person=person, say=said.append, settings=FEW))
    assert result.reason == "no pulse up to 12 ms ejects"


def test_without_a_person_it_is_skipped(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    assert run_pulse(bench_of(path, person=NoOperator())).outcome is StepOutcome.SKIPPED
    assert run_pulse(bench_of(path, person=Declining())).outcome is StepOutcome.SKIPPED
    assert run_pulse(bench_of(path, person=Scripted(), settings=FEW)).reason == "nobody answered"


def test_no_part_comes(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=0.01)
    bench = bench_of(path, person=Scripted(), settings=CommissionSettings(wait_s=0.2))
    assert run_pulse(bench).reason == "no part came by within 0.2 s"
