"""The desired state by a real broker to the folder of received messages."""

from __future__ import annotations

from pathlib import Path

from edge.config.station import StationConfig
from edge.config.trust import TrustConfig
from edge.config.updates import UpdatesConfig
from edge.events.payload import Topics
from edge.updates.desired import MAX_MESSAGE_BYTES, sign_desired
from edge.updates.files import Fetch, write_fetch
from edge.uplink.client import make_client
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.commands import OPERATOR, Recorder, public
from tests.support.desired_states import body
from tests.uplink.central import running

pytestmark = needs_mosquitto


def with_updates(folder: Path, port: int, server: str | None = "https://h:1") -> StationConfig:
    config = station_config(folder / "state", port=port)
    trust = TrustConfig(operator_keys=(public(OPERATOR),))
    changes = {"trust": trust, "updates": UpdatesConfig(server=server)}
    return config.model_copy(update=changes)


def publish(config: StationConfig, payload: bytes) -> None:
    client = make_client(config.uplink, "anyone", clean_session=True)
    client.connect(config.uplink.host, config.uplink.port)
    client.loop_start()
    try:
        topic = Topics(config.id).desired
        client.publish(topic, payload, qos=1, retain=True).wait_for_publish(10)
    finally:
        client.disconnect()
        client.loop_stop()


def received(config: StationConfig) -> list[bytes]:
    folder = config.paths.received_desired
    return [each.read_bytes() for each in sorted(folder.glob("*.msg"))] if folder.exists() else []


def test_a_retained_state_waits_for_the_station_and_arrives_once(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_updates(tmp_path, broker.port)
        recorder = Recorder(config)
        recorder.parts(1)
        first = sign_desired(body(), OPERATOR).payload()
        publish(config, first)
        with running(run_uplink, config):
            wait_for(lambda: received(config) == [first], "it is stored", 60)
            write_fetch(config.paths.fetch, Fetch(taken=1))
            wait_for(lambda: received(config) == [], "it is removed", 60)
            # A message that is too long arrives cut, so that the station refuses it.
            publish(config, b"x" * 3 * MAX_MESSAGE_BYTES)
            wait_for(lambda: len(received(config)) == 1, "it is stored", 60)
            assert len(received(config)[0]) == MAX_MESSAGE_BYTES + 1
        recorder.journal.close()


def test_without_a_server_the_station_subscribes_to_nothing(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", "log_type subscribe", "log_type notice") as broker:
        config = with_updates(tmp_path, broker.port, None)
        recorder = Recorder(config)
        recorder.parts(1)
        publish(config, sign_desired(body(), OPERATOR).payload())
        with running(run_uplink, config):
            wait_for(lambda: "outfeed-press-3" in broker.log(), "it is connected", 60)
        assert received(config) == []
        assert "press-3/desired" not in broker.log()
        recorder.journal.close()
