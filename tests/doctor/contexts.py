"""Diagnostic contexts for tests: a station, and a machine with files of /proc and /sys."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.cli.diagnosis import diagnostic_context
from edge.config.station import load_config
from edge.doctor.context import DiagnosticContext
from edge.doctor.machine import MachineState
from edge.doctor.station_process import Running
from tests.commission.stations import write_station

STATION = Running(4711)


def put_files(root: Path, **files: str) -> None:
    """Write files below the root; ``__`` in a name stands for a slash."""
    for name, text in files.items():
        put(root, name.replace("__", "/"), text)


def put(root: Path, name: str, text: str) -> None:
    path = root / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Programs:
    """The output of programs by the first two words of the command; no others are installed."""

    def __init__(self, **outputs: str) -> None:
        self.outputs = {name.replace("_", " ", 1): text for name, text in outputs.items()}
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> str | None:
        self.commands.append(command)
        return self.outputs.get(" ".join(command[:2]))


def unit(**properties: object) -> Programs:
    """Return a systemd with the unit of the station."""
    lines = [f"{key}={value}" for key, value in {"LoadState": "loaded", **properties}.items()]
    return Programs(systemctl_show="\n".join(lines))


def context(
    folder: Path, extra: str = "", *, text: tuple[str, str] = ("", ""), **how: Any
) -> DiagnosticContext:
    """Return a station with its files in ``folder``, and a machine whose root is folder/root.

    text: a text of station.toml and its replacement. how: fields of MachineState, or running and
    golden.
    """
    path = folder / "station.toml"
    if not path.exists():
        write_station(folder, extra)
    if text[0]:
        assert text[0] in path.read_text()
        path.write_text(path.read_text().replace(*text))
    (folder / "root").mkdir(exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    running, golden = how.pop("running", None), how.pop("golden", True)
    machine = replace(MachineState(root=folder / "root", run=Programs()), **how)
    diagnostic = diagnostic_context(load_config(path), machine, golden=golden)
    return replace(diagnostic, running=running)


def disk_of(**fields: int) -> os.statvfs_result:
    """Return the state of a file system; by default 1 GiB of 4 GiB is free."""
    names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")
    names += ("f_favail", "f_flag", "f_namemax")
    given = {
        **dict.fromkeys(names, 0),
        **{"f_bsize": 4096, "f_frsize": 4096, "f_blocks": 1 << 20, "f_bavail": 1 << 18},
        **{"f_files": 100_000, "f_favail": 50_000},
        **fields,
    }
    return os.statvfs_result([given[name] for name in names])


UPLINK = "[uplink]\nstart = false\n"


def uplink_to(folder: Path, port: int, *lines: str, later_s: float = 0) -> DiagnosticContext:
    text = f"{UPLINK}port = {port}\n" + "".join(f"{line}\n" for line in lines)
    return context(folder, text=(UPLINK, text), now_s=lambda: time.time() + later_s)
