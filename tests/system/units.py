"""The second stage of ``make system-test``: the shipped units on an emulated machine.

systemd is the first process. The station is provisioned here as a plant does it; its camera is
vivid, its photo-eye the power button that the host presses, its reject line a pin that the host
reads. The host is also the plant: a Mosquitto with TLS, and a central system at it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.config.station import load_config
from edge.events.event import ActuationEvent, PartEvent
from edge.provision import StationKit, make_authority, make_broker, make_central, make_station_kit
from tests.provision.shipped import shipped_broker
from tests.support.brokers import MOSQUITTO, Mosquitto
from tests.support.bundles import small_bundle
from tests.support.keys import TRUST
from tests.system.emulated import OUTPUT, Machine
from tests.system.findings import Findings
from tests.uplink.central import Central

FIRMWARE = Path(__file__).parents[2] / "firmware-config"
STATION = "press-3"
HOST = "10.0.2.2"  # as the machine sees this one, by QEMU's user networking
TRAVEL_MS, BUDGET_MS = 8000.0, 6000.0
PRESS_S = 3.0
REJECTS = 3
# Longer than the watcher takes for a look at the pins; shorter than the gap between two parts.
PULSE_MS = 800.0
VERDICT_S = 300.0

_DEVICES = f"""\
[camera]
kind = "v4l2"
device = "/dev/video0"
width = 640
height = 360
pixel_format = "grey"
timeout_ms = 30000.0
[trigger]
kind = "gpio"
chip = "9030000.pl061"
line = 3
[output]
kind = "gpio"
chip = "9030000.pl061"
line = 5
silence_ms = 5000
[watchdog]
stage_s = 60.0
[line]
travel_ms = {TRAVEL_MS}
purge_at_start = false
budget_ms = {BUDGET_MS}
pulse_ms = {PULSE_MS}
"""

# Emulation is slow. Nothing but time-outs is changed of the units.
_SLOW = """\
[Service]
TimeoutStartSec=900
TimeoutStopSec=300
TimeoutAbortSec=60
WatchdogSec=180
"""

# As an installation has it: /opt/outfeed/bin.
_START = """\
#!/bin/sh
export PYTHONPATH=/outfeed:/site PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 {}"$@"
"""

_REPORT = """\
[Service]
Type=exec
WorkingDirectory=/outfeed
ExecStart=/opt/outfeed/bin/python tests/system/guest_units.py
StandardOutput=file:/dev/console
StandardError=file:/dev/console
"""

_NETWORK = f"""\
[Match]
Driver=virtio_net
[Network]
Address={HOST[:-1]}15/24
LinkLocalAddressing=no
LLDP=no
"""

# gpio_keys would take the power button for itself.
_MODPROBE = (
    "options vivid n_devs=1 node_types=0x1\nblacklist gpio_keys\nblacklist gpio_keys_polled\n"
)

# Units of Debian that the tests do not need: logins and their manager, timers.
_MASKED = ("getty.target", "timers.target", "systemd-logind.service")
_WANTED = ("outfeed-station.service", "outfeed-uplink.service", "system-test.service")


@dataclass(frozen=True)
class Plant:
    """broker: not started yet. central: reads all stations. kit: the station's /etc/outfeed."""

    broker: Mosquitto
    central: Central
    kit: Path


def make_plant(folder: Path) -> Plant:
    authority = make_authority(folder / "authority")
    revoked = (folder / "authority/revoked.pem").read_bytes()
    make_broker(folder / "certs", authority, revoked, [HOST, "127.0.0.1"])
    make_central(folder / "central", authority)
    broker = shipped_broker(folder / "broker", folder / "certs")
    kit = StationKit(
        STATION,
        HOST,
        trust=(TRUST,),
        port=broker.port,
        bundle=small_bundle(folder / "small.outfeed"),
    )
    etc = folder / "etc"
    make_station_kit(etc, authority, kit)
    _fit(etc / "station.toml")
    station = load_config(etc / "station.toml")
    own = {"tls_cert": folder / "central/central.pem", "tls_key": folder / "central/central.key"}
    uplink = station.uplink.model_copy(update={**own, "host": "127.0.0.1"})
    return Plant(broker, Central(station.model_copy(update={"uplink": uplink})), etc)


def _fit(station: Path) -> None:
    """Write this machine's devices and belt into the provisioned file, as a technician would."""
    before, rest = station.read_text().split("[camera]\n")
    uplink = rest[rest.index("[uplink]\n") :]
    station.write_text(f"{before}{_DEVICES}\n{uplink}connect_timeout_s = 20.0\n")


def install(root: Path, kit: Path) -> None:
    """Put the shipped files where docs/how-to/commission-a-unit.md does, and those of this test."""
    etc, units = root / "etc", root / "etc/systemd/system"
    for source, target in (
        ("systemd/outfeed-station.service", units),
        ("systemd/outfeed-uplink.service", units),
        ("systemd/journald.conf.d/outfeed.conf", etc / "systemd/journald.conf.d"),
        ("sysctl.d/60-outfeed.conf", etc / "sysctl.d"),
        ("udev/60-outfeed.rules", etc / "udev/rules.d"),
        ("sysusers.d/outfeed.conf", root / "usr/lib/sysusers.d"),
        ("tmpfiles.d/outfeed.conf", root / "usr/lib/tmpfiles.d"),
    ):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FIRMWARE / source, target / Path(source).name)
    shutil.copytree(kit, etc / "outfeed")
    own = {
        "opt/outfeed/bin/python": _START.format(""),
        "opt/outfeed/bin/outfeed": _START.format("-m edge "),
        "etc/systemd/system/outfeed-station.service.d/slow.conf": _SLOW,
        "etc/systemd/system/outfeed-uplink.service.d/slow.conf": _SLOW,
        "etc/systemd/system/system-test.service": _REPORT,
        "etc/systemd/network/10-system-test.network": _NETWORK,
        "etc/modprobe.d/system-test.conf": _MODPROBE,
        "etc/modules-load.d/system-test.conf": "vivid\n",
        "etc/machine-id": "",
    }
    for name, text in own.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if name.startswith("opt") else 0o644)
    wants = units / "multi-user.target.wants"
    wants.mkdir()
    for unit in _WANTED:
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    for path in (root, *root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)  # they become the machine's own: /, /etc, …


def pack(root: Path, base: Path, out: Path) -> None:
    """base's archive and root's behind it: the kernel unpacks one after the other."""
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    shutil.copyfile(base, out)
    with out.open("ab") as archive:
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"],
            cwd=root,
            input=names.encode() + b"\n",
            stdout=archive,
            check=True,
        )


def run_units(image: Path, log: Path, limit_s: float) -> Findings:
    """None of them failed where the units, the pins and the broker did as they shall."""
    findings = Findings()
    if MOSQUITTO is None:
        findings.add(False, "mosquitto is installed")
        return findings
    with tempfile.TemporaryDirectory(dir=image, prefix="units-") as name:
        folder = Path(name)
        plant = make_plant(folder)
        root = folder / "root"
        root.mkdir()
        install(root, plant.kit)
        pack(root, image / "initrd", folder / "initrd")
        machine = Machine(
            image / "vmlinuz",
            folder / "initrd",
            "rdinit=/lib/systemd/systemd systemd.unit=multi-user.target systemd.show_status=no",
            *("-netdev", "user,id=plant,ipv6=off"),
            *("-device", "virtio-net-pci,netdev=plant,romfile="),
            folder=folder,
            log=log,
            limit_s=limit_s,
            press_s=PRESS_S,
        )
        with plant.broker, plant.central.listening(), machine:
            ended = _converse(machine, plant, findings)
        findings.add(ended, "the machine came to its end")
    return findings


def _converse(machine: Machine, plant: Plant, findings: Findings) -> bool:
    """Until the machine is off: whether it came to the end."""
    central, ended = plant.central, False
    for words in machine.words():
        verb, _, rest = words.partition(" ")
        if verb in ("PASS", "FAIL"):
            findings.add(verb == "PASS", rest.strip())
        elif verb == "ready":
            _let_parts_run(machine, central)
            machine.say("stop")
        elif verb == "stopped":
            last = int(rest)
            _eventually(lambda: central.has(last), machine)  # noqa: B023 called at once
            findings.add(
                f"u'{STATION}'" in plant.broker.log(),
                f"the broker knows the station by its certificate, as {STATION}",
            )
            _judge(machine, central, last, findings)
            machine.say("off")
            ended = True
    return ended


def _let_parts_run(machine: Machine, central: Central) -> None:
    """Until rejects have been ejected, and nothing is on the belt any more."""
    machine.watcher.pressing = True
    _eventually(lambda: len(ejected(central)) >= REJECTS, machine)
    machine.watcher.pressing = False
    time.sleep(2 * TRAVEL_MS / 1e3)
    presses = machine.watcher.presses
    _eventually(lambda: len(parts(central)) >= presses, machine)


def _judge(machine: Machine, central: Central, last: int, findings: Findings) -> None:
    presses, seen = machine.watcher.presses, [part.part_id for part in parts(central)]
    findings.add(
        seen == list(range(1, presses + 1)),
        f"a part for each press of the button: {presses} presses, parts {seen}",
    )
    levels = machine.watcher.levels(0, OUTPUT)
    pulses = sum(levels)
    ejects = [each for each in actuations(central) if each.width_us > 0]
    findings.add(
        pulses >= 1 and levels == [0, 1] * pulses + [0] and pulses == len(ejects),
        f"the reject line as the host saw it: {levels}, for {len(ejects)} ejects",
    )
    findings.add(levels[-1:] == [0], "the reject line is low after systemctl stop")
    for part, act in ejected(central)[:1]:
        print(f"      part {part.part_id}: {part.decision.value}, {part.reason}", flush=True)
        print(
            f"      then {act.action.value} ({act.cause.value}): active for {act.width_us} us",
            flush=True,
        )
    findings.add(
        ejected(central),
        f"{len(ejected(central))} of {len(seen)} parts REJECT by the chain, each with its "
        "actuation, at central over TLS",
    )
    findings.add(
        last > 0 and central.sequences == list(range(1, last + 1)),
        f"every event of the journal came, in its sequence: {len(central.sequences)} of {last}",
    )


def parts(central: Central) -> list[PartEvent]:
    return [one.event for one in central.received if isinstance(one.event, PartEvent)]


def actuations(central: Central) -> list[ActuationEvent]:
    return [one.event for one in central.received if isinstance(one.event, ActuationEvent)]


def ejected(central: Central) -> list[tuple[PartEvent, ActuationEvent]]:
    """Parts that the chain itself rejected, in time, with what the rejector then did."""
    done = {
        act.part_id: act
        for act in actuations(central)
        if (act.action, act.cause) == ("ejected", "verdict")
    }
    rejects = [
        part
        for part in parts(central)
        if part.decision == "REJECT" and part.timings_us is not None and part.defects
    ]
    return [(part, done[part.part_id]) for part in rejects if part.part_id in done]


def _eventually(holds: Callable[[], object], machine: Machine) -> None:
    """Wait, VERDICT_S at most: what did not come is then a finding of its own."""
    limit_s = time.monotonic() + VERDICT_S
    while not holds() and machine.running and time.monotonic() < limit_s:
        time.sleep(0.1)
