"""The command as a function, a bundle, and folders of pictures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.__main__ import main
from tests.support.bundles import CLEAN, FAINT, HOLE, STAIN, small_bundle
from tests.support.keys import TRUST

STATION_TOML = """\
id = "press-3"
bundle = "small.outfeed"
state_dir = "state"
[camera]
kind = "{kind}"
path = "{path}"
loop = {loop}
[trigger]
rate_hz = {rate_hz}
[line]
travel_ms = {travel_ms}
budget_ms = {budget_ms}
pulse_ms = 4.0
[trust]
keys = ["{trust}"]
[uplink]
start = {uplink}
port = {port}
retry_max_s = 0.2
"""

# Of a line on which a part is in time also where the machine does other things for a second.
PATIENT = {"rate_hz": 8.0, "travel_ms": 1500.0, "budget_ms": 1400.0}


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def line(self) -> str:
        """The one line on stderr, beside the log's that no engine was chosen yet."""
        lines = [line for line in self.err.splitlines() if " engine_default " not in line]
        assert len(lines) == 1, self.err
        return lines[0]


Outfeed = Callable[..., Result]


@pytest.fixture
def outfeed(capsys: pytest.CaptureFixture[str]) -> Outfeed:
    """outfeed("inspect", path, ...) in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Result(status, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.mktemp("bundle") / "small.outfeed")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """clean.png, faint.png, hole.png and sub/stain.png."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for name, pixels in (("clean", CLEAN), ("faint", FAINT), ("hole", HOLE), ("sub/stain", STAIN)):
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
    return folder


@pytest.fixture
def configure(tmp_path: Path, bundle: Path) -> Callable[..., Path]:
    """A station.toml with a bundle and twelve pictures beside it; every third shows a hole."""
    (tmp_path / "small.outfeed").write_bytes(bundle.read_bytes())
    (tmp_path / "frames").mkdir()
    for number in range(12):
        name = str(tmp_path / f"frames/{number:02d}.png")
        cv2.imwrite(name, CLEAN if number % 3 else HOLE)

    def write(extra: str = "", **keys: Any) -> Path:
        values = {"kind": "files", "path": "frames", "loop": "false", "uplink": "false", "port": 9}
        values |= {"trust": TRUST, "rate_hz": 100.0, "travel_ms": 120.0, "budget_ms": 100.0}
        path = tmp_path / "station.toml"
        path.write_text(STATION_TOML.format(**(values | keys)) + extra)
        return path

    return write


def tmpfs(folder: Path, *, mib: int) -> Iterator[Path]:
    """A real file system in memory at this new folder, until the test ends."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
