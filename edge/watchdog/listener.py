"""The other end of the notifier: a parent that hears its child's heartbeats as systemd would."""

from __future__ import annotations

import secrets
import socket


class Listener:
    """A datagram socket in Linux's abstract namespace, whose name nobody can guess.

    For one thread. What the child is given are two variables of its environment
    (``environment``); what it says beside heartbeats is taken and forgotten.
    """

    def __init__(self) -> None:
        name = f"outfeed-{secrets.token_hex(16)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.bind(f"\0{name}")
        except OSError:
            self._socket.close()
            raise
        self._address = f"@{name}"

    def environment(self, silence_s: float) -> dict[str, str]:
        """For a child that is to be heard from at least every ``silence_s`` seconds."""
        return {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": str(round(silence_s * 1e6))}

    def wait_heartbeat(self, timeout_s: float) -> bool:
        """Wait for one message; whether there was one and it was READY=1 or a heartbeat."""
        self._socket.settimeout(timeout_s)
        try:
            message = self._socket.recv(4096)
        except (TimeoutError, BlockingIOError):  # of 0 s it is the latter
            return False
        return bool({b"READY=1", b"WATCHDOG=1"} & set(message.split(b"\n")))

    def close(self) -> None:
        """Nothing is heard afterwards. May be called twice."""
        self._socket.close()
