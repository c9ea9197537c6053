"""The Debian package of the central system: built, installed with dpkg, started, and removed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.machine import Machine, why_not
from tests.support.brokers import free_port
from tools.debian.central import central_package
from tools.debian.package import DebianPackage, PackageError, build_package

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "central-backup.md"
UNIT = "outfeed-central"
STATE = "/var/lib/outfeed-central"
needs_dpkg = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed"
)


def small(folder: Path, **changes: object) -> DebianPackage:
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree/a.py").write_text("a = 1\n")
    (folder / "tree/__pycache__").mkdir(exist_ok=True)
    (folder / "tree/__pycache__/a.pyc").write_bytes(b"x")
    (folder / "tree/secret.key").write_text("secret")
    values = {
        "name": "outfeed-small",
        "version": "1.0",
        "architecture": "all",
        "depends": "python3",
        "summary": "small",
        "description": ("A small package.",),
        "trees": {"/opt/small/lib": folder / "tree"},
        "texts": {"/opt/small/bin/small": "#!/bin/sh\n", "/etc/small.conf": "a\n"},
        "links": {"/usr/bin/small": "/opt/small/bin/small"},
        "conffiles": ("/etc/small.conf",),
        "scripts": {"postinst": "#!/bin/sh\n"},
    }
    return DebianPackage(**{**values, **changes})


@needs_dpkg
def test_a_package_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = build_package(small(tmp_path), tmp_path / "one", 1_700_000_000)
    (tmp_path / "tree/a.py").chmod(0o600)
    shutil.copytree(tmp_path / "tree", tmp_path / "again/tree")
    second = build_package(small(tmp_path / "again"), tmp_path / "two", 1_700_000_000)
    assert first.name == "outfeed-small_1.0_all.deb"
    assert first.read_bytes() == second.read_bytes()
    listed = subprocess.run(
        ["dpkg-deb", "--contents", str(first)], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"^-rwxr-xr-x root/root .* ./opt/small/bin/small$", listed, re.M)
    assert re.search(r"^-rw-r--r-- root/root .* ./opt/small/lib/a.py$", listed, re.M)
    assert "secret.key" not in listed
    assert "pycache" not in listed
    later = build_package(small(tmp_path), tmp_path / "three", 1_700_000_001)
    assert later.read_bytes() != first.read_bytes()


@needs_dpkg
def test_a_package_that_cannot_be_built_is_one_line(tmp_path: Path) -> None:
    missing = small(tmp_path, trees={"/opt/x": tmp_path / "none"})
    with pytest.raises(PackageError, match="none: is missing"):
        build_package(missing, tmp_path / "out", 0)
    with pytest.raises(PackageError, match="dpkg-deb: "):
        build_package(small(tmp_path, version="not a version"), tmp_path / "out", 0)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, int]]:
    """A booted machine with the package file in /root; the libraries are links to a mount."""
    if reason := why_not() or ("" if shutil.which("dpkg-deb") else "dpkg-deb is not installed"):
        pytest.skip(f"no machine with systemd: {reason}")
    version = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    import sys

    if version != str(tuple(sys.version_info[:2])):
        pytest.skip(f"the Python of the system is {version or 'missing'}, not that of the tests")
    folder = tmp_path_factory.mktemp("package")
    site = folder / "site"
    site.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if each.suffix != ".pth" and not each.name.startswith(("__", "torch")):
            (site / each.name).symlink_to(f"/opt/outfeed/site/{each.name}")
    package = build_package(central_package(site, "all"), folder, 1_700_000_000)
    own = Machine(Path(tempfile.mkdtemp(prefix="outfeed-machine-")))
    own.install()
    own.copy("/root/outfeed-central.deb", package)
    port = free_port()
    try:
        own.boot()
        yield own, port
    finally:
        own.halt()


def health(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=10) as answer:
        return int(answer.status)


def page_commands(start: str) -> list[str]:
    lines = [line.strip() for line in PAGE.read_text().splitlines()]
    return [line for line in lines if line.startswith(start)]


def install(own: Machine, port: int) -> None:
    """Install the package, give the service ports of its own, and start it."""
    output = own.run("dpkg", "-i", "/root/outfeed-central.deb")
    assert "Setting up outfeed-central" in output, output
    assert "rror" not in output, output
    assert own.run("stat", "-c", "%U %G %a", STATE) == f"{UNIT} {UNIT} 750"
    assert own.run("stat", "-c", "%U %G %a", f"/etc/{UNIT}/central.toml") == f"root {UNIT} 640"
    assert own.run("systemctl", "is-enabled", UNIT) == "disabled"
    # The network is that of the machine that runs the tests: other ports.
    broker = free_port()
    own.run(
        *("sed", "-i", "-e", f's/^kind = "embedded"/port = {broker}/'),
        *("-e", f"$ a [web]\\nport = {port}", f"/etc/{UNIT}/central.toml"),
    )
    started = own.run("systemctl", "start", UNIT)
    assert started == "", f"{started}\n{own.log(UNIT)}"
    assert health(port) == 200


def assert_sandbox(own: Machine, pid: str) -> None:
    status = own.run("cat", f"/proc/{pid}/status")
    user = own.run("id", "-u", UNIT)
    assert re.search(rf"^Uid:\t{user}\t{user}\t{user}\t{user}$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    mounts = own.run("grep", "-E", " (/|/etc) ", f"/proc/{pid}/mounts")
    assert re.search(r" / overlay ro,", mounts), mounts
    assert own.run("stat", "-c", "%U %a", f"{STATE}/central.db") == f"{UNIT} 640"


@pytest.mark.timeout(600)
def test_the_package_is_installed_runs_in_its_sandbox_and_restores(
    machine: tuple[Machine, int],
) -> None:
    own, port = machine
    install(own, port)
    pid = own.show(UNIT, "MainPID")
    assert_sandbox(own, pid)
    # Copies are made at once, and the command restores one of them.
    own.eventually(
        lambda: "central-day" in own.run("ls", f"{STATE}/backup"), f"a copy {own.log(UNIT)}"
    )
    drill = own.run("runuser", "-u", UNIT, "--", *page_commands("outfeed-central drill")[0].split())
    assert re.search(r"restored central-\S+: \d+ rows are right", drill), drill
    # A process that is killed is started again.
    own.run("kill", "-KILL", pid)
    own.eventually(lambda: own.show(UNIT, "MainPID") not in ("0", pid), "another process")
    own.eventually(lambda: own.show(UNIT, "ActiveState") == "active", "it is ready again")
    assert health(port) == 200

    # "Restore a copy", as the page has it.
    copy = own.run("sh", "-c", f"ls {STATE}/backup/central-day-*.db")
    (stop,) = page_commands(f"sudo systemctl stop {UNIT}")[:1]
    (restore,) = page_commands(f"sudo -u {UNIT} outfeed-central restore")
    own.run(*stop.removeprefix("sudo ").split())
    words = restore.removeprefix(f"sudo -u {UNIT} ").split()
    words[2] = copy
    done = own.run("runuser", "-u", UNIT, "--", *words)
    assert f"restored {STATE}/central.db from " in done, done
    (start,) = [each for each in page_commands("sudo systemctl start") if each.endswith(UNIT)]
    assert own.run(*start.removeprefix("sudo ").split()) == ""
    assert health(port) == 200
    assert own.show(UNIT, "Result") == "success"

    # The pages alone, on the same database.
    own.run("systemctl", "stop", UNIT)
    assert own.run("systemctl", "start", f"{UNIT}-web") == "", own.log(f"{UNIT}-web")
    assert health(port) == 200
    own.run("systemctl", "stop", f"{UNIT}-web")

    removed = own.run("dpkg", "-r", UNIT)
    assert "Removing outfeed-central" in removed, removed
    assert own.run("sh", "-c", "ls /opt/outfeed-central 2>/dev/null | wc -l") == "0"
    assert own.run("ls", f"{STATE}/central.db") == f"{STATE}/central.db"
    own.run("dpkg", "-P", UNIT)
    assert own.run("sh", "-c", f"test -e /etc/{UNIT}/central.toml || echo gone") == "gone"
    assert own.run("ls", f"{STATE}/central.db") == f"{STATE}/central.db"
