"""Alarms, the retained messages, and the commands of bundles."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from central.__main__ import main
from central.alarms.service import AlarmService
from central.collector.collector import Collector
from central.collector.desired import DesiredPublisher
from central.config.alarms import AlarmsConfig
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.store.database import Database
from central.store.registry import Registry
from central.store.writer import BatchWriter
from edge.events.payload import Topics
from edge.updates.desired import read_desired
from edge.uplink.client import make_client
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.central_access import app_of, build_plant, fast_database, log_in_as
from tests.support.central_events import PREFIX, now_us, status
from tests.support.keys import TRUST
from tests.support.rollouts import (
    Reporter,
    folder_of,
    post_bundle,
    signed_bundle,
    start_by_api,
    stations_of,
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = fast_database(tmp_path)
    build_plant(opened)
    yield opened
    opened.close()


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Any:
    return app_of(database, bundles=folder_of(tmp_path / "bundles"), now_us=now_us)


@pytest.fixture
def quality(app: Any) -> TestClient:
    return log_in_as(app, "quality-everywhere")


def test_a_revert_raises_an_alarm_and_ends_with_the_next_bundle(
    quality: TestClient, database: Database
) -> None:
    post_bundle(quality, signed_bundle())
    number = start_by_api(quality, database)
    desired = stations_of(database, number)["alpha"].desired_id
    writer, reporter = BatchWriter(database, Registry(), prefix=PREFIX), Reporter()
    clock = [now_us()]
    alarms = AlarmService(
        database, AlarmsConfig(), disk=None, certificates=(), now_us=lambda: clock[0]
    )

    def open_alarms() -> list[tuple[str, str, str]]:
        for _ in range(2):
            clock[0] += 150_000_000
            alarms.evaluate()
        found = [each["alarm"] for each in quality.get("/api/alarms").json()]
        return [
            (one["rule"], one["severity"], one["message"])
            for one in found
            if one["rule"] == "update"
        ]

    assert open_alarms() == []
    writer.write([reporter.report("alpha", desired, "reverted", reason="UNKNOWN rate of 4 %")])
    text = "bundle dark-spots 1.0 was reverted: UNKNOWN rate of 4 %"
    assert open_alarms() == [("update", "critical", text)]
    writer.write([reporter.report("alpha", desired, "accepted")])
    assert open_alarms() == []
    writer.write([reporter.report("alpha", desired, "refused", reason="no space")])
    assert open_alarms() == [("update", "warning", "bundle dark-spots 1.0 was refused: no space")]


def test_hostile_reports_are_shown_as_text(quality: TestClient, database: Database) -> None:
    evil = "<script>alert(1)</script>"
    writer, reporter = BatchWriter(database, Registry(), prefix=PREFIX), Reporter()
    make = reporter.report
    writer.write(
        [
            make("alpha", "0" * 32, "refused", reason=evil, name=evil, running=evil, version=evil),
            make("alpha", evil, "refused", revision=1 << 70),
            make("alpha", "0" * 32, "refused", reason="\x00" * 3, sha256=evil),
            make("alpha", "0" * 32, "nonsense"),
        ]
    )
    page = quality.get("/stations/alpha/updates")
    assert page.status_code == 200
    assert evil not in page.text
    assert "&lt;script&gt;" in page.text
    assert evil not in quality.get("/fleet").text
    assert len(quality.get("/api/stations/alpha/updates").json()) == 2


def test_the_message_is_published_again_for_a_station_that_connects(
    quality: TestClient, database: Database
) -> None:
    sent: list[tuple[str, bytes]] = []
    clock = [now_us()]

    def publish(topic: str, payload: bytes) -> bool:
        sent.append((topic, payload))
        return True

    def make() -> DesiredPublisher:
        return DesiredPublisher(database, publish, prefix=PREFIX, now_us=lambda: clock[0])

    publisher = make()
    assert publisher.publish_due(0.0) == 0
    post_bundle(quality, signed_bundle())
    number = start_by_api(quality, database)
    assert publisher.publish_due(2.0) == 1
    assert publisher.publish_due(4.0) == 0
    publisher.add_stations(["alpha", "beta"])  # nothing was ever published to beta
    assert publisher.publish_due(4.0) == 1
    quality.post(f"/rollouts/{number}/end", data={"reason": "x"})
    assert publisher.publish_due(6.0) == 1
    assert {topic for topic, _ in sent} == {"outfeed/v1/alpha/desired"}
    assert read_desired(sent[0][1]).read().station == "alpha"
    assert [payload for _, payload in sent[1:]] == [sent[0][1], b""]
    # One that has just started removes what an earlier one may have left.
    later = make()
    later.add_stations(["alpha"])
    assert later.publish_due(0.0) == 1
    assert sent[-1][1] == b""


@needs_mosquitto
def test_a_broker_that_lost_everything_gets_the_messages_again(
    quality: TestClient, database: Database, tmp_path: Path
) -> None:
    post_bundle(quality, signed_bundle())
    start_by_api(quality, database)
    retained: list[bytes] = []
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker"))
        config = station_config(tmp_path / "state", port=broker.port)
        collector = Collector(
            database,
            BrokerConfig(kind="external", port=broker.port, retry_max_s=0.2).connection(),
            CollectorConfig(),
            RetentionConfig(),
        )
        stack.callback(collector.close)
        collector.start()

        def read() -> bool:
            """Read the retained message anew."""
            retained.clear()
            listener = make_client(config.uplink, "listener", clean_session=True)
            listener.on_message = lambda *each: retained.append(bytes(each[2].payload))
            try:
                listener.connect(config.uplink.host, config.uplink.port)
                listener.subscribe(Topics("alpha").desired, qos=1)
                listener.loop_start()
                deadline_s = time.monotonic() + 1
                while not retained and time.monotonic() < deadline_s:
                    time.sleep(0.02)
            except OSError:
                return False
            finally:
                listener.loop_stop()
                listener.disconnect()
            return bool(retained)

        wait_for(read, "the desired state", 60)
        first = retained[0]
        broker.stop()
        broker.start()  # without a disk
        assert collector.connection.wait_subscribed(30)
        station = make_client(config.uplink, "alpha", clean_session=True)
        wait_for(lambda: collector.connection.is_subscribed, "the collector", 30)
        station.connect(config.uplink.host, config.uplink.port)
        station.loop_start()
        stack.callback(station.loop_stop)
        message = status("alpha")

        def connects() -> bool:
            station.publish(message.topic, message.payload, qos=1)
            return read()

        wait_for(connects, "the desired state again", 60)
        assert retained[0] == first


def test_bundles_are_added_and_listed_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "central.toml"
    config.write_text(f'[bundles]\npath = "bundles"\nkeys = ["{TRUST}"]\n')
    bundle = tmp_path / "x.outfeed"
    bundle.write_bytes(signed_bundle())
    options = ("--config", str(config))
    assert main(["--quiet", "bundle", "add", str(bundle), *options]) == 0
    assert capsys.readouterr().out.startswith("dark-spots-1.0-")
    assert main(["--quiet", "bundle", "list", *options]) == 0
    assert capsys.readouterr().out.startswith("1\tdark-spots-1.0-")
    for words, status_, reason in (
        (["add", str(bundle), *options], 2, "is stored already"),
        (["add", str(tmp_path / "none"), *options], 2, "cannot be read: No such file"),
        (["add", str(config), *options], 1, "is damaged, altered or not a bundle"),
        (["add", str(bundle)], 78, "bundles.path: is missing"),
        (["serve"], 78, "bundles.path: is missing"),
    ):
        assert main(["--quiet", "bundle", *words]) == status_
        line = capsys.readouterr().err
        assert reason in line
        assert line.count("\n") == 1
