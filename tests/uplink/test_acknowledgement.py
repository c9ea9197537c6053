"""A central system states what it has, on a real broker: what a broker lost is sent again."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from edge.config.station import StationConfig
from edge.events.event import GapEvent
from edge.events.payload import Topics
from edge.journal.cursor import read_cursor
from edge.receiver import JournalCoverage, Receiver, Subscriber, committed_statement
from edge.uplink import refill
from edge.uplink.client import make_client
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.journals import event, published
from tests.uplink.central import Central, fill, open_journal, running

pytestmark = needs_mosquitto


@pytest.fixture(autouse=True)
def _short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill, "GRACE_S", 0.3)
    monkeypatch.setattr(refill, "PROBE_S", 0.5)
    monkeypatch.setattr(refill, "LIVE_PROBE_S", 0.2)


class StatingCentral(Central):
    """A central system that states what it has received. It keeps that when it is away."""

    def __init__(self, config: StationConfig, receiver: Receiver | None = None) -> None:
        super().__init__(config)
        self.receiver = receiver or self.receiver
        self.subscriber = Subscriber(
            config.uplink,
            client_id="central",
            on_event=self.received.append,
            on_status=self.statuses.append,
            receiver=self.receiver,
            states_as="plant",
        )

    def complete_to(self) -> int:
        return max(
            (committed_statement(each).complete_to for each in self.receiver.coverage()), default=0
        )


def committed(config: StationConfig) -> int | None:
    position = read_cursor(config.paths.cursor)
    return position.committed if position else None


def with_broker(folder: Path, broker: Mosquitto, **uplink: Any) -> StationConfig:
    return station_config(folder / "state", port=broker.port, **uplink)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_events_that_no_one_received_arrive_when_central_comes(
    tmp_path: Path, protocol: str
) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker, protocol=protocol)
        with open_journal(config) as journal:
            fill(journal, 15)
            with running(run_uplink, config):
                wait_for(lambda: published(config) == 150, "the broker confirmed all, to no one")
                central = StatingCentral(config)
                with central.listening():
                    fill(journal, 1)  # the status of the uplink was retained before its first event
                    wait_for(lambda: central.complete_to() == 160, "all are there", 30)
                    wait_for(lambda: committed(config) == 160, "the station knows it", 30)
    assert sorted(central.sequences) == list(range(1, 161))


def test_a_broker_that_loses_everything_loses_nothing_of_central(tmp_path: Path) -> None:
    """Without persistence, killed with 100 events in the queue for central."""
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker)
        central = StatingCentral(config)
        with open_journal(config) as journal, running(run_uplink, config):
            with central.listening():
                fill(journal, 5)
                wait_for(lambda: committed(config) == 50, "50 are committed", 30)
            fill(journal, 10)
            wait_for(lambda: published(config) == 150, "the broker confirmed 150", 30)
            broker.stop(signal.SIGKILL)
            broker.start()
            with central.listening():
                wait_for(lambda: central.complete_to() == 150, "all are there", 30)
                wait_for(lambda: committed(config) == 150, "the station knows it", 30)
    assert sorted(central.sequences) == list(range(1, 151))


def test_a_database_that_was_restored_gets_the_events_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker)
        with open_journal(config) as journal, running(run_uplink, config):
            first = StatingCentral(config)
            with first.listening():
                fill(journal, 5)
                wait_for(lambda: committed(config) == 50, "50 are committed", 30)
            restored = StatingCentral(config)
            with restored.listening():
                wait_for(lambda: restored.complete_to() == 50, "all again", 30)
    assert sorted(restored.sequences) == list(range(1, 51))


def test_what_was_committed_stays_known_without_a_statement(tmp_path: Path) -> None:
    """The uplink starts again while central is away, and the broker has lost the statement."""
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker)
        with open_journal(config) as journal:
            with running(run_uplink, config):
                central = StatingCentral(config)
                with central.listening():
                    fill(journal, 1)
                    wait_for(lambda: committed(config) == 10, "10 are committed", 30)
            broker.stop(signal.SIGKILL)
            broker.start()
            with running(run_uplink, config):
                fill(journal, 2)
                wait_for(lambda: published(config) == 30, "the broker confirmed all", 30)
            assert committed(config) == 10
            position = read_cursor(config.paths.cursor)
            assert position is not None
            assert position.delivered == 10


def test_what_the_full_journal_removed_uncommitted_is_a_named_gap(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker)
        config = config.model_copy(
            update={"journal": config.journal.model_copy(update={"max_mb": 1.0})}
        )
        central = StatingCentral(config)
        with open_journal(config) as journal, running(run_uplink, config):
            with central.listening():
                fill(journal, 1)
                wait_for(lambda: committed(config) == 10, "10 are committed", 30)
            for last in range(260, 3011, 250):  # slower than the uplink: each row is published
                for _ in range(25):
                    journal.append([event(1, 500)] * 10)
                wait_for(lambda last=last: published(config) == last, f"{last} are confirmed", 60)
            wait_for(lambda: published(config) == 3010, "the broker confirmed all", 60)
            broker.stop(signal.SIGKILL)
            broker.start()
            with central.listening():
                wait_for(lambda: central.complete_to() == 3010, "all are accounted for", 60)
    assert len(central.sequences) == len(set(central.sequences))
    gaps = [
        one.event
        for one in central.received
        if isinstance(one.event, GapEvent) and one.event.first is not None
    ]
    assert {gap.reason for gap in gaps} == {
        "the journal was full of events that the central system had not committed"
    }
    named = {number for gap in gaps for number in range(gap.first or 0, (gap.last or 0) + 1)}
    assert named | set(central.sequences) == set(range(1, 3011))
    assert min(named) == 11


def test_with_the_broker_as_witness_nothing_is_sent_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker, acknowledged_by="broker")
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 5)
            wait_for(lambda: published(config) == 50, "the broker confirmed all, to no one", 30)
            central = StatingCentral(config)
            with central.listening():
                fill(journal, 1)
                wait_for(lambda: 60 in central.sequences, "the new ones", 30)
                with pytest.raises(pytest.fail.Exception):
                    wait_for(lambda: len(central.sequences) > 10, "old ones", 3)
    assert committed(config) is None


def test_statements_that_are_wrong_or_of_others_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker)
        with open_journal(config) as journal:
            topic = Topics(config.id).committed(journal.uuid)
            nothing = JournalCoverage(config.id, journal.uuid, 0, 0, (), ())
            good = committed_statement(nothing)
            liar = make_client(config.uplink, "liar", clean_session=True)
            liar.connect(config.uplink.host, config.uplink.port)
            liar.loop_start()
            with running(run_uplink, config):
                fill(journal, 5)
                wait_for(lambda: published(config) == 50, "the broker confirmed all", 30)
                for payload in (
                    b"<script>",
                    good.model_copy(update={"station": "press-4"}).model_dump_json().encode(),
                    b'{"type":"outfeed.committed/1"}',
                    b"x" * 200_000,
                ):
                    liar.publish(topic, payload, qos=1, retain=True).wait_for_publish(5)
                central = StatingCentral(config)
                with central.listening():
                    fill(journal, 1)
                    wait_for(lambda: central.complete_to() == 60, "all are there", 30)
            liar.disconnect()
            liar.loop_stop()
    ignored = [record for record in caplog.records if "statement_ignored" in record.message]
    assert ignored, caplog.text
    assert all("\n" not in record.message for record in ignored)


def test_events_are_sent_again_at_the_configured_rate(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_broker(tmp_path, broker, resend_rate_hz=0.2)
        with open_journal(config) as journal, running(run_uplink, config):
            fill(journal, 5)
            wait_for(lambda: published(config) == 50, "the broker confirmed all, to no one", 30)
            central = StatingCentral(config)
            with central.listening():
                fill(journal, 1)
                wait_for(lambda: 60 in central.sequences, "the new ones", 30)
                with pytest.raises(pytest.fail.Exception):
                    wait_for(lambda: len(central.sequences) > 20, "old ones at full speed", 4)
