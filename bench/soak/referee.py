"""The referee of the soak: it checks the outcome of every part and its reports."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from heapq import heappop, heappush

from bench.soak.plan import MS, SoakPlan
from bench.soak.world import SoakBelt, SoakPart
from edge.line.outcome import Action, Cause
from edge.rejector.messages import Actuated

_BEYOND = 150  # counts past the ejector at which a part's record is complete
_ORDERED = (Cause.VERDICT, Cause.UNKNOWN, Cause.TOO_CLOSE, Cause.ABSENT)
_RESTARTED = (Cause.POSITION_LOST, Cause.REJECTOR_DOWN)
_UNSEEN_NS = (
    10 * MS
)  # around a report, or the end of a time without positions: a pulse and two loop turns


@dataclass(slots=True)
class NumberedPart:
    """A part as the station knows it.

    place: its count at the photo-eye. epoch: number of times that all positions had been lost.
    """

    part_id: int
    thing: SoakPart
    place: int
    epoch: int
    eject: bool | None = None
    passed: bool = False  # the rejector has handled it; the report may wait for a pulse
    report: Actuated | None = None
    receded: bool = False  # the belt had moved back when the report was made
    orphan: bool = False  # its station crashed, so no process reads the report


class Referee:
    """A referee. ``errors`` must stay empty. ``account`` counts all permitted outcomes."""

    def __init__(self, plan: SoakPlan, belt: SoakBelt) -> None:
        self.errors: list[str] = []
        self.account: Counter[str] = Counter()
        self._plan = plan
        self._belt = belt
        self._numbered: dict[int, NumberedPart] = {}
        self._closing: list[tuple[int, int, SoakPart]] = []
        self._recent: deque[SoakPart] = deque(maxlen=64)
        self._placed: deque[NumberedPart] = deque(maxlen=64)
        self._number = 0
        self._suspended_until_ns = -1
        self._unannounced_ns = -1

    @property
    def open(self) -> int:
        """The number of parts whose record is open."""
        return len(self._numbered)

    def laid(self, thing: SoakPart) -> None:
        """Record a part that arrived at the photo-eye or was put on the belt by hand."""
        self._number += 1
        self._recent.append(thing)
        heappush(self._closing, (thing.x, self._number, thing))

    def number(self, known: NumberedPart) -> None:
        """Record a part that the station has numbered."""
        self._numbered[known.part_id] = known
        self._placed.append(known)
        self.account["edges"] += 1

    def resolved(self, part_id: int, eject: bool) -> None:
        """Record a verdict that was read before the part was handled. The first one counts."""
        known = self._numbered.get(part_id)
        if known is not None and not known.passed and known.eject is None:
            known.eject = eject

    def orphan(self) -> None:
        """Record a crash of the station. No process reads the reports of its parts."""
        for known in self._numbered.values():
            known.orphan = True

    def suspend_checks(self, now_ns: int) -> None:
        """Record an output that is active because the positions on the belt are lost."""
        self._suspended_until_ns = now_ns + _UNSEEN_NS

    def passed(self, part_id: int) -> None:
        """Record a part that the rejector has handled. A later verdict is late."""
        known = self._numbered.get(part_id)
        if known is not None:
            known.passed = True
            known.receded = self._belt.count < known.place + self._plan.travel

    def unannounced(self, now_ns: int) -> None:
        """Record a pulse for an unannounced part."""
        self._unannounced_ns = now_ns

    def is_free(self, x: int, apart: int) -> bool:
        """Return whether there is space for a part at this count."""
        return all(min(abs(t.x - x), abs(t.announced_x - x)) >= apart for t in self._recent)

    def reported(self, report: Actuated) -> None:
        """Record a report of the rejector and check it."""
        self.account[f"{report.action.name} {report.cause.name}".lower()] += 1
        if report.part_id == 0:
            return
        known = self._numbered.get(report.part_id)
        if known is None or known.report is not None:
            self._wrong(f"part {report.part_id} was reported twice: {report}")
            return
        if not known.passed:
            self.passed(report.part_id)  # without a rejector, the station itself reports it
        known.report = report
        wanted = self._plan.eject_unknown if known.eject is None else known.eject
        if report.cause in (Cause.VERDICT, Cause.UNKNOWN):
            if (report.cause is Cause.VERDICT) != (known.eject is not None):
                self._wrong(f"part {report.part_id}: verdict {known.eject}, but {report}")
            if (report.action is not Action.PASSED) != wanted:
                self._wrong(f"part {report.part_id}: eject {wanted}, but {report}")

    def struck(self, things: list[SoakPart], now_ns: int, *, held: bool = False) -> None:
        """Record parts that the ejector hit.

        held: the pulse was late by more than the bound, because nothing could end it.
        """
        for thing in things:
            thing.held = held
            thing.excuse = ""
            if now_ns <= self._suspended_until_ns:
                thing.excuse = "positions lost"
            elif self._plan.eye and now_ns <= self._unannounced_ns + _UNSEEN_NS:
                thing.excuse = "unannounced part"
            self.account["hit"] += 1

    def close(self) -> None:
        """Check and close the records of parts far beyond the ejector."""
        limit = self._belt.count - self._plan.travel - self._plan.part - _BEYOND
        self._belt.gone(_BEYOND)
        while self._closing and self._closing[0][0] < limit:
            self._settle(heappop(self._closing)[2])

    def _settle(self, thing: SoakPart) -> None:
        self.account["parts"] += 1
        numbered = [self._numbered.pop(part_id) for part_id in thing.ids]
        reports = []
        for known in numbered:
            if known.report is not None:
                reports.append(known.report)
            elif known.orphan:
                self.account["orphans without report"] += 1
            else:
                self._wrong(f"part {known.part_id} has no outcome")
        parts = [one for one in reports if one.action is not Action.NO_PART]
        ejected = [one for one in parts if one.action is Action.EJECTED]
        # After a loss of positions, a passed part that returns to the photo-eye is a new part.
        epochs = {known.epoch for known in numbered if known.report in parts}
        if len(parts) > len(epochs) and not any(p.cause in _RESTARTED for p in parts):
            self._wrong(f"one part, {len(parts)} outcomes: {parts}")
        if thing.hit and not ejected:
            if thing.excuse:
                self.account[f"hit, not announced: {thing.excuse}"] += 1
            elif thing.held and not thing.ids:
                self.account["hit, not announced: by a pulse that nothing could end"] += 1
            else:
                self._wrong(f"the wrong part was hit: {thing} {parts}")
        if not thing.ids:
            self.account["never numbered"] += 1
        elif not (parts or thing.unheard) and any(r.cause is Cause.SEEN_AGAIN for r in reports):
            self._wrong(f"a part was not recognised: {thing} {reports}")
        if thing.hit and any(one.cause is Cause.OVERRUN for one in ejected):
            if thing.held:
                self.account["hit by a pulse that nothing could end"] += 1
            elif thing.excuse:
                self.account[f"hit, and ordered to pass: {thing.excuse}"] += 1
            else:
                self._wrong(f"a good part was hit within the bound: {thing} {parts}")
        for one in ejected:
            if one.cause is Cause.TOO_CLOSE and not self._is_crowded(numbered):
                self.account["too close to an unannounced part"] += 1
            if thing.hit or thing.taken:
                continue
            if one.cause is Cause.OVERRUN:
                self._wrong(f"reported as hit, but not hit: {thing} {one}")
            elif one.cause not in _ORDERED:
                self.account["position lost, and passed meanwhile"] += 1
            elif thing.slid:
                # A restart missed it at the eye, or it slid again on a belt that had moved back.
                self.account["slid after the eye"] += 1
            elif any(known.receded for known in numbered):
                self.account["the belt moved back during the pulse"] += 1
            elif one.width_us * 1000 < self._plan.pulse_ns - MS:
                self.account["pulse too short to hit"] += 1
            elif one.at_ns - one.due_ns > MS:
                self.account["pulse too late to hit"] += 1
            else:
                self._wrong(f"ejected, but not hit: {thing} {one}")

    def _is_crowded(self, numbered: list[NumberedPart]) -> bool:
        return any(
            abs(other.place - known.place) < self._plan.spacing
            and other.thing is not known.thing
            and other.report is not None
            and other.report.action is not Action.PASSED
            for known in numbered
            for other in self._placed
        )

    def _wrong(self, what: str) -> None:
        self.account["WRONG"] += 1
        if len(self.errors) < 20:
            self.errors.append(what)
