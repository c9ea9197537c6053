"""The image of a Raspberry Pi, started by the rules of its firmware."""

import shutil
from pathlib import Path

import pytest

from edge.errors import UsageError
from edge.updates.system.boot_loader import SystemImage, reboot_command
from edge.updates.system.boot_state import BootState
from edge.updates.system.tryboot import TrybootFiles, autoboot
from tests.updates.system.pi_firmware import FirmwareError, PiFirmware
from tools.image.board import BOARDS, MIB
from tools.image.disk import layout, make_disk
from tools.image.fat import make_fat
from tools.image.raspberry import first_files, read_firmware, slot_files

PI = BOARDS["rpi"]
EPOCH_S = 1_700_000_000
MISSING = [each for each in ("mcopy", "mkfs.vfat", "sgdisk") if shutil.which(each) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def firmware(folder: Path) -> Path:
    """Files with the names of Raspberry Pi's; the firmware itself is not played."""
    folder.mkdir()
    for name in ("start4.elf", "fixup4.dat", "kernel8.img", "bcm2711-rpi-4-b.dtb"):
        (folder / name).write_bytes(name.encode() * 50)
    (folder / "overlays").mkdir()
    (folder / "overlays/disable-bt.dtbo").write_bytes(b"overlay")
    return folder


class Card:
    """A card with the image, and the station's side of autoboot.txt."""

    def __init__(self, folder: Path) -> None:
        files = slot_files(read_firmware(firmware(folder / "fw")), b"initrd A", "root")
        boot = make_fat(folder / "boot", files, label="BOOT", size=32 * MIB, epoch_s=EPOCH_S)
        first = make_fat(
            folder / "first", first_files(), label="OUTFEED", size=64 * MIB, epoch_s=EPOCH_S
        )
        contents = {"config": first, "boot-a": boot}
        offsets = make_disk(PI, contents, folder / "card.img", epoch_s=EPOCH_S)
        numbers = {each.name: number for number, each in enumerate(layout(PI), 1)}
        self.firmware = PiFirmware(
            folder / "card.img", {numbers[name]: offset for name, offset in offsets.items()}
        )
        self._disk, self._offset_b = folder / "card.img", offsets["boot-b"]
        self._files, self._folder = files, folder
        (folder / "mounted").mkdir()
        self.loader = TrybootFiles(folder / "mounted", folder / "rest")
        (folder / "mounted/autoboot.txt").write_bytes(first_files()["autoboot.txt"])

    def install_b(self, initrd: bytes) -> None:
        files = {**self._files, "initrd.img": initrd}
        image = make_fat(self._folder / "b", files, label="BOOT", size=32 * MIB, epoch_s=EPOCH_S)
        with self._disk.open("r+b") as disk:
            disk.seek(self._offset_b)
            disk.write(image.read_bytes())

    def write(self, state: BootState) -> None:
        self.loader.write(state)
        content = (self._folder / "mounted/autoboot.txt").read_bytes()
        self.firmware.write(1, "autoboot.txt", content)

    def restart(self) -> None:
        """As `outfeed system` does it, with the flag where the next slot is on trial."""
        slot = SystemImage("rpi", "outfeed-rpi", "tryboot", "1.0", "A")
        command = reboot_command(slot, self.loader.read())
        self.firmware.tryboot = "--reboot-argument=0 tryboot" in command


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_the_flashed_image_starts_slot_a(card: Card):
    started = card.firmware.start()
    assert (started.partition, started.initrd, started.arguments) == (2, b"initrd A", "root")
    assert started.config["initramfs"] == "initrd.img followkernel"


def test_a_trial_starts_b_once_and_a_after_that(card: Card):
    card.install_b(b"initrd B")
    card.write(card.loader.read().on_trial("B"))
    card.restart()
    assert card.firmware.start().initrd == b"initrd B"
    # B hangs; the watchdog restarts the board without the flag.
    assert card.firmware.start().initrd == b"initrd A"


def test_a_confirmed_trial_stays(card: Card):
    card.install_b(b"initrd B")
    card.write(card.loader.read().on_trial("B"))
    card.restart()
    card.firmware.start()
    card.write(card.loader.read().confirmed("B"))
    for _ in range(3):
        assert card.firmware.start().partition == 3
    card.restart()
    assert not card.firmware.tryboot


def test_a_power_cut_between_the_switch_and_the_restart_starts_a(card: Card):
    card.install_b(b"initrd B")
    card.write(card.loader.read().on_trial("B"))
    assert card.firmware.start().partition == 2


def test_a_trial_of_a_slot_without_files_leads_back(card: Card):
    card.write(card.loader.read().on_trial("B"))
    card.restart()
    with pytest.raises(FirmwareError, match="partition 3 cannot be started"):
        card.firmware.start()
    assert card.firmware.start().partition == 2


def test_a_rollback_starts_the_slot_before(card: Card):
    card.install_b(b"initrd B")
    card.write(card.loader.read().on_trial("B").confirmed("B"))
    assert card.firmware.start().partition == 3
    card.write(card.loader.read().confirmed("A"))
    assert card.firmware.start().partition == 2


def test_autoboot_fits_what_the_firmware_reads():
    assert len(autoboot("A").encode()) <= 512


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pieeprom.upd", "pieeprom.upd would update the EEPROM"),
        ("recovery.bin", "recovery.bin would update the EEPROM"),
    ],
)
def test_files_that_update_the_eeprom_are_refused(tmp_path: Path, name: str, line: str):
    folder = firmware(tmp_path / "fw")
    (folder / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=line):
        read_firmware(folder)


def test_a_missing_or_incomplete_folder_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="FIRMWARE: BOARD=rpi needs a folder"):
        read_firmware(None)
    folder = firmware(tmp_path / "fw")
    (folder / "kernel8.img").unlink()
    with pytest.raises(UsageError, match=r"FIRMWARE: expected kernel8\.img or"):
        read_firmware(folder)
