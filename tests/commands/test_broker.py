"""Commands over a real Mosquitto to an uplink and the process for commands: what is refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edge.commands.message import (
    MAX_MESSAGE_BYTES,
    MarkAction,
    PictureAction,
    ResendAction,
    SignedCommand,
    commands_message,
)
from edge.commands.process import CommandProcess, run_commands
from edge.config.commands import CommandsConfig
from edge.config.station import StationConfig
from edge.config.trust import TrustConfig
from edge.events.command import CommandEvent
from edge.events.event import MarkEvent
from edge.events.payload import Topics
from edge.uplink.command_feed import CommandFeed, report_refusals
from edge.uplink.publisher import run_uplink
from tests.support.brokers import Mosquitto, needs_mosquitto, station_config, wait_for
from tests.support.commands import (
    OPERATOR,
    UNKNOWN_KEY,
    Recorder,
    command,
    place,
    public,
    publish,
)
from tests.uplink.central import Central, running

pytestmark = needs_mosquitto


class Plant:
    """A broker, an uplink, the process for commands, a journal, and a central system."""

    def __init__(self, config: StationConfig, broker: Mosquitto) -> None:
        self.config = config
        self.broker = broker
        self.recorder = Recorder(config)
        self.recorder.parts(9)
        self.central = Central(config)
        self.process = CommandProcess(config, repeat_grace_s=0)

    def send(self, payload: bytes, **options: Any) -> None:
        publish(self.config.uplink, self.config.id, payload, **options)

    def answers(self, signed: SignedCommand | None = None) -> list[CommandEvent]:
        events = [each.event for each in self.central.received]
        found = [each for each in events if isinstance(each, CommandEvent)]
        return [each for each in found if signed is None or each.command_id == signed.command_id]

    def states(self, signed: SignedCommand) -> list[str]:
        return [each.state for each in self.answers(signed)]


def with_commands(folder: Path, port: int, **uplink: Any) -> StationConfig:
    return station_config(folder / "state", port=port, **uplink).model_copy(
        update={
            "trust": TrustConfig(operator_keys=(public(OPERATOR),)),
            "commands": CommandsConfig(accept=("mark", "resend")),
        }
    )


@pytest.fixture(params=["5", "3.1.1"])
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plant]:
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(tmp_path / "broker"))
        config = with_commands(tmp_path, broker.port, protocol=request.param)
        plant = Plant(config, broker)
        stack.callback(plant.recorder.journal.close)
        stack.enter_context(plant.central.listening())
        stack.enter_context(running(plant.recorder.run))
        stack.enter_context(running(plant.process.run))
        stack.enter_context(running(run_uplink, config))
        yield plant


def forged(at: dict[str, str]) -> bytes:
    good = command(at)
    return commands_message([good.model_copy(update={"signature": "1" * 128})])


def altered(at: dict[str, str]) -> bytes:
    good = command(at)
    return commands_message([good.model_copy(update={"body": good.body.replace("false", "true")})])


def truncated(at: dict[str, str]) -> bytes:
    return commands_message([command(at)])[:-40]


def huge(at: dict[str, str]) -> bytes:
    return commands_message([command(at)]) + b" " * MAX_MESSAGE_BYTES


def wrong_type(at: dict[str, str]) -> bytes:
    return json.dumps({"type": "outfeed.commands/1", "commands": [{"body": 5}]}).encode()


def wrong_key(at: dict[str, str]) -> bytes:
    return commands_message([command(at, key=UNKNOWN_KEY)])


def foreign(at: dict[str, str]) -> bytes:
    return commands_message([command({**at, "station": "press-4"})])


def other_journal(at: dict[str, str]) -> bytes:
    return commands_message([command({**at, "journal": "x" * 36})])


def other_run(at: dict[str, str]) -> bytes:
    return commands_message([command({**at, "run": "0" * 16})])


def expired(at: dict[str, str]) -> bytes:
    return commands_message([command(at, expires=round(time.time()) - 5)])


def not_listed(at: dict[str, str]) -> bytes:
    return commands_message([command(at, PictureAction(part_id=1))])


def garbage(at: dict[str, str]) -> bytes:
    return bytes(range(256))


_REASONS: dict[Callable[[dict[str, str]], bytes], str] = {
    forged: "the signature does not fit the text",
    altered: "the signature does not fit the text",
    truncated: "not a message of commands",
    huge: "at most 49152 are read",
    wrong_type: "not a signed command",
    wrong_key: "is not in trust.operator_keys",
    foreign: "is for station 'press-4'",
    other_journal: "is for another journal",
    other_run: "names a run that this station does not know",
    expired: "expired",
    not_listed: "'picture' is not in commands.accept",
    garbage: "not a message of commands",
}


def _has_answers(plant: Plant, count: int) -> bool:
    return len(plant.answers()) >= count


def test_each_wrong_command_gets_one_line_and_one_event(
    plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    at = place(plant.config)
    for count, (make, reason) in enumerate(_REASONS.items(), 1):
        plant.send(make(at))
        wait_for(partial(_has_answers, plant, count), make.__name__, 60)
        answer = plant.answers()[-1]
        assert answer.state == "refused"
        assert reason in answer.reason, make.__name__
    lines = [each.message for each in caplog.records if each.message.startswith("command_")]
    assert len(lines) == len(plant.answers()) == len(_REASONS)
    assert all(line.startswith("command_refused ") for line in lines)
    good = command(at)  # nothing of this has used up a counter
    plant.send(commands_message([good]))
    wait_for(lambda: plant.states(good) == ["accepted", "done"], "a good one is done", 60)
    assert len(plant.recorder.events(MarkEvent)) == 1


def test_a_replayed_command_is_refused_once(plant: Plant) -> None:
    first, second = command(place(plant.config)), command(place(plant.config))
    plant.send(commands_message([first]))
    wait_for(lambda: plant.states(first) == ["accepted", "done"], "the first is done", 60)
    plant.send(commands_message([second]))
    wait_for(lambda: plant.states(second) == ["accepted", "done"], "the second is done", 60)
    plant.send(commands_message([first]), retain=False, name="someone-else")
    wait_for(lambda: len(plant.states(first)) == 3, "the repeat is answered", 60)
    assert plant.answers(first)[-1].state == "refused"
    assert plant.answers(first)[-1].reason.startswith("a repeat")
    assert len(plant.recorder.events(MarkEvent)) == 2


def test_events_are_sent_again(plant: Plant) -> None:
    wait_for(lambda: plant.central.has(9), "all events are there", 60)
    signed = command(place(plant.config), ResendAction(first=2, last=4))
    far = command(place(plant.config), ResendAction(first=5000, last=5001))
    repeats = plant.central.receiver.repeats
    plant.send(commands_message([signed, far]))
    wait_for(lambda: plant.states(signed) == ["accepted", "done"], "it is done", 60)
    wait_for(lambda: plant.states(far) == ["accepted", "failed"], "there is none of them", 60)
    assert plant.answers(signed)[-1].reason == "3 events were sent again"
    wait_for(lambda: plant.central.receiver.repeats >= repeats + 3, "the events came again", 60)
    assert plant.answers(far)[-1].reason.startswith("0 events were sent again; 2 numbers")


def test_a_retained_command_waits_for_the_station(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        config = with_commands(tmp_path, broker.port)
        recorder = Recorder(config)
        recorder.parts(1)
        signed = command(place(config), MarkAction(part_id=1, mark="look"))
        publish(config.uplink, config.id, commands_message([signed]))
        with running(recorder.run), running(run_commands, config), running(run_uplink, config):
            wait_for(lambda: len(recorder.events(CommandEvent)) == 2, "it is done", 60)
        # The same message arrives again at the next connect, and nothing is done twice.
        with running(recorder.run), running(run_commands, config), running(run_uplink, config):
            wait_for(lambda: not list(config.paths.received_commands.iterdir()), "it is read", 60)
        assert len(recorder.events(MarkEvent)) == 1
        recorder.journal.close()


class _Client:
    """A client that numbers its subscriptions."""

    def __init__(self) -> None:
        self.on_subscribe: Any = None
        self.number = 6

    def message_callback_add(self, topic: str, callback: Any) -> None: ...

    def subscribe(self, topic: str, qos: int) -> tuple[int, int]:
        self.number += 1
        return 0, self.number


def test_a_refused_subscription_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    client: Any = _Client()
    feed = CommandFeed(client, Topics("press-3").commands)
    feed.follow()
    feed.follow()
    assert client.number == 7
    report_refusals(client, feed)
    refused = ReasonCode(PacketTypes.SUBACK, "Not authorized")
    client.on_subscribe(client, None, 8, [refused], None)
    client.on_subscribe(client, None, 7, [ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")], None)
    assert not caplog.records
    client.on_subscribe(client, None, 7, [refused], None)
    (line,) = caplog.records
    assert line.message.startswith("topic_refused topic=outfeed/v1/press-3/commands reas")


def test_without_accepted_kinds_the_station_subscribes_to_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path / "broker", "log_type subscribe", "log_type notice") as broker:
        config = with_commands(tmp_path, broker.port)
        config = config.model_copy(update={"commands": CommandsConfig()})
        recorder = Recorder(config)
        recorder.parts(1)
        signed = command(place(config))
        publish(config.uplink, config.id, commands_message([signed]))
        central = Central(config)
        with central.listening(), running(run_uplink, config):
            wait_for(lambda: central.has(1), "the event is published", 60)
        assert not config.paths.received_commands.exists()
        assert "press-3/commands" not in broker.log()
        recorder.journal.close()
