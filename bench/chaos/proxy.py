"""The network between uplink and broker, which can be cut or silenced."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from enum import Enum, auto

_CHUNK = 65_536


class NetworkState(Enum):
    """UP: bytes pass. CUT: connections are closed and refused. SILENT: bytes are held back."""

    UP = auto()
    CUT = auto()
    SILENT = auto()


class ProxiedNetwork:
    """A TCP proxy on the loopback with one thread. ``state`` may be set from any thread."""

    def __init__(self, target_port: int) -> None:
        self.state = NetworkState.UP
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._peers: dict[socket.socket, socket.socket] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and every connection."""
        self._closing = True
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closing:
            if self.state is NetworkState.CUT:
                self._drop_all()
            waited = [self._listener]
            if self.state is NetworkState.UP:
                waited += self._peers
            for ready in select.select(waited, [], [], 0.02)[0]:
                if ready is self._listener:
                    self._accept()
                elif ready in self._peers:
                    self._carry(ready)
        self._drop_all()
        self._listener.close()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        if self.state is NetworkState.CUT:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._target_port), 1.0)
        except OSError:
            near.close()
            return
        self._peers[near], self._peers[far] = far, near

    def _carry(self, source: socket.socket) -> None:
        target = self._peers[source]
        try:
            data = source.recv(_CHUNK)
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        self._drop(source)

    def _drop(self, one: socket.socket) -> None:
        other = self._peers.pop(one)
        self._peers.pop(other, None)
        for end in (one, other):
            with suppress(OSError):
                end.close()

    def _drop_all(self) -> None:
        while self._peers:
            self._drop(next(iter(self._peers)))
