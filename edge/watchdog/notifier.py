"""What a service tells the manager that runs it, in systemd's protocol (sd_notify(3)).

One datagram per message to the socket that NOTIFY_SOCKET names. It is written here and not taken
from systemd-python because that has no wheels: every station would need a compiler for these lines
(docs/decisions/0021-units-and-watchdogs.md).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from logging import getLogger
from typing import Protocol

_log = getLogger(__name__)

_SEND_S = 0.5  # a manager that takes no message for so long does not get this one
_INTERVAL_S = 1.0  # between heartbeats, where the manager does not ask for more


class Notifier(Protocol):
    """The service manager, as far as a service knows it. One thread at a time; nothing raises.

    Each status is one line for a person. interval_s: how often ``alive`` is wanted.
    """

    interval_s: float

    def ready(self, status: str) -> None:
        """The service does its work from now on."""
        ...

    def heartbeat(self, status: str) -> None:
        """A heartbeat. Only for whoever has looked at all that must move."""
        ...

    def send_status(self, status: str) -> None:
        """The status alone: no heartbeat."""
        ...

    def stopping(self, status: str) -> None:
        """The service ends in order; heartbeats are not expected any more."""
        ...


class SilentNotifier:
    """For a process that no manager runs."""

    interval_s = _INTERVAL_S

    def ready(self, status: str) -> None: ...

    def heartbeat(self, status: str) -> None: ...

    def send_status(self, status: str) -> None: ...

    def stopping(self, status: str) -> None: ...


SILENT = SilentNotifier()


class SocketNotifier:
    """Sends to a manager's datagram socket; blocks for _SEND_S at most.

    A message that cannot be sent is a line in the log: the manager then misses a heartbeat, which
    is right where it is dead, and the next one comes soon where it was busy.
    """

    def __init__(self, address: str, *, interval_s: float = _INTERVAL_S) -> None:
        """address: a path, or with @ in front a name in Linux's abstract namespace."""
        self.interval_s = interval_s
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # not inherited (PEP 446)
        self._socket.settimeout(_SEND_S)

    def ready(self, status: str) -> None:
        self._send("READY=1", status)

    def heartbeat(self, status: str) -> None:
        self._send("WATCHDOG=1", status)

    def send_status(self, status: str) -> None:
        self._send("", status)

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", status)

    def close(self) -> None:
        """Nothing is sent afterwards. May be called twice."""
        self._socket.close()

    def _send(self, state: str, status: str) -> None:
        line = " ".join(status.split())  # a line break would begin another assignment
        message = f"{state}\nSTATUS={line}".lstrip("\n")
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            _log.warning("manager_not_told state=%s reason=%s", state or "STATUS", error)


def find_notifier(environment: MutableMapping[str, str]) -> Notifier:
    """The manager that runs this process, as its environment has it; SILENT without one.

    Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: they are for this
    process, and a child that inherits them would speak in its name.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    wanted = environment.pop("WATCHDOG_USEC", "")
    watched = environment.pop("WATCHDOG_PID", "")
    if not address.startswith(("/", "@")):
        return SILENT
    interval_s = _INTERVAL_S
    if wanted.isdigit() and int(wanted) and watched in ("", str(os.getpid())):
        # sd_watchdog_enabled(3) advises half of it; a quarter survives a late and a lost one.
        interval_s = min(interval_s, int(wanted) / 4e6)
    return SocketNotifier(address, interval_s=interval_s)
