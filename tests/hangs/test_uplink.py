"""The uplink killed, frozen and hung beside a real broker, its heartbeats read by the test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.config.station import StationConfig, load_config
from tests.hangs.line import write_line
from tests.support.brokers import Mosquitto, free_port, needs_mosquitto, wait_for
from tests.uplink.central import Central, fill, open_journal
from tests.watchdog.manager import Manager


@contextmanager
def uplink(config: Path, manager: Manager) -> Iterator[subprocess.Popen[bytes]]:
    with (config.parent / "uplink.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "uplink", "--config", str(config)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "NOTIFY_SOCKET": str(manager.path)},
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(tmp_path / "notify") as made:
        yield made


def configured(tmp_path: Path, *lines: str) -> tuple[Path, StationConfig]:
    path = write_line(tmp_path / "unit", b"", uplink="\n".join(lines))
    return path, load_config(path)


def quiet(manager: Manager, seconds: float) -> None:
    """No heartbeat for so long, after what was under way."""
    from_s = time.monotonic() + 0.2
    wait_for(lambda: time.monotonic() > from_s + seconds, "the end of a silence")
    assert manager.said("WATCHDOG", from_s) == []


def test_it_is_ready_and_alive_while_there_is_no_broker(tmp_path: Path, manager: Manager) -> None:
    """Waiting for one is no hang: no restart would help."""
    path, _ = configured(tmp_path, f"port = {free_port()}")
    with uplink(path, manager) as process:
        manager.wait("READY")
        beat = manager.wait("WATCHDOG", 4)
        assert beat.said["STATUS"].startswith("no broker: 127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert "STOPPING" in manager.wait("STOPPING").said


def test_a_broker_that_accepts_and_says_nothing_is_no_hang(
    tmp_path: Path, manager: Manager
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path, _ = configured(
            tmp_path, f"port = {silent.getsockname()[1]}", "connect_timeout_s = 0.3"
        )
        with uplink(path, manager):
            beat = manager.wait("WATCHDOG", 4)
            assert "no answer in 0.3 s" in beat.said["STATUS"]


@needs_mosquitto
def test_killed_frozen_and_hung_it_loses_and_doubles_nothing(
    tmp_path: Path, manager: Manager
) -> None:
    secret = tmp_path / "unit/secret"
    with Mosquitto(tmp_path / "broker", persistence=True) as broker:
        path, config = configured(
            tmp_path, f"port = {broker.port}", 'username = "a"', 'password_file = "secret"'
        )
        secret.write_text("open sesame")
        # Central reads a password of its own: the station's becomes a pipe below.
        anonymous = config.uplink.model_copy(update={"username": None, "password_file": None})
        central = Central(config.model_copy(update={"uplink": anonymous}))
        with central.listening(), open_journal(config) as journal:
            with uplink(path, manager) as process:
                fill(journal, 3)
                wait_for(lambda: len(central.received) == 30, "30 events")
                wait_for(
                    lambda: "published up to 30" in manager.notices[-1].said["STATUS"], "a status"
                )
                assert f"connected to 127.0.0.1:{broker.port}" in manager.notices[-1].said["STATUS"]
                # Frozen: no heartbeat. It goes on where it was.
                process.send_signal(signal.SIGSTOP)
                fill(journal, 1)
                quiet(manager, 2.5)
                process.send_signal(signal.SIGCONT)
                wait_for(lambda: len(central.received) == 40, "40 events")
                beats = len(manager.said("WATCHDOG"))
                manager.wait("WATCHDOG", beats + 1)
                # Hung, for real, in a step that does not return: it waits for a writer
                # of a pipe that stands in the password's place when it connects again.
                secret.unlink()
                os.mkfifo(secret)
                broker.stop()
                wait_for(
                    lambda: "uplink_down" in (tmp_path / "unit/uplink.log").read_text(), "a break"
                )
                quiet(manager, 2.5)
                broker.start()
                fill(journal, 1)
                # What systemd does then; the log shows where it was.
                process.send_signal(signal.SIGABRT)
                assert process.wait(10) == -signal.SIGABRT
                log = (tmp_path / "unit/uplink.log").read_text()
                assert "Fatal Python error: Aborted" in log
                assert "in _password" in log
            secret.unlink()
            secret.write_text("open sesame")
            assert central.subscriber.wait_subscribed(10)
            with uplink(path, manager):
                manager.wait("READY", 2)
                wait_for(lambda: len(central.received) == 50, "50 events")
            # Killed: what it had sent and not remembered comes again, and is dropped.
            fill(journal, 1)
            with uplink(path, manager):
                wait_for(lambda: len(central.received) == 60, "60 events")
    assert central.sequences == list(range(1, 61))
