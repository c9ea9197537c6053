"""The units, users and folders of the central system, as systemd's own tools read them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware.machine import FIRMWARE

CENTRAL = FIRMWARE / "central"
SERVICES = sorted((CENTRAL / "systemd").glob("*.service"))
TIMERS = sorted((CENTRAL / "systemd").glob("*.timer"))
LASTING = [unit for unit in SERVICES if "[Install]" in unit.read_text()]
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def test_these_are_the_units() -> None:
    names = [unit.stem.removeprefix("outfeed-central") for unit in SERVICES]
    assert sorted(names) == ["", "-backup", "-bundles", "-collect", "-drill", "-pictures", "-web"]
    assert [unit.stem for unit in TIMERS] == ["outfeed-central-backup", "outfeed-central-drill"]
    assert len(LASTING) == 5


@needs_analyze
@pytest.mark.parametrize("unit", [*SERVICES, *TIMERS], ids=lambda unit: unit.name)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    program = tmp_path / "outfeed-central"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for other in (*SERVICES, *TIMERS):
        text = other.read_text().replace("/opt/outfeed-central/bin", str(tmp_path))
        (tmp_path / other.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if "outfeed" in line] == []


@needs_analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_the_exposure_is_below_two(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze has no --offline (systemd below 250)")
    overall = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert overall is not None
    assert float(overall[1]) < 2.0


@pytest.mark.parametrize("unit", LASTING, ids=lambda unit: unit.stem)
def test_services_report_how_they_are_and_have_no_rights(unit: Path) -> None:
    own = values(unit)
    command = unit.stem.removeprefix("outfeed-central").removeprefix("-") or "run"
    command = {"bundles": "bundle serve"}.get(command, command)
    assert own["ExecStart"] == [
        f"/opt/outfeed-central/bin/outfeed-central {command} "
        "--config /etc/outfeed-central/central.toml"
    ]
    assert own["User"] == own["Group"] == own["StateDirectory"] == ["outfeed-central"]
    assert (own["Type"], own["NotifyAccess"], own["Restart"]) == (["notify"], ["main"], ["always"])
    assert own["RestartPreventExitStatus"] == ["2 78"]
    assert own["CapabilityBoundingSet"] == [""]
    # The database stage may be silent for 120 s, and a close of all parts takes 60 s.
    assert command not in ("run", "collect") or int(own["WatchdogSec"][0]) > 120
    assert int(own["TimeoutStopSec"][0]) > 60


@pytest.mark.parametrize("name", ["backup", "drill"])
def test_the_jobs_of_postgresql_leave_the_live_server_alone(name: str) -> None:
    own = values(CENTRAL / f"systemd/outfeed-central-{name}.service")
    assert own["User"] == ["postgres"]
    # systemd would remove the shared memory of the server, which has the same user.
    assert own["RemoveIPC"] == ["no"]
    writable = own["ReadWritePaths"][0]
    assert "/var/lib/postgresql" not in writable
    timer = values(CENTRAL / f"systemd/outfeed-central-{name}.timer")
    assert timer["Persistent"] == ["yes"]


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers")
def test_user_and_folders_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "etc/outfeed-central"
    folder.mkdir(parents=True)
    (folder / "database.password").write_text("x")
    for tool, file in (
        ("systemd-sysusers", "sysusers.d/outfeed-central.conf"),
        ("systemd-tmpfiles", "tmpfiles.d/outfeed-central.conf"),
    ):
        words = [tool, f"--root={tmp_path}", str(CENTRAL / file)]
        if tool == "systemd-tmpfiles":
            words.insert(1, "--create")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if "Permission denied" in done.stderr or "Operation not permitted" in done.stderr:
            pytest.skip("needs root")
        assert done.returncode == 0, done.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    assert re.search(
        r"^outfeed-central:x:\d+:\d+:Outfeed central system:/var/lib/outf", passwd, re.M
    )
    assert folder.stat().st_mode & 0o777 == 0o750
    assert (folder / "database.password").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "var/lib/outfeed-central").stat().st_mode & 0o777 == 0o750
