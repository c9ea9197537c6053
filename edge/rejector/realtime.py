"""Real-time scheduling and locked memory, so that the kernel wakes the process on time."""

from __future__ import annotations

import ctypes
import gc
import os
from dataclasses import dataclass
from logging import getLogger

_log = getLogger(__name__)

_MCL_CURRENT, _MCL_FUTURE = 1, 2  # sys/mman.h
_PR_SET_TIMERSLACK = 29  # linux/prctl.h; the default slack lets a sleep end 50 µs late


@dataclass(frozen=True, slots=True)
class Realtime:
    """The granted properties: scheduling with SCHED_FIFO; all memory locked in RAM."""

    scheduled: bool
    locked: bool


def claim_realtime(priority: int) -> Realtime:
    """Request SCHED_FIFO at ``priority`` (0: not requested), lock memory, stop garbage collection.

    A refusal is one line in the log and no error: the process runs on, with less exact timing.
    """
    gc.freeze()
    gc.disable()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)
    locked = libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0
    if not locked:
        reason = os.strerror(ctypes.get_errno())
        _log.warning("memory_not_locked reason=%s (raise LimitMEMLOCK)", reason)
    if priority == 0:
        return Realtime(False, locked)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        _log.warning(
            "no_realtime priority=%s reason=%s (raise LimitRTPRIO): pulses may be ms late",
            priority,
            error.strerror,
        )
        return Realtime(False, locked)
    return Realtime(True, locked)
