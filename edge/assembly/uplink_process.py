"""Child processes of the station that it does not need: uplink, commands, and trial of bundles."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from typing import IO

from edge.child_processes import FOLDER, command_of, environment_of
from edge.updates.channel import CHANNEL_VARIABLE, socket_pair
from edge.uplink.backoff import Backoff
from edge.watchdog.listener import Listener

_log = getLogger(__name__)

_STOP_S = 5.0  # the uplink disconnects from the broker within 2 s
_SILENCE_S = 90.0  # as WatchdogSec= of its unit: an attempt to connect may take that long
_COMMANDS_RETRY_S = 30.0  # longest pause before the process for commands is started again
_TRIAL_RETRY_S = 30.0
_TRIAL_SILENCE_S = 300.0  # the proof of a new bundle may take a minute, on a busy machine more
_LOOK_S = 0.25  # the longest time until an exit is noticed


class ChildProcess:
    """Runs a module of Python with one configuration. Its thread starts it again.

    Its faults do not affect inspection. If the process exits or cannot be started, there is a log
    line and another attempt, with pauses of up to retry_max_s. A process without a heartbeat for
    silence_s hangs. It is ended as systemd does it: with SIGABRT, so that the log has its stacks,
    and then with SIGKILL. It has its own process group, so that Ctrl-C ends the station first.
    """

    def __init__(
        self,
        module: str,
        config_path: Path,
        *,
        retry_max_s: float,
        log: Path | None = None,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """module: for instance ``edge.uplink``. log: a file for standard error of the child; None:
        that of this process."""
        self._module = module
        self._name = module.rpartition(".")[2]
        self.restarts = 0
        self._config_path = config_path.absolute()
        self._retry_max_s = retry_max_s
        self._silence_s = silence_s
        self._log_path = log
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name=f"{self._name}-watch", daemon=True)

    @property
    def pid(self) -> int | None:
        """Return the process number; None while no child runs."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the thread, which starts the process. Returns at once.

        If the system can start no thread, this is a line in the log: inspection needs no child.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            _log.error("child_not_started name=%s reason=%s", self._name, error)

    def close(self) -> None:
        """End the process and the thread within about 10 s. May be called twice."""
        self._stop.set()
        with self._guard:
            process = self._process
            if process is not None and process.poll() is None:
                process.terminate()
        if self._thread.ident is None:
            return
        self._thread.join(_STOP_S)
        if self._thread.is_alive() and process is not None:
            _log.error("child_killed name=%s reason=no end within %g s", self._name, _STOP_S)
            process.kill()
            self._thread.join(_STOP_S)

    def _watch(self) -> None:
        backoff = Backoff(self._retry_max_s)
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                status = self._run_once()
            except Exception as error:  # noqa: BLE001 - a bug here must not end the inspection
                _log.exception("child_watch_failed name=%s", self._name)
                status = type(error).__name__
            if self._stop.is_set():
                return
            self.restarts += 1
            _log.error(
                "child_exited name=%s status=%s restarts=%s", self._name, status, self.restarts
            )
            if time.monotonic() - began_s > self._retry_max_s:
                backoff.reset()
            self._stop.wait(backoff.next_s())

    def _run_once(self) -> int | str:
        """Run one process to its end; return its exit status, or why it did not start."""
        try:
            listener = Listener()
        except OSError as error:
            return str(error)
        try:
            with self._guard:
                if self._stop.is_set():
                    return "stopped"
                self._process = process = self._spawn(listener)
            return self._listen(process, listener)
        except OSError as error:
            return str(error)
        finally:
            listener.close()

    def _listen(self, process: subprocess.Popen[bytes], listener: Listener) -> int | str:
        """Wait for the end of the process; end it if it is silent for too long."""
        heartbeat_s = time.monotonic()
        while (status := process.poll()) is None:
            if listener.wait_heartbeat(_LOOK_S):
                heartbeat_s = time.monotonic()
            elif time.monotonic() - heartbeat_s > self._silence_s:
                process.send_signal(signal.SIGABRT)
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return f"hung: no heartbeat for {self._silence_s:g} s"
        return status

    def _spawn(self, listener: Listener) -> subprocess.Popen[bytes]:
        command = command_of(self._module, "--config", str(self._config_path))
        command += ["--parent", str(os.getpid())]
        environment = environment_of() | listener.environment(self._silence_s)
        log = None if self._log_path is None else self._log_path.open("ab")
        try:
            return self._start(command, environment, log)
        finally:
            if log is not None:
                log.close()

    def _start(
        self,
        command: list[str],
        environment: dict[str, str],
        log: IO[bytes] | None,
        descriptors: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=FOLDER,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            pass_fds=descriptors,
        )


class UplinkProcess(ChildProcess):
    """The uplink as a child process."""

    def __init__(
        self,
        config_path: Path,
        *,
        retry_max_s: float,
        log: Path | None = None,
        silence_s: float = _SILENCE_S,
    ) -> None:
        super().__init__(
            "edge.uplink", config_path, retry_max_s=retry_max_s, log=log, silence_s=silence_s
        )


class CommandsProcess(ChildProcess):
    """The process that decides about signed commands, as a child of the station."""

    def __init__(self, config_path: Path, *, log: Path | None = None) -> None:
        super().__init__("edge.commands", config_path, retry_max_s=_COMMANDS_RETRY_S, log=log)


class TrialProcess(ChildProcess):
    """The process that decides about bundles from the network, as a child of the station."""

    def __init__(
        self, config_path: Path, attach: Callable[[socket.socket], None], *, log: Path | None = None
    ) -> None:
        """attach: takes the station's end of the connection to each new process."""
        super().__init__(
            "edge.trial",
            config_path,
            retry_max_s=_TRIAL_RETRY_S,
            log=log,
            silence_s=_TRIAL_SILENCE_S,
        )
        self._attach = attach

    def _start(
        self,
        command: list[str],
        environment: dict[str, str],
        log: IO[bytes] | None,
        descriptors: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        own, other = socket_pair()
        try:
            number = other.fileno()
            environment = environment | {CHANNEL_VARIABLE: str(number)}
            process = super()._start(command, environment, log, (*descriptors, number))
        except OSError:
            own.close()
            raise
        finally:
            other.close()
        self._attach(own)
        return process
