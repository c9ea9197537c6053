"""Events that a broker confirmed shortly before it crashed, and may not have saved."""

from __future__ import annotations

import time
from collections import deque

from edge.events.identity import JournalPosition

# Mosquitto confirms an event before it saves it, in the same pass of its loop, with any settings
# (bench/broker.py). If it is killed, the last events are lost. So the events of the last 2 s are
# published again; receivers drop repeats.
REPEATED_S = 2.0

# After a shorter connection nothing is repeated. Otherwise an event that makes the broker close the
# connection could not be identified, as others would be sent before it each time.
_LIVED_S = 1.0


class Unsaved:
    """Remembers the position of the cursor REPEATED_S before a connection ended."""

    def __init__(self) -> None:
        self._moves: deque[tuple[float, JournalPosition | None]] = deque()
        self._until: JournalPosition | None = None
        self._is_armed = False

    def moved(self, before: JournalPosition | None) -> None:
        """Record that the cursor has just left this position."""
        now_s = time.monotonic()
        self._moves.append((now_s, before))
        while now_s - self._moves[0][0] > REPEATED_S:
            self._moves.popleft()

    def ended(self, lived_s: float) -> None:
        """Record that a connection ended, or that the broker could not be reached."""
        now_s = time.monotonic()
        while self._moves and not self._is_armed and now_s - self._moves[0][0] > REPEATED_S:
            self._moves.popleft()
        self._is_armed = self._is_armed or (lived_s > _LIVED_S and bool(self._moves))

    def begin(self, published: JournalPosition | None) -> JournalPosition | None:
        """Return the position at which a new connection begins to publish."""
        if not self._is_armed or not self._moves:
            return published
        begin = self._moves[0][1]
        self._moves.clear()
        self._is_armed = False
        self._until = published
        return begin

    def is_repeat(self, position: JournalPosition) -> bool:
        """Return True if the cursor was at this position before, so that it must not move back."""
        until = self._until
        if until is None or position.journal != until.journal:
            return False
        if position.published >= until.published:
            self._until = None
            return position == until
        return True
