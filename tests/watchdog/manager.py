"""The service manager's end of NOTIFY_SOCKET, for tests."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Notice:
    """One datagram: its assignments, and when it was read (CLOCK_MONOTONIC, seconds)."""

    said: dict[str, str]
    at_s: float


class Manager:
    """Binds a datagram socket and reads what services say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notices: list[Notice] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def __enter__(self) -> Manager:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def next(self, timeout_s: float = 30.0) -> Notice | None:
        """The next datagram, None when none came in time."""
        self._socket.settimeout(max(timeout_s, 0.001))
        try:
            data = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        lines = (line.partition("=") for line in data.split("\n"))
        notice = Notice({key: value for key, _, value in lines}, time.monotonic())
        self.notices.append(notice)
        return notice

    def wait(self, key: str, timeout_s: float = 60.0) -> Notice:
        """Read until one says ``key``, for example READY."""
        limit_s = time.monotonic() + timeout_s
        while (left_s := limit_s - time.monotonic()) > 0:
            notice = self.next(left_s)
            if notice is not None and key in notice.said:
                return notice
        raise AssertionError(f"no {key} in {timeout_s} s: {self.notices}")

    def drain(self, for_s: float) -> list[Notice]:
        """All that comes within for_s."""
        first, limit_s = len(self.notices), time.monotonic() + for_s
        while (left_s := limit_s - time.monotonic()) > 0:
            self.next(left_s)
        return self.notices[first:]
