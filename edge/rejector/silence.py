"""Whether the station still speaks. Pure: the time is handed in."""

from __future__ import annotations


class Silence:
    """A station that says nothing for limit_ns (0: for ever) counts as silent, until it has spoken
    without such a pause for as long again: a process that is woken only to be killed says a word
    or two."""

    def __init__(self, limit_ns: int, now_ns: int) -> None:
        self.silent = False
        self._limit_ns = limit_ns
        self._heard_ns = now_ns
        self._back_ns: int | None = None  # since when a silent station speaks again

    def hear(self, now_ns: int) -> bool:
        """The station said something; whether it is silent no more."""
        ended = False
        if self.silent:
            if self._back_ns is None or now_ns - self._heard_ns >= self._limit_ns:
                self._back_ns = now_ns
            elif now_ns - self._back_ns >= self._limit_ns:
                self.silent, self._back_ns, ended = False, None, True
        self._heard_ns = now_ns
        return ended

    def look(self, now_ns: int) -> bool:
        """The station said nothing until now; whether it is silent from here on."""
        if not self._limit_ns or now_ns < self._heard_ns + self._limit_ns:
            return False
        began = not self.silent
        self.silent, self._back_ns = True, None
        return began

    def next_ns(self) -> int | None:
        """When to look; None: a word comes first."""
        if not self._limit_ns or (self.silent and self._back_ns is None):
            return None
        return self._heard_ns + self._limit_ns
