"""The search for an event that the broker cannot accept and that holds back all later ones."""

from __future__ import annotations

from edge.events.identity import JournalPosition
from edge.uplink.outgoing import OutgoingEvent

# Failures of the first event, sent alone, before a later event is sent ahead of it.
TRIES = 3

# A broker that closes the connection without a reason may only have lost its network. Then so many
# trials are needed.
PROOFS_WITHOUT_REASON = 3


class Suspicion:
    """Decides whether the first event is at fault, or the broker accepts no event now.

    After the first event has failed TRIES times alone, there is a trial: a later event is sent
    ahead. If the broker accepts the later event and not the first one, on the same connection, the
    first one is at fault. If it accepts neither, all events wait. So no event is given up while the
    broker refuses everything.
    """

    def __init__(self) -> None:
        self._position: JournalPosition | None = None
        self._failures = 0
        self._proofs = 0
        self._trials = 0

    def wants_trial(self, head: JournalPosition) -> bool:
        """Return True if the next connection must send a later event ahead of this one."""
        return head == self._position and self._failures >= TRIES

    def choose(self, followers: int) -> int:
        """Return the index of the later event that is sent ahead.

        It is another one each time, because this event may be at fault too.
        """
        self._trials += 1
        return (self._trials - 1) % followers

    def failed(self, alone: OutgoingEvent, *, is_proof: bool, has_reason: bool) -> bool:
        """Record that the first event failed while no other was in flight.

        Return True if it is now known to be at fault. is_proof: a later event was accepted on this
        connection. has_reason: the broker gave a reason.
        """
        position = alone.stored.position
        if position != self._position:
            self._position, self._failures, self._proofs, self._trials = position, 0, 0, 0
        self._failures += 1
        if not is_proof:
            return False
        self._proofs += 1
        return has_reason or self._proofs >= PROOFS_WITHOUT_REASON
