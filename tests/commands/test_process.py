"""The process for commands: its files, its crashes, and a disk that fails."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands import delivery
from edge.commands import process as module
from edge.commands.message import MarkAction, PictureAction, ResendAction, commands_message
from edge.commands.process import CommandProcess
from edge.commands.spool import (
    MAX_MESSAGES,
    MessageSpool,
    Report,
    ReportFile,
    read_orders,
    write_orders,
)
from edge.commands.state import CommandState, read_state, write_state
from edge.config.commands import CommandsConfig
from edge.config.station import StationConfig
from edge.config.trust import TrustConfig
from edge.errors import OutfeedError
from edge.events.command import CommandEvent
from edge.events.event import MarkEvent
from edge.files import backup_path
from edge.inbox import Inbox
from tests.support.brokers import station_config, wait_for
from tests.support.commands import (
    OPERATOR,
    UNKNOWN_KEY,
    Recorder,
    command,
    deliver,
    place,
    public,
)
from tests.uplink.central import running


def configured(folder: Path) -> StationConfig:
    return station_config(folder / "state").model_copy(
        update={
            "trust": TrustConfig(operator_keys=(public(OPERATOR),)),
            "commands": CommandsConfig(accept=("mark", "resend", "picture")),
        }
    )


@pytest.fixture
def config(tmp_path: Path) -> StationConfig:
    return configured(tmp_path)


@pytest.fixture
def recorder(config: StationConfig) -> Iterator[Recorder]:
    recorder = Recorder(config)
    recorder.parts(9)
    yield recorder
    recorder.journal.close()


def receive(config: StationConfig, payload: bytes) -> None:
    """Store a message as the uplink does, in a new process each time."""
    orders = read_orders(config.paths.orders)
    MessageSpool(config.paths.received_commands).add(payload, orders.taken if orders else 0)


def states(recorder: Recorder) -> list[str]:
    return [each.state for each in recorder.events(CommandEvent)]


def test_a_mark_is_journalled_between_its_two_answers(
    config: StationConfig, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    signed = command(place(config), MarkAction(part_id=3, mark="escape"))
    receive(config, commands_message([signed]))
    deliver(CommandProcess(config), recorder)
    accepted, done = recorder.events(CommandEvent)
    (mark,) = recorder.events(MarkEvent)
    assert (accepted.state, done.state) == ("accepted", "done")
    assert mark.mark_id == accepted.command_id == signed.command_id
    lines = [each.message.partition(" ")[0] for each in caplog.records]
    assert lines == ["command_accepted", "command_done"]
    assert read_state(config.paths.commands).outbox == ()
    assert list(config.paths.inbox.iterdir()) == []


@pytest.mark.parametrize("kills", range(1, 14))
def test_a_kill_at_any_step_neither_loses_nor_doubles(
    kills: int, config: StationConfig, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends before its Nth write, and again before each Nth write of its successors."""
    order = ResendAction(first=1, last=2)
    signed = [
        command(place(config), MarkAction(part_id=3, mark="look")),
        command(place(config), order),
    ]
    receive(config, commands_message(signed))
    left = [kills]

    class Killed(BaseException):
        pass

    def dying(real: Any) -> Any:
        def write(*arguments: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                left[0] = kills
                raise Killed
            real(*arguments)

        return write

    monkeypatch.setattr(module, "write_state", dying(write_state))
    monkeypatch.setattr(module, "write_orders", dying(write_orders))
    monkeypatch.setattr(Inbox, "post", dying(Inbox.post))
    process = CommandProcess(config)
    for turn in range(60):
        try:
            process.step()
        except Killed:
            if kills == 1 and turn > 20:
                break
            process = CommandProcess(config)
        if turn % 2:
            recorder.turn()
        if turn == 40:
            orders = read_orders(config.paths.orders)
            if orders is not None and orders.orders:
                report = Report(id=orders.orders[0].id, is_done=True, text="2 events")
                ReportFile(config.paths.uplink_reports).add(report, orders)
    if kills == 1:  # it never got to write anything
        assert states(recorder) == []
        return
    assert [each.mark_id for each in recorder.events(MarkEvent)] == [signed[0].command_id]
    found = [(each.command_id, each.state) for each in recorder.events(CommandEvent)]
    assert sorted(found) == sorted(
        (each.command_id, state) for each in signed for state in ("accepted", "done")
    )


@pytest.mark.parametrize("journalled", [0, 1, 2])
def test_a_real_kill_between_acceptance_and_execution(
    journalled: int, config: StationConfig, recorder: Recorder
) -> None:
    """SIGKILL ends the process when so many of its three items are journalled."""
    path = config.paths.state_dir / "station.toml"
    path.write_text(
        f'id = "{config.id}"\nbundle = "b.outfeed"\nstate_dir = "."\n'
        '[camera]\nkind = "files"\npath = "."\n[line]\ntravel_ms = 500\nbudget_ms = 100\n'
        f'[trust]\noperator_keys = ["{public(OPERATOR)}"]\n[commands]\naccept = ["mark"]\n'
    )
    signed = command(place(config), MarkAction(part_id=3, mark="escape"))
    receive(config, commands_message([signed]))
    command_line = [sys.executable, "-m", "edge.commands", "--config", str(path)]
    process = subprocess.Popen(command_line, stderr=subprocess.DEVNULL)
    try:
        for _ in range(journalled):
            wait_for(recorder.turn, "an item", 60)
        wait_for(recorder.inbox.waiting, "the next item waits", 60)
    finally:
        process.kill()
        process.wait()
    assert read_state(config.paths.commands).outbox
    recorder.turn()  # what the killed process had posted
    process = subprocess.Popen(command_line, stderr=subprocess.DEVNULL)
    try:
        with running(recorder.run):
            wait_for(lambda: not read_state(config.paths.commands).outbox, "all delivered", 60)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert [each.mark_id for each in recorder.events(MarkEvent)] == [signed.command_id]
    assert states(recorder) == ["accepted", "done"]


def test_the_answer_that_a_killed_process_had_posted_is_not_posted_again(
    config: StationConfig, recorder: Recorder
) -> None:
    signed = command(place(config))
    receive(config, commands_message([signed]))
    CommandProcess(config).step()  # posted, and then killed
    recorder.turn()  # the station has journalled it
    deliver(CommandProcess(config), recorder)
    assert states(recorder) == ["accepted", "done"]


def test_counters_survive_a_restart_and_a_copied_card(
    config: StationConfig, recorder: Recorder, tmp_path: Path
) -> None:
    before = command(place(config))
    receive(config, commands_message([before]))
    deliver(CommandProcess(config), recorder)
    recorder.journal.close()
    shutil.copytree(config.paths.state_dir, tmp_path / "copy/state")
    copied = configured(tmp_path / "copy")

    first = Recorder(config)  # each of the two draws a run of its own
    first.parts(1)
    second = Recorder(copied)
    second.parts(1)
    after = command(place(config))
    receive(config, commands_message([after]))
    deliver(CommandProcess(config), first)
    assert states(first)[-2:] == ["accepted", "done"]

    process = CommandProcess(copied, repeat_grace_s=0)
    for signed, reason in ((before, "a repeat"), (after, "names a run that this station does not")):
        receive(copied, commands_message([signed]))
        deliver(process, second)
        latest = second.events(CommandEvent)[-1]
        assert (latest.state, latest.command_id) == ("refused", signed.command_id)
        assert latest.reason.startswith(reason)
    assert len(second.events(MarkEvent)) == 1
    first.journal.close()
    second.journal.close()


def test_a_repeat_is_silent_for_a_while_and_then_reported_once(
    config: StationConfig, recorder: Recorder
) -> None:
    signed = command(place(config))
    other = command(place(config))
    process = CommandProcess(config, repeat_grace_s=1e9)
    receive(config, commands_message([signed]))
    deliver(process, recorder)
    receive(config, commands_message([signed, other]))  # the usual case: one answer is on its way
    deliver(process, recorder)
    assert states(recorder) == ["accepted", "done", "accepted", "done"]
    process._grace_s = 0.0  # it has passed
    for payload in ([signed], [other], [signed, other]):
        receive(config, commands_message(payload))
        deliver(process, recorder)
    assert states(recorder)[4:] == ["refused", "refused"]


def test_refusals_of_reported_are_limited_and_counted(
    config: StationConfig, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "UNSIGNED_AT_ONCE", 3)
    monkeypatch.setattr(delivery, "UNSIGNED_PAUSE_S", 1e9)
    process = CommandProcess(config)
    for _ in range(10):
        receive(config, commands_message([command(place(config), key=UNKNOWN_KEY)]))
        deliver(process, recorder, 2)
    deliver(process, recorder)
    assert states(recorder) == ["refused"] * 3
    monkeypatch.setattr(delivery, "UNSIGNED_PAUSE_S", 1e-9)
    receive(config, commands_message([command(place(config), key=UNKNOWN_KEY)]))
    deliver(process, recorder)
    assert recorder.events(CommandEvent)[-1].more == 7


def test_an_order_ends_by_its_report_or_by_its_expiry(
    config: StationConfig, recorder: Recorder
) -> None:
    clock = [time.time()]
    process = CommandProcess(config, now_s=lambda: clock[0])
    signed = [
        command(place(config), ResendAction(first=1, last=4)),
        command(place(config), PictureAction(part_id=2)),
        command(place(config), PictureAction(part_id=3)),
    ]
    receive(config, commands_message(signed))
    deliver(process, recorder)
    orders = read_orders(config.paths.orders)
    assert orders is not None
    assert [each.kind for each in orders.orders] == ["resend", "picture", "picture"]
    for path, number, is_done in (
        (config.paths.uplink_reports, 0, True),
        (config.paths.upload_reports, 1, False),
    ):
        report = Report(id=signed[number].command_id, is_done=is_done, text="as it was")
        ReportFile(path).add(report, orders)
    deliver(process, recorder)
    clock[0] += 7200
    deliver(process, recorder)
    ends = {each.command_id: (each.state, each.reason) for each in recorder.events(CommandEvent)}
    assert ends == {
        signed[0].command_id: ("done", "as it was"),
        signed[1].command_id: ("failed", "as it was"),
        signed[2].command_id: ("failed", "it was not executed before it expired"),
    }
    orders = read_orders(config.paths.orders)
    assert orders is not None
    assert orders.orders == ()


def test_a_state_that_cannot_be_written_takes_no_command(
    config: StationConfig, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    receive(config, commands_message([command(place(config))]))
    process = CommandProcess(config)
    with monkeypatch.context() as patched:
        patched.setattr("edge.state_file.write_with_backup", full)
        for _ in range(3):
            with pytest.raises(OutfeedError, match=r"commands\.json: cannot be written: No space"):
                process.step()
            recorder.turn()
        assert recorder.events(CommandEvent) == []
    deliver(process, recorder)
    assert states(recorder) == ["accepted", "done"]


def test_a_damaged_state_takes_no_command_and_its_backup_is_used(
    config: StationConfig, recorder: Recorder
) -> None:
    path = config.paths.commands
    signed = command(place(config))
    receive(config, commands_message([signed]))
    deliver(CommandProcess(config), recorder)
    good = read_state(path)
    path.write_bytes(b"{")
    assert read_state(path) == good
    path.write_bytes(b"{}")
    assert read_state(path) == good
    path.write_bytes(b"")
    assert read_state(path) == good
    path.unlink()
    assert read_state(path) == good
    backup_path(path).write_bytes(b"{}]")
    path.write_bytes(b"{")
    with pytest.raises(OutfeedError, match=r"commands\.json: is damaged: .*; removing it permits"):
        CommandProcess(config).step()
    assert read_state(config.paths.state_dir / "none.json") == CommandState(counters={})


def test_a_missing_key_file_is_waited_for(
    config: StationConfig, recorder: Recorder, tmp_path: Path
) -> None:
    file = tmp_path / "ada.pub"
    changed = config.trust.model_copy(update={"operator_keys": (file,)})
    config = config.model_copy(update={"trust": changed})
    receive(config, commands_message([command(place(config))]))
    process = CommandProcess(config)
    with pytest.raises(OutfeedError, match=r"key 'trust\.operator_keys': .*ada\.pub: cannot be"):
        process.step()
    file.write_text(public(OPERATOR) + "\n")
    deliver(process, recorder)
    assert states(recorder) == ["accepted", "done"]


def test_the_spool_keeps_the_newest_and_stores_a_message_once(config: StationConfig) -> None:
    spool = MessageSpool(config.paths.received_commands)
    spool.add(b"first", 0)
    spool.add(b"first", 0)
    assert len(list(config.paths.received_commands.iterdir())) == 1
    for number in range(MAX_MESSAGES + 3):
        spool.add(b"%d" % number, 0)
    names = sorted(each.name for each in config.paths.received_commands.iterdir())
    assert len(names) == MAX_MESSAGES
    assert names[-1] == f"{MAX_MESSAGES + 4:010d}.msg"


def test_a_link_in_the_folder_of_the_uplink_is_not_read(
    config: StationConfig, recorder: Recorder, tmp_path: Path
) -> None:
    folder = config.paths.received_commands
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(commands_message([command(place(config))]))
    (folder / "0000000001.msg").symlink_to(secret)
    (folder / "0000000002.msg").mkdir()
    deliver(CommandProcess(config), recorder)
    assert recorder.events(CommandEvent) == []


def test_the_state_file_has_bounds(config: StationConfig) -> None:
    state = CommandState(counters={})
    for number in range(400):
        state = state.with_run(f"{number:x}").with_decided(f"{number:032x}")
    write_state(config.paths.commands, state)
    assert read_state(config.paths.commands) == state
    assert len(state.runs) == 64
    assert state.runs[0] == f"{399:x}"
    assert len(state.answered) == 256
