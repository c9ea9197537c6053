"""Bundles of systems for the matrix of updates: a good one, and those that must not stay."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.image.base import LISTS
from tools.image.board import BOARDS
from tools.image.bundle import SystemSigner, build_bundle
from tools.image.commands import run

EPOCH_S = 1_700_000_000
NEWER = "9.0"
"""A version above that of any image."""


@dataclass(frozen=True)
class Variant:
    """A system that is installed. words: part of the reason why it is given up."""

    accepted: bool
    words: str = ""
    arguments: str = ""
    hangs: bool = False
    empty: bool = False


NOT_STARTED = "it did not start, or hung"
VARIANTS = {
    "kernel-panics": Variant(False, NOT_STARTED, arguments="rdinit=/none"),
    "no-init": Variant(False, NOT_STARTED, empty=True),
    "hangs": Variant(False, NOT_STARTED, arguments="i6300esb.heartbeat=30", hangs=True),
    "emergency-mode": Variant(
        False, NOT_STARTED, arguments="systemd.unit=emergency.target outfeed.trial_s=120"
    ),
    "self-test-fails": Variant(
        False, "the self-test failed", arguments="outfeed.test=self-test outfeed.trial_s=3000"
    ),
    "good": Variant(True),
    "never-ready": Variant(
        False, "the station is not READY", arguments="systemd.mask=outfeed-station.service"
    ),
}
"""In their order on one card."""

REFUSED = {
    "flipped-bit": "",
    "wrong-key": "ignature",
    "wrong-compatible": "the bundle is for outfeed-rpi",
    "older": "is older than",
}


class Bundles:
    """Makes bundles when they are asked for."""

    def __init__(self, parts: Path, board: str, key: Path, folder: Path) -> None:
        self._parts, self._folder, self._board = parts, folder, BOARDS[board]
        self._signer = SystemSigner(key.with_suffix(".pem"), key)
        folder.mkdir(parents=True)

    def make(self, name: str) -> Path:
        """The bundle of a name in VARIANTS or REFUSED."""
        target = self._folder / f"{name}.raucb"
        if target.exists():
            return target
        work = self._folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        for part in ("system.img", "boot.img"):
            shutil.copy(self._parts / part, work / part)
        variant = VARIANTS.get(name, Variant(True))
        if variant.arguments:
            self._add_arguments(work / "boot.img", variant.arguments)
        if variant.hangs:
            self._hang(work / "boot.img", work)
        if variant.empty:
            (work / "empty/nothing").mkdir(parents=True)
            command = ("mksquashfs", "empty", "system.img", "-noappend", "-quiet")
            run(*command, epoch_s=EPOCH_S, cwd=work)
        board = BOARDS["rpi"] if name == "wrong-compatible" else self._board
        version = "0.0.1" if name == "older" else NEWER
        signer = self._stranger(work) if name == "wrong-key" else self._signer
        made = build_bundle(board, work, work, version=version, signer=signer, epoch_s=EPOCH_S)
        if name == "flipped-bit":
            content = bytearray(made.read_bytes())
            content[len(content) // 2] ^= 1
            made.write_bytes(content)
        made.replace(target)
        shutil.rmtree(work)
        return target

    def disk(self, names: list[str]) -> Path:
        """A disk with these bundles, whose label is ``bundles``."""
        content = self._folder / "disk"
        content.mkdir()
        size = 16 << 20
        for name in names:
            made = self.make(name).rename(content / f"{name}.raucb")
            size += made.stat().st_size * 11 // 10
        target = self._folder / "bundles.img"
        command = ("mke2fs", "-q", "-t", "ext4", "-L", "bundles", "-d", str(content), str(target))
        run(*command, f"{size >> 10}k", epoch_s=EPOCH_S)
        shutil.rmtree(content)
        return target

    def _add_arguments(self, image: Path, arguments: str) -> None:
        name = "::boot.env" if self._board.loader == "uboot" else "::boot.cfg"
        text = run("mcopy", "-i", str(image), name, "-", epoch_s=EPOCH_S).decode()
        changed = text.replace("panic=", f"{arguments} panic=")
        subprocess.run(
            ("mcopy", "-o", "-i", str(image), "-", name), input=changed.encode(), check=True
        )

    def _hang(self, image: Path, work: Path) -> None:
        """Replace init by one that arms the watchdog and then does nothing."""
        script = (LISTS / "init").read_text().replace("\nslot=\n", "\nsleep 1000000\nslot=\n", 1)
        (work / "more").mkdir()
        (work / "more/init").write_text(script)
        (work / "more/init").chmod(0o755)
        command = ("cpio", "-o", "-H", "newc", "--quiet")
        more = run(*command, epoch_s=EPOCH_S, stdin=b"init\n", cwd=work / "more")
        first = run("mcopy", "-i", str(image), "::initrd.img", "-", epoch_s=EPOCH_S)
        subprocess.run(
            ("mcopy", "-o", "-i", str(image), "-", "::initrd.img"),
            input=first + b"\0" * (-len(first) % 4) + more,
            check=True,
        )

    def _stranger(self, folder: Path) -> SystemSigner:
        command = (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=x"
        )
        extra = ("-addext", "keyUsage=critical,digitalSignature")
        extra += ("-addext", "extendedKeyUsage=emailProtection")
        key, certificate = folder / "x.key", folder / "x.pem"
        files = ("-keyout", str(key), "-out", str(certificate))
        run("openssl", *command.split(), *extra, *files, epoch_s=EPOCH_S)
        return SystemSigner(certificate, key)
