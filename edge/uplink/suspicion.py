"""Return whether one event is at fault, or the broker takes nothing from this station now."""

from __future__ import annotations

from edge.events.identity import JournalPosition
from edge.uplink.outgoing import OutgoingEvent

# The event that stands first fails alone so often before another one is sent ahead of it.
TRIES = 3

# A broker that hangs up without a reason may only have lost its network: it needs more evidence.
PROOFS_WITHOUT_REASON = 3


class Suspicion:
    """Follows the event at the head, which holds back all others while it fails.

    It fails TRIES times alone. Then a trial: a later event is sent ahead. If the broker takes that
    and still not the first one, on the same connection, the first is at fault. If it takes neither,
    it takes nothing now, and all wait: no event is given up for a broker that refuses everything.
    """

    def __init__(self) -> None:
        self._position: JournalPosition | None = None
        self._failures = 0
        self._proofs = 0
        self._trials = 0

    def wants_trial(self, head: JournalPosition) -> bool:
        """Return whether the next connection has to send a later event ahead of this one."""
        return head == self._position and self._failures >= TRIES

    def choose(self, followers: int) -> int:
        """Which of the events behind the head is sent ahead: another one each time, because it may
        be at fault too."""
        self._trials += 1
        return (self._trials - 1) % followers

    def failed(self, alone: OutgoingEvent, *, is_proof: bool, has_reason: bool) -> bool:
        """The head failed while nothing else was under way. is_proof: a later event was taken on
        this connection. Returns whether it is now known to be at fault."""
        position = alone.stored.position
        if position != self._position:
            self._position, self._failures, self._proofs, self._trials = position, 0, 0, 0
        self._failures += 1
        if not is_proof:
            return False
        self._proofs += 1
        return has_reason or self._proofs >= PROOFS_WITHOUT_REASON
