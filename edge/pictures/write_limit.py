"""The limit of bytes written in 24 hours, which protects flash storage from wear.

Pure: the caller passes the time.
"""

from __future__ import annotations

DAY_S = 86_400.0
_BURST = 0.5  # share of a day's bytes that may be written at once; the rest is granted over the day


class WriteLimit:
    """A token bucket with half of a day's bytes, filled with the other half in 24 hours.

    Within any 24 hours no more than ``bytes_per_day`` are written. A morning with many defects
    therefore leaves bytes for the evening. Overdrawn bytes are in addition. For one thread.
    """

    def __init__(
        self, bytes_per_day: int, *, now_s: float, left_bytes: float | None = None
    ) -> None:
        """left_bytes: bytes that were left at now_s; None: nothing has been written yet."""
        self._capacity = bytes_per_day * _BURST
        self._per_s = bytes_per_day * (1 - _BURST) / DAY_S
        full = self._capacity if left_bytes is None else left_bytes
        self._left = min(full, self._capacity)
        self._at_s = now_s

    def spend(self, size_bytes: int, now_s: float) -> bool:
        """Use the bytes and return True; return False and use none if too few are left."""
        if self.left(now_s) < size_bytes:
            return False
        self._left -= size_bytes
        return True

    def overdraw(self, size_bytes: int, now_s: float) -> None:
        """Use the bytes even if too few are left. Later pictures wait until they are granted."""
        self._left = self.left(now_s) - size_bytes

    def left(self, now_s: float) -> float:
        """Return the bytes that may be written now. A clock that goes back grants none."""
        if now_s > self._at_s:
            self._left = min(self._capacity, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._left
