"""The real boot loaders on a disk whose slots hold no kernel: which slot they take, and how often.

U-Boot and GRUB run under emulation, with the scripts and the disk layout of the image.
"""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edge.updates.system.boot_sectors import GrubSectors, UbootSectors
from edge.updates.system.boot_state import BootState
from tools.image.board import BOARDS, MIB
from tools.image.build import make_state
from tools.image.disk import make_disk
from tools.image.fat import make_fat
from tools.image.loaders import config_files

EPOCH_S = 1_700_000_000
OVMF = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
LIMIT_S = 600.0
NEEDED = {
    "arm64": ("qemu-system-aarch64", "mkimage", "mcopy", "mkfs.vfat", "sgdisk", str(UBOOT)),
    "pc": ("qemu-system-x86_64", "grub-mkimage", "mcopy", "mkfs.vfat", "sgdisk", str(OVMF)),
}


def machine(board: str, disk: Path) -> list[str]:
    if board == "arm64":
        first = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-bios", str(UBOOT)]
    else:
        variables = disk.with_name("uefi.fd")
        shutil.copy(OVMF.with_name("OVMF_VARS_4M.fd"), variables)
        flash = "if=pflash,format=raw"
        first = ["qemu-system-x86_64", "-M", "q35", "-drive", f"{flash},readonly=on,file={OVMF}"]
        first += ["-drive", f"{flash},file={variables}"]
    first += ["-m", "1024", "-display", "none", "-serial", "stdio", "-nic", "none"]
    first += ["-drive", f"file={disk},format=raw,if=none,id=d", "-device", "virtio-blk-pci,drive=d"]
    return first


def play(board: str, disk: Path, starts: int) -> list[str]:
    """The slots that the boot loader takes, one after the other; "-" where it has none left."""
    found: list[str] = []
    command = machine(board, disk)
    limit = time.monotonic() + LIMIT_S
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace")
            # GRUB writes each line to the screen too, which is the same console here.
            if taken := re.search(r"outfeed: slot ([AB]), attempts left", line):
                found.append(taken[1])
            elif "outfeed: no attempts left" in line:
                found.append("-")
            if len(found) >= starts or time.monotonic() > limit:
                break
        process.kill()
    return found


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize("board", ["arm64", "pc"])
def test_a_trial_is_attempted_once_and_a_confirmed_slot_three_times(board: str, tmp_path: Path):
    missing = [
        name for name in NEEDED[board] if shutil.which(name) is None and not Path(name).exists()
    ]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    kind = BOARDS[board]
    state = make_state(kind, tmp_path / "bootstate", epoch_s=EPOCH_S)
    if board == "arm64":
        state.write_bytes(state.read_bytes().ljust(MIB, b"\0"))
    loader = (UbootSectors if board == "arm64" else GrubSectors)(state)
    loader.write(BootState().on_trial("B"))
    files = {"boot.env": b"bootargs=x\n", "boot.cfg": b"set bootargs=x\n"}
    boot = make_fat(tmp_path / "boot", files, label="BOOT", size=32 * MIB, epoch_s=EPOCH_S)
    first = make_fat(
        tmp_path / "first",
        config_files(kind, tmp_path, epoch_s=EPOCH_S),
        label="OUTFEED",
        size=64 * MIB,
        epoch_s=EPOCH_S,
    )
    contents = {"config": first, "boot-a": boot, "boot-b": boot, "bootstate": state}
    offsets = make_disk(kind, contents, tmp_path / "disk.img", epoch_s=EPOCH_S)
    assert play(board, tmp_path / "disk.img", 6) == ["B", "A", "A", "A", "-", "A"]
    with (tmp_path / "disk.img").open("rb") as disk:
        disk.seek(offsets["bootstate"])
        state.write_bytes(disk.read(MIB))
    left = loader.read()
    assert (left.a.left, left.a.good, left.b.left, left.b.good) == (2, True, 0, False)
