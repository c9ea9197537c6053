"""The service at a boot: FAT file systems, console, LED and host name. The mounts are simulated
here; tests/firmware runs the unit under systemd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import edge.first_boot.partitions as partitions
import edge.first_boot.service as service
from edge.first_boot.display import UnitState, show
from edge.first_boot.partitions import fat_partitions
from edge.first_boot.service import run_first_boot
from edge.first_boot.state import host_name, station_name
from tests.first_boot.conftest import Identities, contents


class Unit:
    """The files of a machine below a folder: /proc, /sys, /run and a mounted boot partition."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.boot = folder / "boot"
        self.etc = self.root / "etc/outfeed"
        self.led = self.root / "sys/class/leds/ACT"
        for each in (self.boot, self.etc, self.led, self.root / "dev", self.root / "proc/self"):
            each.mkdir(parents=True)
        (self.led / "trigger").write_text("none timer [mmc0] heartbeat")
        self.mounted("rw")

    def mounted(self, rights: str) -> None:
        """The mount of the boot partition: rw or ro."""
        place = str(self.boot).replace(" ", r"\040")
        (self.root / "proc/self/mountinfo").write_text(
            f"22 1 259:2 / / rw - ext4 /dev/root rw\n"
            f"30 22 179:1 / {place} {rights},relatime shared:9 - vfat /dev/mmcblk0p1 {rights}\n"
            f"31 22 179:1 /dtb /dtb rw - vfat /dev/mmcblk0p1 rw\n"
            "32 22 0:5 / /run rw - tmpfs none rw\n"
        )

    def device(self, name: str, number: str, kind: str) -> None:
        """A block device that udev has examined."""
        (self.root / "sys/class/block" / name).mkdir(parents=True)
        (self.root / "sys/class/block" / name / "dev").write_text(f"{number}\n")
        (self.root / "run/udev/data").mkdir(parents=True, exist_ok=True)
        (self.root / f"run/udev/data/b{number}").write_text(f"I:1\nE:ID_FS_TYPE={kind}\n")

    def run(self) -> bool:
        return run_first_boot(self.etc, self.root / "run/mounts", self.root)

    @property
    def issue(self) -> str:
        return (self.root / "run/outfeed.issue").read_text()


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.setattr(service, "_start", lambda: None)
    monkeypatch.setattr(socket, "gethostname", lambda: "press-3")
    return Unit(tmp_path)


def test_a_unit_without_an_identity_shows_it(unit: Unit) -> None:
    assert unit.run()
    assert "this unit has no identity. It inspects nothing and ejects nothing." in unit.issue
    assert (unit.led / "trigger").read_text() == "timer"
    assert (unit.led / "delay_on").read_text() == "100"
    assert (unit.led / "delay_off").read_text() == "1900"
    assert list(unit.etc.iterdir()) == []


def test_an_identity_is_imported_from_the_boot_partition(
    unit: Unit, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, named = [], []
    monkeypatch.setattr(service, "_start", lambda: started.append(1))
    monkeypatch.setattr(socket, "gethostname", lambda: "raspberrypi")
    monkeypatch.setattr(socket, "sethostname", named.append)
    assert unit.run()  # the LED blinks now
    shutil.copytree(made, unit.boot / "a folder of any name")
    (unit.boot / "config.txt").write_text("arm_64bit=1\n")
    assert unit.run()
    assert contents(unit.etc) == contents(made)
    assert [each.name for each in unit.boot.iterdir()] == ["config.txt"]
    assert unit.issue == "Outfeed: station press-3\n\n"
    assert (unit.led / "trigger").read_text() == "mmc0"  # as before
    assert (unit.root / "etc/hostname").read_text() == "press-3\n"
    assert (started, named) == ([1], ["press-3"])
    # Each further boot changes nothing, starts nothing, and names the unit again.
    before = {each: each.stat().st_mtime_ns for each in unit.etc.iterdir()}
    assert unit.run()
    assert {each: each.stat().st_mtime_ns for each in unit.etc.iterdir()} == before
    assert (started, named) == ([1], ["press-3", "press-3"])


def test_files_in_the_root_of_a_stick_are_an_identity_too(unit: Unit, made: Path) -> None:
    shutil.copytree(made, unit.boot, dirs_exist_ok=True)
    (unit.boot / "config.txt").write_text("")
    assert unit.run()
    assert station_name(unit.etc) == "press-3"
    assert [each.name for each in unit.boot.iterdir()] == ["config.txt"]


def test_two_identities_are_one_too_many(unit: Unit, made: Path, identities: Identities) -> None:
    shutil.copytree(made, unit.boot / "a")
    identities.make(unit.boot / "b", "press-4")
    assert not unit.run()
    assert "a, " in unit.issue
    assert "expected one identity, found 2" in unit.issue
    assert (unit.led / "delay_off").read_text() == "100"
    assert list(unit.etc.iterdir()) == []
    assert contents(unit.boot / "a") == contents(made)


def test_a_refused_folder_is_named_and_stays(unit: Unit, made: Path) -> None:
    shutil.copytree(made, unit.boot / "a")
    (unit.boot / "a/station.toml").write_text('id = "edited"\n')
    assert not unit.run()
    assert "a/station.toml: expected" in unit.issue
    assert "no identity" in unit.issue
    assert (unit.boot / "a/station.key").exists()


def test_a_refused_replacement_leaves_the_unit_as_it_is(
    unit: Unit, made: Path, identities: Identities
) -> None:
    shutil.copytree(made, unit.boot / "a")
    assert unit.run()
    identities.make(unit.boot / "b", "press-4")
    assert not unit.run()
    assert unit.issue.startswith("Outfeed: station press-3\nOutfeed: ")
    assert "key 'replaces': this unit is press-3" in unit.issue
    assert contents(unit.etc) == contents(made)
    assert (unit.boot / "b/station.key").exists()


def test_a_partition_that_cannot_be_written_keeps_the_key_and_the_unit_works(
    unit: Unit, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stick with a switch. The next boot tries again."""
    commands: list[tuple[str, ...]] = []

    def refused(*command: str) -> None:
        commands.append(command)
        raise OSError("mount: /boot is write-protected")

    unit.mounted("ro")
    shutil.copytree(made, unit.boot / "a")
    monkeypatch.setattr(partitions, "_run", refused)
    assert not unit.run()
    assert "its private key could not be erased: mount: /boot is write-protected" in unit.issue
    assert station_name(unit.etc) == "press-3"
    assert (unit.boot / "a/station.key").exists()
    commands.clear()
    monkeypatch.setattr(partitions, "_run", lambda *command: commands.append(command))
    assert unit.run()
    assert not (unit.boot / "a").exists()
    boot = str(unit.boot)
    assert commands == [
        ("mount", "-o", "remount,rw", boot),
        ("mount", "-o", "remount,ro", boot),
    ]


def test_an_import_that_was_interrupted_is_finished_without_the_stick(
    unit: Unit, made: Path
) -> None:
    shutil.copytree(made, unit.etc / ".identity.new")
    assert unit.run()
    assert contents(unit.etc) == contents(made)
    assert unit.issue.startswith("Outfeed: station press-3")


def test_sticks_are_mounted_read_only_and_without_rights(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit.device("sda1", "8:1", "vfat")
    unit.device("sdb1", "8:17", "ext4")
    unit.device("mmcblk0p1", "179:1", "vfat")  # mounted already
    unit.device("sdc1", "8:33", "vfat")
    commands: list[tuple[str, ...]] = []

    def run(*command: str) -> None:
        commands.append(command)
        if "/dev/sdc1" in command:
            raise OSError("mount: wrong fs type")

    monkeypatch.setattr(partitions, "_run", run)
    with fat_partitions(unit.root / "run/mounts", unit.root) as found:
        assert [(each.path.name, each.is_writable) for each in found] == [
            ("boot", True),
            ("sda1", False),
        ]
    place = str(unit.root / "run/mounts/sda1")
    options = "ro,nosuid,nodev,noexec,umask=0077"
    assert commands[0] == ("mount", "-t", "vfat", "-o", options, "/dev/sda1", place)
    assert commands[2:] == [("umount", place)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_real_file_system_is_mounted_changed_and_left(
    unit: Unit, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ext2 in the place of FAT: not every kernel that runs the tests has vfat."""
    image = tmp_path / "stick.img"
    shutil.copytree(made, tmp_path / "content/press-3")
    made_it = subprocess.run(
        ["mke2fs", "-q", "-F", "-t", "ext2", "-d", tmp_path / "content", image, "4M"],
        check=False,
        capture_output=True,
    )
    loop = subprocess.run(
        ["losetup", "--find", "--show", image], check=False, capture_output=True, text=True
    )
    device = loop.stdout.strip()
    if made_it.returncode or loop.returncode:
        pytest.skip(f"no loop device here: {loop.stderr}")
    try:
        name = Path(device).name
        unit.device(name, Path(f"/sys/class/block/{name}/dev").read_text().strip(), "ext2")
        monkeypatch.setattr(partitions, "_KIND", "ext2")
        monkeypatch.setattr(partitions, "_OPTIONS", "nosuid,nodev,noexec")
        if not unit.run() and "permission" in unit.issue:
            pytest.skip("may not mount here")
        assert contents(unit.etc) == contents(made)
        assert not (unit.root / f"run/mounts/{name}").exists()
        listed = subprocess.run(
            ["debugfs", "-R", "ls -p /", image], check=True, capture_output=True, text=True
        )
        assert "press-3" not in listed.stdout
        # Not one byte of the key is left in the image.
        key = (made / "station.key").read_text().splitlines()[1].encode()
        assert key not in image.read_bytes()
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def test_a_board_without_led_or_console_is_no_error(tmp_path: Path) -> None:
    show(UnitState.NO_IDENTITY, ["a \\ b"], tmp_path)
    assert (tmp_path / "run/outfeed.issue").read_text() == "a \\\\ b\n\n"
    show(UnitState.READY, ["c"], tmp_path)


def test_an_led_that_refuses_is_no_error(unit: Unit, caplog: pytest.LogCaptureFixture) -> None:
    (unit.led / "delay_on").mkdir()
    show(UnitState.NO_IDENTITY, ["x"], unit.root)
    assert "led_not_set led=ACT" in caplog.text


@pytest.mark.parametrize(
    ("station", "host"),
    [("press-3", "press-3"), ("Press_3.B", "press-3-b"), ("9.", "9"), ("__", "outfeed")],
)
def test_host_names(station: str, host: str) -> None:
    assert host_name(station) == host


def test_a_damaged_manifest_gives_no_name(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_text("")
    for text in ("", "[]", '{"station": 5}', '{"station": ""}'):
        (tmp_path / "identity.json").write_text(text)
        assert station_name(tmp_path) is None
