"""Asks the kernel to wake this process when it wants to be woken."""

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
    """What was granted: scheduling by SCHED_FIFO; all memory locked into RAM."""

    scheduled: bool
    locked: bool


def claim_realtime(priority: int) -> Realtime:
    """Take SCHED_FIFO at ``priority`` (0: do not ask), lock memory, stop garbage collection.

    What is not permitted is one log line and no error: the process works on, less punctual.
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
