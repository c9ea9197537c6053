"""The uplink against a real broker: order, birth and will, refusals, silence, TLS."""

import logging
import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.events.event import gap_event
from edge.journal.cursor import read_cursor
from edge.uplink.publisher import run_uplink
from edge.uplink.state import read_undelivered
from tests.support.brokers import Mosquitto, free_port, needs_mosquitto, station_config, wait_for
from tests.support.journals import published
from tests.uplink.central import Central, fill, open_journal, running

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@needs_mosquitto
@PROTOCOLS
def test_everything_arrives_once_and_in_order(tmp_path: Path, protocol: str) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port, protocol=protocol)
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            fill(journal, 5)  # a backlog from before the uplink
            with running(run_uplink, config):
                fill(journal, 45)
                wait_for(lambda: len(central.received) == 500, "500 events")
            wait_for(lambda: len(central.statuses) == 2, "the farewell")
        assert central.sequences == list(range(1, 501))
        assert central.causes == ["connected", "stopped"]
        assert published(config) == 500

        late = Central(config)  # retained: who comes later learns it too
        with running(late.subscriber.run):
            wait_for(lambda: late.statuses, "the retained status")
        assert [(s.state, s.cause) for s in late.statuses] == [("offline", "stopped")]


@needs_mosquitto
@pytest.mark.parametrize("window", [1, 500])
def test_any_window_carries(tmp_path: Path, window: int) -> None:
    with Mosquitto(tmp_path / "broker", "max_inflight_messages 4") as broker:
        config = station_config(
            tmp_path / "state", port=broker.port, max_inflight=window, topic_prefix="plant/a"
        )
        central = Central(config)
        with central.listening(), open_journal(config) as journal:
            fill(journal, 10)
            with running(run_uplink, config):
                wait_for(lambda: len(central.received) == 100, "100 events")
        assert central.sequences == list(range(1, 101))


@needs_mosquitto
@pytest.mark.parametrize("persistence", [True, False])
def test_a_broker_that_goes_and_comes_back(tmp_path: Path, persistence: bool) -> None:
    with Mosquitto(tmp_path / "broker", persistence=persistence) as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening(), open_journal(config) as journal, running(run_uplink, config):
            for cut in (100, 500, 900):
                fill(journal, 20)
                wait_for(partial(central.has, cut), "events")
                broker.stop()
                wait_for(lambda: not central.subscriber.wait_subscribed(0), "the loss is noticed")
                fill(journal, 20)
                broker.start()
                assert central.subscriber.wait_subscribed(10)
            last = journal.append([gap_event("press-3", count=1, reason="last")]).start
            wait_for(lambda: central.sequences[-1:] == [last], "the last event")
    # Without persistence the broker itself forgets what it confirmed and had not handed on yet:
    # the loss must appear as a gap. Everything else is there, once and in order.
    (coverage,) = central.receiver.coverage()
    missing = [number for gap in coverage.gaps for number in gap]
    assert sorted(central.sequences + missing) == list(range(1, last + 1))
    if persistence:
        assert central.sequences == list(range(1, last + 1))


@needs_mosquitto
def test_a_refused_event_is_not_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite outfeed/v1/+/status\ntopic read outfeed/v1/#\n")
    with Mosquitto(tmp_path / "broker", f"acl_file {acl}") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening(), open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 5)
            wait_for(lambda: len(central.causes) >= 6, "several tries")
            assert central.received == []
            assert read_cursor(config.paths.cursor) is None
            warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
            assert warnings == ["uplink_down reason=the broker refused event 1: Not authorized"]
            acl.write_text("topic readwrite outfeed/v1/#\n")
            broker.reload()
            wait_for(lambda: len(central.received) == 50, "50 events")
            wait_for(lambda: published(config) == 50, "the position")
        # One event may have been sent ahead, to find out whether the first was at fault.
        assert sorted(central.sequences) == list(range(1, 51))
        assert read_undelivered(config.paths.uplink) == []


@pytest.mark.parametrize("answers", [False, True])
def test_a_broker_that_falls_silent_is_noticed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answers: bool
) -> None:
    """The broker accepts and is silent, or sends its CONNACK and is silent then."""
    connections: list[socket.socket] = []

    def silent(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            if answers:
                connection.sendall(bytes([0x20, 3, 0, 0, 0]))  # CONNACK, success, no properties

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = station_config(tmp_path / "state", port=port, keepalive_s=2, connect_timeout_s=0.3)
        thread = threading.Thread(target=silent, args=(listener,))
        thread.start()
        with open_journal(config) as journal, running(run_uplink, config):
            wait_for(lambda: connections, "the first try")
            slowest_s = 0.0
            for _ in range(100):
                start_s = time.perf_counter()
                fill(journal, 1)
                slowest_s = max(slowest_s, time.perf_counter() - start_s)
            wait_for(lambda: len(connections) >= 2, "another try")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in connections:
            connection.close()
    # The station continues to write: it does not wait for the broker, whose silence takes 4 s.
    assert slowest_s < 3.5
    assert read_cursor(config.paths.cursor) is None
    expected = "no acknowledgement in 4 s" if answers else "no answer in 0.3 s"
    assert expected in caplog.text or "Keep alive timeout" in caplog.text


def test_no_broker_at_all_and_a_stop(tmp_path: Path) -> None:
    config = station_config(tmp_path / "state", port=free_port(), retry_max_s=30)
    with running(run_uplink, config):
        time.sleep(0)
    assert read_cursor(config.paths.cursor) is None


def read_packets(connection: socket.socket, buffer: bytearray) -> list[tuple[int, bytes]]:
    """Read until the client pauses for 0.1 s; return (type and flags, body) of whole packets."""
    connection.settimeout(0.1)
    try:
        while data := connection.recv(65536):
            buffer += data
    except TimeoutError:
        pass
    packets = []
    while len(buffer) >= 2:
        length, used = 0, 1
        while True:  # MQTT 5, section 1.5.5: variable byte integer
            length |= (buffer[used] & 0x7F) << (7 * (used - 1))
            used += 1
            if buffer[used - 1] < 0x80:
                break
        if len(buffer) < used + length:
            break
        packets.append((buffer[0], bytes(buffer[used : used + length])))
        del buffer[: used + length]
    return packets


def test_the_receive_maximum_of_the_broker_is_honoured(tmp_path: Path) -> None:
    """A scripted broker that takes at most 5 at a time and acknowledges when the client waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = station_config(tmp_path / "state", port=listener.getsockname()[1])
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 2)
            connection, _ = listener.accept()
            with connection:
                # CONNACK with property 0x21, Receive Maximum = 5
                connection.sendall(bytes([0x20, 6, 0, 0, 3, 0x21, 0, 5]))
                buffer, under_way, seen = bytearray(), [], 0
                while seen < 20:
                    bodies = [body for kind, body in read_packets(connection, buffer) if kind & 2]
                    for body in bodies:
                        at = 2 + int.from_bytes(body[:2], "big")
                        connection.sendall(bytes([0x40, 2]) + body[at : at + 2])
                    events = sum(b"outfeed.gap/1" in body for body in bodies)
                    seen += events
                    under_way.append(events)
    assert seen == 20
    assert max(under_way) in (4, 5)  # 5 less the birth, where that is under way too


@needs_mosquitto
def test_only_one_uplink_per_folder(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        central = Central(config)
        with central.listening(), running(run_uplink, config):
            wait_for(lambda: central.causes == ["connected"], "the birth")
            with pytest.raises(JournalError, match="another uplink is running"):
                run_uplink(config, threading.Event())


@needs_mosquitto
def test_an_unreadable_journal_is_reported_once_and_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = station_config(tmp_path / "state", port=broker.port)
        config.paths.journal.write_bytes(b"no database" * 1000)
        central = Central(config)
        with central.listening(), running(run_uplink, config):
            wait_for(lambda: "uplink_cannot_read" in caplog.text, "a complaint")
            with open_journal(config) as journal:
                fill(journal, 1)
                wait_for(lambda: len(central.received) == 11, "11 events")
        assert caplog.text.count("uplink_cannot_read") == 1
        assert central.sequences == list(range(1, 12))
