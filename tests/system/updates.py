"""Updates of the system on an emulated unit, with real starts of both slots.

    python -m tests.system.updates --image build/image --key system.key [--only good panic]

The unit is flashed with the image of ``make image``, which accepts ``system.key``. It
imports an identity; its devices are simulated and its broker is away. A bad system differs from the
good one in its boot partition or its system, and is signed like it. Timing is no measure of a real
board.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edge.provision import StationKit, make_authority, make_station_kit
from tests.support.bundles import encode, small_bundle
from tests.support.keys import TRUST
from tests.system.bundle_server import HOST, BundleServer
from tests.system.faults import FAULTS, MOUNT, both_bad, full_data, power_cuts
from tests.system.findings import Findings
from tests.system.unit_image import Card, Unit
from tests.system.variants import REFUSED, VARIANTS, Bundles

START_S = 7200.0
_READY = "until systemctl is-active -q outfeed-station; do sleep 5; done; sleep 30"
_STATE = "systemctl show -p ActiveState,StatusText outfeed-station"
UPDATE = "outfeed system update"
CHECK = Path(__file__).with_name("journal_check.py")
DOWNLOADED = ("no-init",)
"""Over HTTPS. The other ones are large, TLS is slow under emulation, and a second disk has them."""


def status(unit: Unit) -> dict[str, object]:
    code, out = unit.run("outfeed system status --json")
    if code:
        raise RuntimeError(f"outfeed system status: {out}")
    return dict(json.loads(out))


def wait_phase(unit: Unit, phase: str, limit_s: float) -> dict[str, object]:
    """The status once its update has this phase."""
    limit = time.monotonic() + limit_s
    while True:
        found = status(unit)
        update = found["update"]
        assert isinstance(update, dict)
        if update["phase"] == phase or time.monotonic() > limit:
            return found
        time.sleep(5)


class Matrix:
    """One card through all updates. Each of them leaves a slot that was confirmed."""

    def __init__(
        self, unit: Unit, bundles: Bundles, server: BundleServer, findings: Findings
    ) -> None:
        self._unit = unit
        self._bundles = bundles
        self._server = server
        self._findings = findings
        self.slot = ""
        self._last = 0

    def status(self) -> dict[str, object]:
        return status(self._unit)

    def check_journal(self, name: str) -> None:
        """No sequence number is missing, and the journal did not begin again."""
        _, out = self._unit.run("/usr/bin/python3 /data/test/journal_check.py")
        words = out.split()
        last = int(words[1]) if len(words) == 2 and words[0] == "last" else -1
        self._findings.add(last >= self._last, f"{name}: the journal has no hole: {out.strip()}")
        self._last = max(self._last, last)

    def install(self, name: str, options: str = "--now") -> tuple[int, str]:
        """Exit status and output of `outfeed system update`."""
        if name in DOWNLOADED:
            address = self._server.address(self._bundles.make(name).name)
            return self._unit.run(f"{UPDATE} {options} {address} --ca /data/test/ca.pem", 7200)
        command = f"{UPDATE} {options} /run/bundles/{name}.raucb"
        return self._unit.run(f"{MOUNT}; {command}", 7200)

    def begin(self) -> None:
        began_s = time.monotonic()
        found = self._unit.wait_started(START_S)
        self.slot = found["slot"]
        took_s = time.monotonic() - began_s
        self._findings.add(self.slot == "A", f"the image started slot {self.slot} ({took_s:.0f} s)")
        _, out = self._unit.run("findmnt -no FSTYPE,OPTIONS /; ls /dev/watchdog0; hostname")
        self._findings.add("squashfs" in out and " ro" in out, f"the system is read-only: {out}")
        self._findings.add(wait_attempts(self._unit), "the start got its attempts back")
        _, out = self._unit.run(f"timeout 1800 sh -c '{_READY}'; {_STATE}", 7200)
        self._findings.add("ActiveState=active" in out, f"the station inspects: {out}")

    def refused(self, name: str) -> None:
        """A bundle that is refused without a restart."""
        code, out = self.install(name)
        line = out.strip().splitlines()[-1] if out.strip() else ""
        state = status(self._unit)
        fine = code == 1 and REFUSED[name] in out and state["next"] == self.slot
        self._findings.add(fine, f"{name}: refused: {line}")
        self.check_journal(name)

    def fault(self, name: str, cuts: int, seed: int) -> None:
        """A fault that a bundle alone does not cause."""
        if name == "full-data":
            full_data(self._unit, self, self._findings)
        elif name == "both-bad":
            both_bad(self._unit, self, self._findings, START_S)
        else:
            power_cuts(self._unit, self, self._findings, START_S, cuts, seed)

    def update(self, name: str) -> None:
        """Install, switch, and see which slot runs in the end."""
        variant = VARIANTS[name]
        other = "B" if self.slot == "A" else "A"
        code, out = self.install(name)
        if code:
            self._findings.add(False, f"{name}: installed: {out.strip()}")
            return
        before = len(self._unit.boots)
        expected = other if variant.accepted else self.slot
        began_s = time.monotonic()
        while True:
            found = self._unit.wait_started(START_S)
            if found["slot"] == expected or len(self._unit.boots) - before > 3:
                break
        took_s = time.monotonic() - began_s
        phase = "accepted" if variant.accepted else "reverted"
        state = wait_phase(self._unit, phase, 7200)
        update = state["update"]
        assert isinstance(update, dict)
        fine = (state["slot"], update["phase"], state["next"]) == (expected, phase, expected)
        reason = f": {update['reason']}" if update["reason"] else ""
        slots = [each["slot"] for each in self._unit.boots[before:]]
        text = f"{name}: {phase}{reason}; started {slots}, runs {expected} ({took_s:.0f} s)"
        self._findings.add(fine and variant.words in str(update["reason"]), text)
        self.check_journal(name)
        self.slot = str(state["slot"])


def wait_attempts(unit: Unit) -> bool:
    """outfeed-confirm has judged this start."""
    limit = time.monotonic() + 7200
    while time.monotonic() < limit:
        found = status(unit)
        slots = found["slots"]
        assert isinstance(slots, dict)
        if slots[found["slot"]]["left"] == 3:
            return True
        time.sleep(5)
    return False


def run_updates(
    image: Path, board: str, key: Path, log: Path, only: list[str], cuts: int, seed: int
) -> Findings:
    findings = Findings()
    with tempfile.TemporaryDirectory(dir=image, prefix="updates-") as name:
        folder = Path(name)
        card = Card.flash(image / f"outfeed-{board}.img", folder / "card.img", board=board)
        card.put_tests()
        card.put_folder(make_identity(folder))
        frames = folder / "frames"
        make_frames(frames)
        for path in sorted(frames.iterdir()):
            card.put_data(f"test/frames/{path.name}", path.read_bytes())
        bundles = Bundles(image / board, board, key, folder / "bundles")
        card.put_data("etc/systemd/system/outfeed-confirm.service.d/test.conf", _CONFIRM)
        log.unlink(missing_ok=True)
        server = BundleServer(folder / "bundles", folder)
        card.put_data("test/journal_check.py", CHECK.read_bytes())
        units = "etc/systemd/system"
        card.put_data(f"{units}/test-self-test.service", _SELF_TEST)
        name = f"{units}/multi-user.target.wants/test-self-test.service"
        card.link_data(name, "/etc/systemd/system/test-self-test.service")
        card.put_data("test/ca.pem", server.authority.read_bytes())
        chosen = [each for each in (*REFUSED, *VARIANTS, *FAULTS) if not only or each in only]
        needed = {each for each in chosen if each not in (*DOWNLOADED, *FAULTS)}
        if {"both-bad", "power-cut"} & set(chosen):
            needed.add("kernel-panics")
        disk = bundles.disk(sorted(needed))
        with server, Unit(card, folder / "run", *disk_options(disk), log=log) as unit:
            matrix = Matrix(unit, bundles, server, findings)
            matrix.begin()
            for each in chosen:
                if each in REFUSED:
                    matrix.refused(each)
                elif each in FAULTS:
                    matrix.fault(each, cuts, seed)
                else:
                    matrix.update(each)
    return findings


def disk_options(disk: Path) -> tuple[str, ...]:
    """Options of QEMU for a second disk that is only read."""
    drive = f"file={disk},format=raw,if=none,id=bundles,readonly=on"
    return ("-drive", drive, "-device", "virtio-blk-pci,drive=bundles")


def make_identity(folder: Path) -> Path:
    """A folder of `outfeed provision station`, with simulated devices."""
    authority = make_authority(folder / "plant")
    settings = folder / "settings.toml"
    settings.write_text(_SETTINGS)
    bundle = small_bundle(folder / "small.outfeed")
    kit = StationKit("press-3", HOST, trust=(TRUST,), port=9, bundle=bundle, settings=settings)
    make_station_kit(folder / "press-3", authority, kit)
    return folder / "press-3"


def make_frames(folder: Path) -> None:
    """A few pictures for the simulated camera."""
    folder.mkdir()
    picture = np.full((64, 64), 128, np.uint8)
    for number in range(3):
        picture[10 : 10 + 8 * number, 20:30] = 250
        (folder / f"{number}.png").write_bytes(encode(picture))


_SETTINGS = """\
[camera]
kind = "files"
path = "/data/test/frames"
loop = true
[trigger]
rate_hz = 0.5
[line]
travel_ms = 1500.0
budget_ms = 1000.0
require_commission = false
[watchdog]
stage_s = 60.0
"""

# In the system of the case "self-test-fails": parts that passed are known to be defective.
_SELF_TEST = b"""\
[Unit]
ConditionKernelCommandLine=outfeed.test=self-test
After=outfeed-station.service
Before=outfeed-confirm.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for n in 1 2 3 4 5 6 7 8 9; do sleep 3; \\
    outfeed mark --config /etc/outfeed/station.toml --last --as self-test; done; true'
"""

_CONFIRM = b"""\
[Service]
ExecStart=
ExecStart=/opt/outfeed/bin/outfeed system confirm --limit-s 300 --steady-s 10
"""


def main() -> int:
    """The exit status: 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, required=True, help="a folder of make image")
    parser.add_argument("--board", choices=("arm64", "pc"), default="arm64")
    parser.add_argument("--key", type=Path, required=True, help="NAME.key that the image accepts")
    parser.add_argument("--log", type=Path, help="the console; default: IMAGE/updates.log")
    names = (*REFUSED, *VARIANTS, *FAULTS)
    parser.add_argument(
        "--only", nargs="*", default=[], choices=names, metavar="CASE", help=", ".join(names)
    )
    parser.add_argument("--cuts", type=int, default=10, help="power cuts of power-cut")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of power cuts")
    given = parser.parse_args()
    for program in ("qemu-system-aarch64", "rauc", "mcopy", "debugfs"):
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            print(f"updates: {program} is not installed", file=sys.stderr)
            return 2
    began_s = time.monotonic()
    log = given.log or given.image / "updates.log"
    found = run_updates(
        given.image, given.board, given.key, log, given.only, given.cuts, given.seed
    )
    print(f"updates: {found.failed} failed ({time.monotonic() - began_s:.0f} s); console: {log}")
    return 1 if found.failed else 0


if __name__ == "__main__":
    sys.exit(main())
