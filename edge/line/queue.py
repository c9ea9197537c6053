"""The reject queue: what the ejector does, as a pure function of orders, time and belt counts.

It runs inside the rejector, so it imports nothing but the standard library. Every ejected part owns
the window [moment, moment + pulse). The output is active while the current time lies in a window,
and never outside of one. A process that was delayed therefore shortens or misses its own pulse. It
never ejects another part.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain

from edge.line.outcome import Action, Cause, Counters, OutputStep, PartOutcome

__all__ = ["Action", "Cause", "Counters", "OutputStep", "PartOutcome", "RejectQueue"]

# Parts that an ejector's eye did not see, in a row, after which it is taken for blind. Two taken
# off together happen; a third is more often dust on the lens.
_TRUSTED_ABSENCES = 3


class RejectQueue:
    """Announced parts by their place, at most ``capacity`` of them. One thread; never blocks.

    A place is what a part is due at: nanoseconds, or with ``by_counts`` encoder counts. Then
    ``reach`` says when the belt came where, and a part's moment is the first edge at or beyond its
    place; a belt that backs up afterwards changes nothing, so no part is ejected twice.

    spacing: two parts nearer than this cannot be told apart by the ejector. If one of them must be
    ejected, the other goes with it (cause CROWDED); a verdict that is not there yet counts as
    eject_unknown says. 0: each part by itself. confirm: parts must be seen by the ejector's eye;
    eject_absent: whether one that was not is ejected as ordered (nothing is there to be hit).

    Overflow rule: a part that finds the queue full is not remembered by itself. Where unknown parts
    are ejected, the output is active from the place of the first such part to the end of the window
    of the last; by time, every part announced before that is over joins it. Where unknown parts
    pass, it passes. Both are counted.
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
        self._seen: set[int] = set()  # by the ejector's eye
        self._excused: set[int] = set()  # they need not be seen
        self._absences = 0  # in a row
        self._gone: dict[int, None] = {}  # the last ``capacity`` parts gone, oldest first
        self._notes: list[PartOutcome] = []  # what is known before its moment, until the next step
        self._strangers = 0
        self._active_until_ns: int | None = None
        self._ejected_at: int | None = None  # the place of the last eject
        self._blind: tuple[int, int] | None = None  # ejected unseen from, until
        self._blind_id: int | None = None  # the part that overflowed first, until reported
        self._lost: tuple[int, int] | None = None  # places at which anything may be
        self._in_lost = False

    def __len__(self) -> int:
        """Parts that wait for their moment."""
        return len(self._due) + len(self._reached)

    @property
    def is_position_lost(self) -> bool:
        """The output is active because nobody knows what is there."""
        return self._in_lost

    @property
    def next_place(self) -> int | None:
        """Where the next part is due, or what is lost begins or ends; None: nothing waits."""
        places = [self._due[0][0]] if self._due else []
        if self._lost is not None:
            places.append(self._lost[self._in_lost])
        return min(places, default=None)

    @property
    def last_place(self) -> int | None:
        """Where the last part is due; None while none waits."""
        return self._due[-1][0] if self._due else None

    def announce(
        self, part_id: int, due: int, eject: bool | None = None, *, reached_ns: int | None = None
    ) -> None:
        """A part is due at this place; eject: its verdict, where there is one already.

        By time, a place in the past is handled by ``due``. By counts, reached_ns is the moment of a
        place that the belt has reached before.
        """
        if part_id in self._verdicts or part_id in self._gone:
            self.counters.duplicate += 1
            return
        self.counters.announced += 1
        if len(self) >= self._capacity or self._blind is not None:
            self._overflow(part_id, due, reached_ns)
            return
        self._verdicts[part_id] = eject
        if reached_ns is None:
            insort(self._due, (due, part_id))
        else:
            insort(self._reached, (due, part_id, reached_ns))

    def resolve(self, part_id: int, eject: bool) -> None:
        """The verdict on a part. The first one counts; one for a part gone does nothing."""
        if part_id in self._gone:
            self.counters.late += 1
        elif part_id not in self._verdicts:
            self.counters.unmatched += 1
        elif self._verdicts[part_id] is not None:
            self.counters.duplicate += 1
        else:
            self._verdicts[part_id] = eject

    def confirm(self, place: int, tolerance: int) -> None:
        """The ejector's eye saw a part that will be at ``place``.

        The part due nearest to it, within the tolerance, is due there from now on; where there is
        none it is a part that nobody announced, and unknown.
        """
        index = bisect_left(self._due, (place - tolerance,))
        near = []
        while index < len(self._due) and self._due[index][0] <= place + tolerance:
            due, part_id = self._due[index]
            if part_id > 0 and part_id not in self._seen:
                near.append((abs(due - place), due, part_id))
            index += 1
        if near:
            _, due, part_id = min(near)
            self._seen.add(part_id)
            self._absences = 0
            del self._due[bisect_left(self._due, (due, part_id))]
        else:
            self._strangers += 1
            part_id = -self._strangers
            self._verdicts[part_id] = None
            self.counters.unannounced += 1
        insort(self._due, (place, part_id))

    def excuse(self, part_id: int) -> None:
        """The part may have passed the ejector's eye while nobody looked."""
        if self._confirm and part_id in self._verdicts:
            self._excused.add(part_id)

    def ignore_eye(self) -> None:
        """The ejector's eye is gone: from now on parts need not be seen by it."""
        self._confirm = False

    def lose(self, begin: int, end: int) -> None:
        """From place begin to place end anything may come, and nobody knows what.

        Where unknown parts are ejected, the output is active from the first moment at or beyond
        begin to the end of the pulse that begins at end, and takes along who is there.
        """
        if self.eject_unknown:
            self._lost = (
                (begin, end)
                if self._lost is None
                else (min(begin, self._lost[0]), max(end, self._lost[1]))
            )

    def stop_clearing(self) -> None:
        """By time: nobody is waiting for the end of what is lost."""
        if not self._by_counts:
            self._lost, self._in_lost = None, False

    def forget(self, now_ns: int) -> None:
        """The place of everything is lost: each part that waits is reported as ``drop`` does."""
        self._give_up(now_ns, Cause.POSITION_LOST)
        self._lost, self._in_lost = None, False

    def abandon(self, now_ns: int) -> None:
        """Nobody will be there when the parts that wait come: each is reported as DOWN."""
        self._give_up(now_ns, Cause.REJECTOR_DOWN)

    def drop(
        self,
        part_id: int,
        now_ns: int,
        eject: bool | None = None,
        *,
        cause: Cause = Cause.POSITION_LOST,
    ) -> None:
        """Announce and report a part at once that cannot wait for its moment.

        POSITION_LOST: its place is not known. Where unknown parts are ejected, ``lose`` defines the
        places at which the output is active. REJECTOR_DOWN: no rejector ran when it passed.
        """
        if part_id in self._verdicts or part_id in self._gone:
            self.counters.duplicate += 1
            return
        self.counters.announced += 1
        self._note(part_id, now_ns, eject, cause)

    def gone(self, part_id: int) -> None:
        """A part has had its outcome: whatever comes for it is late."""
        self._forget_later(part_id)

    def note_no_part(self, part_id: int, at_ns: int, cause: Cause) -> None:
        """Report an edge of the photo-eye that began no part."""
        self._notes.append(PartOutcome(part_id, at_ns, 0, Action.NO_PART, cause))
        self._forget_later(part_id)

    def reach(self, place: int, at_ns: int) -> None:
        """By counts: the belt came to this place, at this moment (of the edge, not of its reading).

        Places in the order in which the belt came to them; one behind an earlier one does nothing.
        """
        while self._due and self._due[0][0] <= place:
            due, part_id = self._due.pop(0)
            self._reached.append((due, part_id, at_ns))
        self._lose_until(place, at_ns)

    def due(self, now_ns: int) -> OutputStep:
        """Take out every part whose moment has come and say what the output is from now on."""
        if not self._by_counts:
            while self._due and self._due[0][0] <= now_ns:
                due_ns, part_id = self._due.pop(0)
                self._reached.append((due_ns, part_id, due_ns))
            self._lose_until(now_ns, now_ns)
        outcomes, self._notes = self._notes, []
        while self._reached:
            place, part_id, moment_ns = self._reached.pop(0)
            outcomes.append(self._pass_by(part_id, place, moment_ns, now_ns))
        if self._blind is not None and self._blind[0] <= now_ns:
            outcomes += self._eject_overflow(self._blind, now_ns)
        if self._active_until_ns is not None and self._active_until_ns <= now_ns:
            self._active_until_ns = None
        until_ns = self._active_until_ns
        if self._in_lost and self._lost is not None:
            until_ns = None if self._by_counts else self._lost[1] + self._pulse_ns
        return OutputStep(self._in_lost or until_ns is not None, tuple(outcomes), until_ns)

    def next_ns(self) -> int | None:
        """When ``due`` has something to do next; None while no moment is known."""
        if self._notes:
            return self._notes[0].due_ns
        times = [self._reached[0][2]] if self._reached else []
        if self._due and not self._by_counts:
            times.append(self._due[0][0])
        if self._lost is not None and not self._by_counts:
            times.append(self._lost[self._in_lost])
        if self._active_until_ns is not None:
            times.append(self._active_until_ns)
        if self._blind is not None:
            times.append(self._blind[0] if self._blind_id is not None else self._blind[1])
        return min(times, default=None)

    def _pass_by(self, part_id: int, place: int, moment_ns: int, now_ns: int) -> PartOutcome:
        verdict = self._verdicts.pop(part_id)
        self._forget_later(part_id)
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
        """Whether the part is ejected, and why."""
        eject = self.eject_unknown if verdict is None else verdict
        cause = Cause.UNKNOWN if verdict is None else Cause.VERDICT
        if part_id < 0:
            cause = Cause.UNANNOUNCED
        else:
            self.counters.unknown += verdict is None
        if self._confirm and part_id > 0 and not self._was_seen(part_id):
            self.counters.absent += 1
            self._absences += 1
            if self._absences <= _TRUSTED_ABSENCES:
                cause = Cause.ABSENT
                if not self._eject_absent:
                    return False, cause
        self._seen.discard(part_id)
        self._excused.discard(part_id)
        if eject:
            return True, cause
        if self._in_lost:
            return True, Cause.POSITION_LOST
        if self._spacing and self._goes_along(place):
            self.counters.too_close += 1
            return True, Cause.TOO_CLOSE
        return False, cause

    def _lose_until(self, place: int, at_ns: int) -> None:
        """The belt has come to this place: what is lost may begin or end there."""
        if self._lost is None or place < self._lost[0]:
            return
        self._in_lost = True
        if self._lost[1] <= place:
            end_ns = at_ns if self._by_counts else self._lost[1]
            self._ejected_at = self._lost[1]
            self._stay_active(end_ns + self._pulse_ns)
            self._lost, self._in_lost = None, False

    def _was_seen(self, part_id: int) -> bool:
        return part_id in self._seen or part_id in self._excused

    def _goes_along(self, place: int) -> bool:
        """Whether a neighbour that the ejector cannot tell from this part is ejected."""
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
            self._note(part_id, now_ns, verdict, cause)
        self._verdicts.clear()
        self._due.clear()
        self._reached.clear()
        self._seen.clear()
        self._excused.clear()
        self._ejected_at = None

    def _note(self, part_id: int, now_ns: int, verdict: bool | None, cause: Cause) -> None:
        action = Action.PASSED
        if cause is Cause.POSITION_LOST and self.eject_unknown:
            action = Action.EJECTED
        elif self.eject_unknown if verdict is None else verdict:
            action = Action.MISSED
        self.counters.position_lost += cause is Cause.POSITION_LOST and part_id > 0
        self._count(action)
        self._notes.append(PartOutcome(max(part_id, 0), now_ns, 0, action, cause))
        self._forget_later(part_id)

    def _count(self, action: Action) -> None:
        counters = self.counters
        counters.ejected += action is Action.EJECTED
        counters.passed += action is Action.PASSED
        counters.missed += action is Action.MISSED

    def _stay_active(self, until_ns: int) -> None:
        self._active_until_ns = max(until_ns, self._active_until_ns or until_ns)

    def _forget_later(self, part_id: int) -> None:
        if part_id < 0:
            return
        self._gone[part_id] = None
        if len(self._gone) > self._capacity:
            del self._gone[next(iter(self._gone))]

    def _overflow(self, part_id: int, due: int, reached_ns: int | None) -> None:
        self.counters.overflow += 1
        if not self._by_counts:
            if self.eject_unknown:
                self._widen(part_id, due)
            return
        self.lose(due, due)
        if reached_ns is not None:
            self.reach(due, reached_ns)
        action = Action.EJECTED if self.eject_unknown else Action.PASSED
        self._notes.append(PartOutcome(part_id, reached_ns or 0, 0, action, Cause.QUEUE_FULL))
        self._forget_later(part_id)

    def _widen(self, part_id: int, due_ns: int) -> None:
        begin_ns, end_ns = due_ns, due_ns + self._pulse_ns
        if self._blind is None:
            self._blind_id = part_id
        else:
            begin_ns, end_ns = min(begin_ns, self._blind[0]), max(end_ns, self._blind[1])
        self._blind = begin_ns, end_ns

    def _eject_overflow(self, blind: tuple[int, int], now_ns: int) -> list[PartOutcome]:
        begin_ns, end_ns = blind
        if now_ns < end_ns:
            self._stay_active(end_ns)
        else:
            self._blind = None
        first_id, self._blind_id = self._blind_id, None
        if first_id is None:
            return []
        left_ns = max(0, end_ns - now_ns)
        action = Action.EJECTED if left_ns else Action.MISSED
        return [PartOutcome(first_id, begin_ns, left_ns, action, Cause.QUEUE_FULL)]
