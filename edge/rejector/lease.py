"""Until when the output may be active: shared by the two processes that can end a pulse."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import suppress

from edge.errors import DeviceError

# sys/timerfd.h, linux/time.h. Python has os.timerfd_create from 3.13 on.
_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1

# The guard acts this long after the end, and the loop at the end: while the loop runs, it is the
# only one that switches, and the guard is not even woken.
MARGIN_NS = 250_000
# How often the guard looks again until the loop has noticed: a loop that was stopped between its
# look at the clock and the switch makes the line active when the pulse is over.
AGAIN_NS = 1_000_000
_FOREVER = (1 << 63) - 1
_UNTIL, _EARLIEST, _SINCE, _NOT_BEFORE, _DONE = range(5)


class _Itimerspec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]


class Lease:
    """One active pulse at a time: its end, and when it began. Created before the fork.

    Each value is eight bytes at an even address: a process that is stopped or killed never leaves
    half of one. The loop writes, the guard reads; ``not_before_ns`` is the guard's. The timer is
    the kernel's: it is armed with one call, and wakes nobody before it is due.
    """

    def __init__(self, *, pulse_ns: int) -> None:
        """pulse_ns: of one part. Raises DeviceError where the kernel gives no timer."""
        self.pulse_ns = pulse_ns
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = memoryview(self._memory).cast("q")
        libc = ctypes.CDLL(None, use_errno=True)
        # Made once: the call is on the way of every pulse.
        self._when = _Itimerspec()
        self._where = ctypes.byref(self._when)
        self._set_timer = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            reason = os.strerror(ctypes.get_errno())
            raise DeviceError(f"rejector: no timer for the end of a pulse: {reason}")

    @property
    def until_ns(self) -> int | None:
        """When the output has to be inactive; None: no end is known. 0: no pulse."""
        until_ns = self._words[_UNTIL]
        return None if until_ns == _FOREVER else until_ns

    @property
    def earliest_ns(self) -> int:
        """The pulse began no earlier."""
        return max(self._words[_EARLIEST], self._words[_NOT_BEFORE])

    @property
    def pulse(self) -> int:
        """The identity of the pulse; 0: there was none."""
        return self._words[_EARLIEST]

    @property
    def since_ns(self) -> int | None:
        """The output was active by then; None while the loop has not stamped it."""
        return self._words[_SINCE] or None

    @property
    def done(self) -> bool:
        """The loop has ended in order; the level of the output is as it wants it."""
        return bool(self._words[_DONE])

    def fileno(self) -> int:
        """Readable when the end is over by MARGIN_NS, and every AGAIN_NS from then on."""
        return self._fd

    def wait_over(self) -> None:
        """Take the timer's expiry, so that the descriptor is no longer readable. Never blocks."""
        with suppress(BlockingIOError):
            os.read(self._fd, 8)

    def grant(self, until_ns: int | None) -> None:
        """The output may be active until then; None: until further notice. Before it is set."""
        self._words[_UNTIL] = _FOREVER if until_ns is None else max(1, until_ns)
        self._arm(None if until_ns is None else until_ns + MARGIN_NS)

    def begin(self, now_ns: int) -> None:
        """The output is about to be set active."""
        self._words[_SINCE] = self._words[_NOT_BEFORE] = 0
        self._words[_EARLIEST] = now_ns

    def began(self, now_ns: int) -> None:
        """The output has been set active."""
        self._words[_SINCE] = now_ns

    def not_yet(self, now_ns: int) -> None:
        """The guard: the line was inactive then, though the loop is about to set it active."""
        self._words[_NOT_BEFORE] = now_ns

    def clear(self) -> None:
        """The pulse is over."""
        self._words[_UNTIL] = 0
        self._arm(None)

    def end(self) -> None:
        """The loop ends in order."""
        self._words[_DONE] = 1
        self.clear()

    def close(self) -> None:
        """Release the timer; this process grants nothing afterwards. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _arm(self, at_ns: int | None) -> None:
        when = self._when
        when.every_ns = AGAIN_NS
        when.at_s, when.at_ns = divmod(at_ns or 0, 1_000_000_000)  # 0 disarms
        self._set_timer(self._fd, _TFD_TIMER_ABSTIME, self._where, None)
