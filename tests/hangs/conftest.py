"""A running station whose service manager is the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from tests.hangs.line import History, write_line
from tests.support.bundles import small_bundle
from tests.watchdog.manager import Manager

CLOCK = MonotonicClock()


def children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    # A thread that starts a process is its parent in this list.
    for task in Path(f"/proc/{pid}/task").iterdir():
        text += " " + (task / "children").read_text(encoding="ascii")
    return {int(child) for child in text.split()}


@dataclass
class Unit:
    """``outfeed run`` under a NOTIFY_SOCKET; started, killed and started again by the test."""

    folder: Path
    config: Path
    manager: Manager
    process: subprocess.Popen[bytes] | None = None
    logs: list[Path] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def hangs(self) -> Path:
        return self.folder / "hangs"

    @property
    def rejector(self) -> int:
        (pid,) = children(self.running.pid)
        return pid

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None
        return self.process

    def start(self) -> None:
        """Returns when it is ready."""
        log = self.folder / f"log{len(self.logs)}"
        self.logs.append(log)
        command = [sys.executable, "-m", "tests.hangs.victim", str(self.hangs), str(self.config)]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "NOTIFY_SOCKET": str(self.manager.path)},
                stdout=file,
                stderr=file,
            )
        self.manager.wait("READY", len(self.logs))

    def hang(self, thread: str) -> int:
        """From now on the thread of this name hangs: CLOCK_MONOTONIC."""
        (self.hangs / thread).touch()
        return CLOCK.now_ns()

    def crash(self, thread: str) -> int:
        """The thread of this name gets an unforeseen exception: CLOCK_MONOTONIC."""
        part = self.folder / "crash"
        part.write_text("crash")
        part.replace(self.hangs / thread)
        return CLOCK.now_ns()

    def heal(self) -> None:
        for path in self.hangs.iterdir():
            path.unlink()

    def stop(self) -> None:
        self.running.send_signal(signal.SIGTERM)
        assert self.running.wait(30) == 0, self.log()
        self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def log(self) -> str:
        return self.logs[-1].read_text()

    def history(self) -> History:
        return History.read(self.state)


@pytest.fixture(scope="session")
def bundle_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return small_bundle(tmp_path_factory.mktemp("hangs") / "small.outfeed").read_bytes()


@pytest.fixture
def unit(tmp_path: Path, bundle_bytes: bytes) -> Iterator[Unit]:
    config = write_line(tmp_path / "unit", bundle_bytes)
    (tmp_path / "unit/hangs").mkdir()
    with Manager(tmp_path / "notify") as manager:
        made = Unit(tmp_path / "unit", config, manager)
        try:
            yield made
        finally:
            made.kill()
