"""The status of a station that is not commissioned yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.config.station import StationConfig
from edge.events.identity import JournalPosition
from edge.sim.broker import EmbeddedBroker
from edge.uplink.commissioning import read_commissioning
from edge.uplink.health import MachineHealth
from edge.uplink.publisher import run_uplink
from edge.uplink.state import UplinkState
from edge.uplink.statuses import make_statuses
from tests.support.brokers import station_config, wait_for
from tests.uplink.central import Central, running


def config_at(folder: Path, *, required: bool, **uplink: object) -> StationConfig:
    config = station_config(folder, **uplink)
    return config.model_copy(
        update={"line": config.line.model_copy(update={"require_commission": required})}
    )


@pytest.mark.parametrize(
    ("content", "required", "expected"),
    [
        (None, True, "waiting"),
        (None, False, "trial"),
        ("[]", True, "waiting"),
        ("damaged", True, "waiting"),
        ("OTHER", True, "waiting"),
        ("NO-GO", True, "waiting"),
        ("NO-GO", False, "trial"),
        ("GO", True, "done"),
        ("GO", False, "done"),
    ],
)
def test_the_record_decides(
    tmp_path: Path, content: str | None, required: bool, expected: str
) -> None:
    config = config_at(tmp_path, required=required)
    path = config.paths.commissioning
    path.parent.mkdir(parents=True, exist_ok=True)
    if content in ("GO", "NO-GO"):
        content = json.dumps({"station": config.id, "outcome": content})
    elif content == "OTHER":
        content = json.dumps({"station": "another", "outcome": "GO"})
    if content is not None:
        path.write_text(content)
    assert read_commissioning(config) == expected


def test_a_record_that_cannot_be_read_states_nothing(tmp_path: Path) -> None:
    config = config_at(tmp_path, required=True)
    config.paths.commissioning.mkdir(parents=True)
    assert read_commissioning(config) == ""


def test_the_note_for_people_has_both_reasons() -> None:
    state = UplinkState(takeovers=4)
    made = make_statuses(
        "press-3", "a.outfeed", state, JournalPosition("", 0), MachineHealth(), "waiting"
    )
    assert made.online.note == (
        "waiting to be commissioned; 4 times in a row disconnected, "
        "as by another client of this name"
    )
    for other in ("done", "trial", ""):
        made = make_statuses(
            "press-3", "", UplinkState(), JournalPosition("", 0), MachineHealth(), other
        )
        assert (made.online.note, made.online.commissioning) == ("", other)


def test_a_station_that_never_ran_connects_and_waits(tmp_path: Path) -> None:
    """Without a journal: only the uplink runs. GO is stated at the next connection."""
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    with EmbeddedBroker() as broker:
        config = config_at(tmp_path, required=True, host=broker.host, port=broker.port)
        central = Central(config)
        with central.listening():
            with running(run_uplink, config):
                wait_for(lambda: central.statuses, "the first status")
            first = central.statuses[0]
            assert (first.state, first.journal) == ("online", "")
            assert (first.commissioning, first.note) == ("waiting", "waiting to be commissioned")
            record = {"station": config.id, "outcome": "GO"}
            config.paths.commissioning.write_text(json.dumps(record))
            seen = len(central.statuses)
            with running(run_uplink, config):
                wait_for(lambda: central.statuses[-1].commissioning == "done", "GO")
            assert len(central.statuses) > seen
            assert central.statuses[-1].note == ""
