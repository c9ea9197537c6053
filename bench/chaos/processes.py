"""Processes of the line, restarted after their end as systemd would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LOOK_S = 0.02
_SETTLE_S = 30.0  # as ExecStopPost= of the station's unit


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """The end of a process, at_ns on CLOCK_MONOTONIC."""

    name: str
    pid: int
    at_ns: int
    status: int


class KeptProcess:
    """A process that a thread restarts ``pause_s`` after its end.

    settle: first wait until every descendant has ended, at most 30 s, then kill the others, as the
    station's unit does. The thread appends to ``exits``, which can be read at any time.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        pause_s: float,
        settle: bool = False,
    ) -> None:
        self.exits: list[ProcessExit] = []
        self.held = False  # while set, the process is not restarted
        self._name = name
        self._command = [sys.executable, *command]
        self._log = log
        self._environment = dict(environment)
        self._pause_s = pause_s
        self._settle = settle
        self._ending = False
        self._process: subprocess.Popen[bytes] | None = None
        self._family: set[int] = set()
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)

    @property
    def pid(self) -> int | None:
        """The identifier of the running process, None between two."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    @property
    def family(self) -> set[int]:
        """The running descendants of this process and of those before it."""
        if self.pid is not None:
            self._family |= descendants(self.pid)
        self._family = {pid for pid in self._family if is_alive(pid)}
        return set(self._family)

    def start(self) -> None:
        """Start the thread, which starts the process."""
        self._thread.start()

    def end(self, timeout_s: float) -> int | None:
        """End the process by SIGTERM without a restart.

        Return its exit status, or None where it had to be killed.
        """
        self._ending = True
        process = self._process
        status: int | None = None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout_s)
            if status is None:
                process.kill()
        self._thread.join(timeout_s + _SETTLE_S)
        return status if process is None else process.returncode if status is not None else None

    def _keep(self) -> None:
        while not self._ending:
            if self.held:
                time.sleep(_LOOK_S)
                continue
            with self._log.open("ab") as log:
                self._process = process = subprocess.Popen(
                    self._command, env=self._environment, stdout=log, stderr=log
                )
            if self._ending:  # ``end`` was called before there was a process
                process.terminate()
            while process.poll() is None:
                self._family |= descendants(process.pid)
                time.sleep(_LOOK_S)
            now_ns = time.monotonic_ns()
            self.exits.append(ProcessExit(self._name, process.pid, now_ns, process.returncode))
            if self._settle:
                self._wait_for_family()
            limit_s = time.monotonic() + self._pause_s
            while time.monotonic() < limit_s and not self._ending:
                time.sleep(_LOOK_S)

    def _wait_for_family(self) -> None:
        limit_s = time.monotonic() + _SETTLE_S
        while self.family:
            if time.monotonic() > limit_s:
                for pid in self.family:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK_S)


def descendants(pid: int) -> set[int]:
    """Return the running descendants of a process."""
    known: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            with suppress(OSError):
                children = {int(c) for c in (thread / "children").read_text("ascii").split()}
                waiting += children - known
                known |= children
    return known


def is_alive(pid: int) -> bool:
    """Return whether the process runs or sleeps; False for a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"


def runs(pid: int, module: str) -> bool:
    """Return whether the process was started as ``python -m module``."""
    with suppress(OSError):
        return module in Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")
    return False
