"""Parts pass while nobody drives the output: who has accepted it, and who says so."""

import logging

import pytest

from edge.bundle import read_bundle
from edge.commission.fingerprint import subject
from edge.commission.gate import warn_undriven
from edge.commission.operator import NoOperator
from edge.commission.record import conclude, held_for, write_record
from edge.commission.result import StepOutcome
from edge.commission.steps.safe_state import REMEDY, STEP, accepted, run_safe_state, undriven
from edge.config.station import load_config
from tests.commission.benches import Declining, Scripted, bench_of, write_station


def with_key(path, section: str, line: str):
    path.write_text(path.read_text().replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
    return load_config(path)


ACTIVE = "output", 'safe_state = "active"'


def test_only_rejected_unknown_parts_and_an_inactive_line_are_asked_for(tmp_path):
    path = write_station(tmp_path)
    assert undriven(load_config(path)) is not None  # both are defaults
    assert undriven(with_key(path, *ACTIVE)) is None


def test_unknown_parts_that_pass_at_any_time_are_not_asked_for(tmp_path):
    path = write_station(tmp_path)
    assert undriven(with_key(path, "line", 'on_unknown = "pass"')) is None


def test_a_changed_setting_is_go_and_nobody_is_asked(tmp_path):
    path = write_station(tmp_path)
    with_key(path, *ACTIVE)
    hand = Scripted()
    result = run_safe_state(bench_of(path, person=hand))
    assert (result.outcome, hand.asked) == (StepOutcome.GO, [])


@pytest.mark.parametrize(
    ("person", "outcome", "said"),
    [
        (Scripted(), StepOutcome.GO, "accepted: "),
        (Declining(), StepOutcome.NO_GO, "not accepted: "),
        (NoOperator(agrees=True), StepOutcome.GO, "accepted: "),
        (NoOperator(), StepOutcome.SKIPPED, "needs a person"),
    ],
)
def test_it_is_asked_for(tmp_path, person, outcome, said):
    result = run_safe_state(bench_of(write_station(tmp_path), person=person))
    assert result.outcome is outcome
    assert result.reason.startswith(said)
    assert "parts pass without a verdict" in result.reason
    remedies = [one.remedy for one in result.reasons]
    assert remedies == ([REMEDY] if outcome is StepOutcome.NO_GO else [])
    record = conclude("press-3", "b", [result], {})
    assert (f"{STEP} was not done" in record.reason) is False
    assert (STEP in record.reason) == (outcome is not StepOutcome.GO)


def test_an_acceptance_holds_for_this_configuration_only(tmp_path, caplog):
    path = write_station(tmp_path)
    config, bundle = load_config(path), read_bundle(tmp_path / "small.outfeed")
    now = subject(config, bundle)
    with caplog.at_level(logging.WARNING):
        warn_undriven(config, bundle)
    assert "parts_pass_undriven" in caplog.text
    assert "not accepted: " in caplog.text
    caplog.clear()
    result = held_for(run_safe_state(bench_of(path, person=Scripted())), now)
    record = conclude(config.id, bundle.id, [result], now)
    write_record(config.paths.commissioning, record)
    assert accepted(record, now) == result
    assert accepted(record, {**now, "output": "other"}) is None
    with caplog.at_level(logging.WARNING):
        warn_undriven(config, bundle)
    assert f"accepted on {result.utc[:10]}" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        warn_undriven(with_key(path, *ACTIVE), bundle)
    assert caplog.text == ""
