"""Alarms in a database: evaluation, outbox, webhook and mail with real servers."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bench.central_plant import HOUR_US, fill_plant
from central.alarms.evaluation import evaluate
from central.alarms.outbox import (
    MAX_ATTEMPTS,
    OutboxMessage,
    forget_done,
    pause_us,
    read_outbox,
    settle,
    take_due,
)
from central.alarms.records import (
    Mute,
    acknowledge_alarm,
    add_mute,
    end_mute,
    read_alarms,
    read_mutes,
    read_values,
    write_value,
)
from central.alarms.rules import DEFAULTS, CentralFacts
from central.alarms.service import AlarmService
from central.config.alarms import AlarmsConfig
from central.figures.charts import FrozenLimits
from central.store.database import Database
from central.store.judgements import JudgementError, PartReview, write_limits, write_review
from central.store.plant_tables import cusums, outbox
from central.store.tables import rollups, stations
from tests.support.brokers import free_port

NOW = 1_800_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
def plant(database: Database) -> Database:
    fill_plant(database, NOW, names=("press-1",), hours=3, per_minute=10)
    return database


def run(
    database: Database, second: int, channels: tuple[str, ...] = ("webhook",)
) -> dict[str, int]:
    return dict(evaluate(database, CentralFacts(), channels, NOW + second * SECOND))


def rules(database: Database, **options: Any) -> list[tuple[str, str]]:
    with database.read() as connection:
        found = read_alarms(connection, **options)
    return [(each.alarm.rule, each.alarm.state) for each in found]


def keys(database: Database) -> list[str]:
    with database.read() as connection:
        return [
            json.loads(each)["change"]
            for each in connection.execute(select(outbox.c.payload).order_by(outbox.c.id)).scalars()
        ]


def test_a_silent_station_from_the_first_sign_to_the_end(plant: Database) -> None:
    # Its last message is 2 s old. The drift of the plant is an alarm too.
    assert run(plant, 0) == {}
    assert run(plant, 400) == {"firing": 1}
    assert run(plant, 440) == {"firing": 1}
    assert rules(plant) == [("silent", "firing"), ("drift", "firing")]
    assert run(plant, 450) == {}
    with plant.write() as connection:
        connection.execute(update(stations).values(seen_us=NOW + 500 * SECOND))
    assert run(plant, 510) == {}
    assert run(plant, 600) == {"resolved": 1}
    assert rules(plant) == [("drift", "firing")]
    assert rules(plant, is_open=False) == [("silent", "resolved")]
    assert keys(plant) == ["firing", "firing", "resolved"]


def test_alarms_are_those_of_the_named_stations(plant: Database) -> None:
    run(plant, 400)
    run(plant, 440)
    with plant.read() as connection:
        assert len(read_alarms(connection, frozenset({"press-1"}))) == 2
        assert read_alarms(connection, frozenset()) == ()


def test_people_acknowledge_and_mute(plant: Database) -> None:
    with plant.write() as connection:
        mute = Mute(0, "silent", "press-1", NOW + HOUR_US, "maintenance", "ada")
        add_mute(connection, mute, NOW)
    run(plant, 400)
    run(plant, 440)
    assert keys(plant) == ["firing"]  # of the drift
    with plant.read() as connection:
        number = read_alarms(connection)[0].alarm.number
        (known,) = read_mutes(connection, NOW)
    assert number is not None
    with plant.write() as connection:
        acknowledge_alarm(connection, number, "ada", "I look", NOW)
        end_mute(connection, known.number, NOW + 450 * SECOND)
    assert rules(plant)[1] == ("silent", "acknowledged")
    with plant.write() as connection, pytest.raises(JudgementError, match="only a firing one"):
        acknowledge_alarm(connection, number, "bob", "", NOW)
    with plant.read() as connection:
        assert read_mutes(connection, NOW + 451 * SECOND) == ()


@pytest.mark.parametrize(
    ("rule", "station", "hours", "reason"),
    [
        ("none", "", 1, "why"),
        ("silent", "nowhere", 1, "why"),
        ("silent", "", 1, " "),
        ("silent", "", 0, "why"),
        ("silent", "", 800, "why"),
    ],
)
def test_a_wrong_mute_is_refused(
    plant: Database, rule: str, station: str, hours: int, reason: str
) -> None:
    with plant.write() as connection, pytest.raises(JudgementError):
        add_mute(connection, Mute(0, rule, station, NOW + hours * HOUR_US, reason, "ada"), NOW)


def test_a_review_as_an_escape_is_an_alarm_until_it_is_corrected(plant: Database) -> None:
    with plant.write() as connection:
        write_review(connection, "press-1", 5, PartReview("escape", "", "ada", NOW))
        write_value(connection, "alarm.pending", 0, "ada", NOW)
    run(plant, 0)
    assert ("escape", "firing") in rules(plant)


def test_values_are_those_of_the_last_change(plant: Database) -> None:
    with plant.write() as connection:
        write_value(connection, "reject.limit", 30, "ada", NOW)
        write_value(connection, "reject.limit", 3, "ada", NOW)
        with pytest.raises(JudgementError, match="expected"):
            write_value(connection, "reject.limit", -1, "ada", NOW)
        assert read_values(connection) == {**DEFAULTS, "reject.limit": 3}


def test_a_rise_above_frozen_limits_is_found_by_cusum(plant: Database) -> None:
    with plant.write() as connection:
        limits = FrozenLimits(0.02, 1.0, 20)
        write_limits(connection, "press-1", "textures-2", limits, (0, NOW), "ada", NOW)
        write_value(connection, "alarm.pending", 0, "ada", NOW)
        write_value(connection, "cusum.days", 1, "ada", NOW)
    run(plant, 0)
    with plant.read() as connection:
        (first,) = connection.execute(select(cusums)).all()
    # 10 parts a minute, of which one is rejected: five times the frozen rate.
    minute = NOW // 60_000_000
    with plant.write() as connection:
        for later in range(1, 60):
            row = {"station_id": 1, "minute": minute + later, "bundle": "textures-2"}
            connection.execute(rollups.insert().values(**row, inspected=10, passed=9, rejected=1))
    run(plant, 3600)
    assert ("reject-shift", "firing") in rules(plant)
    with plant.read() as connection:
        (later_row,) = connection.execute(select(cusums)).all()
    assert later_row.minute == minute + 58 > first.minute
    # Released limits end the sum, and the alarm with it.
    with plant.write() as connection:
        write_limits(connection, "press-1", "textures-2", None, (0, NOW), "ada", NOW)
    run(plant, 3700)
    run(plant, 4000)
    assert ("reject-shift", "firing") not in rules(plant)


def test_an_evaluation_stores_alarm_and_message_together_or_not_at_all(
    plant: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(plant, 400)

    def fail(*arguments: object) -> None:
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("central.alarms.evaluation.add_notices", fail)
        with pytest.raises(KeyError):
            run(plant, 440)
    assert ("silent", "firing") not in rules(plant)
    run(plant, 441)
    assert ("silent", "firing") in rules(plant)
    assert keys(plant) == ["firing", "firing"]


def test_a_message_that_a_killed_process_took_is_taken_again(plant: Database) -> None:
    run(plant, 400)
    run(plant, 440)
    now_us = NOW + 500 * SECOND
    first = take_due(plant, now_us)
    assert len(first) == 2
    assert take_due(plant, now_us) == ()  # another process sends them
    again = take_due(plant, now_us + 121 * SECOND)
    assert {each.key for each in again} == {each.key for each in first}
    for each in again:
        settle(plant, each, "", now_us)
    assert take_due(plant, now_us + 10**12) == ()
    forget_done(plant, now_us + 1)
    with plant.read() as connection:
        assert connection.execute(select(func.count()).select_from(outbox)).scalar() == 0


def test_pauses_grow_and_end(plant: Database) -> None:
    run(plant, 400)
    run(plant, 440, ("mail",))
    assert [pause_us(n) // SECOND for n in (0, 1, 2, 9, 10, 39)] == [5, 10, 20, 2560, 3600, 3600]
    now_us = NOW + 500 * SECOND
    for _ in range(MAX_ATTEMPTS):
        found = take_due(plant, now_us)
        assert found
        for each in found:
            settle(plant, each, "mail: refused", now_us)
        now_us += 3_601 * SECOND
    assert take_due(plant, now_us) == ()
    with plant.read() as connection:
        state = read_outbox(connection)
    assert (state.waiting, state.given_up, state.last_fault) == (0, 2, "mail: refused")


class Webhook:
    """A receiver of webhooks that answers with a chosen status and keeps what it received."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[dict[str, str], bytes]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                owner.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(owner.status)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?line=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    receiver = Webhook()
    yield receiver
    receiver.close()


class Clock:
    def __init__(self) -> None:
        self.us = NOW

    def __call__(self) -> int:
        return self.us


def service(database: Database, config: AlarmsConfig, clock: Clock) -> AlarmService:
    return AlarmService(database, config, disk=None, certificates=(), now_us=clock)


def test_a_webhook_is_signed_and_sent_until_it_is_accepted(
    plant: Database, webhook: Webhook, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("geheim\n")
    clock = Clock()
    own = service(plant, AlarmsConfig(webhook_url=webhook.url, webhook_secret_file=secret), clock)
    webhook.status = 503
    for second in (400, 440):
        clock.us = NOW + second * SECOND
        own.evaluate()
    own.send()
    assert len(webhook.received) == 2
    own.send()  # not due yet
    assert len(webhook.received) == 2
    webhook.status = 204
    clock.us += 6 * SECOND
    own.send()
    clock.us += 10**12
    own.send()
    assert len(webhook.received) == 4
    ids = [headers["idempotency-key"] for headers, _ in webhook.received]
    assert sorted(ids[:2]) == sorted(ids[2:])
    headers, body = webhook.received[-1]
    stamp, _, given = headers["outfeed-signature"].removeprefix("t=").partition(",v1=")
    wanted = hmac.new(b"geheim", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert given == wanted
    assert int(stamp) == (NOW + 446 * SECOND) // SECOND
    assert json.loads(body)["station"] == "press-1"


def test_a_missing_secret_or_server_is_tried_again(plant: Database, tmp_path: Path) -> None:
    clock = Clock()
    config = AlarmsConfig(webhook_url="http://127.0.0.1:9/", webhook_secret_file=tmp_path / "none")
    own = service(plant, config, clock)
    for second in (400, 440):
        clock.us = NOW + second * SECOND
        own.evaluate()
    own.send()
    with plant.read() as connection:
        state = read_outbox(connection)
    assert state.waiting == 2
    assert "none: cannot be read" in state.last_fault


def test_mail_goes_to_its_receivers_and_escalations_to_more(plant: Database) -> None:
    controllers = pytest.importorskip("aiosmtpd.controller")
    received: list[Any] = []

    class Handler:
        async def handle_DATA(  # noqa: N802
            self, server: object, session: object, envelope: Any
        ) -> str:
            received.append(envelope)
            return "250 taken"

    controller = controllers.Controller(Handler(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        clock = Clock()
        config = AlarmsConfig(
            mail_host="127.0.0.1",
            mail_port=controller.port,
            mail_from="outfeed@example.com",
            mail_to=("ada@example.com",),
            escalate_to=("boss@example.com",),
        )
        own = service(plant, config, clock)
        for second in (400, 440, 440 + 1800):
            clock.us = NOW + second * SECOND
            own.evaluate()
        clock.us += SECOND
        own.send()
    finally:
        controller.stop()
    changes = [(each.rcpt_tos, each.content.decode()) for each in received]
    assert sorted(len(to) for to, _ in changes) == [1, 1, 2, 2]
    to, text = changes[-1]
    assert to == ["ada@example.com", "boss@example.com"]
    assert "Subject: [Outfeed] escalated: " in text
    assert "press-1" in text
    assert all(each.mail_from == "outfeed@example.com" for each in received)


def test_hostile_texts_make_no_header_of_a_mail() -> None:
    from central.alarms.delivery import make_mail

    config = AlarmsConfig(mail_host="m", mail_to=("ada@example.com",))
    payload = {
        "change": "firing",
        "rule": "silent",
        "station": "x\r\nBcc: eve@example.com",
        "severity": "critical",
        "message": "a\r\n.\r\nMAIL FROM",
        "since_us": NOW,
        "at_us": NOW,
        "alarm": 1,
    }
    mail = make_mail(config, OutboxMessage(1, "key", "mail", json.dumps(payload), 0))
    assert mail["Bcc"] is None
    assert "\n" not in str(mail["Subject"])
