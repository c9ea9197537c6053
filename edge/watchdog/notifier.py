"""Messages from a service to its manager, in systemd's protocol (sd_notify(3)).

Each message is one datagram to the socket in NOTIFY_SOCKET. The package systemd-python has no
wheels, so every station would need a compiler for it. It is therefore not used
(docs/decisions/0021-units-and-watchdogs.md).
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from logging import getLogger
from typing import Protocol

_log = getLogger(__name__)

_SEND_S = 0.5  # if the manager does not read for this time, the message is dropped
_INTERVAL_S = 1.0  # between heartbeats, unless the manager requests a shorter interval


class Notifier(Protocol):
    """The service manager, as a service uses it. For one thread at a time; nothing raises.

    Each status is one line for a person.
    """

    interval_s: float
    """The interval at which ``heartbeat`` is to be called."""

    def ready(self, status: str) -> None:
        """Report that the service works from now on."""
        ...

    def heartbeat(self, status: str) -> None:
        """Send a heartbeat. To be called only after a check of all stages."""
        ...

    def send_status(self, status: str) -> None:
        """Send the status without a heartbeat."""
        ...

    def stopping(self, status: str) -> None:
        """Report that the service ends in order and sends no more heartbeats."""
        ...


class SilentNotifier:
    """The notifier of a process without a service manager. It sends nothing."""

    interval_s = _INTERVAL_S

    def ready(self, status: str) -> None: ...

    def heartbeat(self, status: str) -> None: ...

    def send_status(self, status: str) -> None: ...

    def stopping(self, status: str) -> None: ...


SILENT = SilentNotifier()


class SocketNotifier:
    """Sends messages to a manager's datagram socket. Blocks for 0.5 s at most.

    A message that cannot be sent is one line in the log, and the manager misses this heartbeat. If
    it was only busy, the next one follows soon.
    """

    def __init__(self, address: str, *, interval_s: float = _INTERVAL_S) -> None:
        """address: a path, or a name in Linux's abstract namespace after "@"."""
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
        """Close the socket. May be called twice."""
        self._socket.close()

    def _send(self, state: str, status: str) -> None:
        line = " ".join(status.split())  # a line break would begin another assignment
        message = f"{state}\nSTATUS={line}".lstrip("\n")
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            _log.warning("manager_not_told state=%s reason=%s", state or "STATUS", error)


def find_notifier(environment: MutableMapping[str, str]) -> Notifier:
    """Return the notifier for the manager in the environment; SILENT without one.

    Removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID from the environment. They are for this
    process only: a child that inherits them would send heartbeats in its name.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    wanted = environment.pop("WATCHDOG_USEC", "")
    watched = environment.pop("WATCHDOG_PID", "")
    if not address.startswith(("/", "@")):
        return SILENT
    interval_s = _INTERVAL_S
    if wanted.isdigit() and int(wanted) and watched in ("", str(os.getpid())):
        # sd_watchdog_enabled(3) recommends a half. With a quarter, one heartbeat may be late and
        # one may be lost.
        interval_s = min(interval_s, int(wanted) / 4e6)
    return SocketNotifier(address, interval_s=interval_s)
