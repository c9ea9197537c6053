"""The receiver of a child's heartbeats, in place of systemd."""

from __future__ import annotations

import secrets
import socket


class Listener:
    """A datagram socket in Linux's abstract namespace, with a random name.

    For one thread. The child gets its address in two environment variables (``environment``).
    Messages other than heartbeats are read and ignored.
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
        """Return the environment of a child that must send a heartbeat every ``silence_s``
        seconds."""
        return {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": str(round(silence_s * 1e6))}

    def wait_heartbeat(self, timeout_s: float) -> bool:
        """Wait for one message. Return whether it was READY=1 or a heartbeat."""
        self._socket.settimeout(timeout_s)
        try:
            message = self._socket.recv(4096)
        except (TimeoutError, BlockingIOError):  # the latter with a timeout of 0 s
            return False
        return bool({b"READY=1", b"WATCHDOG=1"} & set(message.split(b"\n")))

    def close(self) -> None:
        """Close the socket. May be called twice."""
        self._socket.close()
