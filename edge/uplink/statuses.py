"""The retained statuses of a connection: when it begins, when it breaks, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass

import edge
from edge.clock import boot_id, utc_now
from edge.events.event import StatusEvent
from edge.events.identity import JournalPosition
from edge.events.payload import MAX_TEXT_CHARS
from edge.uplink.state import UplinkState


@dataclass(frozen=True, slots=True)
class StatusMessages:
    """The retained status when the connection begins and when it breaks."""

    online: StatusEvent
    lost: StatusEvent

    @property
    def farewell(self) -> StatusEvent:
        """The retained status when the uplink stops in order."""
        return self.online.model_copy(update={"state": "offline", "cause": "stopped"})


def make_statuses(
    station: str, bundle: str, state: UplinkState, published: JournalPosition
) -> StatusMessages:
    """Return the statuses with the present time and counts.

    published: the position up to which the broker has confirmed all events of the present journal.
    """
    note = f"{state.takeovers} times in a row disconnected, as by another client of this name"
    online = StatusEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        state="online",
        cause="connected",
        version=edge.__version__,
        bundle=bundle,
        undelivered=state.undelivered,
        last_undelivered=state.last_undelivered[:MAX_TEXT_CHARS],
        unheard=state.unheard,
        journal=published.journal,
        published=published.published,
        note=note if state.takeovers else "",
    )
    return StatusMessages(
        online=online, lost=online.model_copy(update={"state": "offline", "cause": "lost"})
    )
