"""A real Mosquitto for tests: own folder, port and configuration, started and stopped at will."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.config.camera import CameraConfig
from edge.config.line import LineConfig
from edge.config.station import StationConfig
from edge.config.uplink import UplinkConfig

MOSQUITTO = shutil.which(
    "mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"
)
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


def free_port() -> int:
    """Return a port of the loopback that no process listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; fails the test after timeout_s."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"after {timeout_s:g} s still not: {what}")
        time.sleep(0.01)


def station_config(folder: Path, **uplink: Any) -> StationConfig:
    """A station that keeps its journal in ``folder``, with the [uplink] keys given."""
    folder.mkdir(parents=True, exist_ok=True)
    return StationConfig(
        id="press-3",
        bundle=folder / "golden.outfeed",
        state_dir=folder,
        camera=CameraConfig(kind="files", path=folder),
        line=LineConfig(travel_ms=500, budget_ms=100),
        uplink=UplinkConfig(**{"retry_max_s": 0.2, **uplink}),
    )


class Mosquitto:
    """One broker process on 127.0.0.1. ``lines`` are added to its configuration."""

    def __init__(self, folder: Path, *lines: str, persistence: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines = (*lines, "allow_anonymous true")
        settings = [
            f"listener {self.port} 127.0.0.1",
            "max_queued_messages 0",
            "user root",
            *(
                lines
                if any("allow_anonymous" in line for line in lines)
                else ("allow_anonymous true", *lines)
            ),
        ]
        if persistence:
            settings += [
                "persistence true",
                f"persistence_location {folder}/",
                "autosave_interval 1",
            ]
        (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def start(self) -> None:
        assert MOSQUITTO is not None
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_for(self._answers, f"mosquitto answers: {self.log()}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """SIGTERM saves the persistent state, where there is one."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def reload(self) -> None:
        """Read the access list again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return (self._folder / "mosquitto.log").read_text(encoding="utf-8")

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
