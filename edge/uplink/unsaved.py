"""Events that a broker confirmed just before it died, and may not have saved."""

from __future__ import annotations

import time
from collections import deque

from edge.events.identity import JournalPosition

# Mosquitto confirms an event before it saves it, within the same pass of its loop, whatever its
# settings are (bench/broker.py): a kill costs the last ones. Receivers drop repeats.
REPEATED_S = 2.0

# After a shorter connection nothing is repeated: an event that makes the broker hang up could else
# never be found, with others before it each time.
_LIVED_S = 1.0


class Unsaved:
    """Remembers where the cursor stood REPEATED_S before a connection ended."""

    def __init__(self) -> None:
        self._moves: deque[tuple[float, JournalPosition | None]] = deque()
        self._until: JournalPosition | None = None
        self._is_armed = False

    def moved(self, before: JournalPosition | None) -> None:
        """The cursor has just left this position."""
        now_s = time.monotonic()
        self._moves.append((now_s, before))
        while now_s - self._moves[0][0] > REPEATED_S:
            self._moves.popleft()

    def ended(self, lived_s: float) -> None:
        """The broker, or the way to it, ended a connection; or could not be reached."""
        now_s = time.monotonic()
        while self._moves and not self._is_armed and now_s - self._moves[0][0] > REPEATED_S:
            self._moves.popleft()
        self._is_armed = self._is_armed or (lived_s > _LIVED_S and bool(self._moves))

    def begin(self, published: JournalPosition | None) -> JournalPosition | None:
        """Where a new connection begins to publish."""
        if not self._is_armed or not self._moves:
            return published
        begin = self._moves[0][1]
        self._moves.clear()
        self._is_armed = False
        self._until = published
        return begin

    def is_repeat(self, position: JournalPosition) -> bool:
        """Return whether the cursor was here before, so that it must not go back."""
        until = self._until
        if until is None or position.journal != until.journal:
            return False
        if position.published >= until.published:
            self._until = None
            return position == until
        return True
