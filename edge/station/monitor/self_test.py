"""When a sentinel goes through the chain, and what follows from it."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from logging import getLogger
from threading import Lock
from typing import Protocol

from edge.clock import Clock
from edge.records import Decision, Verdict
from edge.station.part_guard import attempt

_log = getLogger(__name__)

_REMEMBERED = 4096  # parts of which a person may still say that they were sentinels
_RECENT = 16  # runs; the longest of them is what the next one may take
_RETRY_NS = 1_000_000_000  # after a moment at which there was no room
_STARVED = 3  # times the interval without a moment for it: then a person is told
_NO_PART = 0


class Proves(Protocol):
    """Known pictures for the chain; edge.chain.self_test.Sentinels is one."""

    count: int

    @property
    def upcoming(self) -> str:
        """The name of the next one."""
        ...

    @property
    def shows_defect(self) -> bool:
        """Whether the next one has a defect."""
        ...

    def prove(self) -> str | None:
        """Run the next one; what was not reproduced, None where all was. Raises OutfeedError."""
        ...


Told = Callable[[str, str | None, int, int], None]
"""Which sentinel, what it did not reproduce, the first part since a defect was last reproduced, the
last part."""


class SentinelWatch:
    """Runs sentinels on the thread of the chain that judges, and nowhere else.

    A part never waits for one beyond its budget: it runs when no part is under way, and only where
    the longest of the last runs and what a verdict usually takes fit into the budget together, as a
    part may come the moment after. Where there never is such a moment, a person is told. One that
    hangs is the inspector's stage hanging: the watchdog ends the process.
    """

    def __init__(
        self, sentinels: Proves | None, *, every_ns: int, clock: Clock, told: Told
    ) -> None:
        """every_ns: from one to the next; 0: only at the start."""
        self.blind: str | None = None
        self.reproduced = self.failed = 0
        self._sentinels = sentinels
        self._every_ns = every_ns
        self._clock = clock
        self._told = told
        self._took_ns: deque[int] = deque(maxlen=_RECENT)
        self._next_ns = self._last_ns = clock.now_ns()
        self._since = 1  # the first part since one with a defect was reproduced
        self._is_starved = False
        self._decided: OrderedDict[int, Decision] = OrderedDict()
        self._guard = Lock()  # a person's word comes on another thread

    @property
    def is_starved(self) -> bool:
        """Whether there was no moment for a sentinel for three intervals."""
        return self._is_starved

    def begin(self, first_part: int) -> None:
        """Before the first part: one with a defect and one without, which also tells how long they
        take. Blocks for two inspections."""
        self._since = first_part
        for _ in range(min(2, self._sentinels.count if self._sentinels else 0)):
            self._run(first_part - 1)

    def is_due(self) -> bool:
        """Whether it is time. Costs nothing."""
        if self._sentinels is None or not self._every_ns or self.blind is not None:
            return False
        return self._clock.now_ns() >= self._next_ns

    def prove(self, room_ns: int, last_part: int) -> bool:
        """Run one, if it takes no longer than the room; whether it did. Blocks for as long.
        last_part: the last that has its verdict."""
        longest_ns = max(self._took_ns, default=0)
        now_ns = self._clock.now_ns()
        if longest_ns > room_ns:
            self._next_ns = now_ns + min(_RETRY_NS, self._every_ns)
            if not self._is_starved and now_ns - self._last_ns > _STARVED * self._every_ns:
                self._is_starved = True
                _log.warning(
                    "sentinel_starved longest_ms=%.1f room_ms=%.1f", longest_ns / 1e6, room_ns / 1e6
                )
            return False
        self._run(last_part)
        return True

    def settled(self, verdict: Verdict) -> None:
        """A part has its one verdict. Any thread."""
        with self._guard:
            self._decided[verdict.part_id] = verdict.decision
            if len(self._decided) > _REMEMBERED:
                self._decided.popitem(last=False)

    def planted(self, part_id: int) -> None:
        """A person says that this part was a known bad one. Any thread."""
        with self._guard:
            decision = self._decided.get(part_id)
        if decision is None or decision is Decision.UNKNOWN:
            said = "is not remembered" if decision is None else "has no verdict"
            _log.warning("sentinel_says_nothing part=%s: it %s", part_id, said)
            return
        fault = None if decision is Decision.REJECT else "passed"
        self._outcome(f"part {part_id}", fault, min(self._since, part_id), part_id)

    def _run(self, last_part: int) -> None:
        assert self._sentinels is not None
        name, shows_defect = self._sentinels.upcoming, self._sentinels.shows_defect
        began_ns = self._clock.now_ns()
        found = attempt(_NO_PART, self._sentinels.prove)
        self._last_ns = self._clock.now_ns()
        self._took_ns.append(self._last_ns - began_ns)
        self._next_ns = self._last_ns + self._every_ns
        self._is_starved = False
        fault = found.reason if isinstance(found, Verdict) else found
        self._outcome(name, fault, self._since, last_part, shows_defect=shows_defect)

    def _outcome(
        self, name: str, fault: str | None, since: int, last_part: int, *, shows_defect: bool = True
    ) -> None:
        with self._guard:
            if fault is None:
                self.reproduced += 1
                if shows_defect:
                    self._since = max(self._since, last_part + 1)
            else:
                self.failed += 1
                self.blind = self.blind or f"sentinel {name}: {fault}"
        if fault is not None:
            _log.error("sentinel_not_reproduced sentinel=%s reason=%s", name, fault)
        self._told(name, fault, since, last_part)
