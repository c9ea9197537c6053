"""The shipped files, as systemd's own tools read them; no root and no boot."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.config.output import OutputConfig
from edge.config.upload import UploadConfig
from edge.config.watchdog import WatchdogConfig
from edge.events.payload import Topics
from tests.firmware.machine import FIRMWARE

UNITS = sorted((FIRMWARE / "systemd").glob("*.service"))
# Root: it mounts FAT file systems and writes /etc/outfeed.
FIRST_BOOT = "outfeed-first-boot"
needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(unit: Path) -> dict[str, list[str]]:
    """Every assignment of a unit, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def test_the_units_are_these() -> None:
    names = [
        FIRST_BOOT,
        "outfeed-page",
        "outfeed-station",
        "outfeed-updater",
        "outfeed-uplink",
        "outfeed-upload",
    ]
    assert [unit.stem for unit in UNITS] == names


@needs_analyze
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_wrong(unit: Path, tmp_path: Path) -> None:
    """With something at the paths of the programs: they are not installed here."""
    for name in ("outfeed", "python"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for other in UNITS:
        text = other.read_text()
        assert "/opt/outfeed/bin/" in text
        (tmp_path / other.name).write_text(text.replace("/opt/outfeed/bin", str(tmp_path)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    # It reports on the other units of the machine too.
    own = [line for line in done.stderr.splitlines() if "outfeed" in line]
    assert own == []


@needs_analyze
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_exposure_is_below_two(unit: Path) -> None:
    """Below 2.5 for the one that runs as root. The options for it are of systemd 250; older ones
    refuse them, which is no failure of the unit."""
    limit = 2.5 if unit.stem == FIRST_BOOT else 2.0
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={10 * limit:.0f}",
            "--no-pager",
            str(unit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze has no --offline (systemd below 250)")
    assert done.returncode == 0, done.stdout[-2000:]
    overall = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert overall is not None
    assert float(overall[1]) < limit


def test_nothing_runs_as_root_and_all_tell_systemd_how_they_are() -> None:
    users = {
        "outfeed-page": "outfeed-page",
        "outfeed-station": "outfeed",
        "outfeed-updater": "outfeed-updater",
        "outfeed-uplink": "outfeed-uplink",
        "outfeed-upload": "outfeed-uplink",
    }
    for unit in UNITS:
        said = values(unit)
        if unit.stem == FIRST_BOOT:
            continue
        assert said["User"] == [users[unit.stem]]
        assert said["StateDirectory"] == [users[unit.stem]]
        assert said["Type"] == ["notify"]
        assert said["NotifyAccess"] == ["main"]
        assert said["Restart"] == ["always"]
        assert said["RestartPreventExitStatus"] == ["2 78"]
        assert said["CapabilityBoundingSet"] == [""]


def test_the_first_boot_runs_before_the_services_that_read_the_identity() -> None:
    said = values(FIRMWARE / f"systemd/{FIRST_BOOT}.service")
    others = [unit for unit in UNITS if unit.stem != FIRST_BOOT]
    assert said["Before"] == [" ".join(unit.name for unit in others)]
    assert said["Type"] == ["oneshot"]
    assert "RemainAfterExit" not in said  # a stick that is plugged in starts it again
    for unit in others:
        assert values(unit)["ConditionPathExists"] == ["/etc/outfeed/station.toml"]
    rule = (FIRMWARE / "udev/90-outfeed-identity.rules").read_text()
    assert 'TEST!="/etc/outfeed/station.toml"' in rule
    assert f'ENV{{SYSTEMD_WANTS}}+="{FIRST_BOOT}.service"' in rule


def test_times_that_must_follow_one_another() -> None:
    said = values(FIRMWARE / "systemd/outfeed-station.service")
    # The station ends by itself before systemd ends it: the hang, then up to 4 s (decision 21).
    assert WatchdogConfig().stage_s + 4 < float(said["WatchdogSec"][0])
    settle = re.search(r"--timeout-s (\d+)", said["ExecStopPost"][0])
    assert settle is not None
    assert float(settle[1]) + 5 < float(said["TimeoutStopSec"][0])
    assert int(said["LimitRTPRIO"][0]) >= OutputConfig().realtime_priority
    assert said["KillMode"] == ["process"]
    manager = (FIRMWARE / "systemd/system.conf.d/outfeed-watchdog.conf").read_text()
    hardware = re.search(r"^RuntimeWatchdogSec=(\d+)s$", manager, re.MULTILINE)
    assert hardware is not None
    assert int(hardware[1]) < 15  # as far as a Raspberry Pi's counts


def test_the_uplink_reaches_its_watchdog_after_the_slowest_connection() -> None:
    said = values(FIRMWARE / "systemd/outfeed-uplink.service")
    assert float(said["WatchdogSec"][0]) > 30 + 3 * 5.0  # resolver; connect_timeout_s, three steps


def test_the_page_has_the_lowest_priority_of_all() -> None:
    said = values(FIRMWARE / "systemd/outfeed-page.service")
    assert (said["Nice"], said["CPUWeight"]) == (["19"], ["1"])
    assert said["IOSchedulingClass"] == ["idle"]
    assert said["OOMScoreAdjust"] == ["1000"]
    assert float(said["WatchdogSec"][0]) > 2 * 60  # the limit of a turn in edge/station_page/run.py


def test_the_upload_reaches_its_watchdog_after_the_slowest_request() -> None:
    said = values(FIRMWARE / "systemd/outfeed-upload.service")
    # A request, its second try, and the pause for its bytes at the lowest rate.
    slowest_s = 2 * 3 * UploadConfig().timeout_s + 256
    assert float(said["WatchdogSec"][0]) > slowest_s


@pytest.mark.parametrize(
    ("tool", "file"),
    [
        ("systemd-sysusers", "sysusers.d/outfeed.conf"),
        ("systemd-tmpfiles", "tmpfiles.d/outfeed.conf"),
    ],
)
def test_users_and_folders_can_be_made(tool: str, file: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (tmp_path / "etc").mkdir()
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    users = [shutil.which("systemd-sysusers"), f"--root={tmp_path}"]
    made = subprocess.run(
        [str(word) for word in (*users, FIRMWARE / "sysusers.d/outfeed.conf")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in made.stderr or "Operation not permitted" in made.stderr:
        pytest.skip("needs root")
    assert made.returncode == 0, made.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    assert re.search(
        r"^outfeed:x:\d+:\d+:Outfeed:/var/lib/outfeed:/usr/sbin/nologin$", passwd, re.M
    )
    groups = (tmp_path / "etc/group").read_text()
    own = re.search(r"^outfeed:x:(\d+):", groups, re.M)
    assert own is not None
    uplink = rf"^outfeed-uplink:x:\d+:{own[1]}:Outfeed uplink:/var/lib/outfeed-uplink:"
    assert re.search(uplink, passwd, re.M)
    page = rf"^outfeed-page:x:\d+:{own[1]}:Outfeed page:/var/lib/outfeed-page:"
    assert re.search(page, passwd, re.M)
    assert re.search(r"^gpio:x:\d+:outfeed$", groups, re.M)
    assert re.search(r"^video:x:\d+:outfeed$", groups, re.M)
    if tool == "systemd-tmpfiles":
        done = subprocess.run(
            [tool, f"--root={tmp_path}", "--create", str(FIRMWARE / file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for name in ("outfeed", "outfeed-uplink", "outfeed-page"):
            assert (tmp_path / "var/lib" / name).stat().st_mode & 0o777 == 0o750
        assert (tmp_path / "etc/outfeed").stat().st_mode & 0o777 == 0o750


def test_drop_ins_are_files_that_systemd_could_read() -> None:
    for path in FIRMWARE.glob("systemd/*.conf.d/*.conf"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(path.read_text())
        assert parser.sections()


def test_the_access_list_speaks_of_the_topics_that_stations_use() -> None:
    topics = Topics("%u", "outfeed/v1")
    lines = (FIRMWARE / "mosquitto/outfeed.acl").read_text().splitlines()
    patterns = {line.split()[-1] for line in lines if line.startswith("pattern write ")}
    assert patterns == {topics.events, topics.status}
