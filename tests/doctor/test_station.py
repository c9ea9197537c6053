"""The findings on the station: process, rejector, bundle, engine and commissioning."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.bundle import Bundle
from edge.commission.fingerprint import fingerprints
from edge.commission.record import STEPS, conclude, with_fingerprints, write_record
from edge.commission.result import Figure, judge_figures
from edge.doctor import disk, station
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import DiagnosticFinding, Level
from edge.doctor.machine import MachineState
from edge.doctor.station_process import Running, find_running
from edge.errors import BundleError, ConfigError
from edge.journal.lock import FileLock
from tests.doctor.contexts import STATION, context, put, put_files, unit


def level(finding: DiagnosticFinding | None) -> Level:
    assert finding is not None
    return finding.level


@pytest.mark.parametrize(
    ("properties", "running", "message"),
    [
        (
            {"ActiveState": "active", "StatusText": "9 parts"},
            True,
            "OK station: runs, pid 4711; 9 pa",
        ),
        (
            {"ActiveState": "failed", "ExecMainStatus": 78},
            False,
            "FAIL station: failed with",
        ),
        (
            {"ActiveState": "inactive", "SubState": "dead"},
            False,
            "FAIL station: does not run",
        ),
        (
            {"LoadState": "not-found"},
            False,
            "WARN station: does not run, and there is no service",
        ),
    ],
)
def test_the_service(tmp_path: Path, properties: dict, running: bool, message: str) -> None:
    one = context(tmp_path, run=unit(**properties), running=STATION if running else None)
    assert str(station.service(one)).startswith(message)


def test_the_uplinks_service(tmp_path: Path) -> None:
    assert station.uplink_service(context(tmp_path)) is None
    runs = context(tmp_path, run=unit(ActiveState="active", StatusText="connected"))
    assert str(station.uplink_service(runs)) == "OK uplink service: connected"
    failed = context(tmp_path, run=unit(ActiveState="failed", SubState="failed"))
    assert level(station.uplink_service(failed)) is Level.FAIL
    text = ("start = false", "start = true")  # then it is the station's child
    assert station.uplink_service(context(tmp_path, text=text, run=unit())) is None


def test_restarts(tmp_path: Path) -> None:
    assert station.restarts(context(tmp_path)) is None  # no systemd
    assert level(station.restarts(context(tmp_path, run=unit(NRestarts=0)))) is Level.OK
    finding = station.restarts(context(tmp_path, run=unit(NRestarts=3)))
    assert str(finding) == "WARN restarts: 3 since the unit was started"


def test_a_station_is_found_by_its_lock_which_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "journal.lock"
    assert find_running(MachineState(), path) is None
    path.touch()
    place = f"00:fe:{path.stat().st_ino}"  # as an overlay shows it: another device
    put_files(tmp_path / "root", proc__locks=f"1: FLOCK  ADVISORY  WRITE 77 {place} 0 EOF\n")
    machine = MachineState(root=tmp_path / "root")
    assert find_running(machine, path) is None  # the inode of another file
    put(tmp_path / "root", "proc/77/cmdline", "/opt/outfeed/bin/outfeed\0run\0")
    assert find_running(machine, path) == Running(77)


def test_the_real_lock_of_this_process(tmp_path: Path) -> None:
    path = tmp_path / "journal.lock"
    lock = FileLock(path, held="held")
    finding = find_running(MachineState(), path)
    lock.release()
    assert finding is None or finding.pid >= 0  # a kernel may hide locks of other namespaces
    assert find_running(MachineState(), path) is None
    FileLock(path, held="held").release()  # the check did not take it


def test_the_rejector_of_a_running_station(tmp_path: Path) -> None:
    text = ("realtime_priority = 0", "realtime_priority = 50")
    one = context(tmp_path, running=STATION, text=text)
    assert level(station.rejector(one)) is Level.FAIL
    root = tmp_path / "root"
    put(root, "proc/4712/cmdline", "python\0-m\0edge.rejector\0--fd=9\0")
    put(root, "proc/4712/status", "Name:\tpython (x)\nPPid:\t4711\n")
    for policy, wanted in ((1, Level.OK), (0, Level.WARN)):
        rest = " ".join(["0"] * 38 + [str(policy), "0"])
        put(root, "proc/4712/stat", f"4712 (python (x)) {rest}")
        assert level(station.rejector(one)) is wanted
    assert station.rejector(context(tmp_path)) is None


def test_the_bundle(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert str(station.bundle(one)).startswith("OK bundle: dark-spots-1.0-")
    data = bytearray((tmp_path / "small.outfeed").read_bytes())
    data[200] ^= 1
    (tmp_path / "small.outfeed").write_bytes(bytes(data))
    assert level(station.bundle(context(tmp_path))) is Level.FAIL
    assert station.engine(context(tmp_path)) is None  # reported once
    assert station.commissioning(context(tmp_path)) is None


def test_the_engine(tmp_path: Path) -> None:
    finding = station.engine(context(tmp_path))
    assert finding is not None
    assert (finding.level, finding.message) == (Level.WARN, "no engine was measured yet")
    text = ("[uplink]", '[engine]\nkind = "ort"\n[uplink]')
    assert level(station.engine(context(tmp_path, text=text))) is Level.OK

    def missing(bundle: Bundle) -> str:
        raise ConfigError("onnxruntime is not installed")

    assert level(station.engine(replace(context(tmp_path), engine=missing))) is Level.FAIL


def test_golden_frames(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert str(station.golden(one)) == "OK golden frames: reproduced"

    def differs(bundle: Bundle) -> None:
        raise BundleError("does not reproduce its golden frame")

    assert level(station.golden(replace(one, prove=differs))) is Level.FAIL
    assert station.golden(context(tmp_path, golden=False)) is None
    assert station.golden(context(tmp_path, running=STATION)) is None  # it needs the processor


def commissioned(one: DiagnosticContext) -> None:
    bundle = one.admit()
    now = fingerprints(one.config, bundle)
    speed = judge_figures("speed", [Figure(name="greatest rate", value=40)])
    results = [judge_figures(step, ()) for step in STEPS if step != "speed"]
    results = [with_fingerprints(result, now) for result in [*results, speed]]
    record = conclude(one.config.id, bundle.id, results, now)
    write_record(one.config.paths.commissioning, record)


def test_commissioning(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert str(station.commissioning(one)) == (
        "WARN commissioning: this station was never commissioned"
    )
    commissioned(one)
    finding = station.commissioning(one)
    assert level(finding) is Level.OK
    assert "at most 40 parts/s" in str(finding)
    text = ("[line]\n", "[line]\nrequire_commission = true\n")
    required = context(tmp_path, text=text)
    assert level(station.commissioning(required)) is Level.OK
    changed_names = context(tmp_path, text=("pulse_ms = 10.0", "pulse_ms = 9.0"))
    assert level(station.commissioning(changed_names)) is Level.FAIL
    one.config.paths.commissioning.write_text("{")
    assert level(station.commissioning(one)) is Level.WARN


def test_safe_state(tmp_path: Path) -> None:
    one = context(tmp_path)
    finding = station.safe_state(one)
    assert level(finding) is Level.WARN
    assert "parts pass without a verdict" in str(finding)
    commissioned(one)
    assert level(station.safe_state(one)) is Level.OK
    changed_names = context(tmp_path, text=("[output]", "[output]\nsilence_ms = 600"))
    assert level(station.safe_state(changed_names)) is Level.WARN
    safe = context(tmp_path, text=("[output]", '[output]\nsafe_state = "active"'))
    assert str(station.safe_state(safe)) == "OK safe state: active, on_unknown is reject"


def test_versions() -> None:
    message = station.versions(MachineState()).message
    assert message.startswith("outfeed ")
    assert "onnxruntime" in message


def test_a_station_without_a_lock_is_found_by_its_command(
    tmp_path: Path,
) -> None:
    config = tmp_path / "station.toml"
    config.touch()
    lock = tmp_path / "state/journal.lock"
    put(tmp_path, "proc/91/cmdline", f"python3\0-m\0edge\0run\0--config\0{config.name}")
    (tmp_path / "proc/91/cwd").symlink_to(tmp_path)
    put(tmp_path, "proc/92/cmdline", f"outfeed\0doctor\0-c\0{config}")
    (tmp_path / "proc/92/cwd").symlink_to(tmp_path)
    machine = MachineState(root=tmp_path)
    assert find_running(machine, lock, config) == Running(91)
    put(tmp_path, "proc/91/cmdline", f"outfeed\0run\0--config={config}")
    assert find_running(machine, lock, config) == Running(91)
    assert find_running(machine, lock, tmp_path / "other.toml") is None


def test_a_running_station_without_a_journal(tmp_path: Path) -> None:
    finding = disk.journal(context(tmp_path, running=STATION))
    assert finding.level is Level.FAIL
    assert "its events are lost" in finding.message
