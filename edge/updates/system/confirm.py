"""After a start: confirm a system on trial by what it does, or go back to the other slot."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.updates.system.boot_loader import BootLoader, SystemImage
from edge.updates.system.boot_state import BootStateError, other
from edge.updates.system.function import STATION, Observer, failed_functions
from edge.updates.system.record import (
    FOLDER,
    Function,
    SystemRecord,
    note_of,
    read_record,
    write_record,
)

_log = logging.getLogger(__name__)
Outcome = Literal["started", "accepted", "reverted", "refused"]


@dataclass(frozen=True, slots=True)
class ConfirmTimes:
    """Times of a trial, in seconds.

    Attributes:
        limit_s: A system that does not work by then is given up.
        steady_s: Everything has to work for this long without a restart of the station.
        pause_s: Between two looks.
    """

    limit_s: float = 600.0
    steady_s: float = 30.0
    pause_s: float = 2.0


def confirm(
    image: SystemImage,
    loader: BootLoader,
    observer: Observer,
    times: ConfirmTimes,
    *,
    folder: Path = FOLDER,
    now_s: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Judge this start. Blocks, ``limit_s`` at most.

    started: a confirmed slot, which got its attempts back. accepted: the trial succeeded.
    reverted: a trial of the other slot failed, and this slot runs again. refused: this slot is
    given up, and the caller restarts the machine.

    Raises:
        BootStateError: The state of the boot loader cannot be read or written.
    """
    state = loader.read()
    record = read_record(folder)
    slot = image.slot
    if state.of(slot).good:
        failed_trial = record.phase == "trial" and record.slot == other(slot)
        if failed_trial:
            reason = record.reason or "it did not start, or hung, before it could be judged"
            record = record.model_copy(update={"phase": "reverted", "reason": reason})
            write_record(record.with_note(note_of(record, "reverted", image, reason)), folder)
            _log.error("system_reverted version=%s reason=%s", record.version, reason)
        elif record.phase == "trial":
            _record_acceptance(record, image, folder)  # a power cut came after the confirmation
        unconfirmed = not state.of(other(slot)).good
        state = state.started(slot)
        loader.write(state.written(other(slot)) if unconfirmed else state)
        return "reverted" if failed_trial else "started"
    _log.warning("system_on_trial slot=%s version=%s", slot, image.version)
    failed = _watch(observer, record.before, times, now_s, wait)
    if not failed:
        loader.write(state.confirmed(slot))
        _record_acceptance(record, image, folder)
        _log.warning("system_accepted slot=%s version=%s", slot, image.version)
        return "accepted"
    reason = "; ".join(failed)
    try:
        refused = state.refused(slot)
    except BootStateError as error:
        # Nowhere to go: this system at least started.
        _log.error("system_stays reason=%s error=%s", reason, error)
        loader.write(state.confirmed(slot))
        _record_acceptance(record, image, folder, reason)
        return "accepted"
    # The reason first: after the next line a power cut leads to the other slot already.
    write_record(record.model_copy(update={"reason": reason}), folder)
    loader.write(refused)
    _log.error("system_refused slot=%s version=%s reason=%s", slot, image.version, reason)
    return "refused"


def _record_acceptance(
    record: SystemRecord, image: SystemImage, folder: Path, reason: str = ""
) -> None:
    record = record.model_copy(update={"phase": "accepted", "reason": reason})
    write_record(record.with_note(note_of(record, "accepted", image, reason)), folder)


def _watch(
    observer: Observer,
    before: Function,
    times: ConfirmTimes,
    now_s: Callable[[], float],
    wait: Callable[[float], None],
) -> list[str]:
    """Return what did not work until the limit; empty as soon as all worked for long enough."""
    began_s = now_s()
    since_s, restarts = began_s, -1
    while True:
        failed = failed_functions(observer, before)
        present = observer.unit(STATION).restarts
        if failed or present != restarts:
            since_s, restarts = now_s(), present
        elif now_s() - since_s >= times.steady_s:
            return []
        if now_s() - began_s >= times.limit_s:
            return failed or [f"the station restarts again and again (restarts: {present})"]
        wait(times.pause_s)
