"""How much may be written to a disk that wears. Pure: the clock is handed in."""

from __future__ import annotations

DAY_S = 86_400.0
_BURST = 0.5  # of a day's bytes may go at once; the other half comes back over the day


class WriteLimit:
    """A bucket that holds half of a day's bytes and is filled with the other half in 24 hours, so
    that no 24 hours, wherever they begin, see more than the whole, and a morning full of defects
    leaves something for the evening. What is overdrawn comes on top. One thread."""

    def __init__(
        self, bytes_per_day: int, *, now_s: float, left_bytes: float | None = None
    ) -> None:
        """left_bytes: what was left at now_s; None: nothing has been written yet."""
        self._capacity = bytes_per_day * _BURST
        self._per_s = bytes_per_day * (1 - _BURST) / DAY_S
        full = self._capacity if left_bytes is None else left_bytes
        self._left = min(full, self._capacity)
        self._at_s = now_s

    def spend(self, size_bytes: int, now_s: float) -> bool:
        """Take the bytes; False, and nothing taken, where there are not so many."""
        if self.left(now_s) < size_bytes:
            return False
        self._left -= size_bytes
        return True

    def overdraw(self, size_bytes: int, now_s: float) -> None:
        """Take the bytes whether they are there or not; what follows waits until they are."""
        self._left = self.left(now_s) - size_bytes

    def left(self, now_s: float) -> float:
        """Bytes that may be written now. A clock that goes back gives nothing."""
        if now_s > self._at_s:
            self._left = min(self._capacity, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._left
