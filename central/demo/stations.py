"""The simulated stations of the demo: a folder and a process for each."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.child_processes import FOLDER, command_of, environment_of
from edge.errors import OutfeedError

_STOP_S = 15.0

_STATION_TOML = """\
# Written by `outfeed-central demo`; firmware-config/station.toml explains each key.
id = "{name}"
bundle = {bundle}
state_dir = "state"

[trust]
keys = {keys}

[camera]
kind = "files"
path = {frames}
loop = true

[trigger]
kind = "belt"
rate_hz = {rate_hz}
jitter = 0.3
seed = {seed}

[line]
travel_ms = 400.0
budget_ms = 200.0
pulse_ms = 20.0

[uplink]
host = "127.0.0.1"
port = {port}
retry_max_s = 1.0
"""


@dataclass(frozen=True, slots=True)
class DemoBelt:
    """The settings that all simulated stations share. port: of the broker. trust: a public key."""

    bundle: Path
    frames: Path
    rate_hz: float
    port: int
    trust: str


class DemoStation:
    """One station in a process of its own, from ``start`` to ``close``."""

    def __init__(self, folder: Path, number: int, belt: DemoBelt) -> None:
        self.name = f"press-{number}"
        self._folder = folder / self.name
        self._number = number
        self._belt = belt
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Return the file with the log of the station."""
        return self._folder / "station.log"

    def start(self) -> None:
        """Write station.toml and start the process. Raises OutfeedError."""
        belt = self._belt
        text = _STATION_TOML.format(
            name=self.name,
            bundle=json.dumps(str(belt.bundle.absolute())),  # a JSON string is a TOML string
            keys=json.dumps([belt.trust]),
            frames=json.dumps(str(belt.frames.absolute())),
            rate_hz=belt.rate_hz,
            seed=self._number,
            port=belt.port,
        )
        config = self._folder / "station.toml"
        try:
            (self._folder / "state").mkdir(parents=True, exist_ok=True)
            config.write_text(text, encoding="utf-8")
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    command_of("edge", "run", "--config", str(config.absolute())),
                    cwd=FOLDER,
                    env=environment_of(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C reaches the demo alone, which ends it in order
                )
        except OSError as error:
            raise OutfeedError(f"{error.filename or self._folder}: {error.strerror}") from error

    def check(self) -> None:
        """Check that the process runs. Raises OutfeedError with the last line of its log."""
        if self._process is None or self._process.poll() is None:
            return
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        last = lines[-1] if lines else "no log"
        raise OutfeedError(
            f"station {self.name} ended with status {self._process.returncode}: {last}"
        )

    def ask_to_end(self) -> None:
        """Send SIGTERM. Returns at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """End the process within 15 s. May be called twice."""
        self.ask_to_end()
        if self._process is not None:
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
