"""The broker of the demo carries what the uplink sends, as a real one does."""

import sys
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.sim.broker import EmbeddedBroker
from edge.uplink.publisher import run_uplink
from tests.support.brokers import free_port, station_config, wait_for
from tests.uplink.central import Central, fill, open_journal, running


def test_events_birth_and_farewell(tmp_path: Path) -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    with EmbeddedBroker() as broker:
        config = station_config(tmp_path / "state", host=broker.host, port=broker.port)
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            with running(run_uplink, config):
                fill(journal, 30)
                wait_for(lambda: len(central.received) == 300, "300 events")
            wait_for(lambda: central.causes == ["connected", "stopped"], "birth and farewell")
        assert central.sequences == list(range(1, 301))

        late = Central(config)
        late.subscriber = type(late.subscriber)(
            config.uplink, client_id="late", on_event=print, on_status=late.statuses.append
        )
        with running(late.subscriber.run):
            wait_for(lambda: late.causes == ["stopped"], "the retained status")


def test_a_port_in_use_is_one_line() -> None:
    pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
    port = free_port()
    with EmbeddedBroker(port), pytest.raises(UsageError, match=f"no broker on 127.0.0.1:{port}: "):
        EmbeddedBroker(port).__enter__()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore.broker", None)
    with pytest.raises(UsageError, match=r"pip install 'outfeed\[demo\]'"):
        EmbeddedBroker().__enter__()
