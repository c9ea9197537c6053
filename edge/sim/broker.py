"""An MQTT 5 broker on the loopback interface, for `outfeed demo` and machines without a broker.

It does not simulate a bad network, requires no password and stores nothing on the disk. It uses
iotcore: see docs/decisions/0004-embedded-broker.md for the reasons.
"""

from __future__ import annotations

import signal
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from edge.errors import UsageError

HOST = "127.0.0.1"

_SETTINGS = """\
id = 0
[router]
id = 0
max_connections = 64
max_outgoing_packet_count = 1000
max_segment_size = 16777216
max_segment_count = 8
[v5.1]
name = "outfeed-demo"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 262144
max_inflight_count = 1000
"""


class EmbeddedBroker:
    """A broker in a child process from ``__enter__`` to ``__exit__``. It ends with its parent.

    Entering blocks until the broker accepts connections, about 0.1 s. Raises UsageError with one
    line if the extra ``demo`` is not installed or the port is in use.
    """

    def __init__(self, port: int | None = None) -> None:
        """port: None: a free port."""
        self.host = HOST
        self.port = _free_port() if port is None else port
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._broker: Any = None

    def __enter__(self) -> EmbeddedBroker:
        try:
            from iotcore.broker import Broker
        except ImportError as error:
            raise UsageError(
                "the embedded broker is not installed: pip install 'outfeed[demo]'"
            ) from error
        self._folder = tempfile.TemporaryDirectory(prefix="outfeed-broker-")
        settings = Path(self._folder.name) / "rumqttd.toml"
        settings.write_text(_SETTINGS.format(host=self.host, port=self.port), encoding="utf-8")
        # The child inherits the mask. Ctrl-C in a terminal goes to the whole group, and the broker
        # must still receive the last message of the uplink.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._broker = Broker(config_path=str(settings)).start()
        except (OSError, RuntimeError) as error:
            self._folder.cleanup()
            raise UsageError(f"no broker on {self.host}:{self.port}: {error}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._broker.stop()
        if self._folder is not None:
            self._folder.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
