"""The Debian package of the station: built, installed with dpkg, given an identity, upgraded while
it inspects, and removed. The libraries are those of the tests, as links to a mount."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.journal.reader import JournalReader
from edge.provision import StationKit, make_station_kit
from edge.provision.authority import Authority
from tests.firmware.conftest import Plant
from tests.firmware.machine import (
    ROOT,
    STATION,
    UPLINK,
    Machine,
    goes_on,
    history,
    main_pid,
    parts,
    rejector_pid,
    why_not,
)
from tests.hangs.line import write_line
from tests.support.brokers import MOSQUITTO, wait_for
from tests.support.bundles import small_bundle
from tests.support.keys import TRUST
from tests.uplink.central import Central
from tools.debian.locks import join_locks
from tools.debian.package import PackageError, build_package
from tools.debian.station import station_package

FIRST_BOOT = "outfeed-first-boot"
ETC = "/etc/outfeed"
needs_dpkg = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed"
)


@needs_dpkg
def test_the_package_has_every_file_of_the_unit(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/numpy.py").write_text("a = 1\n")
    deb = build_package(station_package(tmp_path / "site", "arm64"), tmp_path, 1_700_000_000)
    assert re.fullmatch(r"outfeed_\d+\.\d+\.\d+_arm64\.deb", deb.name)
    listed = subprocess.run(
        ["dpkg-deb", "--contents", str(deb)], capture_output=True, text=True, check=True
    ).stdout
    for own in (ROOT / "firmware-config/systemd").glob("*.service"):
        assert f" ./lib/systemd/system/{own.name}\n" in listed
    for place in (
        "usr/lib/systemd/system.conf.d/outfeed-watchdog.conf",
        "usr/lib/systemd/journald.conf.d/outfeed.conf",
        "usr/lib/sysctl.d/60-outfeed.conf",
        "lib/udev/rules.d/60-outfeed.rules",
        "lib/udev/rules.d/90-outfeed-identity.rules",
        "usr/lib/sysusers.d/outfeed.conf",
        "usr/lib/tmpfiles.d/outfeed.conf",
        "etc/chrony/conf.d/outfeed.conf",
        "usr/share/doc/outfeed/station.cdx.json",
        "usr/share/doc/outfeed/pi.cdx.json",
        "usr/share/doc/outfeed/examples/station.toml",
        "opt/outfeed/package/lib/edge/__main__.py",
        "opt/outfeed/package/site/numpy.py",
    ):
        assert f" ./{place}\n" in listed
    # Bytecode that this Python accepts: a read-only root compiles nothing.
    minor = sys.version_info.minor
    assert f"./opt/outfeed/package/site/__pycache__/numpy.cpython-3{minor}.pyc\n" in listed
    units = re.findall(r"^Documentation=file:(\S+)$", _units(), re.MULTILINE)
    for page in units:
        assert f" .{page}\n" in listed
    control = subprocess.run(
        ["dpkg-deb", "--field", str(deb)], capture_output=True, text=True, check=True
    ).stdout
    assert "Recommends: chrony, python3-libcamera, python3-prctl" in control
    again = build_package(
        station_package(tmp_path / "site", "arm64"), tmp_path / "again", 1_700_000_000
    )
    assert again.read_bytes() == deb.read_bytes()
    newer = station_package(tmp_path / "site", "amd64", "9.0+plant1")
    assert newer.file_name == "outfeed_9.0+plant1_amd64.deb"
    assert newer.recommends == "chrony"


def _units() -> str:
    return "".join(
        each.read_text() for each in (ROOT / "firmware-config/systemd").glob("*.service")
    )


def test_the_bytes_do_not_depend_on_the_folder_of_the_build(tmp_path: Path) -> None:
    """pip lists the scripts of libraries with hashes that contain the path of its Python."""
    packages = []
    for name in ("one", "two"):
        site = tmp_path / name / "site"
        (site / "tool-1.0.dist-info").mkdir(parents=True)
        (site / "tool.py").write_text("a = 1\n")
        record = f"../../bin/tool,sha256={name},275\ntool.py,sha256=x,6\n"
        (site / "tool-1.0.dist-info/RECORD").write_text(record)
        package = station_package(site, "amd64")
        packages.append(build_package(package, tmp_path / name, 1_700_000_000).read_bytes())
        assert (site / "tool-1.0.dist-info/RECORD").read_text() == record
    assert packages[0] == packages[1]


def test_locks_are_joined() -> None:
    one = "a==1 \\\n    --hash=sha256:aa\nb==2 ; python_version < '3' \\\n    --hash=sha256:bb\n"
    two = "# made\na==1 \\\n    --hash=sha256:aa\nc==3 \\\n    --hash=sha256:cc\n"
    assert join_locks([one, two]) == one + two.partition("aa\n")[2]
    assert join_locks([one, two], only=["c"]) == "c==3 \\\n    --hash=sha256:cc\n"
    assert join_locks([one, two], without=["a", "b"]) == "c==3 \\\n    --hash=sha256:cc\n"
    with pytest.raises(PackageError, match="a: the locks have different versions"):
        join_locks([one, two.replace("a==1", "a==2")])
    names = ("station", "pi")
    locks = [(ROOT / f"requirements/{name}.txt").read_text() for name in names]
    joined = join_locks(locks, without=["pidng", "python-prctl"])
    assert "picamera2==" in joined
    assert "openvino==" in joined
    assert "pidng" not in joined


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> Iterator[Machine]:
    """A booted machine with two versions of the package and three identities in /root."""
    reason = why_not() or (None if MOSQUITTO else "mosquitto is not installed")
    if reason or shutil.which("dpkg-deb") is None:
        pytest.skip(f"no machine with systemd: {reason or 'dpkg-deb is not installed'}")
    version = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(tuple(sys.version_info[:2]))"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if version != "(3, 11)" or sys.version_info[:2] != (3, 11):
        pytest.skip("the package is for Python 3.11 of the system and of the tests")
    folder = tmp_path_factory.mktemp("package")
    site = folder / "site"
    site.mkdir()
    for each in Path(sysconfig.get_path("purelib")).iterdir():
        if each.suffix != ".pth" and not each.name.startswith(("__", "torch")):
            (site / each.name).symlink_to(f"/opt/outfeed/site/{each.name}")
    own = Machine(Path(tempfile.mkdtemp(prefix="outfeed-machine-")))
    own.write("/etc/machine-id", "")
    own.write("/etc/systemd/system/outfeed-test.target", TARGET)
    for number in ("1.0", "2.0"):
        package = station_package(site, "all", number)
        # Two versions differ by their content.
        texts = {**package.texts, "/opt/outfeed/package/lib/number": number}
        package = replace(package, texts=texts)
        own.copy(f"/root/{number}.deb", build_package(package, folder, 1_700_000_000))
    for name in (STATION, UPLINK):
        own.write(f"/etc/systemd/system/{name}.service.d/slow.conf", SLOW)
    _identities(own, plant, folder)
    try:
        own.boot()
        yield own
    finally:
        own.halt()


# The machine of the tests may be busy.
SLOW = """\
[Service]
TimeoutStartSec=300
Nice=0
IOSchedulingClass=best-effort
"""

TARGET = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


def _identities(own: Machine, plant: Plant, folder: Path) -> None:
    """press-3 for a trial, the same with a commissioning, and one that replaces it."""
    line = write_line(
        folder / "line", small_bundle(folder / "s.outfeed").read_bytes(), state="/var/lib/outfeed"
    )
    text = line.read_text()
    middle = text[text.index("[camera]") : text.index("[uplink]")]
    middle = middle.replace('path = "frames"', 'path = "/srv/frames"')
    authority = Authority.read(plant.central.bundle.parents[1] / "authority")
    certificate: Path | None = None
    for name, required in (("new", "true"), ("trial", "false")):
        settings = folder / f"{name}.toml"
        settings.write_text(
            middle.replace("[line]\n", f"[line]\nrequire_commission = {required}\n")
        )
        kit = StationKit(
            "press-3",
            "127.0.0.1",
            (TRUST,),
            port=plant.broker.port,
            bundle=folder / "line/small.outfeed",
            settings=settings,
            replaces=certificate,
        )
        make_station_kit(folder / name, authority, kit)
        certificate = folder / name / "station.pem"
        for each in (folder / name).iterdir():
            own.copy(f"/root/{name}/{each.name}", each)
    for each in (folder / "line/frames").iterdir():
        own.copy(f"/srv/frames/{each.name}", each)


@pytest.mark.timeout(600)
def test_a_unit_from_the_package_to_the_purge(unit: Machine, plant: Plant) -> None:
    installed = unit.run("dpkg", "-i", "/root/1.0.deb")
    assert "Setting up outfeed (1.0)" in installed, installed
    assert unit.run("outfeed", "--version").startswith("outfeed ")
    for name in (FIRST_BOOT, STATION, UPLINK):
        assert unit.run("systemctl", "is-enabled", name) == "enabled"
    # Without an identity nothing starts, and the console shows the reason.
    assert unit.run("systemctl", "start", FIRST_BOOT) == "", unit.log(FIRST_BOOT)
    for name in (STATION, UPLINK):
        unit.run("systemctl", "start", name)
        assert unit.show(name, "ActiveState") == "inactive"
    assert "no identity" in _issue(unit)

    with plant.broker:
        central = Central(plant.central)
        with central.listening():
            _first_identity(unit, central)
            _trial(unit)
            _upgrade(unit)
            wait_for(lambda: len(central.received) > 20, "20 events", 60)
            assert central.statuses[-1].commissioning == "trial"
            _remove(unit)


def _issue(unit: Machine) -> str:
    """The text above the login prompt. agetty needs a terminal."""
    return unit.run("script", "--quiet", "--command", "agetty --show-issue", "/dev/null")


def _first_identity(unit: Machine, central: Central) -> None:
    """It connects and waits; the station refuses to run before GO."""
    said = unit.run("outfeed", "import-identity", "/root/new")
    assert said == f"{ETC}: station press-3"
    assert "new" not in unit.run("ls", "/root").split()
    assert unit.run("stat", "-c", "%U %G %a", f"{ETC}/station.key") == "root outfeed 640"
    assert unit.run("systemctl", "start", UPLINK) == "", unit.log(UPLINK)
    # The broker may still have the status of an earlier test.
    wait_for(lambda: central.statuses and central.statuses[-1].note, "the note", 60)
    assert central.statuses[-1].note == "waiting to be commissioned"
    unit.run("systemctl", "start", STATION)
    assert unit.show(STATION, "ExecMainStatus") == "78"
    assert "this station was never commissioned" in unit.log(STATION)
    # The boot gives the unit its name, and shows it.
    assert unit.run("systemctl", "start", FIRST_BOOT) == "", unit.log(FIRST_BOOT)
    assert unit.run("hostname") == "press-3"
    assert "Outfeed: station press-3" in _issue(unit)


def _trial(unit: Machine) -> None:
    """A replacement that names the certificate; then the line inspects."""
    said = unit.run("outfeed", "import-identity", "/root/trial")
    assert said == f"{ETC}: station press-3"
    unit.run("systemctl", "reset-failed", STATION)
    assert unit.run("systemctl", "restart", STATION, UPLINK) == "", unit.log(STATION)
    goes_on(unit)


def _upgrade(unit: Machine) -> None:
    """The station goes on with its version, also with another rejector; then it is restarted."""
    first, rejector, before = main_pid(unit), rejector_pid(unit), _version(unit)
    said = unit.run("dpkg", "-i", "/root/2.0.deb")
    assert "the station runs the version from before" in said, said
    assert main_pid(unit) == first
    goes_on(unit)
    unit.run("kill", "-KILL", rejector)
    unit.eventually(lambda: rejector_pid(unit) not in ("", rejector), "another rejector")
    assert before in unit.run("cat", f"/proc/{rejector_pid(unit)}/environ")
    goes_on(unit)
    assert main_pid(unit) == first
    assert unit.show(STATION, "NRestarts") == "0"
    assert before not in unit.run("readlink", "/opt/outfeed/current")
    assert unit.run("systemctl", "restart", STATION) == "", unit.log(STATION)
    goes_on(unit)
    assert _version(unit) != before
    # The version that no service uses goes with the next installation.
    unit.run("systemctl", "restart", UPLINK)
    unit.run("dpkg", "-i", "/root/2.0.deb")
    assert unit.run("ls", "/opt/outfeed/versions") == _version(unit)


def _version(unit: Machine) -> str:
    environment = unit.run("cat", f"/proc/{main_pid(unit)}/environ")
    found = re.search(r"PYTHONPATH=/opt/outfeed/versions/([0-9a-f]{12})/lib:", environment)
    assert found is not None, environment
    return found[1]


def _remove(unit: Machine) -> None:
    refused = unit.run("dpkg", "-r", "outfeed")
    assert "the station runs; expected a stopped one" in refused, refused
    goes_on(unit)
    unit.run("systemctl", "stop", STATION)
    count = parts(unit)
    # The gaps of both stops are named, and nothing is missing in the numbers.
    with JournalReader(unit.state / "journal.sqlite") as reader:
        numbers = [each.position.published for each in reader.read(None, 100_000)]
    assert numbers == list(range(1, len(numbers) + 1))
    removed = unit.run("dpkg", "-r", "outfeed")
    assert "Removing outfeed (2.0)" in removed, removed
    assert (
        unit.run("sh", "-c", "ls /lib/systemd/system/outfeed-*.service 2>/dev/null | wc -l") == "0"
    )
    assert unit.run("sh", "-c", "ls -d /opt/outfeed/versions 2>/dev/null || echo gone") == "gone"
    unit.run("dpkg", "-P", "outfeed")
    assert unit.run("sh", "-c", f"ls {ETC}/station.key {ETC}/station.toml | wc -l") == "2"
    assert len(history(unit).parts) == count
