"""The shipped Mosquitto configuration, on a real broker, with what `outfeed provision` made."""

from __future__ import annotations

import contextlib
import logging
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.config.station import StationConfig, load_config
from edge.config.uplink import UplinkConfig
from edge.events.payload import Topics
from edge.provision import make_authority
from edge.uplink.client import make_client
from edge.uplink.publisher import run_uplink
from tests.provision.conftest import Plant
from tests.provision.shipped import SHIPPED, shipped_broker
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.support.journals import published
from tests.uplink.central import Central, fill, open_journal, running

pytestmark = needs_mosquitto


@pytest.fixture
def broker(plant: Plant, tmp_path: Path) -> Iterator[Mosquitto]:
    with shipped_broker(tmp_path / "broker", plant.folder / "broker") as made:
        yield made


def station(plant: Plant, name: str, broker: Mosquitto, state: Path) -> StationConfig:
    """Return the provisioned configuration, with this broker's port and this state folder."""
    config = load_config(plant.folder / name / "station.toml")
    state.mkdir(exist_ok=True)
    own = {"port": broker.port, "retry_max_s": 0.2, "state_dir": None}
    uplink = config.uplink.model_copy(update=own)
    return config.model_copy(update={"state_dir": state, "uplink": uplink})


def central_of(plant: Plant, config: StationConfig) -> Central:
    folder = plant.folder / "central"
    own = {"tls_cert": folder / "central.pem", "tls_key": folder / "central.key"}
    uplink = config.uplink.model_copy(update=own)
    return Central(config.model_copy(update={"uplink": uplink}))


def test_a_provisioned_stations_events_arrive(
    plant: Plant, broker: Mosquitto, tmp_path: Path
) -> None:
    config = station(plant, "press-3", broker, tmp_path / "state")
    central = central_of(plant, config)
    with central.listening(), open_journal(config) as journal:
        fill(journal, 2)
        with running(run_uplink, config):
            wait_for(lambda: len(central.received) == 20, "20 events")
            wait_for(lambda: "connected" in central.causes, "the birth")
        wait_for(lambda: "stopped" in central.causes, "the farewell")
    assert central.sequences == list(range(1, 21))


def test_a_station_cannot_speak_in_anothers_name(
    plant: Plant, broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """press-4 with its own certificate, configured as press-3: the broker refuses its events."""
    config = station(plant, "press-4", broker, tmp_path / "state")
    central = central_of(plant, config)
    posing = config.model_copy(update={"id": "press-3"})
    with central.listening(), open_journal(posing) as journal:
        fill(journal, 1)
        with caplog.at_level(logging.WARNING), running(run_uplink, posing):
            wait_for(lambda: "Not authorized" in caplog.text, "a refusal")
    assert central.received == []
    assert central.statuses == []


def test_a_station_reads_nothing(plant: Plant, broker: Mosquitto, tmp_path: Path) -> None:
    """It may ask Mosquitto for a subscription; what matters is that nothing comes."""
    config = station(plant, "press-3", broker, tmp_path / "state")
    other = station(plant, "press-4", broker, tmp_path / "other")
    spy, central = Central(other), central_of(plant, config)
    with central.listening(), open_journal(config) as journal, running(spy.subscriber.run):
        fill(journal, 1)
        with running(run_uplink, config):
            wait_for(lambda: len(central.received) == 10, "10 events")
        wait_for(lambda: "stopped" in central.causes, "the farewell")
    assert (spy.received, spy.statuses) == ([], [])


def test_only_the_central_system_states_and_only_to_the_station(
    plant: Plant, broker: Mosquitto, tmp_path: Path
) -> None:
    """Statements on press-3: press-3 may read them, press-4 not, and no station may make one."""
    config = station(plant, "press-3", broker, tmp_path / "state")
    other = station(plant, "press-4", broker, tmp_path / "other")
    topic = Topics("press-3").committed("j")
    heard: dict[str, list[bytes]] = {"press-3": [], "press-4": []}
    with contextlib.ExitStack() as stack:
        for one in (config, other):
            client = stack.enter_context(looping(one.uplink, f"reads-{one.id}"))
            client.on_message = lambda _, __, message, of=one.id: heard[of].append(message.payload)
            client.subscribe(topic, qos=1)
            liar = stack.enter_context(looping(one.uplink, f"lies-{one.id}"))
            liar.publish(topic, b"by a station", qos=1, retain=True)
        central = central_of(plant, config)
        speaker = stack.enter_context(looping(central.broker, "states"))
        speaker.publish(topic, b"by central", qos=1).wait_for_publish(5)
        wait_for(lambda: heard["press-3"], "the statement")
        speaker.publish(topic, b"the end", qos=1).wait_for_publish(5)
        wait_for(lambda: len(heard["press-3"]) == 2, "the second statement")
    assert heard == {"press-3": [b"by central", b"the end"], "press-4": []}


def test_a_line_controller_speaks_for_its_own_line_only(plant: Plant, tmp_path: Path) -> None:
    out = tmp_path / "controller"
    known = ("--authority", plant.authority, "--out", out)
    assert plant.call("central", "--name", "controller-1", *known) == 0
    access = (SHIPPED / "outfeed.acl").read_text()
    own = access[access.index("# user controller-1") :].replace("# ", "")
    acl = tmp_path / "acl"
    acl.write_text(access + own.replace("PLANT/LINE", "Ulm/press line"))
    lots = "outfeed/v1/lines/Ulm/{}/lots"
    answers = "outfeed/v1/lines/Ulm/{}/answers"
    heard: dict[str, list[str]] = {"central": [], "controller": [], "station": []}
    with (
        shipped_broker(tmp_path / "broker", plant.folder / "broker", acl) as broker,
        contextlib.ExitStack() as stack,
    ):
        config = station(plant, "press-3", broker, tmp_path / "state")
        keys = {"tls_cert": out / "controller-1.pem", "tls_key": out / "controller-1.key"}
        brokers = {
            "central": central_of(plant, config).broker,
            "controller": config.uplink.model_copy(update=keys),
            "station": config.uplink,
        }
        clients = {}
        for name, uplink in brokers.items():
            clients[name] = stack.enter_context(looping(uplink, name))
            clients[name].on_message = lambda _, __, message, of=name: heard[of].append(
                f"{message.topic}: {message.payload.decode()}"
            )
        subscribed = threading.Semaphore(0)
        for name, client in clients.items():
            client.on_subscribe = lambda *_: subscribed.release()
            last = "lots" if name == "central" else "answers"
            client.subscribe(f"outfeed/v1/lines/+/+/{last}", qos=1)
        for _ in clients:
            assert subscribed.acquire(timeout=120)
        # This broker ends a connection that publishes what it may not: a client for each lie.
        lies = [
            ("station", lots.format("press line")),
            ("controller", lots.format("saw")),
            ("controller", answers.format("press line")),
        ]
        for number, (name, topic) in enumerate(lies):
            liar = stack.enter_context(looping(brokers[name], f"lies-{number}"))
            liar.publish(topic, "a lie", qos=1)
        clients["controller"].publish(lots.format("press line"), "lot", qos=1)
        wait_for(lambda: heard["central"], "the statement")
        for line in ("saw", "press line"):
            clients["central"].publish(answers.format(line), "by central", qos=1)
        wait_for(lambda: heard["controller"], "the answer")
    assert heard == {
        "central": ["outfeed/v1/lines/Ulm/press line/lots: lot"],
        "controller": ["outfeed/v1/lines/Ulm/press line/answers: by central"],
        "station": [],
    }


@contextlib.contextmanager
def looping(uplink: UplinkConfig, name: str) -> Iterator[mqtt.Client]:
    client = make_client(uplink, name, clean_session=True)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(uplink.host, uplink.port)
    client.loop_start()
    try:
        assert connected.wait(10)
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_station_cannot_push_another_off_by_its_client_id(
    plant: Plant, broker: Mosquitto, tmp_path: Path
) -> None:
    config = station(plant, "press-3", broker, tmp_path / "state")
    central = central_of(plant, config)
    with central.listening(), open_journal(config) as journal, running(run_uplink, config):
        wait_for(lambda: "connected" in central.causes, "the birth")
        other = plant.folder / "press-4"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="outfeed-press-3",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        context = ssl.create_default_context(cafile=str(other / "ca.pem"))
        context.load_cert_chain(str(other / "station.pem"), str(other / "station.key"))
        client.tls_set_context(context)
        connected = threading.Event()
        client.on_connect = lambda *_: connected.set()
        client.connect("127.0.0.1", broker.port)
        limit_s = time.monotonic() + 60
        while not connected.is_set() and time.monotonic() < limit_s:
            client.loop(0.05)
        assert connected.is_set()
        fill(journal, 1)
        wait_for(lambda: len(central.received) == 10, "10 events")
        client.disconnect()
        client.loop(0.1)
    assert central.causes.count("connected") == 1
    assert "lost" not in central.causes


def pushing(plant: Plant, broker: Mosquitto, name: str, client_id: str) -> mqtt.Client:
    """A client with the certificate of ``name`` and this client id, connected."""
    folder = plant.folder / name
    stem = "central" if name == "central" else "station"
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(folder / f"{stem}.pem"), str(folder / f"{stem}.key"))
    client.tls_set_context(context)
    client.connect("127.0.0.1", broker.port, clean_start=True)
    wait_for(lambda: client.loop(0.05) == 0 and client.is_connected(), "a connection")
    return client


@pytest.mark.parametrize("who", ["press-4", "central"])
def test_nobody_takes_centrals_session_by_its_name(
    plant: Plant, broker: Mosquitto, tmp_path: Path, who: str
) -> None:
    """Not another station, and not a second reader with central's own certificate."""
    config = station(plant, "press-3", broker, tmp_path / "state")
    central = central_of(plant, config)
    with central.listening():
        pass  # its session is on the broker now
    thief = pushing(plant, broker, who, "central")
    with open_journal(config) as journal, running(run_uplink, config):
        fill(journal, 4, 8)
        wait_for(lambda: published(config) == 32, "32 events are with the broker")
    thief.disconnect()
    thief.loop(0.1)
    with central.listening():
        wait_for(lambda: len(central.received) == 32, "32 events")
    assert central.sequences == list(range(1, 33))


@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="no mosquitto_sub")
def test_mosquitto_sub_beside_central_costs_no_event(
    plant: Plant, broker: Mosquitto, tmp_path: Path
) -> None:
    """With central's certificate, before, while and after central is away."""
    config = station(plant, "press-3", broker, tmp_path / "state")
    central = central_of(plant, config)
    folder = plant.folder / "central"
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", "1"]
    command += ["--cafile", f"{folder}/ca.pem", "--cert", f"{folder}/central.pem"]
    command += ["--key", f"{folder}/central.key", "-t", "outfeed/v1/+/events", "-F", "%t"]
    with central.listening():
        pass
    with (tmp_path / "seen").open("wb") as seen:
        reader = subprocess.Popen(command, stdout=seen)
    try:
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 4, 8)
            wait_for(lambda: published(config) == 32, "32 events are with the broker")
        with central.listening():
            wait_for(lambda: len(central.received) == 32, "32 events")
            assert reader.poll() is None  # nor was the other pushed off
    finally:
        reader.terminate()
        reader.wait(10)
    assert central.sequences == list(range(1, 33))


def test_only_central_publishes_commands_and_only_their_station_reads_them(
    plant: Plant, broker: Mosquitto, tmp_path: Path
) -> None:
    """The signature decides. The access list only keeps others from filling the topic."""
    topic = Topics("press-3").commands
    received: dict[str, list[bytes]] = {"press-3": [], "press-4": []}
    readers = []
    for name, messages in received.items():
        reader = pushing(plant, broker, name, f"reader-{name}")
        reader.on_message = lambda *each, kept=messages: kept.append(bytes(each[2].payload))
        reader.subscribe(topic, qos=1)
        readers.append(reader)
    for name in ("press-4", "press-3", "central"):
        sender = pushing(plant, broker, name, f"sender-{name}")
        sender.publish(topic, name.encode(), qos=1)
        for _ in range(20):
            sender.loop(0.02)
            for reader in readers:
                reader.loop(0.02)
        sender.disconnect()
    assert received == {"press-3": [b"central"], "press-4": []}


def test_a_reader_with_a_name_of_its_own(plant: Plant, tmp_path: Path) -> None:
    out = tmp_path / "historian"
    known = ("--authority", plant.authority, "--out", out)
    assert plant.call("central", "--name", "historian", *known) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "ca.pem",
        "historian.key",
        "historian.pem",
    ]
    access = (SHIPPED / "outfeed.acl").read_text()
    own = access[access.index("user central") :]
    acl = tmp_path / "acl"
    acl.write_text(access + own.replace("user central", "user historian"))
    made = shipped_broker(tmp_path / "broker", plant.folder / "broker", acl)
    with made as broker:
        config = station(plant, "press-3", broker, tmp_path / "state")
        keys = {"tls_cert": out / "historian.pem", "tls_key": out / "historian.key"}
        uplink = config.uplink.model_copy(update=keys)
        historian = Central(config.model_copy(update={"uplink": uplink}))
        with historian.listening(), open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 1)
            wait_for(lambda: len(historian.received) == 10, "10 events")


@pytest.mark.parametrize("who", ["plain", "no certificate", "unknown certificate", "wrong broker"])
def test_unknown_clients_are_refused(
    plant: Plant, broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture, who: str
) -> None:
    config = station(plant, "press-3", broker, tmp_path / "state")
    stranger = tmp_path / "stranger"
    make_authority(stranger / "authority")
    assert (
        plant.call(
            *("station", "press-3", "--broker", "127.0.0.1", "--out", stranger / "press-3"),
            *("--authority", stranger / "authority", "--trust", config.trust.keys[0]),
        )
        == 0
    )
    unknown = stranger / "press-3"
    keys = {
        "plain": {"tls_ca": None, "tls_cert": None, "tls_key": None},
        "no certificate": {"tls_cert": None, "tls_key": None},
        "unknown certificate": {
            "tls_cert": unknown / "station.pem",
            "tls_key": unknown / "station.key",
        },
        "wrong broker": {"tls_ca": unknown / "ca.pem"},
    }[who]
    wrong = config.model_copy(update={"uplink": config.uplink.model_copy(update=keys)})
    UplinkConfig.model_validate(wrong.uplink.model_dump())  # a configuration that could be
    central = central_of(plant, config)
    with central.listening(), open_journal(config) as journal:
        fill(journal, 1)
        with caplog.at_level(logging.DEBUG), running(run_uplink, wrong):
            wait_for(lambda: caplog.text.count("uplink_down") >= 2, "two refusals")
        if who == "wrong broker":
            assert "the broker's certificate: " in caplog.text
        assert central.received == []
        assert central.statuses == []


def test_a_revoked_station_is_refused_and_the_others_are_not(
    plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = plant.station("lost-1")
    shutil.copytree(plant.authority, tmp_path / "authority")
    shutil.copytree(plant.folder / "broker", tmp_path / "certs")
    words = ("revoke", lost / "station.pem", "--authority", tmp_path / "authority")
    assert plant.call(*words) == 0
    shutil.copy(tmp_path / "authority/revoked.pem", tmp_path / "certs")
    with shipped_broker(tmp_path / "broker", tmp_path / "certs") as broker:
        config = station(plant, "lost-1", broker, tmp_path / "lost")
        central = central_of(plant, config)
        with central.listening(), open_journal(config) as journal:
            fill(journal, 1)
            with caplog.at_level(logging.DEBUG), running(run_uplink, config):
                wait_for(lambda: caplog.text.count("uplink_down") >= 2, "two refusals")
            assert central.statuses == []
            sound = station(plant, "press-3", broker, tmp_path / "sound")
            with running(run_uplink, sound):
                wait_for(lambda: "connected" in central.causes, "the birth of the other")
    shutil.rmtree(lost)
