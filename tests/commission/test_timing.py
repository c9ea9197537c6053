"""Step timing: pulses of the real rejector while the chain runs."""

from pathlib import Path

import pytest

from edge.commission.context import CommissionSettings
from edge.commission.fingerprint import fingerprints
from edge.commission.record import with_fingerprints
from edge.commission.result import Figure, StepOutcome, judge_figures
from edge.commission.steps.timing import Timed, judge_timing, run_timing
from tests.commission.stations import DecliningOperator, ScriptedOperator, context_of, write_station

MS = 1_000.0


def timed(late_ms: float = 0.1, inspect_ms: float = 5.0, count: int = 3_000, **more) -> Timed:
    given = {"missed": 0, "realtime": True, "locked": True, **more}
    return Timed((late_ms * MS,) * count, given.pop("missed"), (inspect_ms * MS,) * count, **given)


def test_the_real_thing(tmp_path: Path) -> None:
    """The sample is too small, which the result reports; but every pulse was given."""
    settings = CommissionSettings(pulses=150, inspections=60)
    result = run_timing(context_of(write_station(tmp_path), settings=settings))
    assert result.outcome is StepOutcome.NO_GO
    assert "too few for p99.9: 150 test pulses and " in result.reason
    assert "2995 of each are needed" in result.reason
    assert result.figure("test pulses") == 150
    assert (result.figure("inspections") or 0) >= 60
    median_figures, most = result.figure("late p50"), result.figure("late max")
    assert median_figures is not None
    assert most is not None
    assert 0 <= median_figures <= most
    assert (result.figure("inspect p50") or 0) > 0


def test_limits(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path))  # pulse 10 ms, budget 100 ms
    good = judge_timing(context, timed())
    assert good.outcome is StepOutcome.GO
    assert good.figure("late p99.9 bound") == pytest.approx(0.1)
    assert good.figure("verdict bound") == pytest.approx(1.2 * 5)
    assert good.notes == ("the time of a frame is not included: step parts measures it",)
    late = judge_timing(context, timed(late_ms=5.1))
    assert late.reason == "late p99.9 bound 5.1 ms, at most 5"
    slow = judge_timing(context, timed(inspect_ms=90))
    assert slow.reason == "verdict bound 108 ms, at most 100"
    parts = judge_figures("parts", [Figure(name="capture max", value=80)])
    held = with_fingerprints(parts, fingerprints(context.config, context.bundle))
    context = context_of(tmp_path / "station.toml", done={"parts": held})
    assert judge_timing(context, timed()).figure("verdict bound") == pytest.approx(1.2 * 85)


def test_missing_privileges_are_notes(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path))
    notes = judge_timing(context, timed(realtime=False, locked=False, missed=3)).notes
    assert (
        "no real-time priority was granted (LimitRTPRIO): pulses may be late by milliseconds"
        in notes
    )
    assert "memory was not locked (LimitMEMLOCK)" in notes
    assert "3 test pulses of 1 ms were missed" in notes


def test_a_real_output_is_not_switched_unasked(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    text = path.read_text().replace(
        "[output]\n", '[output]\nkind = "gpio"\nchip = "no-chip"\nline = 4\n'
    )
    path.write_text(text)
    result = run_timing(context_of(path))
    assert result.outcome is StepOutcome.SKIPPED
    assert run_timing(context_of(path, operator=DecliningOperator())).outcome is StepOutcome.SKIPPED
    operator = ScriptedOperator()
    result = run_timing(context_of(path, operator=operator))
    assert "Shut the air of the ejector" in operator.asked[0]
    assert result.outcome is StepOutcome.NO_GO  # there is no such chip
    assert "rejector: did not become ready" in result.reason
