"""The state of the slots, and the sectors and files in which boot loaders keep it."""

import struct
import zlib
from pathlib import Path

import pytest

from edge.updates.system.boot_control import main
from edge.updates.system.boot_sectors import (
    SECOND,
    SECTOR,
    GrubSectors,
    UbootSectors,
    encode_grub,
    encode_uboot,
)
from edge.updates.system.boot_state import (
    ATTEMPTS,
    BootState,
    BootStateError,
    SlotState,
    parse_variables,
)
from edge.updates.system.tryboot import TrybootFiles, autoboot, parse_autoboot

TRIAL = BootState().on_trial("B")


def uboot(path: Path, state: BootState) -> UbootSectors:
    sector = encode_uboot(state)
    path.write_bytes(sector.ljust(SECOND, b"\0") + sector)
    return UbootSectors(path)


def test_a_trial_has_one_attempt_and_the_way_back_has_all():
    assert TRIAL.primary() == "B"
    assert TRIAL.of("B") == SlotState(1, False)
    assert TRIAL.of("A") == SlotState(ATTEMPTS, True)


def test_a_trial_that_was_attempted_leads_back():
    attempted = BootState(("B", "A"), SlotState(ATTEMPTS, True), SlotState(0, False))
    assert attempted.primary() == "A"


def test_a_slot_is_refused_only_where_the_other_was_confirmed():
    assert TRIAL.refused("B").primary() == "A"
    with pytest.raises(BootStateError, match="slot A stays: slot B holds no confirmed system"):
        BootState().refused("A")


def test_a_confirmed_slot_gets_its_attempts_back_and_a_trial_does_not():
    used = BootState(("A", "B"), SlotState(1, True), SlotState(0, False))
    assert used.started("A").of("A").left == ATTEMPTS
    assert TRIAL.started("B") == TRIAL


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("BOOT_ORDER", "A A", "BOOT_ORDER: expected 'A B' or 'B A', found 'A A'"),
        ("BOOT_A_LEFT", "10", "BOOT_A_LEFT: expected 0 to 9, found '10'"),
        ("BOOT_B_LEFT", "x", "BOOT_B_LEFT: expected 0 to 9, found 'x'"),
        ("BOOT_B_GOOD", "yes", "BOOT_B_GOOD: expected 0 or 1, found 'yes'"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, line: str):
    with pytest.raises(BootStateError) as error:
        parse_variables({**BootState().variables(), name: value})
    assert str(error.value) == line


def test_u_boots_sector_is_an_environment_with_its_checksum():
    sector = encode_uboot(TRIAL)
    assert len(sector) == SECTOR
    assert struct.unpack_from("<I", sector)[0] == zlib.crc32(sector[4:])
    assert sector[4:].startswith(b"BOOT_ORDER=B A\0BOOT_A_LEFT=3\0BOOT_B_LEFT=1\0")


def test_either_copy_may_be_spoiled_at_any_byte(tmp_path: Path):
    path = tmp_path / "bootstate"
    for copy in (0, SECOND):
        for place in range(SECTOR):
            loader = uboot(path, TRIAL)
            content = bytearray(path.read_bytes())
            content[copy + place] ^= 0x10
            path.write_bytes(content)
            assert loader.read() == TRIAL


def test_a_power_cut_between_the_copies_leaves_the_old_or_the_new_state(tmp_path: Path):
    path = tmp_path / "bootstate"
    loader = uboot(path, BootState())
    old = path.read_bytes()
    loader.write(TRIAL)
    new = path.read_bytes()
    for written in range(SECTOR + 1):  # a sector of which only the beginning reached the disk
        path.write_bytes(new[:written] + old[written:])
        assert loader.read() in (BootState(), TRIAL)
        path.write_bytes(new[:SECOND] + new[SECOND : SECOND + written] + old[SECOND + written :])
        assert loader.read() == TRIAL


def test_two_spoiled_copies_are_an_error(tmp_path: Path):
    path = tmp_path / "bootstate"
    path.write_bytes(b"\0" * (SECOND + SECTOR))
    with pytest.raises(BootStateError, match="both copies of the boot state are damaged"):
        UbootSectors(path).read()


def test_grubs_block_is_found_and_written_in_place(tmp_path: Path):
    path = tmp_path / "bootstate"
    before = b"\xeb" * (9 * SECTOR)
    after = b"\1" * (256 << 10)
    path.write_bytes(before + encode_grub(BootState()) + after)
    loader = GrubSectors(path)
    loader.write(TRIAL)
    assert loader.read() == TRIAL
    content = path.read_bytes()
    assert content.startswith(before)
    assert content.endswith(after)
    # What changes is in the first of the two sectors, which the disk writes at once.
    assert encode_grub(TRIAL)[SECTOR:] == encode_grub(BootState())[SECTOR:]


def test_autoboot_names_a_slot_on_trial_only_for_tryboot(tmp_path: Path):
    (tmp_path / "config").mkdir()
    file = tmp_path / "config/autoboot.txt"
    file.write_text(autoboot("A"))
    loader = TrybootFiles(tmp_path / "config", tmp_path / "rest")
    loader.write(TRIAL)
    assert file.read_text() == autoboot("A")
    assert loader.read() == TRIAL
    loader.write(TRIAL.confirmed("B"))
    assert file.read_text() == autoboot("B")
    assert loader.read().primary() == "B"
    assert len(autoboot("A")) == len(autoboot("B")) <= 512


def test_autoboot_decides_where_the_rest_is_lost(tmp_path: Path):
    (tmp_path / "autoboot.txt").write_text(autoboot("B"))
    state = TrybootFiles(tmp_path, tmp_path / "lost").read()
    assert state.primary() == "B"


def test_an_autoboot_without_a_known_partition_is_an_error():
    with pytest.raises(BootStateError, match=r"autoboot.txt: \[all\] boot_partition: expected"):
        parse_autoboot("[all]\nboot_partition=4\n[tryboot]\nboot_partition=2\n")


def test_rauc_reads_and_writes_through_the_backend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    loader = uboot(tmp_path / "bootstate", BootState())
    assert main(["get-primary"], loader) == 0
    assert main(["get-state", "B"], loader) == 0
    assert main(["set-state", "B", "bad"], loader) == 0
    assert main(["set-primary", "B"], loader) == 0
    assert loader.read() == TRIAL
    assert main(["get-primary"], loader) == 0
    assert capsys.readouterr().out.split() == ["A", "bad", "B"]


def test_rauc_cannot_mark_the_only_confirmed_slot_as_bad(tmp_path: Path):
    loader = uboot(tmp_path / "bootstate", BootState())
    assert main(["set-state", "A", "bad"], loader) == 0
    assert loader.read() == BootState()


@pytest.mark.parametrize("words", [[], ["get-primary", "A"], ["set-state", "A", "fine"]])
def test_another_call_of_the_backend_is_a_wrong_usage(tmp_path: Path, words: list[str]):
    assert main(words, uboot(tmp_path / "bootstate", BootState())) == 2
