"""The uplink as a child of the station: started, watched, started again; never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from logging import getLogger
from pathlib import Path

from edge.uplink.backoff import Backoff

_log = getLogger(__name__)

_STOP_S = 5.0  # it says goodbye to the broker within 2 s


class UplinkProcess:
    """``python -m edge.uplink`` with one configuration, kept alive by a thread of its own.

    Nothing of it reaches the inspection: a child that cannot be started or dies is a log line and
    another try, with pauses growing up to retry_max_s. It has its own process group, so that Ctrl-C
    reaches the station first, which ends the uplink last.
    """

    def __init__(self, config_path: Path, *, retry_max_s: float, log: Path | None = None) -> None:
        """log: a file for the child's stderr; None: this process's own."""
        self.restarts = 0
        self._config_path = config_path
        self._retry_max_s = retry_max_s
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
        """Start the thread, which starts the child; returns at once."""
        self._thread.start()

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
            status = self._run_once()
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
            with self._guard:
                if self._stop.is_set():
                    return "stopped"
                self._process = process = self._spawn()
        except OSError as error:
            return str(error)
        return process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "edge.uplink", "--config", str(self._config_path)]
        command += ["--parent", str(os.getpid())]
        # The package is found wherever the station was started from.
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        log = None if self._log_path is None else self._log_path.open("ab")
        try:
            return subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
