"""The check whether the station still sends messages. Pure: the time is an argument."""

from __future__ import annotations


class SilenceTimer:
    """Detects a station that sends nothing for limit_ns (0: no limit).

    A silent station counts as recovered after it has sent messages for limit_ns without such a
    pause. A process that is resumed only to be killed may send one or two messages.
    """

    def __init__(self, limit_ns: int, now_ns: int) -> None:
        self.silent = False
        self._limit_ns = limit_ns
        self._received_ns = now_ns
        self._resumed_ns: int | None = None  # since when a silent station sends again

    def record_message(self, now_ns: int) -> bool:
        """Record a message of the station. Return whether the silence has ended with it."""
        ended = False
        if self.silent:
            if self._resumed_ns is None or now_ns - self._received_ns >= self._limit_ns:
                self._resumed_ns = now_ns
            elif now_ns - self._resumed_ns >= self._limit_ns:
                self.silent, self._resumed_ns, ended = False, None, True
        self._received_ns = now_ns
        return ended

    def check(self, now_ns: int) -> bool:
        """Check while there is no message. Return whether the silence begins now."""
        if not self._limit_ns or now_ns < self._received_ns + self._limit_ns:
            return False
        began = not self.silent
        self.silent, self._resumed_ns = True, None
        return began

    def next_ns(self) -> int | None:
        """Return the time of the next check; None: only a message changes the state."""
        if not self._limit_ns or (self.silent and self._resumed_ns is None):
            return None
        return self._received_ns + self._limit_ns
