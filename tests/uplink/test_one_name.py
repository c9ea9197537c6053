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

            def seen() -> bool:
                # Each always has something to publish, so each connection is a success of a kind.
                fill(one, 1, 1)
                fill(other, 1, 1)
                time.sleep(0.05)
                states = [read_state(config.paths.uplink) for config in configs]
                suspicion = "perhaps two stations have one name or one certificate"
                return (
                    time.monotonic() - began_s >= 6
                    and central.causes.count("connected") >= 3
                    and any(suspicion in state.trouble for state in states)
                    and any(state.takeovers for state in states)
                    and any("as by another client of" in one.note for one in central.statuses)
                )

            wait_for(seen, "takeovers and their reason", 120)
            took_s = time.monotonic() - began_s
            births = central.causes.count("connected")
        # Pauses double: 0.5, 1, 2, 4, 8 s. Without, 3 a second each.
        assert births <= 14 + took_s - 6
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
