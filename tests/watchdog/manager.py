"""The service manager's end of NOTIFY_SOCKET, for tests."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Notice:
    """One datagram: its assignments, and when it came (CLOCK_MONOTONIC, seconds)."""

    said: dict[str, str]
    at_s: float


class Manager:
    """Binds a datagram socket and reads on a thread what services say, the moment they say it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notices: list[Notice] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._read, name="manager")

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"", str(self.path))
        self._thread.join(10)
        self._socket.close()

    def wait(self, key: str, count: int = 1, timeout_s: float = 60.0) -> Notice:
        """Wait for ``count`` notices with ``key``, for example READY. Return the last of them."""
        limit_s = time.monotonic() + timeout_s
        while len(found := [notice for notice in self.notices if key in notice.said]) < count:
            assert time.monotonic() < limit_s, f"no {key} in {timeout_s} s: {self.notices}"
            time.sleep(0.01)
        return found[count - 1]

    def said(self, key: str, from_s: float = 0.0) -> list[Notice]:
        """Return the notices since from_s with ``key``."""
        return [each for each in list(self.notices) if key in each.said and each.at_s > from_s]

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            lines = (line.partition("=") for line in data.decode().split("\n"))
            self.notices.append(Notice({key: value for key, _, value in lines}, time.monotonic()))


class RecordingNotifier:
    """A Notifier that stores its messages."""

    interval_s = 1.0

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def ready(self, status: str) -> None:
        self.heard.append(("ready", status))

    def heartbeat(self, status: str) -> None:
        self.heard.append(("alive", status))

    def send_status(self, status: str) -> None:
        self.heard.append(("say", status))

    def stopping(self, status: str) -> None:
        self.heard.append(("stopping", status))
