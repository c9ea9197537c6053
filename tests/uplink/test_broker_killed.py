"""A killed broker that saves each change: nothing that it confirmed is lost.

It is for a central system that makes no statements (firmware-config/mosquitto/outfeed.conf)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.journals import published
from tests.uplink.central import Central, fill, open_journal, running

ROOT = Path(__file__).parents[2]


def test_the_shipped_configuration_names_the_lines_for_it() -> None:
    """It saves now and then only: what it loses is sent again (test_acknowledgement.py)."""
    lines = (ROOT / "firmware-config/mosquitto/outfeed.conf").read_text().splitlines()
    assert {"persistence true", "autosave_interval 60"} <= set(lines)
    assert {"#   autosave_on_changes true", "#   autosave_interval 1"} <= set(lines)


@needs_mosquitto
@pytest.mark.parametrize("at", [30, 150])
def test_a_broker_killed_with_central_away_loses_nothing(tmp_path: Path, at: int) -> None:
    """at: so many of 150 events are confirmed when it is killed."""
    saving = ("persistence true", f"persistence_location {tmp_path}/broker/")
    saving += ("autosave_on_changes true", "autosave_interval 1")
    with Mosquitto(tmp_path / "broker", *saving) as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening():
            pass  # its session; then it is away
        with open_journal(config) as journal:
            fill(journal, 15)
            with running(run_uplink, config):
                wait_for(lambda: published(config) >= at, "confirmations")
                broker.stop(signal.SIGKILL)
                broker.start()
                wait_for(lambda: published(config) == 150, "all are confirmed", 30)
                with central.listening():
                    wait_for(lambda: len(central.received) == 150, "all are there")
    assert sorted(central.sequences) == list(range(1, 151))
