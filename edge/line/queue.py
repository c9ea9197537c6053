"""The reject queue: the level of the output as a pure function of orders, time and belt counts.

It runs in the rejector and imports only the standard library. Each ejected part has the window
[moment, moment + pulse). The output is active only while the time lies in a window. A process that
was delayed therefore shortens or misses its own pulse, and never ejects another part.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain

from edge.line.outcome import Action, Cause, Counters, OutputStep, PartOutcome

# The ejector eye is ignored for further parts that it did not see after this many in a row. Two
# parts removed together are common; a third is more often dust on the lens.
_TRUSTED_ABSENCES = 3


class RejectQueue:
    """Announced parts in the order of their places, at most ``capacity`` of them.

    For one thread; never blocks. The place of a part is the time at which it is due in nanoseconds,
    or with ``by_counts`` the encoder count. With counts, ``reach`` reports the time at which the
    belt reached a place. The moment of a part is the first encoder edge at or beyond its place. A
    belt that runs backward afterwards changes nothing, so no part is ejected twice.

    Overflow rule: a part that finds the queue full is not stored. If unknown parts are ejected, the
    output is active from the place of the first such part to the end of the window of the last. By
    time, every part announced before that end extends it. If unknown parts pass, the part passes.
    Both are counted.
    """

    def __init__(
        self,
        *,
        pulse_ns: int,
        eject_unknown: bool,
        capacity: int = 4096,
        spacing: int = 0,
        by_counts: bool = False,
        confirm: bool = False,
        eject_absent: bool = True,
    ) -> None:
        """spacing: the ejector cannot separate parts nearer than this. If one of them must be
        ejected, the other is ejected too (cause TOO_CLOSE). A missing verdict counts as
        eject_unknown. 0: each part by itself. confirm: the ejector eye must see each part.
        eject_absent: a part that the eye did not see is ejected as ordered.
        """
        self.counters = Counters()
        self.eject_unknown = eject_unknown
        self._pulse_ns = pulse_ns
        self._capacity = capacity
        self._spacing = spacing
        self._by_counts = by_counts
        self._confirm = confirm
        self._eject_absent = eject_absent
        self._due: list[tuple[int, int]] = []  # place, part
        self._reached: list[tuple[int, int, int]] = []  # place, part, moment
        self._verdicts: dict[int, bool | None] = {}  # part → verdict, None until there is one
        self._confirmed: set[int] = set()  # seen by the ejector eye
        self._excused: set[int] = set()  # the ejector eye need not see them
        self._absences = 0  # in a row
        self._done: dict[int, None] = {}  # the last ``capacity`` parts with an outcome, in order
        self._ready: list[PartOutcome] = []  # outcomes known before their moment
        self._unannounced = 0
        self._active_until_ns: int | None = None
        self._ejected_at: int | None = None  # the place of the last ejected part
        self._overflow: tuple[int, int] | None = None  # active for parts without a place, from, to
        self._overflow_id: int | None = None  # the first part of it, until it is reported
        self._lost: tuple[int, int] | None = None  # places at which any part may be
        self._in_lost = False

    def __len__(self) -> int:
        """Return the number of parts that wait for their moment."""
        return len(self._due) + len(self._reached)

    @property
    def is_position_lost(self) -> bool:
        """Return whether the output is active because the positions of parts are lost."""
        return self._in_lost

    @property
    def next_place(self) -> int | None:
        """Return the next place at which the queue acts; None: no such place."""
        places = [self._due[0][0]] if self._due else []
        if self._lost is not None:
            places.append(self._lost[self._in_lost])
        return min(places, default=None)

    @property
    def last_place(self) -> int | None:
        """Return the place of the last part; None: no part waits."""
        return self._due[-1][0] if self._due else None

    def announce(
        self, part_id: int, due: int, eject: bool | None = None, *, reached_ns: int | None = None
    ) -> None:
        """Add a part at this place. eject: its verdict, if there is one already.

        By time, a place in the past is handled by ``due``. By counts, reached_ns is the moment of a
        place that the belt has reached before.
        """
        if part_id in self._verdicts or part_id in self._done:
            self.counters.duplicate += 1
            return
        self.counters.announced += 1
        if len(self) >= self._capacity or self._overflow is not None:
            self._add_overflow(part_id, due, reached_ns)
            return
        self._verdicts[part_id] = eject
        if reached_ns is None:
            insort(self._due, (due, part_id))
        else:
            insort(self._reached, (due, part_id, reached_ns))

    def resolve(self, part_id: int, eject: bool) -> None:
        """Set the verdict on a part. Only the first one counts, and only before its moment."""
        if part_id in self._done:
            self.counters.late += 1
        elif part_id not in self._verdicts:
            self.counters.unmatched += 1
        elif self._verdicts[part_id] is not None:
            self.counters.duplicate += 1
        else:
            self._verdicts[part_id] = eject

    def confirm(self, place: int, tolerance: int) -> None:
        """The ejector eye saw a part that will be at ``place``.

        The nearest announced part within the tolerance moves to this place. Where there is none,
        it is an unannounced part, and unknown.
        """
        index = bisect_left(self._due, (place - tolerance,))
        near = []
        while index < len(self._due) and self._due[index][0] <= place + tolerance:
            due, part_id = self._due[index]
            if part_id > 0 and part_id not in self._confirmed:
                near.append((abs(due - place), due, part_id))
            index += 1
        if near:
            _, due, part_id = min(near)
            self._confirmed.add(part_id)
            self._absences = 0
            del self._due[bisect_left(self._due, (due, part_id))]
        else:
            self._unannounced += 1
            part_id = -self._unannounced
            self._verdicts[part_id] = None
            self.counters.unannounced += 1
        insort(self._due, (place, part_id))

    def excuse(self, part_id: int) -> None:
        """The part may have passed the ejector eye while no process read the eye."""
        if self._confirm and part_id in self._verdicts:
            self._excused.add(part_id)

    def ignore_eye(self) -> None:
        """The ejector eye has failed: from now on it need not see parts."""
        self._confirm = False

    def lose(self, begin: int, end: int) -> None:
        """The parts from place begin to place end are not known.

        If unknown parts are ejected, the output is active and ejects every part there: from the
        first moment at or beyond begin to the end of the pulse that begins at end.
        """
        if self.eject_unknown:
            first, last = self._lost or (begin, end)
            self._lost = min(begin, first), max(end, last)

    def stop_clearing(self) -> None:
        """By time: end the lost region now."""
        if not self._by_counts:
            self._lost, self._in_lost = None, False

    def forget(self, now_ns: int) -> None:
        """All positions are lost: report each waiting part as ``drop`` does."""
        self._give_up(now_ns, Cause.POSITION_LOST)
        self._lost, self._in_lost = None, False

    def abandon(self, now_ns: int) -> None:
        """The process ends: report each waiting part with the cause REJECTOR_DOWN."""
        self._give_up(now_ns, Cause.REJECTOR_DOWN)

    def drop(
        self,
        part_id: int,
        now_ns: int,
        eject: bool | None = None,
        *,
        cause: Cause = Cause.POSITION_LOST,
    ) -> None:
        """Announce and report a part at once, as it cannot wait for its moment.

        POSITION_LOST: its place is not known. If unknown parts are ejected, ``lose`` defines the
        places at which the output is active. REJECTOR_DOWN: no rejector ran when it passed.
        """
        if part_id in self._verdicts or part_id in self._done:
            self.counters.duplicate += 1
            return
        self.counters.announced += 1
        self._report_early(part_id, now_ns, eject, cause)

    def mark_done(self, part_id: int) -> None:
        """A part has had its outcome: later orders for it are late or duplicates."""
        self._remember_done(part_id)

    def note_no_part(self, part_id: int, at_ns: int, cause: Cause) -> None:
        """Report an edge of the photo-eye that began no part."""
        self._ready.append(PartOutcome(part_id, at_ns, 0, Action.NO_PART, cause))
        self._remember_done(part_id)

    def reach(self, place: int, at_ns: int) -> None:
        """By counts: the belt reached this place at this moment, the time of the encoder's edge.

        Places in the order in which the belt reached them. A place behind an earlier one has no
        effect.
        """
        while self._due and self._due[0][0] <= place:
            due, part_id = self._due.pop(0)
            self._reached.append((due, part_id, at_ns))
        self._advance_lost(place, at_ns)

    def due(self, now_ns: int) -> OutputStep:
        """Remove every part whose moment has come; return outcomes and the level from now on."""
        if not self._by_counts:
            while self._due and self._due[0][0] <= now_ns:
                due_ns, part_id = self._due.pop(0)
                self._reached.append((due_ns, part_id, due_ns))
            self._advance_lost(now_ns, now_ns)
        outcomes, self._ready = self._ready, []
        while self._reached:
            place, part_id, moment_ns = self._reached.pop(0)
            outcomes.append(self._decide_part(part_id, place, moment_ns, now_ns))
        if self._overflow is not None and self._overflow[0] <= now_ns:
            outcomes += self._eject_overflow(self._overflow, now_ns)
        if self._active_until_ns is not None and self._active_until_ns <= now_ns:
            self._active_until_ns = None
        until_ns = self._active_until_ns
        if self._in_lost and self._lost is not None:
            until_ns = None if self._by_counts else self._lost[1] + self._pulse_ns
        return OutputStep(self._in_lost or until_ns is not None, tuple(outcomes), until_ns)

    def next_ns(self) -> int | None:
        """Return the next time at which ``due`` has work; None: no moment is known."""
        if self._ready:
            return self._ready[0].due_ns
        times = [self._reached[0][2]] if self._reached else []
        if self._due and not self._by_counts:
            times.append(self._due[0][0])
        if self._lost is not None and not self._by_counts:
            times.append(self._lost[self._in_lost])
        if self._active_until_ns is not None:
            times.append(self._active_until_ns)
        if self._overflow is not None:
            times.append(self._overflow[self._overflow_id is None])
        return min(times, default=None)

    def _decide_part(self, part_id: int, place: int, moment_ns: int, now_ns: int) -> PartOutcome:
        verdict = self._verdicts.pop(part_id)
        self._remember_done(part_id)
        eject, cause = self._decide(part_id, place, verdict)
        number = max(part_id, 0)
        if not eject:
            self._count(Action.PASSED)
            if self._active_until_ns is not None and moment_ns < self._active_until_ns:
                self.counters.overrun += cause is not Cause.ABSENT
            return PartOutcome(number, moment_ns, 0, Action.PASSED, cause)
        left_ns = moment_ns + self._pulse_ns - now_ns
        if left_ns <= 0 and not self._in_lost:
            self._count(Action.MISSED)
            return PartOutcome(number, moment_ns, 0, Action.MISSED, cause)
        self._count(Action.EJECTED)
        self._ejected_at = place
        self._stay_active(moment_ns + self._pulse_ns)
        return PartOutcome(number, moment_ns, max(0, left_ns), Action.EJECTED, cause)

    def _decide(self, part_id: int, place: int, verdict: bool | None) -> tuple[bool, Cause]:
        """Return whether the part is ejected, and the cause."""
        eject = self.eject_unknown if verdict is None else verdict
        cause = Cause.UNKNOWN if verdict is None else Cause.VERDICT
        if part_id < 0:
            cause = Cause.UNANNOUNCED
        else:
            self.counters.unknown += verdict is None
        is_confirmed = part_id in self._confirmed or part_id in self._excused
        if self._confirm and part_id > 0 and not is_confirmed:
            self.counters.absent += 1
            self._absences += 1
            if self._absences <= _TRUSTED_ABSENCES:
                cause = Cause.ABSENT
                if not self._eject_absent:
                    return False, cause
        self._confirmed.discard(part_id)
        self._excused.discard(part_id)
        if eject:
            return True, cause
        if self._in_lost:
            return True, Cause.POSITION_LOST
        if self._spacing and self._is_near_ejected(place):
            self.counters.too_close += 1
            return True, Cause.TOO_CLOSE
        return False, cause

    def _advance_lost(self, place: int, at_ns: int) -> None:
        """The belt has reached this place: the lost region may begin or end there."""
        if self._lost is None or place < self._lost[0]:
            return
        self._in_lost = True
        if self._lost[1] <= place:
            end_ns = at_ns if self._by_counts else self._lost[1]
            self._ejected_at = self._lost[1]
            self._stay_active(end_ns + self._pulse_ns)
            self._lost, self._in_lost = None, False

    def _is_near_ejected(self, place: int) -> bool:
        """Return whether the ejector cannot separate this part from an ejected neighbour."""
        if self._ejected_at is not None and 0 <= place - self._ejected_at < self._spacing:
            return True
        for following, part_id, *_ in chain(self._reached, self._due):
            if following - place >= self._spacing:
                return False
            verdict = self._verdicts[part_id]
            if self.eject_unknown if verdict is None else verdict:
                return True
            place = following
        return False

    def _give_up(self, now_ns: int, cause: Cause) -> None:
        for part_id, verdict in self._verdicts.items():
            self._report_early(part_id, now_ns, verdict, cause)
        self._verdicts.clear()
        self._due.clear()
        self._reached.clear()
        self._confirmed.clear()
        self._excused.clear()
        self._ejected_at = None

    def _report_early(self, part_id: int, now_ns: int, verdict: bool | None, cause: Cause) -> None:
        action = Action.PASSED
        if cause is Cause.POSITION_LOST and self.eject_unknown:
            action = Action.EJECTED
        elif self.eject_unknown if verdict is None else verdict:
            action = Action.MISSED
        self.counters.position_lost += cause is Cause.POSITION_LOST and part_id > 0
        self._count(action)
        self._ready.append(PartOutcome(max(part_id, 0), now_ns, 0, action, cause))
        self._remember_done(part_id)

    def _count(self, action: Action) -> None:
        counters = self.counters
        counters.ejected += action is Action.EJECTED
        counters.passed += action is Action.PASSED
        counters.missed += action is Action.MISSED

    def _stay_active(self, until_ns: int) -> None:
        self._active_until_ns = max(until_ns, self._active_until_ns or until_ns)

    def _remember_done(self, part_id: int) -> None:
        if part_id < 0:
            return
        self._done[part_id] = None
        if len(self._done) > self._capacity:
            del self._done[next(iter(self._done))]

    def _add_overflow(self, part_id: int, due: int, reached_ns: int | None) -> None:
        self.counters.overflow += 1
        if not self._by_counts:
            if self.eject_unknown:
                self._widen_overflow(part_id, due)
            return
        self.lose(due, due)
        if reached_ns is not None:
            self.reach(due, reached_ns)
        action = Action.EJECTED if self.eject_unknown else Action.PASSED
        self._ready.append(PartOutcome(part_id, reached_ns or 0, 0, action, Cause.QUEUE_FULL))
        self._remember_done(part_id)

    def _widen_overflow(self, part_id: int, due_ns: int) -> None:
        begin_ns, end_ns = due_ns, due_ns + self._pulse_ns
        if self._overflow is None:
            self._overflow_id = part_id
        else:
            begin_ns, end_ns = min(begin_ns, self._overflow[0]), max(end_ns, self._overflow[1])
        self._overflow = begin_ns, end_ns

    def _eject_overflow(self, window: tuple[int, int], now_ns: int) -> list[PartOutcome]:
        begin_ns, end_ns = window
        if now_ns < end_ns:
            self._stay_active(end_ns)
        else:
            self._overflow = None
        first_id, self._overflow_id = self._overflow_id, None
        if first_id is None:
            return []
        left_ns = max(0, end_ns - now_ns)
        action = Action.EJECTED if left_ns else Action.MISSED
        return [PartOutcome(first_id, begin_ns, left_ns, action, Cause.QUEUE_FULL)]
