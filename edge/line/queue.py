"""The reject queue: what the ejector does, as a pure function of orders and time.

It runs inside the rejector, so it imports nothing but the standard library. Every kick owns the
window [due, due + pulse): the output is active while now lies in a window, and never outside of
one. So a process that was held up shortens or misses its own pulse, it never kicks another part.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from heapq import heappop, heappush


class Action(IntEnum):
    """What became of a part at the ejector. MISSED: it should have been kicked and was not."""

    KICKED = 1
    LET_BY = 2
    MISSED = 3


class Cause(IntEnum):
    """Why. SAFE: the queue was full, kicked unseen. DOWN: no rejector was running at the time."""

    VERDICT = 1
    UNKNOWN = 2
    SAFE = 3
    DOWN = 4


@dataclass(frozen=True, slots=True)
class Passage:
    """One part went by the ejector. width_ns: what is left of its window, 0 unless KICKED."""

    part_id: int
    due_ns: int
    width_ns: int
    action: Action
    cause: Cause


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: the level of the output, and the parts that went by since the last step."""

    active: bool
    passages: tuple[Passage, ...]


@dataclass(slots=True)
class Counters:
    """What a queue has seen. announced = kicked + let_by + missed + waiting + overflow."""

    announced: int = 0
    kicked: int = 0
    let_by: int = 0
    missed: int = 0
    unknown: int = 0  # went by without a verdict
    late: int = 0  # verdicts for parts already gone
    duplicate: int = 0  # a part announced or resolved a second time
    stranger: int = 0  # verdicts for parts never announced
    crowded: int = 0  # let by while the pulse of the part before was still active
    overflow: int = 0  # announced while the queue was full


class RejectQueue:
    """Announced parts by due time, at most ``capacity`` of them. One thread; never blocks.

    Overflow rule: a part that finds the queue full is not remembered by itself. Where unknown
    parts are kicked, the output is active from the due time of the first such part to the end of
    the window of the last, and every part announced before that time is over joins it; where
    unknown parts pass, it passes. Both are counted.
    """

    def __init__(self, *, pulse_ns: int, kick_unknown: bool, capacity: int = 4096) -> None:
        self.counters = Counters()
        self._pulse_ns = pulse_ns
        self._kick_unknown = kick_unknown
        self._capacity = capacity
        self._due: list[tuple[int, int]] = []
        self._kick: dict[int, bool | None] = {}  # part → verdict, None until there is one
        self._gone: dict[int, None] = {}  # the last ``capacity`` parts gone, oldest first
        self._active_until_ns: int | None = None
        self._blind: tuple[int, int] | None = None  # kicked unseen from, until
        self._blind_id: int | None = None  # the part that overflowed first, until reported

    def __len__(self) -> int:
        """Parts that wait for their due time."""
        return len(self._due)

    def announce(self, part_id: int, due_ns: int, kick: bool | None = None) -> None:
        """A part will be at the ejector at due_ns; kick: its verdict, where there is one already.

        A due time in the past is handled by ``due``.
        """
        if part_id in self._kick or part_id in self._gone:
            self.counters.duplicate += 1
            return
        self.counters.announced += 1
        if len(self._due) >= self._capacity or self._blind is not None:
            self.counters.overflow += 1
            if self._kick_unknown:
                self._widen(part_id, due_ns)
            return
        self._kick[part_id] = kick
        heappush(self._due, (due_ns, part_id))

    def resolve(self, part_id: int, kick: bool) -> None:
        """The verdict on a part. The first one counts; one for a part gone does nothing."""
        if part_id in self._gone:
            self.counters.late += 1
        elif part_id not in self._kick:
            self.counters.stranger += 1
        elif self._kick[part_id] is not None:
            self.counters.duplicate += 1
        else:
            self._kick[part_id] = kick

    def due(self, now_ns: int) -> Step:
        """Take out every part due by now and say what the output's level is from now on."""
        passages = []
        while self._due and self._due[0][0] <= now_ns:
            due_ns, part_id = heappop(self._due)
            passages.append(self._pass_by(part_id, due_ns, now_ns))
        if self._blind is not None and self._blind[0] <= now_ns:
            passages += self._kick_unseen(self._blind, now_ns)
        if self._active_until_ns is not None and self._active_until_ns <= now_ns:
            self._active_until_ns = None
        return Step(self._active_until_ns is not None, tuple(passages))

    def next_ns(self) -> int | None:
        """When ``due`` has something to do next; None while nothing waits and nothing is active."""
        times = [self._due[0][0]] if self._due else []
        if self._active_until_ns is not None:
            times.append(self._active_until_ns)
        if self._blind is not None:
            times.append(self._blind[0] if self._blind_id is not None else self._blind[1])
        return min(times, default=None)

    def _pass_by(self, part_id: int, due_ns: int, now_ns: int) -> Passage:
        verdict = self._kick.pop(part_id)
        self._forget_later(part_id)
        cause = Cause.UNKNOWN if verdict is None else Cause.VERDICT
        self.counters.unknown += verdict is None
        if not (self._kick_unknown if verdict is None else verdict):
            self.counters.let_by += 1
            if self._active_until_ns is not None and due_ns < self._active_until_ns:
                self.counters.crowded += 1
            return Passage(part_id, due_ns, 0, Action.LET_BY, cause)
        left_ns = due_ns + self._pulse_ns - now_ns
        if left_ns <= 0:
            self.counters.missed += 1
            return Passage(part_id, due_ns, 0, Action.MISSED, cause)
        self.counters.kicked += 1
        self._stay_active(due_ns + self._pulse_ns)
        return Passage(part_id, due_ns, left_ns, Action.KICKED, cause)

    def _stay_active(self, until_ns: int) -> None:
        self._active_until_ns = max(until_ns, self._active_until_ns or until_ns)

    def _forget_later(self, part_id: int) -> None:
        self._gone[part_id] = None
        if len(self._gone) > self._capacity:
            del self._gone[next(iter(self._gone))]

    def _widen(self, part_id: int, due_ns: int) -> None:
        begin_ns, end_ns = due_ns, due_ns + self._pulse_ns
        if self._blind is None:
            self._blind_id = part_id
        else:
            begin_ns, end_ns = min(begin_ns, self._blind[0]), max(end_ns, self._blind[1])
        self._blind = begin_ns, end_ns

    def _kick_unseen(self, blind: tuple[int, int], now_ns: int) -> list[Passage]:
        begin_ns, end_ns = blind
        if now_ns < end_ns:
            self._stay_active(end_ns)
        else:
            self._blind = None
        first_id, self._blind_id = self._blind_id, None
        if first_id is None:
            return []
        left_ns = max(0, end_ns - now_ns)
        action = Action.KICKED if left_ns else Action.MISSED
        return [Passage(first_id, begin_ns, left_ns, action, Cause.SAFE)]
