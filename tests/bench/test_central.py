"""The measurement of the central system: every event is stored once, or there is no figure."""

from __future__ import annotations

import json

import pytest

from bench import central
from bench.central import CentralLoad, main, measure, verdict
from central.store.message import BrokerMessage, EventMessage, read_message
from edge.errors import OutfeedError


def test_a_verdict_is_an_event_of_its_station() -> None:
    message = BrokerMessage("outfeed/v1/press-2/events", verdict(2, 50), 1)
    read = read_message(message, "outfeed/v1")
    assert isinstance(read, EventMessage)
    assert (read.station, read.sequence, read.problem) == ("press-2", 50, "")
    assert json.loads(verdict(2, 50))["decision"] == "REJECT"
    assert json.loads(verdict(2, 51))["decision"] == "PASS"


def test_the_options_reach_the_measurement(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    asked: list[tuple[object, ...]] = []

    def note(kind: str, broker: str, load: CentralLoad, batch: int) -> float:
        asked.append((kind, broker, load, batch))
        return measure(kind, broker, load, batch)

    monkeypatch.setattr(central, "measure", note)
    options = ["--events", "203", "--stations", "4", "--batch", "7", "--broker", "embedded"]
    main([*options, "--database", "sqlite"])
    assert asked == [("sqlite", "embedded", CentralLoad(4, 200), 7)]
    assert "200 events, each stored once" in " ".join(capsys.readouterr().out.split())


def test_a_missing_event_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    monkeypatch.setattr(central, "_LIMIT_S", 0.5)
    monkeypatch.setattr(central, "publish", _publish_nothing)
    with pytest.raises(OutfeedError, match=r"0 of 200 events after 0\.5 s"):
        measure("sqlite", "embedded", CentralLoad(4, 200), 50)


def _publish_nothing(port: int, load: CentralLoad) -> None:
    """Stand in for the publisher, in a process of its own."""
