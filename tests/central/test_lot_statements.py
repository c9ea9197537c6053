"""Lots of line controllers: stored, repeated, late, contradicting and wrong statements."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy import select
from starlette.testclient import TestClient

from central.access.audit import Actor, audited, read_entries
from central.access.places import add_line, add_plant, assign_station
from central.collector.collector import Collector
from central.collector.lot_statements import LotReceiver, LotTopics
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.store import lot_messages
from central.store.database import Database
from central.store.lot_messages import read_statements
from central.store.lots import LotEntry, begin_lot, read_lot_of, read_lots
from central.store.message import BrokerMessage, parse_utc
from central.store.tables import stations
from central.store.writer import BatchWriter
from central.web.app import make_app
from edge.sim.broker import EmbeddedBroker
from tests.support.brokers import Mosquitto, needs_mosquitto, wait_for
from tests.support.central_events import PREFIX, now_us, status

TOPICS = LotTopics(PREFIX)
TOPIC = f"{PREFIX}/lines/Ulm/press line/lots"


@pytest.fixture
def line(database: Database, writer: BatchWriter) -> Database:
    """A line with two stations that have sent something, and one that has not."""
    writer.write([status("press-1"), status("press-2"), status("saw-1")])
    with audited(database, Actor("tester", "command line"), 1) as change:
        add_plant(change, "Ulm")
        add_line(change, "Ulm", "press line")
        for name in ("press-1", "press-2", "press-9"):
            assign_station(change, name, "Ulm", "press line")
    return database


class Controller:
    """A line controller without a broker. It keeps what is published to it."""

    def __init__(self, database: Database) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self._receiver = LotReceiver(database, self._publish, topics=TOPICS, central="central")

    def _publish(self, topic: str, payload: bytes) -> bool:
        self.published.append((topic, json.loads(payload)))
        return True

    def send(self, message_id: str = "1", topic: str = TOPIC, **changes: Any) -> tuple[str, str]:
        """Send a statement; return outcome and reason of the published answer."""
        keys = {
            "type": "outfeed.lot/1",
            "message_id": message_id,
            "action": "begin",
            "lot": "4711",
            "at": "2026-05-01T08:00:00Z",
            **changes,
        }
        return self.send_bytes(json.dumps(keys).encode(), topic)

    def send_bytes(self, payload: bytes, topic: str = TOPIC) -> tuple[str, str]:
        self._receiver.receive(BrokerMessage(topic, payload, now_us()))
        return self.published[-1][1]["outcome"], self.published[-1][1]["reason"]


@pytest.fixture
def controller(line: Database) -> Controller:
    return Controller(line)


def lot_at(database: Database, utc: str, station: str = "press-1") -> str:
    moment = parse_utc(utc)
    assert moment is not None
    with database.read() as connection:
        return read_lot_of(connection, station, moment)


def test_a_statement_is_stored_with_everything(line: Database, controller: Controller) -> None:
    named = {"order": "A-1", "product": "hinge", "note": "first shift"}
    assert controller.send(**named) == ("stored", "")
    with line.read() as connection:
        (window,) = read_lots(connection)
        entry = read_entries(connection, limit=1)[0]
        (kept,) = read_statements(connection, None)
        assert read_statements(connection, frozenset({"Ulm/other"})) == ()
    assert window.entry.stations == ("press-1", "press-2")
    assert (window.entry.order, window.entry.product, window.entry.note) == tuple(named.values())
    assert window.made_by == "Ulm/press line"
    assert (entry.who, entry.via, entry.action, entry.object) == (
        "Ulm/press line",
        "mqtt",
        "lot.begin",
        "4711",
    )
    assert (kept.outcome, kept.lot, kept.lot_id) == ("stored", "4711", window.number)
    topic, answer = controller.published[0]
    assert topic == f"{PREFIX}/lines/Ulm/press line/answers"
    assert answer["lot_number"] == window.number
    assert (answer["message_id"], answer["central"]) == ("1", "central")


def test_a_repeat_changes_nothing_and_a_contradiction_is_named(
    line: Database, controller: Controller
) -> None:
    assert controller.send() == ("stored", "")
    assert controller.send() == ("repeated", "")
    assert controller.published[1][1]["lot_number"] == controller.published[0][1]["lot_number"]
    assert controller.send(lot="4712") == (
        "refused",
        "another statement has this message_id already",
    )
    with line.read() as connection:
        assert len(read_lots(connection)) == 1
    # The same id of another line is another statement.
    assert controller.send(topic=f"{PREFIX}/lines/Ulm/saws/lots")[0] == "refused"
    assert "no line 'saws'" in controller.published[-1][1]["reason"]


def test_the_next_lot_ends_the_one_before_and_late_statements_follow_the_rules(
    line: Database, controller: Controller
) -> None:
    assert controller.send("1", lot="a", at="2026-05-01T08:00:00Z")[0] == "stored"
    assert controller.send("2", lot="b", at="2026-05-01T12:00:00+02:00")[0] == "stored"
    assert lot_at(line, "2026-05-01T09:59:59Z") == "a"
    assert lot_at(line, "2026-05-01T10:00:00Z", "press-2") == "b"
    # Late: the time before was free, and the end is stated.
    late = {"at": "2026-05-01T06:00:00Z", "until": "2026-05-01T08:00:00Z"}
    assert controller.send("3", lot="c", **late) == ("stored", "")
    assert lot_at(line, "2026-05-01T07:00:00Z") == "c"
    # Late, and in the time of another lot.
    assert controller.send("4", lot="d", at="2026-05-01T09:00:00Z") == (
        "refused",
        "press-1 works on another lot in this time",
    )
    with line.read() as connection:
        assert [each.outcome for each in read_statements(connection, None)] == [
            "refused",
            *["stored"] * 3,
        ]


def test_an_end_holds_for_the_named_stations(line: Database, controller: Controller) -> None:
    controller.send("1")
    end = {"action": "end", "at": "2026-05-01T09:00:00Z"}
    assert controller.send("2", stations=["press-2"], **end) == ("stored", "")
    assert lot_at(line, "2026-05-01T10:00:00Z", "press-2") == ""
    assert lot_at(line, "2026-05-01T10:00:00Z", "press-1") == "4711"
    with line.read() as connection:
        assert read_lots(connection)[0].entry.ended_us is None
    early = {**end, "at": "2026-05-01T07:00:00Z"}
    assert controller.send("3", **early) == ("refused", "the end is before the beginning")
    assert controller.send("4", **end) == ("stored", "")
    with line.read() as connection:
        assert read_lots(connection)[0].entry.ended_us == parse_utc("2026-05-01T09:00:00Z")
    assert controller.send("5", **end) == (
        "refused",
        "no station of the statement works on lot '4711' now",
    )


def test_a_refused_statement_may_be_right_later(line: Database, controller: Controller) -> None:
    stations_ = {"stations": ["saw-1"]}
    assert controller.send(**stations_) == ("refused", "'saw-1' is no station of this line")
    assert controller.send(**stations_)[0] == "refused"
    with audited(line, Actor("tester", "command line"), 1) as change:
        assign_station(change, "saw-1", "Ulm", "press line")
    assert controller.send(**stations_) == ("stored", "")
    assert controller.send(**stations_) == ("repeated", "")
    with line.read() as connection:
        assert [each.outcome for each in read_statements(connection, None)] == ["stored"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lot": ""}, "key 'lot'"),
        ({"lot": "x" * 101}, "key 'lot'"),
        ({"at": "yesterday"}, "expected a time with its zone"),
        ({"at": "2026-05-01T08:00:00"}, "expected a time with its zone"),
        ({"until": "2026-05-01T07:00:00Z"}, "the end is before the beginning"),
        ({"action": "end", "until": "2026-05-01T09:00:00Z"}, "until belongs to the action begin"),
        ({"action": "pause"}, "key 'action'"),
        ({"odrer": "A-1"}, "odrer"),
        ({"type": "outfeed.lot/2"}, "key 'type'"),
        ({"stations": ["press-9"]}, "there is no station 'press-9'"),
    ],
)
def test_a_wrong_statement_has_one_line(
    line: Database, controller: Controller, changes: dict[str, Any], reason: str
) -> None:
    outcome, why = controller.send(**changes)
    assert outcome == "refused"
    assert reason in why
    assert "\n" not in why
    assert controller.published[-1][1]["message_id"] == "1"
    with line.read() as connection:
        assert read_lots(connection) == ()


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b'{"message_id": 5}', b" " * 70_000])
def test_a_payload_that_is_no_statement_is_answered(controller: Controller, payload: bytes) -> None:
    assert controller.send_bytes(payload)[0] == "refused"
    assert controller.published[-1][1]["message_id"] == ""


def test_the_page_lists_statements_with_their_outcomes(
    line: Database, controller: Controller
) -> None:
    controller.send("m-1")
    controller.send("m-2", at="2026-05-01T07:00:00Z", lot="<b>")
    with TestClient(make_app(line), base_url="http://127.0.0.1:8480") as client:
        text = client.get("/lots").text
    assert "Latest statements of line controllers" in text
    assert "refused: press-1 works on another lot in this time" in text
    assert "&lt;b&gt;" in text
    assert text.index("m-2") < text.index("m-1")


def test_hostile_names_are_stored_as_text(line: Database, controller: Controller) -> None:
    assert controller.send(lot="<b>\0\ud800", order="';--")[0] in ("stored", "refused")
    assert controller.send("2", lot="next", at="2026-05-01T09:00:00Z") == ("stored", "")


def test_few_statements_are_kept(
    line: Database, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lot_messages, "MAX_KEPT", 3)
    for number in range(6):
        controller.send(str(number), at=f"2026-05-01T{10 + number}:00:00Z")
    with line.read() as connection:
        assert [each.message_id for each in read_statements(connection, None)] == ["5", "4", "3"]


def test_two_collectors_store_one_statement_once(line: Database) -> None:
    controllers = [Controller(line) for _ in range(4)]
    threads = [threading.Thread(target=each.send) for each in controllers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    outcomes = sorted(each.published[0][1]["outcome"] for each in controllers)
    assert outcomes == ["repeated", "repeated", "repeated", "stored"]
    with line.read() as connection:
        assert len(read_lots(connection)) == 1


def test_the_page_and_a_controller_do_not_overlap(line: Database, controller: Controller) -> None:
    began_us = parse_utc("2026-05-01T08:00:00Z")
    assert began_us is not None
    with line.write() as connection:
        begin_lot(connection, LotEntry("page", ("press-1",), began_us), "ada", 1)
    assert controller.send("1") == ("refused", "press-1 works on another lot in this time")
    assert controller.send("2", stations=["press-2"]) == ("stored", "")


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (TOPIC, ("Ulm", "press line")),
        (f"{PREFIX}/lines/Ulm/lots", None),
        (f"{PREFIX}/lines/a/b/answers", None),
        (f"{PREFIX}/press-1/events", None),
        ("other/v1/lines/a/b/lots", None),
        (f"{PREFIX}/lines/a/b/c/lots", None),
    ],
)
def test_the_topic_names_the_line(topic: str, expected: tuple[str, str] | None) -> None:
    assert TOPICS.line_of(topic) == expected


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=needs_mosquitto)])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a broker of each kind."""
    if request.param == "embedded":
        pytest.importorskip("iotcore", reason="the extra 'demo' is not installed")
        with EmbeddedBroker() as broker:
            yield broker.port
        return
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as mosquitto:
        yield mosquitto.port


def test_a_controller_at_a_broker_has_an_answer(line: Database, port: int) -> None:
    answers: list[dict[str, Any]] = []
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id="controller", protocol=MQTTProtocolVersion.MQTTv5
    )
    subscribed = threading.Event()
    client.on_connect = lambda *_: client.subscribe(TOPICS.answers("Ulm", "press line"), 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _data, got: answers.append(
        {**json.loads(got.payload), "retain": got.retain}
    )
    collector = Collector(
        line,
        BrokerConfig(kind="external", port=port, retry_max_s=0.2).connection(),
        CollectorConfig(statement_s=0.1),
        RetentionConfig(),
    )
    collector.start()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert collector.connection.wait_subscribed(20)
        assert subscribed.wait(20)
        body = {
            "type": "outfeed.lot/1",
            "message_id": "m-1",
            "action": "begin",
            "lot": "4711",
            "at": "2026-05-01T08:00:00Z",
        }
        for payload in (json.dumps(body), json.dumps(body), "no statement"):
            client.publish(TOPICS.of_line("Ulm", "press line"), payload, 1)
        wait_for(lambda: len(answers) == 3, "three answers")
        counts = collector.counts
    finally:
        client.disconnect()
        client.loop_stop()
        collector.close()
    assert [each["outcome"] for each in answers] == ["stored", "repeated", "refused"]
    assert [each["retain"] for each in answers] == [False] * 3
    assert [counts[f"lots_{each}"] for each in ("stored", "repeated", "refused")] == [1, 1, 1]
    with line.read() as connection:
        assert connection.execute(select(stations.c.name)).scalars().all()
        assert [each.entry.lot for each in read_lots(connection)] == ["4711"]
