"""Terms that a broker states at connect, and every way in which it refuses. No event is sent for
ever and none holds back the others. Each event that is set aside is visible."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.config.station import StationConfig
from edge.events.event import gap_event
from edge.uplink import suspicion
from edge.uplink.publisher import run_uplink
from edge.uplink.state import read_state, read_undelivered
from edge.uplink.terms import PACKET_TOO_LARGE
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.journals import published
from tests.uplink.central import Central, fill, open_journal, running
from tests.uplink.scripted import OK, Answer, Published, ScriptedBroker, string

BAD = 4  # the sequence of the event that a broker does not take


def large_and_small(config: StationConfig, large_at: tuple[int, ...] = (BAD,)) -> None:
    """Ten events, of which some are above 800 bytes on the wire."""
    with open_journal(config) as journal:
        for number in range(1, 11):
            reason = "x" * (400 if number in large_at else 10)
            journal.append([gap_event("press-3", count=1, reason=reason)])


def set_aside(config: StationConfig) -> list[int]:
    return [int(row.event_id.rpartition(":")[2]) for row in read_undelivered(config.paths.uplink)]


def carried(broker: ScriptedBroker, tmp_path: Path, **uplink: Any) -> StationConfig:
    """Ten events are carried to the broker; the configuration for a closer look."""
    config = station_config(tmp_path / "state", port=broker.port, **uplink)
    large_and_small(config)
    with running(run_uplink, config):
        wait_for(lambda: published(config) == 10, "all ten are behind the cursor", 30)
    return config


@pytest.mark.parametrize(
    ("answer", "most_tries"),
    [
        (Answer(0x99, string(0x1F, "no JSON of mine")), 1),  # payload format invalid
        (Answer(PACKET_TOO_LARGE), 1),  # as Mosquitto's PUBACK has it
        (Answer(disconnect=PACKET_TOO_LARGE), 8),
        (Answer(disconnect=0x99), 8),
        (Answer(0x80), 8),
        (Answer(0x83), 8),
        (Answer(0x87), 8),
        (Answer(0x90), 8),
        (Answer(0x91), 8),
        (Answer(0x97, string(0x1F, "too many")), 8),
        (Answer(0xA5), 12),  # no code of MQTT 5
        (Answer(disconnect=0x81), 12),
        (Answer(disconnect=0x96), 12),
        (Answer(disconnect=0x98), 12),
        (Answer(hang_up=True), 12),
    ],
    ids=str,
)
def test_an_event_that_the_broker_never_takes_is_set_aside(
    tmp_path: Path, answer: Answer, most_tries: int
) -> None:
    def script(one: Published) -> Answer:
        return answer if one.sequence == BAD and one.is_original else OK

    with ScriptedBroker(script).running() as broker:
        config = carried(broker, tmp_path, retry_max_s=0.02)
    assert set_aside(config) == [BAD]
    row = read_undelivered(config.paths.uplink)[0]
    assert b"x" * 400 in row.payload.encode()  # the event itself is kept
    originals = [one for one in broker.taken(BAD) if one.is_original]
    assert 1 <= len(originals) <= most_tries
    gaps = [one.keys for one in broker.taken(BAD) if not one.is_original]
    assert [(gap["type"], gap["first"], gap["last"]) for gap in gaps] == [
        ("outfeed.gap/1", BAD, BAD)
    ]
    for number in {*range(1, 11)} - {BAD}:
        assert broker.taken(number), number
    state = read_state(config.paths.uplink)
    assert state.undelivered == 1
    assert state.last_undelivered.startswith(f"{row.event_id}: ")
    assert broker.statuses[-1]["undelivered"] == 1
    if answer.properties:
        assert answer.properties[3:].decode() in row.reason


def test_an_event_that_is_never_acknowledged_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspicion, "TRIES", 1)  # each costs 2 s
    monkeypatch.setattr(suspicion, "PROOFS_WITHOUT_REASON", 1)

    def script(one: Published) -> Answer:
        return Answer(silent=one.sequence == 1 and one.is_original)

    # The Server Keep Alive, not ours, is what silence is measured by: two of them, 2 s.
    with ScriptedBroker(script, connack=lambda number: (0, b"\x13\0\1")).running() as broker:
        config = station_config(
            tmp_path / "state", port=broker.port, keepalive_s=3600, retry_max_s=0.02
        )
        large_and_small(config)
        with running(run_uplink, config):
            wait_for(lambda: published(config) == 10, "all ten are behind the cursor", 60)
    assert set_aside(config) == [1]


@pytest.mark.parametrize("code", [0x99, 0x95, 0x97, 0x87, None])
def test_a_broker_that_refuses_everything_is_waited_for(
    tmp_path: Path, code: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the broker answers: where not even a gap event passes, no event is at fault."""
    answer = Answer(hang_up=True) if code is None else Answer(code)
    broken = True
    with ScriptedBroker(lambda one: answer if broken else OK).running() as broker:
        config = station_config(tmp_path / "state", port=broker.port, retry_max_s=0.02)
        large_and_small(config)
        with running(run_uplink, config):
            wait_for(lambda: len(broker.connects) > 30, "many tries")
            assert published(config) == 0
            broken = False
            wait_for(lambda: published(config) == 10, "all ten")
    kept = set_aside(config)
    # The change may fall between the refusal of an event and the try of its gap event.
    assert len(kept) <= 1
    assert {one.sequence for one in broker.events} == set(range(1, 11))


def test_two_events_at_fault_in_a_row(tmp_path: Path) -> None:
    def script(one: Published) -> Answer:
        return Answer(hang_up=True) if one.sequence in (3, 4) and one.is_original else OK

    with ScriptedBroker(script).running() as broker:
        config = carried(broker, tmp_path, retry_max_s=0.02)
    assert set_aside(config) == [3, 4]


def test_a_broker_without_subscribers_is_counted_and_visible(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedBroker(lambda one: Answer(0x10)).running() as broker:
        config = carried(broker, tmp_path)
    assert read_state(config.paths.uplink).unheard == 10
    assert broker.statuses[0]["unheard"] == 0
    assert "events_unheard" in caplog.text
    with ScriptedBroker().running() as broker:
        again = config.model_copy(
            update={"uplink": config.uplink.model_copy(update={"port": broker.port})}
        )
        with running(run_uplink, again):
            wait_for(lambda: broker.statuses, "the birth")
    assert broker.statuses[0]["unheard"] == 10


@pytest.mark.parametrize("most", [700, 800, 850])
def test_the_maximum_packet_size_is_never_passed(tmp_path: Path, most: int) -> None:
    properties = b"\x27" + most.to_bytes(4, "big")
    with ScriptedBroker(connack=lambda number: (0, properties)).running() as broker:
        config = carried(broker, tmp_path)
    assert set_aside(config) == [BAD]
    assert f"its Maximum Packet Size is {most}" in read_undelivered(config.paths.uplink)[0].reason
    assert max(one.packet_bytes for one in broker.published) <= most
    assert len(broker.connects) == 1
    assert [one.sequence for one in broker.events] == list(range(1, 11))


def test_a_packet_size_below_any_event_sets_nothing_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    properties = b"\x27" + (200).to_bytes(4, "big")
    with ScriptedBroker(connack=lambda number: (0, properties)).running() as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        large_and_small(config)
        with running(run_uplink, config):
            wait_for(lambda: "too small for events" in caplog.text, "a complaint")
    assert (set_aside(config), broker.published) == ([], [])


@pytest.mark.parametrize("allowed", [1, 2, 7])
def test_any_receive_maximum(tmp_path: Path, allowed: int) -> None:
    properties = b"\x21" + allowed.to_bytes(2, "big")
    with ScriptedBroker(connack=lambda number: (0, properties)).running() as broker:
        carried(broker, tmp_path)
    assert [one.sequence for one in broker.events] == list(range(1, 11))
    assert [status["cause"] for status in broker.statuses] == ["connected", "stopped"]


@pytest.mark.parametrize(
    ("code", "properties", "said"),
    [
        (0x84, b"", 'uplink.protocol = "3.1.1" may help'),
        (0x86, string(0x1F, "who is that?"), "who is that?"),
        (0x8A, b"", "Banned"),
        (0x97, b"", "Quota exceeded"),
        (0x9C, string(0x1C, "other.example:8883"), "it refers to other.example:8883"),
        (0x9D, string(0x1C, "new\n.example"), "it refers to new?.example; set uplink.host"),
        (0x9F, b"", "Connection rate exceeded"),
        (0x9B, b"", "the broker takes QoS 0 only"),
        (0, b"\x24\0", "the broker takes QoS 0 only"),
    ],
)
def test_a_refused_connection_names_its_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int, properties: bytes, said: str
) -> None:
    with ScriptedBroker(connack=lambda number: (code, properties)).running() as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        large_and_small(config)
        with running(run_uplink, config):
            wait_for(lambda: said in caplog.text, said)
            wait_for(lambda: said in read_state(config.paths.uplink).trouble, "the same to doctor")
    assert broker.events == []


def test_properties_that_change_nothing(tmp_path: Path) -> None:
    """Session expiry, assigned client id, topic aliases, reason, user property, subscriptions."""
    properties = (
        b"\x11\0\0\0\x0a" + string(0x12, "another") + b"\x22\0\x0a" + string(0x1F, "welcome")
    )
    properties += b"\x26\0\1a\0\1b" + b"\x28\0\x29\0\x2a\0" + string(0x1A, "response/")
    with ScriptedBroker(connack=lambda number: (0, properties)).running() as broker:
        carried(broker, tmp_path)
    assert [one.sequence for one in broker.events] == list(range(1, 11))


@pytest.mark.parametrize("garbage", [b"\xff" * 40, b"\x20\x02\0", b"\x40\x01\0", b"\xf0\x00"])
def test_a_broker_that_sends_no_mqtt_is_a_reason_like_another(
    tmp_path: Path, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    link.recv(4096)
                    link.sendall(garbage)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        config = station_config(
            tmp_path / "state", port=listener.getsockname()[1], connect_timeout_s=0.3
        )
        with running(run_uplink, config):
            wait_for(lambda: "uplink_down" in caplog.text, "a complaint")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


Limits = Callable[[Path], tuple[str, ...]]


def only_events(folder: Path) -> tuple[str, ...]:
    acl = folder / "acl"
    acl.write_text("topic readwrite outfeed/v1/+/events\ntopic read outfeed/v1/#\n")
    return (f"acl_file {acl}",)


@needs_mosquitto
@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (lambda folder: ("message_size_limit 700",), [BAD]),
        (lambda folder: ("max_packet_size 800",), [BAD]),
        (lambda folder: ("retain_available false",), []),
        (lambda folder: ("max_inflight_messages 1",), []),
        (lambda folder: ("max_keepalive 10",), []),
        (lambda folder: ("max_queued_messages 5",), []),
        (only_events, []),
    ],
    ids=["message_size", "packet_size", "retain", "inflight", "keepalive", "queued", "status ACL"],
)
def test_each_limit_that_mosquitto_has(tmp_path: Path, limit: Limits, expected: list[int]) -> None:
    with Mosquitto(tmp_path / "broker", *limit(tmp_path)) as broker:
        config = station_config(tmp_path / "state", port=broker.port, keepalive_s=60)
        central = Central(config)
        with central.listening():
            large_and_small(config)
            with running(run_uplink, config):
                wait_for(lambda: len(central.received) == 10, "ten events")
                wait_for(lambda: published(config) == 10, "the position")
    assert central.sequences == list(range(1, 11))
    assert set_aside(config) == expected


@needs_mosquitto
@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("max_qos 0", "the broker takes QoS 0 only"),
        ("max_packet_size 100", "closed the connection before it answered"),
    ],
)
def test_a_limit_that_keeps_the_station_out_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, limit: str, said: str
) -> None:
    with Mosquitto(tmp_path / "broker", limit) as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        with running(run_uplink, config):
            wait_for(lambda: said in caplog.text, said)
    assert {r.levelno for r in caplog.records if "uplink_down" in r.message} <= {
        logging.WARNING,
        logging.DEBUG,
    }


@needs_mosquitto
def test_many_events_above_a_limit_that_is_not_stated(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", "message_size_limit 700") as broker:
        config = station_config(tmp_path / "state", port=broker.port, retry_max_s=30)
        central = Central(config)
        with central.listening():
            large_and_small(config, large_at=(2, 3, 4, 9))
            with running(run_uplink, config):
                wait_for(lambda: len(central.received) == 10, "ten events", 30)
    assert central.sequences == list(range(1, 11))
    assert set_aside(config) == [2, 3, 4, 9]


def test_fill_is_what_these_tests_think_it_is(tmp_path: Path) -> None:
    """The large event is above 850 bytes on the wire, all others are below 650."""
    with ScriptedBroker().running() as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        large_and_small(config)
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 1)
            wait_for(lambda: len(broker.events) == 20, "20 events")
    sizes = [one.packet_bytes for one in broker.events]
    assert sizes[BAD - 1] > 850
    assert max(sizes[:3]) < 650
