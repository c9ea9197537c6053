"""Signed commands by a real broker to a real station, from the message to the journal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.commands.message import (
    MarkAction,
    ResendAction,
    SignedCommand,
    commands_message,
)
from edge.config.station import StationConfig, load_config
from edge.events.command import CommandEvent
from edge.events.event import MarkEvent
from tests.cli.conftest import Outfeed
from tests.support.brokers import Mosquitto, needs_mosquitto
from tests.support.brokers import wait_for as wait_within
from tests.support.commands import command, place, publish, with_commands
from tests.support.station_runs import events

pytestmark = needs_mosquitto


def wait_for(condition: Callable[[], object], what: str) -> None:
    wait_within(condition, what, 120)


Configure = Callable[..., Path]


@contextmanager
def station(path: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running station with its uplink; its log goes to a file."""
    arguments = [sys.executable, "-m", "edge", "run", "--config", str(path)]
    with log.open("ab") as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers(folder: Path) -> list[CommandEvent]:
    return [event for event in events(folder) if isinstance(event, CommandEvent)]


def answer(folder: Path, signed: SignedCommand) -> list[str]:
    return [each.state for each in answers(folder) if each.command_id == signed.command_id]


def marks(folder: Path) -> list[MarkEvent]:
    return [event for event in events(folder) if isinstance(event, MarkEvent)]


def started(folder: Path) -> None:
    journal = folder / "state/journal.sqlite"
    wait_for(lambda: journal.exists() and len(events(folder)) > 12, "12 events")


def configured(configure: Configure, broker: Mosquitto) -> tuple[Path, StationConfig]:
    path = configure(
        "[pictures]\nmin_free_mb = 0\nring_frames = 100000\n",
        loop="true",
        uplink="true",
        port=broker.port,
    )
    path.write_text(path.read_text().replace("rate_hz = 100.0", "rate_hz = 20.0"))
    with_commands(path)
    return path, load_config(path)


@pytest.mark.timeout(400)
def test_a_mark_of_a_command_is_a_mark_of_a_person(
    outfeed: Outfeed, configure: Configure, tmp_path: Path
) -> None:
    """Both kinds of marks give the same records, in the picture and for `make learn`."""
    with Mosquitto(tmp_path / "broker") as broker:
        path, config = configured(configure, broker)
        with station(path, tmp_path / "log"):
            started(tmp_path)
            action = MarkAction(part_id=2, mark="escape", note="a crack")
            signed = command(place(config), action)
            publish(config.uplink, config.id, commands_message([signed]))
            wait_for(lambda: answer(tmp_path, signed) == ["accepted", "done"], "it is done")
            by_hand = ("mark", "--config", path, 4, "--as", "false-reject", "--note", "a shadow")
            assert outfeed(*by_hand).status == 0
            action = MarkAction(part_id=1, mark="false-reject", note="a shadow")
            second = command(place(config), action)
            publish(config.uplink, config.id, commands_message([signed, second]))
            wait_for(lambda: answer(tmp_path, second) == ["accepted", "done"], "the second is done")
            wait_for(lambda: len(marks(tmp_path)) == 3, "three marks")
            again = command(place(config), ResendAction(first=3, last=7))
            publish(config.uplink, config.id, commands_message([signed, again]))
            wait_for(lambda: answer(tmp_path, again) == ["accepted", "done"], "sent again")
    escape = next(event for event in marks(tmp_path) if event.mark_id == signed.command_id)
    assert (escape.part_id, escape.mark, escape.note) == (2, "escape", "a crack")
    assert str(escape.picture).endswith("-2-mark.png")  # a good part, from memory
    assert answers(tmp_path)[-1].reason == "5 events were sent again"

    folder = tmp_path / "quarantine"
    assert outfeed("quarantine", "collect", "--config", path, "--out", folder).status == 0
    listed = outfeed("quarantine", "list", folder, "--json").records
    found = {each["part_id"]: each for each in listed}
    assert set(found) == {1, 2, 4}
    remote, hand = found[1], found[4]
    assert remote.keys() == hand.keys()
    same = ("claim", "doubts", "missing", "release")
    assert {key: remote[key] for key in same} == {key: hand[key] for key in same}
    assert (remote["claim"], remote["doubts"]) == ("false-reject", [])
    (by_command,), (by_person,) = remote["marks"], hand["marks"]
    assert by_command.keys() == by_person.keys()
    assert by_command["note"] == by_person["note"] == "a shadow"
    assert by_command["kind"] == by_person["kind"] == "false-reject"
    assert found[2]["claim"] == "escape"
