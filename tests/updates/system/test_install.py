"""The installation of a system, up to the switch."""

import hashlib
from pathlib import Path

import pytest

from edge.inbox import Inbox
from edge.update_notes import SystemNote
from edge.updates.system.boot_loader import SystemImage
from edge.updates.system.boot_state import BootState, SlotState
from edge.updates.system.install import (
    InstallOptions,
    install,
    roll_back,
    switch,
    wait_until_idle,
)
from edge.updates.system.offer import SlotImage, SystemOffer, SystemUpdateError, parse_offer
from edge.updates.system.read_back import device_sha256
from edge.updates.system.record import SystemRecord, deliver_notes, read_record, write_record
from tests.support.system_updates import Memory, Time, Unit

IMAGE = SystemImage("arm64", "outfeed-arm64", "uboot", "1.0", "A")
SYSTEM, BOOT = b"s" * 3_000_000, b"b" * 70_000


def offer(version: str = "1.1", compatible: str = "outfeed-arm64") -> SystemOffer:
    parts = (("system", SYSTEM), ("boot", BOOT))
    images = tuple(
        SlotImage(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in parts
    )
    return SystemOffer(compatible, version, images)


class Disk:
    """The devices of both slots. Writes the images as RAUC would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("system-a", "system-b", "boot-a", "boot-b"):
            (folder / name).write_bytes(b"\0" * 4_000_000)

    def write(self, bundle: Path, *, flip: int | None = None) -> None:
        for name, data in (("system-b", SYSTEM), ("boot-b", BOOT)):
            content = bytearray(data.ljust(4_000_000, b"\0"))
            if flip is not None and name == "system-b":
                content[flip] ^= 1
            (self.folder / name).write_bytes(content)


def begin(
    folder: Path,
    loader: Memory,
    found: SystemOffer,
    *,
    flip: int | None = None,
    older: bool = False,
) -> SystemRecord:
    disk = Disk(folder)
    options = InstallOptions(allow_older=older, folder=folder / "state", partitions=folder)
    return install(
        folder / "x.raucb",
        IMAGE,
        loader,
        options,
        read=lambda _: found,
        write=lambda bundle: disk.write(bundle, flip=flip),
    )


def test_an_installed_system_waits_for_the_switch(tmp_path: Path):
    loader = Memory(BootState())
    record = begin(tmp_path, loader, offer())
    assert (record.phase, record.version, record.slot) == ("installed", "1.1", "B")
    assert loader.read().primary() == "A"
    switch(IMAGE, loader, Unit(), "boot-1", folder=tmp_path / "state")
    assert loader.read().primary() == "B"
    stored = read_record(tmp_path / "state")
    assert (stored.phase, stored.before.station, stored.before.broker) == ("trial", True, True)


@pytest.mark.parametrize("flip", [0, 1_500_000, 2_999_999])
def test_a_disk_that_does_not_keep_a_bit_is_found(tmp_path: Path, flip: int):
    loader = Memory(BootState(b=SlotState(3, True)))
    with pytest.raises(SystemUpdateError, match="the disk does not keep what is written to it"):
        begin(tmp_path, loader, offer(), flip=flip)
    assert not loader.read().of("B").bootable
    assert loader.read().primary() == "A"
    with pytest.raises(SystemUpdateError, match="no installed system waits for a switch"):
        switch(IMAGE, loader, Unit(), "boot-1", folder=tmp_path / "state")


def test_the_slot_cannot_be_started_while_it_is_written(tmp_path: Path):
    """A power cut at any moment of the installation leads to slot A."""
    loader = Memory(BootState(("B", "A"), SlotState(3, True), SlotState(3, True)))
    begin(tmp_path, loader, offer())
    assert [state.primary() for state in loader.history[1:]] == ["A"]
    assert not loader.history[1].of("B").bootable


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            offer(compatible="outfeed-pc"),
            "compatible: expected outfeed-arm64, the bundle is for outfeed-pc",
        ),
        (offer("0.9"), "version: 0.9 is older than 1.0, which runs; --allow-older installs it"),
        (offer("new"), "version: expected numbers with dots, the bundle has 'new'"),
    ],
)
def test_a_wrong_bundle_changes_nothing(tmp_path: Path, found: SystemOffer, line: str):
    loader = Memory(BootState())
    with pytest.raises(SystemUpdateError) as error:
        begin(tmp_path, loader, found)
    assert str(error.value) == line
    assert len(loader.history) == 1


def test_an_older_version_is_installed_on_request(tmp_path: Path):
    assert begin(tmp_path, Memory(BootState()), offer("0.9"), older=True).version == "0.9"


def test_nothing_is_installed_while_a_slot_is_on_trial(tmp_path: Path):
    """Otherwise the update would overwrite the only way back."""
    loader = Memory(BootState(("A", "B"), SlotState(0, False), SlotState(3, True)))
    with pytest.raises(SystemUpdateError, match="slot A is on trial"):
        begin(tmp_path, loader, offer())
    assert len(loader.history) == 1


def test_a_roll_back_needs_a_confirmed_slot(tmp_path: Path):
    with pytest.raises(SystemUpdateError, match="slot B holds no confirmed system"):
        roll_back(IMAGE, Memory(BootState()), reason="x", folder=tmp_path)
    loader = Memory(BootState(b=SlotState(3, True)))
    assert roll_back(IMAGE, loader, reason="it is slow", folder=tmp_path) == "B"
    assert loader.read().primary() == "B"
    assert read_record(tmp_path).reason == "it is slow"


def test_the_switch_waits_for_an_idle_belt():
    time, unit = Time(), Unit(journal=[])

    def wait(seconds: float) -> None:
        time.wait(seconds)
        if time.now <= 20 and time.now % 5 == 0:
            unit.journal = [{"type": "outfeed.part/1", "part_id": int(time.now)}]

    wait_until_idle(unit, 10.0, now_s=time.now_s, wait=wait)
    assert 30.0 <= time.now <= 32.0


def test_a_device_that_ends_early_is_named(tmp_path: Path):
    (tmp_path / "device").write_bytes(b"1" * 100)
    with pytest.raises(SystemUpdateError, match="ends 20 bytes before the end of the image"):
        device_sha256(tmp_path / "device", 120)


def test_raucs_manifest_is_read():
    text = (
        '{"compatible":"outfeed-arm64","version":"1.1","images":[{"system":{"checksum":"aa",'
        '"size":3}},{"boot":{"checksum":"bb","size":4}}]}'
    )
    found = parse_offer(text, "x.raucb")
    assert found.images == (SlotImage("system", 3, "aa"), SlotImage("boot", 4, "bb"))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"compatible":"a","version":"1","images":[{"system":{}}]}', "{}"]
)
def test_another_manifest_is_refused(text: str):
    with pytest.raises(SystemUpdateError, match=r"x\.raucb: expected"):
        parse_offer(text, "x.raucb")


def noted(folder: Path) -> list[tuple[str, str, str]]:
    """State, version and reason of each event that waits for the journal."""
    return [(each.state, each.version, each.reason) for each in read_record(folder).outbox]


def test_each_step_of_an_update_is_an_event(tmp_path: Path):
    loader, folder = Memory(BootState()), tmp_path / "state"
    begin(tmp_path, loader, offer())
    switch(IMAGE, loader, Unit(), "boot-1", folder=folder)
    notes = read_record(folder).outbox
    assert [each.state for each in notes] == ["downloaded", "installed", "trial"]
    assert len({each.update_id for each in notes}) == 1
    assert {(each.version, each.target_slot, each.running_slot) for each in notes} == {
        ("1.1", "B", "A")
    }


def test_a_refusal_is_an_event_and_leaves_the_last_update(tmp_path: Path):
    folder = tmp_path / "state"
    write_record(SystemRecord(phase="accepted", version="1.0", slot="A"), folder)
    with pytest.raises(SystemUpdateError):
        begin(tmp_path, Memory(BootState()), offer("0.9"))
    reason = "version: 0.9 is older than 1.0, which runs; --allow-older installs it"
    assert noted(folder) == [("downloaded", "0.9", ""), ("refused", "0.9", reason)]
    assert read_record(folder).phase == "accepted"


def test_a_slot_that_is_written_in_part_cannot_be_switched_to(tmp_path: Path):
    """One update waits for its switch, and the power ends the next one while it is written."""
    loader, folder = Memory(BootState()), tmp_path / "state"
    begin(tmp_path, loader, offer())

    class PowerCut(BaseException):
        pass

    def cut(_: Path) -> None:
        raise PowerCut

    options = InstallOptions(folder=folder, partitions=tmp_path)
    with pytest.raises(PowerCut):
        install(tmp_path / "y", IMAGE, loader, options, read=lambda _: offer("1.2"), write=cut)
    with pytest.raises(SystemUpdateError, match="no installed system waits for a switch"):
        switch(IMAGE, loader, Unit(), "boot-1", folder=folder)
    assert loader.read().primary() == "A"


def test_the_events_of_a_roll_back_name_the_reason(tmp_path: Path):
    loader = Memory(BootState(b=SlotState(3, True)))
    roll_back(IMAGE, loader, reason="it is slow", folder=tmp_path)
    assert noted(tmp_path) == [("reverted", "1.0", "it is slow")]


def test_events_wait_until_the_inbox_takes_them(tmp_path: Path):
    folder, inbox = tmp_path / "state", Inbox(tmp_path / "data" / "inbox")
    begin(tmp_path, Memory(BootState()), offer())
    deliver_notes(inbox, folder)  # no station has run on this unit
    assert len(read_record(folder).outbox) == 2
    (tmp_path / "data").mkdir()
    deliver_notes(inbox, folder)
    assert read_record(folder).outbox == ()
    assert read_record(folder).phase == "installed"
    waiting = inbox.waiting()
    assert all(isinstance(each, SystemNote) for each in waiting)
    assert {each.state for each in waiting if isinstance(each, SystemNote)} == {
        "downloaded",
        "installed",
    }


def test_the_initrd_reads_no_note_as_the_slot_of_the_trial(tmp_path: Path):
    """The lines that firmware-config/image/init searches for."""
    folder = tmp_path / "state"
    begin(tmp_path, Memory(BootState()), offer())
    text = (folder / "record.json").read_text()
    assert text.count('"phase": ') == 1
    assert text.count('"slot": ') == 1
