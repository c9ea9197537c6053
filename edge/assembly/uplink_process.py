"""The uplink as a child of the station: started, watched, started again; never waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from logging import getLogger
from pathlib import Path

from edge.child_processes import FOLDER, command_of, environment_of
from edge.uplink.backoff import Backoff
from edge.watchdog.listener import Listener

_log = getLogger(__name__)

_STOP_S = 5.0  # it says goodbye to the broker within 2 s
_SILENCE_S = 90.0  # as WatchdogSec of its unit: it may be connecting to nobody for that long
_LOOK_S = 0.25  # how long an end goes unnoticed


class UplinkProcess:
    """``python -m edge.uplink`` with one configuration, kept alive by a thread of its own.

    Nothing of it reaches the inspection: a child that cannot be started or dies is a log line and
    another try, with pauses growing up to retry_max_s. One that hangs, that is, gives no heartbeat
    for silence_s, is ended as systemd would do it: SIGABRT, so that its stacks are in the log, and
    SIGKILL. It has its own process group, so that Ctrl-C reaches the station first, which ends the
    uplink last.
    """

    def __init__(
        self,
        config_path: Path,
        *,
        retry_max_s: float,
        log: Path | None = None,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """log: a file for the child's stderr; None: this process's own."""
        self.restarts = 0
        self._config_path = config_path.absolute()
        self._retry_max_s = retry_max_s
        self._silence_s = silence_s
        self._log_path = log
        self._stop = threading.Event()
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name="uplink-watch", daemon=True)

    @property
    def pid(self) -> int | None:
        """The child's, None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self) -> None:
        """Start the thread, which starts the child; returns at once. A system without room for a
        thread is a line in the log: inspection needs no uplink."""
        try:
            self._thread.start()
        except RuntimeError as error:
            _log.error("uplink_not_started reason=%s", error)

    def close(self) -> None:
        """End the child and join the thread; at most some _STOP_S seconds. May be called twice."""
        self._stop.set()
        with self._guard:
            process = self._process
            if process is not None and process.poll() is None:
                process.terminate()
        if self._thread.ident is None:
            return
        self._thread.join(_STOP_S)
        if self._thread.is_alive() and process is not None:
            _log.error("uplink_killed reason=no end within %g s", _STOP_S)
            process.kill()
            self._thread.join(_STOP_S)

    def _watch(self) -> None:
        backoff = Backoff(self._retry_max_s)
        while not self._stop.is_set():
            began_s = time.monotonic()
            try:
                status = self._run_once()
            except Exception as error:  # noqa: BLE001 - a bug here must not end the inspection
                _log.exception("uplink_watch_failed")
                status = type(error).__name__
            if self._stop.is_set():
                return
            self.restarts += 1
            _log.error("uplink_died status=%s restarts=%s", status, self.restarts)
            if time.monotonic() - began_s > self._retry_max_s:
                backoff.reset()
            self._stop.wait(backoff.next_s())

    def _run_once(self) -> int | str:
        """One child from start to end; its exit status, or why there was none."""
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
        """Until the child's end, or until it was silent for too long and has been ended."""
        heard_s = time.monotonic()
        while (status := process.poll()) is None:
            if listener.wait_heartbeat(_LOOK_S):
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > self._silence_s:
                process.send_signal(signal.SIGABRT)
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return f"hung: no heartbeat for {self._silence_s:g} s"
        return status

    def _spawn(self, listener: Listener) -> subprocess.Popen[bytes]:
        command = command_of("edge.uplink", "--config", str(self._config_path))
        command += ["--parent", str(os.getpid())]
        environment = environment_of() | listener.environment(self._silence_s)
        log = None if self._log_path is None else self._log_path.open("ab")
        try:
            return subprocess.Popen(
                command,
                cwd=FOLDER,
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
