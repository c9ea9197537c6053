"""Step safe-state: parts pass while no process drives the output; acceptance and warning."""

import logging

import pytest

from edge.bundle import read_bundle
from edge.commission.context import NoOperator
from edge.commission.fingerprint import fingerprints
from edge.commission.gate import warn_undriven
from edge.commission.record import conclude, with_fingerprints, write_record
from edge.commission.result import StepOutcome
from edge.commission.steps.safe_state import (
    REMEDY,
    STEP,
    accepted_result,
    run_safe_state,
    undriven_risk,
)
from edge.config.station import load_config
from tests.commission.stations import DecliningOperator, ScriptedOperator, context_of, write_station


def with_key(path, section: str, line: str):
    path.write_text(path.read_text().replace(f"[{section}]\n", f"[{section}]\n{line}\n"))
    return load_config(path)


ACTIVE = "output", 'safe_state = "active"'


def test_the_risk_needs_rejected_unknown_parts_and_an_inactive_line(tmp_path):
    path = write_station(tmp_path)
    assert undriven_risk(load_config(path)) is not None  # both are defaults
    assert undriven_risk(with_key(path, *ACTIVE)) is None


def test_unknown_parts_that_always_pass_are_no_risk(tmp_path):
    path = write_station(tmp_path)
    assert undriven_risk(with_key(path, "line", 'on_unknown = "pass"')) is None


def test_a_changed_setting_is_go_without_a_question(tmp_path):
    path = write_station(tmp_path)
    with_key(path, *ACTIVE)
    hand = ScriptedOperator()
    result = run_safe_state(context_of(path, operator=hand))
    assert (result.outcome, hand.asked) == (StepOutcome.GO, [])


@pytest.mark.parametrize(
    ("operator", "outcome", "expected"),
    [
        (ScriptedOperator(), StepOutcome.GO, "accepted: "),
        (DecliningOperator(), StepOutcome.NO_GO, "not accepted: "),
        (NoOperator(agrees=True), StepOutcome.GO, "accepted: "),
        (NoOperator(), StepOutcome.SKIPPED, "needs an operator"),
    ],
)
def test_the_operator_must_accept_the_risk(tmp_path, operator, outcome, expected):
    result = run_safe_state(context_of(write_station(tmp_path), operator=operator))
    assert result.outcome is outcome
    assert result.reason.startswith(expected)
    assert "parts pass without a verdict" in result.reason
    remedies = [one.remedy for one in result.reasons]
    assert remedies == ([REMEDY] if outcome is StepOutcome.NO_GO else [])
    record = conclude("press-3", "b", [result], {})
    assert (f"{STEP} was not done" in record.reason) is False
    assert (STEP in record.reason) == (outcome is not StepOutcome.GO)


def test_an_acceptance_is_valid_for_this_configuration_only(tmp_path, caplog):
    path = write_station(tmp_path)
    config, bundle = load_config(path), read_bundle(tmp_path / "small.outfeed")
    now = fingerprints(config, bundle)
    with caplog.at_level(logging.WARNING):
        warn_undriven(config, bundle)
    assert "parts_pass_undriven" in caplog.text
    assert "not accepted: " in caplog.text
    caplog.clear()
    result = with_fingerprints(run_safe_state(context_of(path, operator=ScriptedOperator())), now)
    record = conclude(config.id, bundle.id, [result], now)
    write_record(config.paths.commissioning, record)
    assert accepted_result(record, now) == result
    assert accepted_result(record, {**now, "output": "other"}) is None
    with caplog.at_level(logging.WARNING):
        warn_undriven(config, bundle)
    assert f"accepted on {result.utc[:10]}" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        warn_undriven(with_key(path, *ACTIVE), bundle)
    assert caplog.text == ""
