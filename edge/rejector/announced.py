"""The station's table of the parts that it has announced to the rejector. Pure: no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from edge.line.outcome import Action, Cause
from edge.rejector.messages import (
    Actuated,
    Announce,
    Clear,
    Known,
    Lose,
    Order,
    Placed,
    Restore,
    Sighted,
)

# Parts with an outcome that are recognised when the belt brings them to the photo-eye again after a
# restart. With those under way they should fit into the socket, which holds 270.
_KNOWN_PARTS = 64
_FORGET_NS = 10_000_000_000  # after this time past its due time, a part's report is lost


@dataclass(slots=True)
class _Part:
    due_ns: int | None = None  # by time
    seen_ns: int = 0  # by counts
    place: int | None = None  # by counts; None until the rejector has reported it
    eject: bool | None = None


class AnnouncedParts:
    """The parts between the photo-eye and their report. A new rejector gets its orders from them.

    The caller locks. At most 2 × ``capacity`` parts by counts are stored, as a full rejector
    reports the parts beyond its capacity at once.
    """

    def __init__(
        self,
        *,
        pulse_us: int,
        eject_unknown: bool,
        capacity: int,
        safe_active: bool = False,
        reach: int = 0,
    ) -> None:
        """safe_active: the output is active while no process drives it. reach: by counts, the
        greatest belt travel during a pulse."""
        self._pulse_ns = pulse_us * 1000
        self._eject_unknown = eject_unknown
        self._capacity = capacity
        self._safe_active = safe_active
        self._reach = reach
        self._ejected_at: int | None = None  # by counts: the place of the last ejected part
        self._origin: int | None = None  # of the counts of the last process
        self._clear_until_ns = 0
        self._parts: dict[int, _Part] = {}
        self._done: deque[Known] = deque(maxlen=_KNOWN_PARTS)

    def __len__(self) -> int:
        return len(self._parts)

    def announce(self, part_id: int, due_ns: int, now_ns: int) -> Order:
        """By time: store a part, and return the order that announces it."""
        self._forget_old(now_ns)
        self._parts[part_id] = _Part(due_ns)
        return Announce(part_id, due_ns)

    def sighted(self, part_id: int, seen_ns: int, now_ns: int) -> Order:
        """By counts: store a part, and return the order that announces it."""
        self._forget_old(now_ns)
        self._parts[part_id] = _Part(seen_ns=seen_ns)
        return Sighted(part_id, seen_ns)

    def resolve(self, part_id: int, eject: bool) -> None:
        """Store the verdict on a part. Only the first one counts."""
        part = self._parts.get(part_id)
        if part is not None and part.eject is None:
            part.eject = eject

    def placed(self, report: Placed) -> None:
        """Store the count at which a part is due, as the rejector has reported it."""
        if (part := self._parts.get(report.part_id)) is not None:
            part.place = report.place

    def reported(self, report: Actuated) -> Actuated:
        """Record the rejector's report on a part, and return it as far as it can be true.

        By counts the moment is unknown for a part that passed while no process was there. A part
        that was to pass may have come this near behind a part whose pulse outlived its process. It
        may have been ejected with that part, and is reported so.
        """
        part = self._parts.pop(report.part_id, None)
        if part is None or part.place is None:
            return report
        self._done.append(Known(report.part_id, part.place))
        if report.action is Action.EJECTED:
            self._ejected_at = part.place
        return self._overrun(report, part.place)

    def clear(self) -> None:
        """Remove all parts."""
        self._parts.clear()

    def last_due_ns(self, otherwise_ns: int) -> int:
        """Return the due time of the last part; by counts it is not known: ``otherwise_ns``."""
        dues = (
            otherwise_ns if part.due_ns is None else part.due_ns for part in self._parts.values()
        )
        return max(dues, default=0)

    def remove_overdue(self, now_ns: int) -> list[Actuated]:
        """By time: remove the parts whose window ended without a rejector. Return their reports.

        They leave the table before a new process gets the rest, so each part is reported once. A
        part that was to pass is EJECTED if the safe state of the released line is active.
        """
        limit_ns = now_ns - self._pulse_ns
        reports = []
        for part_id, part in list(self._parts.items()):
            if part.due_ns is not None and part.due_ns <= limit_ns:
                del self._parts[part_id]
                wanted = self._eject_unknown if part.eject is None else part.eject
                action = Action.EJECTED if self._safe_active else Action.PASSED
                action = Action.MISSED if wanted else action
                reports.append(
                    Actuated(part_id, part.due_ns, part.due_ns, 0, action, Cause.REJECTOR_DOWN)
                )
        return reports

    def remove_lost(self, origin: int, now_ns: int) -> list[Actuated]:
        """By counts: remove the parts without a place in a process with this origin of counts.

        Return their reports. If unknown parts are ejected, the new process ejects every part on the
        belt that may be one of them.
        """
        if self._origin is None or origin == self._origin:
            return []
        lost = []
        for part_id, part in list(self._parts.items()):
            if part.due_ns is None:
                del self._parts[part_id]
                action = Action.MISSED if part.eject else Action.PASSED
                if self._eject_unknown:
                    action = Action.EJECTED
                report = Actuated(part_id, now_ns, now_ns, 0, action, Cause.POSITION_LOST)
                lost.append(report if part.place is None else self._overrun(report, part.place))
        return lost

    def orders(
        self, origin: int, *, purge_at_start: bool, clear_ns: int = 0, now_ns: int = 0
    ) -> list[Order]:
        """Return the first orders for a new process, and store its origin of counts.

        purge_at_start: by counts, the content of the belt at the first start is unknown. clear_ns:
        by time, the period after the first start in which every part at the ejector is unknown.
        """
        orders: list[Order] = []
        if self._origin is None:
            self._clear_until_ns = now_ns + clear_ns
        if now_ns < self._clear_until_ns:
            orders.append(Clear(self._clear_until_ns))
        if purge_at_start if self._origin is None else origin != self._origin:
            orders.append(Lose())
        if origin != self._origin:
            self._done.clear()
            self._ejected_at = None
        self._origin = origin
        orders += self._done
        for part_id, part in self._parts.items():
            if part.due_ns is not None:
                orders.append(Announce(part_id, part.due_ns, part.eject))
            elif part.place is not None:
                orders.append(Restore(part_id, part.place, part.eject))
            else:
                orders.append(Sighted(part_id, part.seen_ns, part.eject))
        return orders

    def _overrun(self, report: Actuated, place: int) -> Actuated:
        if report.action is not Action.PASSED or report.cause not in (
            Cause.REJECTOR_DOWN,
            Cause.POSITION_LOST,
        ):
            return report
        if self._ejected_at is None or not 0 <= place - self._ejected_at <= self._reach:
            return report
        return replace(report, action=Action.EJECTED, cause=Cause.OVERRUN)

    def _forget_old(self, now_ns: int) -> None:
        """Remove parts whose report was lost, so that the table cannot grow."""
        while self._parts:
            part_id, part = next(iter(self._parts.items()))
            if part.due_ns is None and len(self._parts) < 2 * self._capacity:
                return
            if part.due_ns is not None and part.due_ns >= now_ns - _FORGET_NS:
                return
            del self._parts[part_id]
