"""One booted machine with the shipped units and a provisioned station, for all its tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import small_bundle
from tests.firmware.machine import Machine, why_not
from tests.hangs.line import write_line


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    reason = why_not()
    if reason is not None:
        pytest.skip(f"no machine with systemd: {reason}")
    folder = tmp_path_factory.mktemp("line")
    bundle = small_bundle(folder / "small.outfeed").read_bytes()
    write_line(folder / "etc", bundle, state="/var/lib/outfeed")
    # Not below pytest's own folder: it keeps the last three, and this one holds a mount point.
    machine = Machine(Path(tempfile.mkdtemp(prefix="outfeed-machine-")))
    machine.install()
    target = machine._folder / "upper/etc/outfeed"
    shutil.copytree(folder / "etc", target)
    target.chmod(0o755)
    try:
        machine.boot()
        yield machine
    finally:
        machine.halt()


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """With nothing of an earlier test in it."""
    booted.run("sh", "-c", "rm -rf /var/lib/outfeed/*")
    yield booted
    booted.run("systemctl", "stop", "outfeed-station", "outfeed-uplink")
    booted.run("systemctl", "reset-failed")
