"""Whether the station still sees, as its files tell."""

from pathlib import Path

import numpy as np
import pytest

from edge.doctor import drift as sight
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


def test_nothing_learned_yet(tmp_path: Path) -> None:
    found = str(sight.drift(context(tmp_path)))
    assert found == "OK drift: nothing learned yet: it takes 5000 parts that pass"


def test_not_watched(tmp_path: Path) -> None:
    assert sight.drift(context(tmp_path, "[drift]\nenabled = false\n")) is None


@pytest.mark.parametrize(
    ("from_bundle", "said"),
    [(True, "held against the bundle's reference"), (False, "by this station alone")],
)
def test_no_drift(tmp_path: Path, from_bundle: bool, said: str) -> None:
    one = context(tmp_path)
    keep(tmp_path, from_bundle=from_bundle)
    assert str(sight.drift(one)) == f"OK drift: none; 1000 parts learned on 2026-03-01, {said}"


@pytest.mark.parametrize(("grade", "level"), [("mild", Level.WARN), ("severe", Level.FAIL)])
def test_drift(tmp_path: Path, grade: str, level: Level) -> None:
    one = context(tmp_path)
    keep(tmp_path, alarm(grade))
    found = sight.drift(one)
    assert found is not None
    assert (found.level, found.said) == (level, "dirt: a spot (2026-03-02T11:12)")
    assert found.advice.startswith(
        "clean lens and window; if it is meant to be so, remove drift.js"
    )


def test_a_file_that_is_damaged(tmp_path: Path) -> None:
    one = context(tmp_path)
    (tmp_path / "state" / "drift.json").write_bytes(b"{")
    found = sight.drift(one)
    assert found is not None
    assert (found.level, found.advice) == (Level.WARN, "it is learned anew at the next start")


@pytest.mark.parametrize(
    ("reason", "is_starved", "said"),
    [
        ("", False, "OK self-test: golden/a.png reproduced (2026-03-02T11:12)"),
        ("detect: 0", False, "FAIL self-test: golden/a.png: detect: 0 (2026-03-02T11:12)"),
        ("", True, "WARN self-test: no time for one since 2026-03-02T11:12"),
    ],
)
def test_the_last_self_test(tmp_path: Path, reason: str, is_starved: bool, said: str) -> None:
    one = context(tmp_path)
    assert sight.self_test(one) is None
    state = SelfTestState(
        utc="2026-03-02T11:12:13Z",
        bundle="b",
        subject="golden/a.png",
        reason=reason,
        is_starved=is_starved,
    )
    write_self_test(tmp_path / "state" / "self_test.json", state)
    assert str(sight.self_test(one)) == said


def test_a_self_test_file_that_cannot_be_read(tmp_path: Path) -> None:
    one = context(tmp_path)
    (tmp_path / "state" / "self_test.json").write_bytes(b"nothing")
    assert sight.self_test(one) is None


def test_there_is_advice_for_every_measure() -> None:
    assert set(sight._ADVICE) == set(streams.MEASURES)
