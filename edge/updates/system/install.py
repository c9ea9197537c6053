"""An update of the system: into the slot that does not run, read back, then tried once."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from edge.errors import OutfeedError
from edge.updates.system.boot_loader import BootLoader, SystemImage
from edge.updates.system.boot_state import BootState, BootStateError, Slot, other
from edge.updates.system.function import Observer, function_now
from edge.updates.system.offer import (
    SystemOffer,
    SystemUpdateError,
    check_offer,
    read_offer,
)
from edge.updates.system.read_back import check_written
from edge.updates.system.record import (
    FOLDER,
    SystemRecord,
    note_of,
    read_record,
    write_record,
)

_log = logging.getLogger(__name__)
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class InstallOptions:
    """Options of an installation.

    Attributes:
        allow_older: A version below the running one is installed too.
        folder: The folder of the record.
        partitions: The folder of the devices by their labels.
    """

    allow_older: bool = False
    folder: Path = FOLDER
    partitions: Path = Path("/dev/disk/by-partlabel")


def install(
    bundle: Path,
    image: SystemImage,
    loader: BootLoader,
    options: InstallOptions,
    *,
    read: Callable[[Path], SystemOffer] = read_offer,
    write: Callable[[Path], None] | None = None,
) -> SystemRecord:
    """Write a system into the slot that does not run, and read it back. Blocks for minutes.

    The next start still takes the present slot: ``switch`` changes that. A refusal is recorded for
    the journal.

    Raises:
        SystemUpdateError: The bundle is refused, or the disk does not keep it.
        BootStateError: The state of the boot loader cannot be used.
    """
    update = new_update(image)
    try:
        state = loader.read()
        _check_slot(state, image)
        offer = read(bundle)
        update = update.model_copy(update={"version": offer.version})
        stored = read_record(options.folder)
        write_record(stored.with_note(note_of(update, "downloaded", image)), options.folder)
        check_offer(offer, image, allow_older=options.allow_older)
        return _write(bundle, offer, update, image, loader, options, write or _rauc_install)
    except OutfeedError as error:
        record_refusal(update, image, str(error), options.folder)
        raise


def new_update(image: SystemImage) -> SystemRecord:
    """Return a record of an update into the other slot. It is not stored yet."""
    return SystemRecord(update_id=uuid4().hex, slot=other(image.slot), previous=image.version)


def record_refusal(
    update: SystemRecord, image: SystemImage, reason: str, folder: Path = FOLDER
) -> None:
    """Record that an update was not installed. A record that cannot be written is logged."""
    try:
        stored = read_record(folder)
        write_record(stored.with_note(note_of(update, "refused", image, reason)), folder)
    except BootStateError as error:
        _log.warning("system_refusal_not_recorded reason=%s", error)


def _check_slot(state: BootState, image: SystemImage) -> None:
    if not state.of(image.slot).good:
        raise SystemUpdateError(
            f"slot {image.slot} is on trial: wait for `outfeed system status` to state accepted"
        )


def _write(
    bundle: Path,
    offer: SystemOffer,
    update: SystemRecord,
    image: SystemImage,
    loader: BootLoader,
    options: InstallOptions,
    write: Callable[[Path], None],
) -> SystemRecord:
    slot = other(image.slot)
    # First, so that a power cut from here on never leads to a slot that is written in part: neither
    # the boot loader nor `outfeed system switch` takes it.
    write_record(_joined(update, options.folder), options.folder)
    loader.write(loader.read().written(slot))
    write(bundle)
    for part in offer.images:
        check_written(part, options.partitions / f"{part.slot}-{slot.lower()}", pause_s=_PAUSE_S)
    record = _joined(update, options.folder).model_copy(update={"phase": "installed"})
    record = record.with_note(note_of(update, "installed", image))
    write_record(record, options.folder)
    _log.warning("system_installed version=%s slot=%s", offer.version, slot)
    return record


def _joined(update: SystemRecord, folder: Path) -> SystemRecord:
    """Return the update with what still waits for the journal."""
    return update.model_copy(update={"outbox": read_record(folder).outbox})


def switch(
    image: SystemImage,
    loader: BootLoader,
    observer: Observer,
    boot_id: str,
    *,
    folder: Path = FOLDER,
) -> SystemRecord:
    """Have the next start try the installed system, once. The caller restarts the machine.

    Raises:
        SystemUpdateError: Nothing is installed.
        BootStateError: The state cannot be written.
    """
    record = read_record(folder)
    if record.phase != "installed" or record.slot is None:
        raise SystemUpdateError("no installed system waits for a switch: `outfeed system update`")
    before = function_now(observer)
    record = record.model_copy(update={"phase": "trial", "before": before, "boot": boot_id})
    write_record(record.with_note(note_of(record, "trial", image)), folder)
    assert record.slot is not None
    loader.write(loader.read().on_trial(record.slot))
    _log.warning("system_switched version=%s slot=%s", record.version, record.slot)
    return record


def roll_back(
    image: SystemImage, loader: BootLoader, *, reason: str, folder: Path = FOLDER
) -> Slot:
    """Have the next start take the other slot, which was confirmed once. Return it.

    Raises:
        SystemUpdateError: The other slot holds no confirmed system.
    """
    state = loader.read()
    back = other(image.slot)
    if not state.of(back).good:
        raise SystemUpdateError(f"slot {back} holds no confirmed system to go back to")
    stored = read_record(folder)
    changed = {"phase": "reverted", "version": image.version, "slot": image.slot, "reason": reason}
    if stored.version != image.version or stored.slot != image.slot:
        changed["update_id"] = ""  # that of another update
    record = stored.model_copy(update=changed)
    write_record(record.with_note(note_of(record, "reverted", image, reason)), folder)
    loader.write(state.confirmed(back))
    return back


def wait_until_idle(
    observer: Observer,
    idle_s: float,
    *,
    now_s: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no part came for ``idle_s`` seconds. Blocks for as long as the belt is busy."""
    last: object = None
    since_s = now_s()
    while now_s() - since_s < idle_s:
        parts = (e.get("part_id") for e in observer.events() if e.get("type") == "outfeed.part/1")
        newest = next(parts, None)
        if newest != last:
            last, since_s = newest, now_s()
        wait(1.0)


def _rauc_install(bundle: Path) -> None:
    # D-Bus would start it too, but gives a busy machine 25 s for that.
    subprocess.run(("systemctl", "start", "rauc.service"), capture_output=True, check=False)
    command = ("rauc", "install", str(bundle.resolve()))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        causes = [line for line in lines if line.startswith("LastError: ")] or lines[-1:]
        line = causes[-1].removeprefix("LastError: ") if causes else "rauc failed"
        raise SystemUpdateError(f"{bundle.name}: {line}")
