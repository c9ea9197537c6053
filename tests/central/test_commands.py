"""Commands at the central system: asked for, signed elsewhere, published, answered."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from central.__main__ import main
from central.access.audit import verify
from central.access.commands import MAX_DAYS, settle
from central.collector.collector import Collector
from central.collector.commands import CommandPublisher
from central.config.sections import BrokerConfig, CollectorConfig, RetentionConfig
from central.store.access_tables import audit
from central.store.command_tables import command_answers, commands
from central.store.commands import read_commands
from central.store.database import Database
from central.store.writer import BatchWriter
from central.web.app import LOCAL_WEB
from edge.bundle.keys import write_key_pair
from edge.commands.message import MAX_COMMANDS, ResendAction, SignedCommand, split_message
from edge.commands.process import run_commands
from edge.config.commands import CommandsConfig
from edge.config.trust import TrustConfig
from edge.events.event import MarkEvent
from edge.events.payload import Topics
from edge.events.start import start_event
from edge.uplink.client import make_client
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.central_access import app_of, client_for
from tests.support.central_events import JOURNAL, RUN, count, message, now_us, rows
from tests.support.commands import Recorder, command
from tests.uplink.central import running

PLACE = {"station": "press-3", "journal": JOURNAL, "run": RUN}
MARK = {"kind": "mark", "part_id": 2, "mark": "false-reject", "note": "a shadow"}
Sign = Callable[..., tuple[int, str, str]]


def started(sequence: int = 1, **changes: Any) -> Any:
    body = start_event("press-3", "b", first_part=1, last_end="first", last_run=None)
    return message(sequence, "outfeed.start/1", **{**body.model_dump(), **changes})


def answered(sequence: int, signed: SignedCommand, state: str, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "command_id": signed.command_id,
        "kind": "mark",
        "state": state,
        "reason": f"because {state}",
        "key": "0" * 16,
        "counter": 1,
        "decided_utc": "2026-11-30T12:00:00.000000Z",
    }
    return message(sequence, "outfeed.answer/1", **{**fields, **changes})


def browser_of(database: Database) -> TestClient:
    return client_for(app_of(database, LOCAL_WEB, now_us=now_us))


@pytest.fixture
def browser(database: Database, writer: BatchWriter) -> TestClient:
    """A browser of a local user; the station press-3 has started."""
    writer.write([started()])
    return browser_of(database)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private, _, _ = write_key_pair(tmp_path / "ada")
    return private


@pytest.fixture
def sign(capsys: pytest.CaptureFixture[str]) -> Sign:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["--quiet", "command", "sign", *map(str, arguments)])
        found = capsys.readouterr()
        return status, found.out, found.err

    return call


def actions(database: Database) -> list[str]:
    with database.read() as connection:
        verify(connection)
        statement = select(audit.c.action).where(audit.c.action.like("command.%"))
        return list(connection.execute(statement.order_by(audit.c.sequence)).scalars())


def post_signed(browser: TestClient, signed: SignedCommand, station: str = "press-3") -> Any:
    return browser.post(f"/api/stations/{station}/signed-commands", json=signed.model_dump())


def state_of(database: Database) -> tuple[str, str]:
    with database.read() as connection:
        (found,) = read_commands(connection, "press-3", now_us())
    return found.state, found.answer


@needs_mosquitto
def test_from_the_page_to_the_journal_and_back(
    database: Database, tmp_path: Path, key: Path, sign: Sign
) -> None:
    """A person asks, another machine signs, the station answers, and the message is removed."""
    retained: list[bytes] = []
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker"))
        config = station_config(tmp_path / "state", port=broker.port).model_copy(
            update={
                "trust": TrustConfig(operator_keys=(key.with_suffix(".pub"),)),
                "commands": CommandsConfig(accept=("mark", "resend")),
            }
        )
        recorder = Recorder(config)
        stack.callback(recorder.journal.close)
        first = start_event(config.id, "b", first_part=1, last_end="first", last_run=None)
        recorder.journal.append([first])
        recorder.parts(3)
        collector = Collector(
            database,
            BrokerConfig(kind="external", port=broker.port, retry_max_s=0.2).connection(),
            CollectorConfig(statement_s=0.1),
            RetentionConfig(),
        )
        stack.callback(collector.close)
        collector.start()
        listener = make_client(config.uplink, "listener", clean_session=True)
        listener.on_message = lambda *each: retained.append(bytes(each[2].payload))
        listener.connect(config.uplink.host, config.uplink.port)
        listener.subscribe(Topics(config.id).commands, qos=1)
        listener.loop_start()
        stack.callback(listener.loop_stop)
        for part in (recorder.run,):
            stack.enter_context(running(part))
        for run in (run_commands, run_uplink):
            stack.enter_context(running(run, config))
        wait_for(lambda: count(database, commands.metadata.tables["parts"]) == 3, "parts", 60)

        _send_by_page(browser_of(database), database, key, sign, tmp_path / "command-1.json")
        wait_for(lambda: state_of(database) == ("done", "part 2 is marked"), "it is done", 60)
        wait_for(lambda: len(retained) >= 2, "the retained message is removed", 60)

    assert len(split_message(retained[0])) == 1
    assert retained[-1] == b""
    (mark,) = recorder.events(MarkEvent)
    assert (mark.part_id, mark.mark, mark.note) == (2, "escape", "hole")
    assert rows(database, commands.metadata.tables["marks"], "part_id", "mark") == [(2, "escape")]
    assert actions(database)[:2] == ["command.asked", "command.signed"]
    assert actions(database)[-1] == "command.done"
    page = browser_of(database).get("/stations/press-3/commands").text
    assert "part 2 is marked" in page
    assert "accepted" in page


def _send_by_page(
    browser: TestClient, database: Database, key: Path, sign: Sign, unsigned: Path
) -> None:
    """Ask on the page, sign on the command line, and send the result on the page."""
    form = {"kind": "mark", "part": "2", "mark": "escape", "note": "hole", "days": "7"}
    assert browser.post("/stations/press-3/commands", data=form).status_code == 303
    assert state_of(database)[0] == "waiting"
    unsigned.write_text(browser.get("/api/stations/press-3/commands/1/unsigned").text)
    status, text, line = sign(unsigned, "--key", key)
    assert status == 0
    assert line.startswith("signed for station press-3, for 7.0 days: {")
    answer = browser.post("/stations/press-3/commands/signed", data={"signed": text})
    assert answer.status_code == 303, answer.text


def test_the_answers_of_a_station_change_the_state(
    database: Database, writer: BatchWriter, browser: TestClient
) -> None:
    signed = command(PLACE)
    assert post_signed(browser, signed).status_code == 201
    assert settle(database, now_us()) == 0
    # An answer of another station, and one to another command,, changes nothing.
    writer.write([started(station="press-4"), answered(2, signed, "done", station="press-4")])
    writer.write([answered(2, command(PLACE), "refused")])
    assert settle(database, now_us()) == 0
    for sequence, state, expected in (
        (3, "accepted", "accepted"),
        (4, "refused", "accepted"),  # of a repeat
        (5, "done", "done"),
        (6, "failed", "done"),
    ):
        writer.write([answered(sequence, signed, state)])
        settle(database, now_us())
        assert state_of(database) == (expected, f"because {expected}")
    assert settle(database, now_us()) == 0
    assert actions(database) == ["command.signed", "command.accepted", "command.done"]


def test_an_answer_that_was_journalled_twice_is_stored_once(
    database: Database, writer: BatchWriter, browser: TestClient
) -> None:
    signed = command(PLACE)
    writer.write([answered(2, signed, "done"), answered(3, signed, "done")])
    assert count(database, command_answers) == 1


def test_a_signed_command_of_another_origin_is_published_too(
    database: Database, browser: TestClient
) -> None:
    signed = command(PLACE, ResendAction(first=1, last=5))
    assert post_signed(browser, signed).json() == {"number": 1}
    (listed,) = browser.get("/api/stations/press-3/commands").json()
    assert (listed["kind"], listed["state"]) == ("resend", "signed")
    assert listed["command_id"] == signed.command_id


def test_what_cannot_be_sent_is_one_line(database: Database, browser: TestClient) -> None:
    good = command(PLACE)
    for signed, reason in (
        (command({**PLACE, "station": "press-4"}), "is for station 'press-4', not for 'press-3'"),
        (good.model_copy(update={"signature": "0" * 128}), "the signature does not fit the text"),
        (good.model_copy(update={"body": "{}"}), "the signed text is no command"),
        (command(PLACE, expires=round(time.time()) - 1), "the command has expired"),
    ):
        answer = post_signed(browser, signed)
        assert answer.status_code == 422
        assert reason in answer.json()["detail"]
    assert post_signed(browser, good).status_code == 201
    assert "is stored already, as number 1" in post_signed(browser, good).json()["detail"]
    assert actions(database) == ["command.signed"]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"kind": "output", "part": "1"}, "kind: expected mark, resend or picture"),
        ({"kind": "mark", "part": "x"}, "part: expected a whole number"),
        ({"kind": "mark", "part": "0", "mark": "look"}, "part_id"),
        ({"kind": "mark", "part": "1", "mark": "self-test"}, "mark"),
        ({"kind": "resend", "first": "9", "last": "1"}, "resend takes 1 to"),
        ({"kind": "picture", "part": "1", "days": "0"}, f"days: expected 1 to {MAX_DAYS}"),
        ({"kind": "picture", "part": "1", "days": "99"}, f"days: expected 1 to {MAX_DAYS}"),
        ({"kind": "picture", "part": "9" * 16}, "part: expected a whole number"),
    ],
)
def test_a_wrong_form_shows_its_fault(
    database: Database, browser: TestClient, form: dict[str, str], reason: str
) -> None:
    answer = browser.post("/stations/press-3/commands", data={"days": "7", "note": "", **form})
    assert answer.status_code == 422
    assert reason in answer.text
    assert count(database, commands) == 0


def test_a_station_without_a_start_cannot_be_commanded(
    database: Database, writer: BatchWriter
) -> None:
    writer.write([message(1)])
    browser = browser_of(database)
    answer = browser.post("/api/stations/press-3/commands", json={"action": MARK})
    assert answer.status_code == 422
    assert "has sent no start event yet" in answer.json()["detail"]


def test_a_command_is_withdrawn(database: Database, browser: TestClient) -> None:
    post_signed(browser, command(PLACE))
    assert browser.post("/stations/press-3/commands/1/withdraw").status_code == 303
    assert state_of(database)[0] == "withdrawn"
    answer = browser.post("/stations/press-3/commands/1/withdraw")
    assert answer.status_code == 422
    assert "has no open command 1" in answer.text
    assert actions(database) == ["command.signed", "command.withdrawn"]


def test_a_station_has_at_most_a_messages_worth_of_open_commands(
    database: Database, browser: TestClient
) -> None:
    for _ in range(MAX_COMMANDS):
        assert browser.post("/api/stations/press-3/commands", json={"action": MARK}).is_success
    answer = browser.post("/api/stations/press-3/commands", json={"action": MARK})
    assert answer.status_code == 422
    assert f"has {MAX_COMMANDS} open commands already" in answer.json()["detail"]


def test_the_message_is_published_again_for_a_station_that_connects(
    database: Database, browser: TestClient
) -> None:
    sent: list[tuple[str, bytes]] = []
    works = [False]

    def publish(topic: str, payload: bytes) -> bool:
        if works[0]:
            sent.append((topic, payload))
        return works[0]

    clock = [now_us()]
    publisher = CommandPublisher(database, publish, prefix="outfeed/v1", now_us=lambda: clock[0])
    assert publisher.publish_due(0.0) == 0
    old, new = command(PLACE, counter=round(time.time() * 1e6) - 9), command(PLACE)
    post_signed(browser, new)
    post_signed(browser, old)
    assert publisher.publish_due(2.0) == 0  # no connection
    works[0] = True
    assert publisher.publish_due(4.0) == 1
    assert publisher.publish_due(4.5) == 0  # once a second
    assert publisher.publish_due(6.0) == 0  # the same message
    publisher.add_stations(["press-3", "press-9"])
    assert publisher.publish_due(6.0) == 1
    clock[0] += 7_200_000_000  # both have expired
    assert publisher.publish_due(8.0) == 1
    assert publisher.publish_due(10.0) == 0
    assert {topic for topic, _ in sent} == {"outfeed/v1/press-3/commands"}
    listed = [json.loads(each)["body"] for each in split_message(sent[0][1])]
    assert listed == [old.body, new.body]  # ascending by counter
    assert sent[1][1] == sent[0][1]
    assert sent[2][1] == b""
    # A publisher that has just started removes what an earlier one may have left.
    later = CommandPublisher(database, publish, prefix="outfeed/v1", now_us=lambda: clock[0])
    later.add_stations(["press-3"])
    assert later.publish_due(0.0) == 1
    assert sent[3][1] == b""


def test_hostile_answers_are_shown_as_text(
    database: Database, writer: BatchWriter, browser: TestClient
) -> None:
    evil = "<script>alert(1)</script>"
    writer.write(
        [
            answered(2, command(PLACE), "refused", reason=evil, kind=evil, key=evil),
            answered(3, command(PLACE), "refused", counter=1 << 70),
            answered(4, command(PLACE), "refused", more="x"),
        ]
    )
    page = browser.get("/stations/press-3/commands")
    assert page.status_code == 200
    assert evil not in page.text
    assert "&lt;script&gt;" in page.text
    assert count(database, command_answers) == 1


def test_signing_faults_are_one_line(tmp_path: Path, key: Path, sign: Sign) -> None:
    good = {"station": "s", "journal": "j", "run": "a", "expires": 1_900_000_000, "action": MARK}
    file = tmp_path / "c.json"
    for content, reason in (
        ("{", "is no JSON"),
        ("[]", "expected the file of a command that is not signed yet"),
        (json.dumps({**good, "counter": 5}), "expected the file of a command that is not signed"),
        (json.dumps({**good, "output": 1}), "unknown key 'output'"),
        (json.dumps({**good, "action": {"kind": "output"}}), "key 'action'"),
        (json.dumps({**good, "expires": 0}), "key 'expires'"),
    ):
        file.write_text(content)
        status, out, line = sign(file, "--key", key)
        assert (status, out) == (2, "")
        assert line.startswith(f"outfeed-central: {file}: ")
        assert reason in line
        assert line.count("\n") == 1
    file.write_text(json.dumps(good))
    assert sign(tmp_path / "none", "--key", key)[0] == 2
    status, _, line = sign(file, "--key", key.with_suffix(".pub"))
    assert status == 1
    assert "is a public key" in line
    status, _, line = sign(file, "--key", key, "--out", tmp_path / "no" / "folder")
    assert status == 2
    assert "--out" in line


def test_a_key_with_a_passphrase_signs_to_a_file(
    tmp_path: Path, sign: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, _, known = write_key_pair(tmp_path / "eve", b"secret words")
    good = {"station": "s", "journal": "j", "run": "a", "expires": 1_900_000_000, "action": MARK}
    file, words = tmp_path / "c.json", tmp_path / "words"
    file.write_text(json.dumps(good))
    words.write_text("secret words\n")
    out = tmp_path / "signed.json"
    assert sign(file, "--key", private, "--passphrase-file", words, "--out", out)[0] == 0
    signed = SignedCommand.model_validate_json(out.read_text())
    assert signed.is_signed()
    assert signed.key == known
    assert signed.read().action.model_dump() == MARK
    monkeypatch.setattr("sys.stdin", io.StringIO())
    status, _, line = sign(file, "--key", private)
    assert status == 1
    assert "is encrypted; --passphrase-file is missing" in line
