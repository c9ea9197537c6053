"""The findings on drift and on the last self-test, from the files of the station."""

from pathlib import Path

import numpy as np
import pytest

from edge.doctor import drift as drift_checks
from edge.doctor.finding import Level
from edge.drift import Baseline, streams
from edge.drift.state import AlarmState, DriftState
from edge.station.monitor.self_test_state import SelfTestState, write_self_test
from tests.doctor.contexts import context


def keep(folder: Path, *alarms: AlarmState, from_bundle: bool = True) -> None:
    zero = np.zeros(streams.COUNT)
    state = DriftState.of(
        Baseline(zero, zero, zero, 1000, 2.0),
        None,
        subject="b",
        learned_utc="2026-03-01T10:00:00Z",
        from_bundle=from_bundle,
    )
    data = state.model_copy(update={"alarms": alarms}).data()
    (folder / "state" / "drift.json").write_bytes(data)


def alarm(grade: str = "mild") -> AlarmState:
    return AlarmState(measure="dirt", grade=grade, said="dirt: a spot", utc="2026-03-02T11:12:13Z")


def test_no_baseline_yet(tmp_path: Path) -> None:
    finding = str(drift_checks.drift(context(tmp_path)))
    assert finding == "OK drift: no baseline yet: it needs 5000 parts that pass"


def test_drift_monitoring_is_off(tmp_path: Path) -> None:
    assert drift_checks.drift(context(tmp_path, "[drift]\nenabled = false\n")) is None


@pytest.mark.parametrize(
    ("from_bundle", "message"),
    [(True, "compared with the bundle's reference"), (False, "from this station only")],
)
def test_no_drift(tmp_path: Path, from_bundle: bool, message: str) -> None:
    one = context(tmp_path)
    keep(tmp_path, from_bundle=from_bundle)
    assert (
        str(drift_checks.drift(one))
        == f"OK drift: none; 1000 parts learned on 2026-03-01, {message}"
    )


@pytest.mark.parametrize(("grade", "level"), [("mild", Level.WARN), ("severe", Level.FAIL)])
def test_drift(tmp_path: Path, grade: str, level: Level) -> None:
    one = context(tmp_path)
    keep(tmp_path, alarm(grade))
    finding = drift_checks.drift(one)
    assert finding is not None
    assert (finding.level, finding.message) == (level, "dirt: a spot (2026-03-02T11:12)")
    assert finding.advice.startswith(
        "clean lens and window; if the change is intended, remove drift.js"
    )


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    one = context(tmp_path)
    (tmp_path / "state" / "drift.json").write_bytes(b"{")
    finding = drift_checks.drift(one)
    assert finding is not None
    assert (finding.level, finding.advice) == (
        Level.WARN,
        "the baseline is learned again at the next start",
    )


@pytest.mark.parametrize(
    ("reason", "is_starved", "message"),
    [
        ("", False, "OK self-test: golden/a.png reproduced (2026-03-02T11:12)"),
        ("detect: 0", False, "FAIL self-test: golden/a.png: detect: 0 (2026-03-02T11:12)"),
        ("", True, "WARN self-test: no time for one since 2026-03-02T11:12"),
    ],
)
def test_the_last_self_test(tmp_path: Path, reason: str, is_starved: bool, message: str) -> None:
    one = context(tmp_path)
    assert drift_checks.self_test(one) is None
    state = SelfTestState(
        utc="2026-03-02T11:12:13Z",
        bundle="b",
        subject="golden/a.png",
        reason=reason,
        is_starved=is_starved,
    )
    write_self_test(tmp_path / "state" / "self_test.json", state)
    assert str(drift_checks.self_test(one)) == message


def test_a_self_test_file_that_cannot_be_read(tmp_path: Path) -> None:
    one = context(tmp_path)
    (tmp_path / "state" / "self_test.json").write_bytes(b"nothing")
    assert drift_checks.self_test(one) is None


def test_each_measure_has_an_advice() -> None:
    assert set(drift_checks._ADVICE) == set(streams.MEASURES)
