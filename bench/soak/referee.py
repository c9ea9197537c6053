"""Says of every part whether what was done to it was right, and what was reported of it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from heapq import heappop, heappush

from bench.soak.plan import MS, SoakPlan
from bench.soak.world import Belt, Thing
from edge.line.outcome import Action, Cause
from edge.rejector.messages import Actuated

_BEYOND = 150  # counts past the ejector at which nothing can be added to a part's account
_ORDERED = (Cause.VERDICT, Cause.UNKNOWN, Cause.TOO_CLOSE, Cause.ABSENT)
_RESTARTED = (Cause.POSITION_LOST, Cause.REJECTOR_DOWN)
_UNSEEN_NS = 10 * MS  # around a report or the end of a blind time: a pulse and two looks


@dataclass(slots=True)
class Told:
    """A part as the station knows it. place: its count at the photo-eye.

    epoch: how often the place of everything had been lost by then.
    """

    part_id: int
    thing: Thing
    place: int
    epoch: int
    eject: bool | None = None
    passed: bool = False  # the rejector has dealt with it; the report may wait for a pulse
    report: Actuated | None = None
    receded: bool = False  # the belt had backed up again when the report was made
    orphan: bool = False  # its station died: nobody reads the report


class Referee:
    """``errors`` must stay empty; ``account`` counts what may happen on a bad line."""

    def __init__(self, plan: SoakPlan, belt: Belt) -> None:
        self.errors: list[str] = []
        self.account: Counter[str] = Counter()
        self._plan = plan
        self._belt = belt
        self._told: dict[int, Told] = {}
        self._closing: list[tuple[int, int, Thing]] = []
        self._recent: deque[Thing] = deque(maxlen=64)
        self._placed: deque[Told] = deque(maxlen=64)
        self._number = 0
        self._blind_until_ns = -1
        self._unannounced_ns = -1

    @property
    def open(self) -> int:
        """Parts whose account is not closed."""
        return len(self._told)

    def laid(self, thing: Thing) -> None:
        """A part is on the line: it came to the photo-eye, or a hand put it there."""
        self._number += 1
        self._recent.append(thing)
        heappush(self._closing, (thing.x, self._number, thing))

    def told(self, told: Told) -> None:
        """The station has numbered what the photo-eye saw."""
        self._told[told.part_id] = told
        self._placed.append(told)
        self.account["edges"] += 1

    def resolved(self, part_id: int, eject: bool) -> None:
        """The verdict has been read before the part was dealt with; the first one counts."""
        told = self._told.get(part_id)
        if told is not None and not told.passed and told.eject is None:
            told.eject = eject

    def orphan(self) -> None:
        """The station is dead: nobody reads the reports of its parts."""
        for told in self._told.values():
            told.orphan = True

    def blind(self, now_ns: int) -> None:
        """The output is active because nobody knows what is on the belt."""
        self._blind_until_ns = now_ns + _UNSEEN_NS

    def passed(self, part_id: int) -> None:
        """The rejector has dealt with the part: a later verdict is late."""
        told = self._told.get(part_id)
        if told is not None:
            told.passed = True
            told.receded = self._belt.count < told.place + self._plan.travel

    def unannounced(self, now_ns: int) -> None:
        """The ejector acts on a part that nobody announced."""
        self._unannounced_ns = now_ns

    def is_free(self, x: int, apart: int) -> bool:
        """Whether a hand finds room for a part there."""
        return all(min(abs(t.x - x), abs(t.announced_x - x)) >= apart for t in self._recent)

    def reported(self, report: Actuated) -> None:
        """The rejector said what it did."""
        self.account[f"{report.action.name} {report.cause.name}".lower()] += 1
        if report.part_id == 0:
            return
        told = self._told.get(report.part_id)
        if told is None or told.report is not None:
            self._wrong(f"part {report.part_id} was reported twice: {report}")
            return
        if not told.passed:
            self.passed(report.part_id)  # no rejector has: the station reports it by itself
        told.report = report
        wanted = self._plan.eject_unknown if told.eject is None else told.eject
        if report.cause in (Cause.VERDICT, Cause.UNKNOWN):
            if (report.cause is Cause.VERDICT) != (told.eject is not None):
                self._wrong(f"part {report.part_id}: verdict {told.eject}, but {report}")
            if (report.action is not Action.PASSED) != wanted:
                self._wrong(f"part {report.part_id}: eject {wanted}, but {report}")

    def struck(self, things: list[Thing], now_ns: int, *, held: bool = False) -> None:
        """The ejector hit these. held: by a pulse that was late by more than the bound, as nothing
        could end it."""
        for thing in things:
            thing.held = held
            thing.excuse = ""
            if now_ns <= self._blind_until_ns:
                thing.excuse = "blind"
            elif self._plan.eye and now_ns <= self._unannounced_ns + _UNSEEN_NS:
                thing.excuse = "unannounced part"
            self.account["hit"] += 1

    def close(self) -> None:
        """Close the accounts of parts far beyond the ejector. Every order has been obeyed."""
        limit = self._belt.count - self._plan.travel - self._plan.part - _BEYOND
        self._belt.gone(_BEYOND)
        while self._closing and self._closing[0][0] < limit:
            self._settle(heappop(self._closing)[2])

    def _settle(self, thing: Thing) -> None:
        self.account["parts"] += 1
        tolds = [self._told.pop(part_id) for part_id in thing.ids]
        reports = []
        for told in tolds:
            if told.report is not None:
                reports.append(told.report)
            elif told.orphan:
                self.account["orphans without report"] += 1
            else:
                self._wrong(f"part {told.part_id} has no outcome")
        parts = [one for one in reports if one.action is not Action.NO_PART]
        ejected = [one for one in parts if one.action is Action.EJECTED]
        # When places are lost, so is what has gone by: brought back to the eye, it is a new part.
        epochs = {told.epoch for told in tolds if told.report in parts}
        if len(parts) > len(epochs) and not any(p.cause in _RESTARTED for p in parts):
            self._wrong(f"one part, {len(parts)} outcomes: {parts}")
        if thing.hit and not ejected:
            if thing.excuse:
                self.account[f"hit, not announced: {thing.excuse}"] += 1
            elif thing.held and not thing.ids:
                self.account["hit, not announced: by a pulse that nobody could end"] += 1
            else:
                self._wrong(f"the wrong part was hit: {thing} {parts}")
        if not thing.ids:
            self.account["never told"] += 1
        elif not (parts or thing.unheard) and any(r.cause is Cause.SEEN_AGAIN for r in reports):
            self._wrong(f"a part was taken for none: {thing} {reports}")
        if thing.hit and any(one.cause is Cause.OVERRUN for one in ejected):
            if thing.held:
                self.account["hit by a pulse that nobody could end"] += 1
            elif thing.excuse:
                self.account[f"hit, and ordered to pass: {thing.excuse}"] += 1
            else:
                self._wrong(f"a good part was hit within the bound: {thing} {parts}")
        for one in ejected:
            if one.cause is Cause.TOO_CLOSE and not self._is_crowded(tolds):
                self.account["too close to an unannounced part"] += 1
            if thing.hit or thing.taken:
                continue
            if one.cause is Cause.OVERRUN:
                self._wrong(f"reported as hit, and not: {thing} {one}")
            elif one.cause not in _ORDERED:
                self.account["lost, and gone by meanwhile"] += 1
            elif thing.slid:
                # The eye's look at it fell into a restart, or it slid once more on a belt that had
                # backed up.
                self.account["slid behind the eye's back"] += 1
            elif any(told.receded for told in tolds):
                self.account["the belt backed up in the moment of the pulse"] += 1
            elif one.width_us * 1000 < self._plan.pulse_ns - MS:
                self.account["pulse too short to hit"] += 1
            elif one.at_ns - one.due_ns > MS:
                self.account["pulse too late to hit"] += 1
            else:
                self._wrong(f"ejected, and not hit: {thing} {one}")

    def _is_crowded(self, tolds: list[Told]) -> bool:
        return any(
            abs(other.place - told.place) < self._plan.spacing
            and other.thing is not told.thing
            and other.report is not None
            and other.report.action is not Action.PASSED
            for told in tolds
            for other in self._placed
        )

    def _wrong(self, what: str) -> None:
        self.account["WRONG"] += 1
        if len(self.errors) < 20:
            self.errors.append(what)
