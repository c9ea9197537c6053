"""The folder of a demo: its files, and their removal before the next demo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import SUFFIX
from edge.config.station import StationConfig, load_config
from edge.errors import OutfeedError, UsageError
from edge.pictures.file_name import parse_name

STATION = "demo"
TRAVEL_MS, BUDGET_MS = 400.0, 200.0

_STATION_TOML = """\
# Written by `outfeed demo`; firmware-config/station.toml explains each key.
id = "{station}"
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
jitter = 0.1
parts = {parts}
seed = {seed}

[line]
travel_ms = {travel_ms}
budget_ms = {budget_ms}
pulse_ms = {pulse_ms}

[uplink]
host = "127.0.0.1"
port = {port}
retry_max_s = 1.0
"""


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The paths in the folder of a demo. Only ``prepare`` removes files."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "station.toml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def ejector(self) -> Path:
        """Return the file of all edges of the simulated output."""
        return self.root / "ejector.txt"

    @property
    def uplink_log(self) -> Path:
        return self.root / "uplink.log"

    @property
    def sheet(self) -> Path:
        return self.root / "contact-sheet.png"

    @property
    def account(self) -> Path:
        return self.root / "summary.json"

    @classmethod
    def prepare(cls, root: Path) -> DemoFolder:
        """Create the folder and remove the files of an earlier demo.

        Raises OutfeedError, and UsageError before any change if ``state`` has a file that no
        station writes.
        """
        folder = cls(root)
        try:
            if folder.state.is_dir():
                for path in folder.state.iterdir():
                    if not _is_of_a_demo(path):
                        raise UsageError(f"{path}: was not written by a demo; give another --out")
                shutil.rmtree(folder.state)
            for path in (folder.ejector, folder.uplink_log, folder.sheet, folder.account):
                path.unlink(missing_ok=True)
            folder.state.mkdir(parents=True)
        except OSError as error:
            raise OutfeedError(f"{error.filename or root}: {error.strerror}") from error
        return folder

    def configure(
        self,
        *,
        bundle: Path,
        trust: Sequence[str],
        frames: Path,
        parts: int,
        rate_hz: float,
        seed: int,
        port: int,
    ) -> StationConfig:
        """Write station.toml and read it, as a station does. trust: public keys, as text."""
        text = _STATION_TOML.format(
            station=STATION,
            bundle=json.dumps(str(bundle.absolute())),  # a JSON string is a valid TOML string
            keys=json.dumps(list(trust)),
            frames=json.dumps(str(frames.absolute())),
            rate_hz=float(rate_hz),
            parts=parts,
            seed=seed,
            travel_ms=TRAVEL_MS,
            budget_ms=BUDGET_MS,
            # At 100 parts per second the smallest gap is 9 ms: the pulse ends before the next part.
            pulse_ms=min(20.0, 400 / rate_hz),
            port=port,
        )
        self.write(self.config, text)
        return load_config(self.config)

    def write(self, path: Path, text: str) -> None:
        """Write a file of the folder. Raises OutfeedError."""
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutfeedError(f"{path}: cannot be written: {error.strerror}") from error


_OWN = ("journal.", "uplink.", "bundles.", "drift.", "self_test.", "parts.", "proven.")


def _is_of_a_demo(path: Path) -> bool:
    if path.name == "pictures":
        return all(parse_name(each.name) is not None for each in path.iterdir())
    if path.name == "bundles":
        return all(each.suffix == SUFFIX for each in path.iterdir())
    return path.name.lstrip(".").startswith(_OWN)
