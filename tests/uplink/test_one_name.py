"""Two stations with one name: the cause is named, and they do not chase each other."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edge.uplink.backoff import Backoff
from edge.uplink.publisher import run_uplink
from edge.uplink.state import read_state
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.uplink.central import Central, fill, open_journal, running
from tests.uplink.scripted import Answer, Published, ScriptedBroker


@needs_mosquitto
def test_two_stations_with_one_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        configs = [
            station_config(tmp_path / name, port=broker.port, retry_max_s=8) for name in ("a", "b")
        ]
        central = Central(configs[0])
        with (
            central.listening(),
            open_journal(configs[0]) as one,
            open_journal(configs[1]) as other,
            running(run_uplink, configs[0]),
            running(run_uplink, configs[1]),
        ):
            began_s = time.monotonic()
            # Each always has something to publish, so each connection is a success of a kind.
            while time.monotonic() - began_s < 6:
                fill(one, 1, 1)
                fill(other, 1, 1)
                wait_for(lambda: True, "")
                time.sleep(0.05)
            births = central.causes.count("connected")
            states = [read_state(config.paths.uplink) for config in configs]
        # Pauses double: 0.5, 1, 2, 4 s. Without, 3 a second each.
        assert 3 <= births <= 14
        assert any(
            "perhaps two stations have one name or one certificate" in s.trouble for s in states
        )
        assert any(state.takeovers for state in states)
        assert any("as by another client of this name" in s.note for s in central.statuses)
    assert "another client is outfeed-press-3 too" in caplog.text


def test_pauses_after_a_takeover_grow_although_events_were_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    resets: list[int] = []

    def next_s(self: Backoff) -> float:
        pauses.append(0.0)
        return 0.0

    monkeypatch.setattr(Backoff, "next_s", next_s)
    monkeypatch.setattr(Backoff, "reset", lambda self: resets.append(len(pauses)))

    def script(one: Published) -> Answer:
        return Answer(disconnect=0x8E) if one.sequence % 3 == 0 else Answer()

    with ScriptedBroker(script).running() as broker:
        config = station_config(tmp_path / "state", port=broker.port, retry_max_s=30)
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 1)
            wait_for(lambda: len(pauses) >= 5, "five takeovers")
            assert resets == []
    assert read_state(config.paths.uplink).undelivered == 0  # no event is at fault
