"""The checks of the commissioning record when a station starts."""

import logging
from pathlib import Path

import pytest

from edge.bundle import Bundle, read_bundle
from edge.commission.fingerprint import fingerprints
from edge.commission.gate import check_commission
from edge.commission.record import STEPS, conclude, with_fingerprints, write_record
from edge.commission.result import Figure, judge_figures
from edge.config.station import StationConfig, load_config
from edge.errors import ConfigError
from tests.commission.stations import write_station
from tests.support.bundles import small_bundle


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """Return a station.toml whose commissioning allows up to 40 parts per second."""
    path = write_station(tmp_path)
    config, bundle = loaded(path)
    now = fingerprints(config, bundle)
    speed = judge_figures("speed", [Figure(name="greatest rate", value=40)], good="fine")
    results = [judge_figures(step, ()) for step in STEPS if step != "speed"] + [speed]
    results = [with_fingerprints(result, now) for result in results]
    write_record(config.paths.commissioning, conclude(config.id, bundle.id, results, now))
    return path


def loaded(path: Path) -> tuple[StationConfig, Bundle]:
    config = load_config(path)
    return config, read_bundle(config.bundle)


def change(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


REQUIRED = ("[line]\n", "[line]\nrequire_commission = true\n")


def test_a_commissioned_station_starts_without_a_warning(
    station: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_commission(*loaded(station))
    change(station, REQUIRED)
    check_commission(*loaded(station))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (
            [("rate_hz = 20.0", "rate_hz = 30.0")],
            "42.86 parts per second are configured, the measured limit is 40",
        ),
        ([("travel_ms = 120.0", "travel_ms = 130.0")], ": travel;"),
        ([("pulse_ms = 10.0", "pulse_ms = 11.0")], ": pulse;"),
        ([("budget_ms = 100.0", "budget_ms = 90.0")], ": line;"),
        ([("loop = true", "loop = false")], ": camera;"),
        ([("jitter = 0.3", "jitter = 0.2")], ": trigger;"),
        ([("[output]", '[engine]\nkind = "ort"\n[output]')], ": engine;"),
        ([("[output]", '[output]\nsafe_state = "active"')], ": output;"),
        ([('id = "press-3"', 'id = "press-4"')], "the commissioning belongs to station 'press-3'"),
    ],
)
def test_another_configuration_is_refused_or_warned_about(
    station: Path, pairs: list[tuple[str, str]], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    change(station, *pairs)
    with caplog.at_level(logging.WARNING):
        check_commission(*loaded(station))
    (record,) = caplog.records
    assert expected in record.getMessage()
    assert "run `outfeed commission`" in record.getMessage()
    change(station, REQUIRED)
    with pytest.raises(ConfigError, match=r"^key 'line\.require_commission': ") as caught:
        check_commission(*loaded(station))
    assert expected in str(caught.value)


def test_keys_without_effect_on_the_figures_may_change(
    station: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(station, ("jitter = 0.3", "jitter = 0.3\nparts = 9\nseed = 4"))
    change(station, ("[output]\n", '[output]\nrecord = "edges"\n'))
    check_commission(*loaded(station))
    assert caplog.records == []


def test_another_bundle_and_machine(station: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(station, REQUIRED)
    monkeypatch.setattr("edge.commission.fingerprint.processor", lambda: "another board")
    with pytest.raises(ConfigError, match=": machine;"):
        check_commission(*loaded(station))
    monkeypatch.undo()
    small_bundle(station.parent / "small.outfeed", version="1.1")
    with pytest.raises(ConfigError, match=": bundle;"):
        check_commission(*loaded(station))


def test_a_missing_a_no_go_and_a_damaged_record(
    station: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, bundle = loaded(station)
    wrong = [judge_figures("focus", (), faults=["dark"])]
    write_record(
        config.paths.commissioning,
        conclude(config.id, bundle.id, wrong, fingerprints(config, bundle)),
    )
    check_commission(config, bundle)
    assert "ended NO-GO: focus: dark (and more)" in caplog.messages[-1]
    config.paths.commissioning.write_text("{")
    check_commission(config, bundle)
    assert "is damaged" in caplog.messages[-1]
    config.paths.commissioning.unlink()
    caplog.clear()
    check_commission(config, bundle)
    assert caplog.records == []  # a trial
    change(station, REQUIRED)
    with pytest.raises(ConfigError, match="was never commissioned"):
        check_commission(*loaded(station))
