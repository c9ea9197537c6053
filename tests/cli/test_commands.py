"""Signed commands by a real broker to a real station, from the message to the journal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.commands.message import (
    MarkAction,
    ResendAction,
    SignedCommand,
    commands_message,
)
from edge.config.station import StationConfig, load_config
from edge.events.command import CommandEvent
from edge.events.event import MarkEvent
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
    with_commands(path)
    return path, load_config(path)


def test_a_mark_of_a_command_is_a_mark_of_a_person(configure: Configure, tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker") as broker:
        path, config = configured(configure, broker)
        with station(path, tmp_path / "log"):
            started(tmp_path)
            action = MarkAction(part_id=2, mark="escape", note="a crack")
            signed = command(place(config), action)
            publish(config.uplink, config.id, commands_message([signed]))
            wait_for(lambda: answer(tmp_path, signed) == ["accepted", "done"], "it is done")
            again = command(place(config), ResendAction(first=3, last=7))
            publish(config.uplink, config.id, commands_message([signed, again]))
            wait_for(lambda: answer(tmp_path, again) == ["accepted", "done"], "sent again")
    (mark,) = (event for event in events(tmp_path) if isinstance(event, MarkEvent))
    assert (mark.part_id, mark.mark, mark.note) == (2, "escape", "a crack")
    assert mark.mark_id == signed.command_id
    assert mark.picture is not None
    assert answers(tmp_path)[-1].reason == "5 events were sent again"
