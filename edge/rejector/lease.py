"""The permitted end of the active output, shared by the two processes that can end a pulse."""

from __future__ import annotations

import ctypes
import mmap
import os
from contextlib import suppress

from edge.errors import DeviceError

# sys/timerfd.h, linux/time.h. Python has os.timerfd_create from 3.13 on.
_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1

# The loop acts at the end of a pulse, and the guard this long after it. While the loop runs, only
# the loop switches the output, and the guard is not woken.
MARGIN_NS = 250_000
# The guard checks again at this interval until the loop has noticed. A loop that was stopped
# between reading the clock and switching makes the line active after the pulse is over.
AGAIN_NS = 1_000_000
_FOREVER = (1 << 63) - 1
_UNTIL, _EARLIEST, _SINCE, _NOT_BEFORE, _DONE = range(5)


class _Itimerspec(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "at_s", "at_ns")]


class Lease:
    """The beginning and the end of the present pulse, in shared memory. Created before the fork.

    Each value is eight bytes at an aligned address, so a process that is stopped or killed never
    leaves half of a value. The loop writes and the guard reads, except for ``not_yet``, which the
    guard writes. A kernel timer wakes the guard: it is armed with one call.
    """

    def __init__(self, *, pulse_ns: int) -> None:
        """pulse_ns: the pulse of one part. Raises DeviceError if the kernel has no timer left."""
        self.pulse_ns = pulse_ns
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = memoryview(self._memory).cast("q")
        libc = ctypes.CDLL(None, use_errno=True)
        # Created once, as every pulse makes this call.
        self._when = _Itimerspec()
        self._where = ctypes.byref(self._when)
        self._set_timer = libc.timerfd_settime
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            reason = os.strerror(ctypes.get_errno())
            raise DeviceError(f"rejector: no timer for the end of a pulse: {reason}")

    @property
    def until_ns(self) -> int | None:
        """Return the time at which the output must be inactive; None: not known; 0: no pulse."""
        until_ns = self._words[_UNTIL]
        return None if until_ns == _FOREVER else until_ns

    @property
    def earliest_ns(self) -> int:
        """Return the earliest time at which the pulse can have begun."""
        return max(self._words[_EARLIEST], self._words[_NOT_BEFORE])

    @property
    def pulse(self) -> int:
        """Return the identity of the pulse; 0: there was none."""
        return self._words[_EARLIEST]

    @property
    def since_ns(self) -> int | None:
        """Return the time by which the output was active; None: the loop has not set it yet."""
        return self._words[_SINCE] or None

    @property
    def done(self) -> bool:
        """Return whether the loop has ended in order. The output then has its final level."""
        return bool(self._words[_DONE])

    def fileno(self) -> int:
        """Return the timer. It is readable MARGIN_NS after the end, and every AGAIN_NS from then
        on."""
        return self._fd

    def wait_over(self) -> None:
        """Read the timer's expiry, so that the descriptor is not readable. Never blocks."""
        with suppress(BlockingIOError):
            os.read(self._fd, 8)

    def grant(self, until_ns: int | None) -> None:
        """Permit the active output until a time; None: without an end. To be called before it is
        set active."""
        self._words[_UNTIL] = _FOREVER if until_ns is None else max(1, until_ns)
        self._arm(None if until_ns is None else until_ns + MARGIN_NS)

    def begin(self, now_ns: int) -> None:
        """Record the time just before the output is set active."""
        self._words[_SINCE] = self._words[_NOT_BEFORE] = 0
        self._words[_EARLIEST] = now_ns

    def began(self, now_ns: int) -> None:
        """Record the time just after the output was set active."""
        self._words[_SINCE] = now_ns

    def not_yet(self, now_ns: int) -> None:
        """For the guard: record that the line was still inactive, before the loop set it active."""
        self._words[_NOT_BEFORE] = now_ns

    def clear(self) -> None:
        """End the pulse."""
        self._words[_UNTIL] = 0
        self._arm(None)

    def end(self) -> None:
        """Record that the loop ends in order."""
        self._words[_DONE] = 1
        self.clear()

    def close(self) -> None:
        """Release the timer of this process. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _arm(self, at_ns: int | None) -> None:
        when = self._when
        when.every_ns = AGAIN_NS
        when.at_s, when.at_ns = divmod(at_ns or 0, 1_000_000_000)  # 0 disarms
        self._set_timer(self._fd, _TFD_TIMER_ABSTIME, self._where, None)
