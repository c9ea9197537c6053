"""A real Mosquitto with the persistence settings of firmware-config/mosquitto, without TLS."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from edge.errors import OutfeedError

SHIPPED = Path(__file__).parents[2] / "firmware-config/mosquitto/outfeed.conf"
_KEYS = ("autosave", "max_queued", "max_inflight", "message_size", "persistence ")
_START_S = 10.0


class KilledBroker:
    """A broker on 127.0.0.1 that can be ended and started again, with one port and one store."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if program is None:
            raise OutfeedError("chaos: mosquitto is not installed")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        shipped = SHIPPED.read_text(encoding="utf-8").splitlines()
        lines = [line for line in shipped if line.startswith(_KEYS)]
        lines += [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root"]
        lines += [f"persistence_location {folder}/"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Start the broker and wait until it accepts connections.

        Raises OutfeedError after 10 s.
        """
        with (self._folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        limit_s = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > limit_s:
                    raise OutfeedError(f"chaos: mosquitto does not start: {error}") from error
                time.sleep(0.02)

    def end(self, number: int = signal.SIGKILL) -> None:
        """End the broker by a signal. After SIGKILL, the default, it saves nothing more."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(10)
            self.process = None
