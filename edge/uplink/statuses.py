"""The retained statuses of a connection, and the time at which a further one is due."""

from __future__ import annotations

from dataclasses import dataclass

import edge
from edge.clock import boot_id, utc_now
from edge.events.event import StatusEvent
from edge.events.identity import JournalPosition
from edge.events.payload import MAX_TEXT_CHARS
from edge.uplink.commissioning import WAITING_NOTE, Commissioning
from edge.uplink.health import MachineHealth
from edge.uplink.state import UplinkState

CHANGED_S = 60.0
"""Seconds between two statuses of a connection where counts or the journal have changed."""


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
    station: str,
    bundle: str,
    state: UplinkState,
    published: JournalPosition,
    health: MachineHealth,
    commissioning: Commissioning = "",
) -> StatusMessages:
    """Return the statuses with the present time and counts.

    published: the position up to which the broker has confirmed all events of the present journal.
    """
    notes = [WAITING_NOTE] if commissioning == "waiting" else []
    if state.takeovers:
        notes.append(
            f"{state.takeovers} times in a row disconnected, as by another client of this name"
        )
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
        note="; ".join(notes),
        commissioning=commissioning,
        certificates=health.certificates,
        disks=health.disks,
        system=health.system,
    )
    return StatusMessages(
        online=online, lost=online.model_copy(update={"state": "offline", "cause": "lost"})
    )


class StatusSchedule:
    """Decides when a connection publishes its status again. For one thread.

    After ``interval_s`` it is due in any case, so that certificates and disks are known. Where
    counts or the journal have changed, it is due ``CHANGED_S`` after the last repeat.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._made: tuple[UplinkState | None, str] = (None, "")
        self._made_s = 0.0
        self._repeated_s: float | None = None

    @property
    def journal(self) -> str:
        """The journal that the last status names; empty if there was none."""
        return self._made[1]

    def made(self, state: UplinkState, journal: str, now_s: float) -> None:
        """Note that a status with these contents was made."""
        self._made, self._made_s = (state, journal), now_s

    def take_due(self, state: UplinkState, journal: str, now_s: float) -> bool:
        """Return whether a status with these contents is to be repeated now.

        now_s: the monotonic clock.
        """
        if (state, journal) == self._made:
            is_due = now_s - self._made_s >= self._interval_s
        else:
            is_due = self._repeated_s is None or now_s - self._repeated_s >= CHANGED_S
        if is_due:
            self._repeated_s = now_s
        return is_due
