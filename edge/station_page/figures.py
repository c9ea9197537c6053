"""The figures of the page: counts by minute, the last rejected parts, and the last parts."""

from __future__ import annotations

import calendar
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from edge.events.event import (
    ActuationAction,
    ActuationEvent,
    Event,
    GapEvent,
    MarkEvent,
    OtherEvent,
    PartEvent,
)
from edge.events.start import StartEvent
from edge.records import Decision

MOST_REJECTS = 24
MOST_PARTS = 60
_MOST_SHOWN_DEFECTS = 16
_MOST_MARKS = 8
_MOST_MINUTES = 26 * 60
_MOST_LOSSES = 64


@dataclass(frozen=True, slots=True)
class PartCount:
    """Numbers of parts in a period. missed: had to be ejected and were not. lost: lost events."""

    parts: int = 0
    rejected: int = 0
    unknown: int = 0
    ejected: int = 0
    missed: int = 0
    lost: int = 0

    @property
    def yield_share(self) -> float | None:
        """Return the share of the parts that passed, 0 to 1; None without parts."""
        if not self.parts:
            return None
        return (self.parts - self.rejected - self.unknown) / self.parts

    def __add__(self, other: PartCount) -> PartCount:
        return PartCount(
            self.parts + other.parts,
            self.rejected + other.rejected,
            self.unknown + other.unknown,
            self.ejected + other.ejected,
            self.missed + other.missed,
            self.lost + other.lost,
        )


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part with what is known about it. action: of the ejector; None: no report yet.

    journal: the UUID of its journal, which is part of the name of its picture.
    """

    journal: str
    event: PartEvent
    action: ActuationEvent | None = None
    marks: tuple[MarkEvent, ...] = ()


@dataclass(slots=True)
class LineFigures:
    """The figures of one journal. Its memory is limited, whatever the events are.

    started: the start of the present run, if it was read. bundle: the bundle of the newest part or
    start. newest_part: its number; 0: no part was read.
    """

    started: StartEvent | None = None
    bundle: str = ""
    newest_part: int = 0
    newest_utc: str = ""
    first_minute: int | None = None
    _minutes: dict[int, PartCount] = field(default_factory=dict)
    _rejects: OrderedDict[int, ShownPart] = field(default_factory=OrderedDict)
    _parts: OrderedDict[int, ShownPart] = field(default_factory=OrderedDict)
    _losses: deque[GapEvent] = field(default_factory=lambda: deque(maxlen=_MOST_LOSSES))

    def add(self, journal: str, event: Event | OtherEvent) -> None:
        """Add the next event of the journal."""
        minute = minute_of(event.utc)
        if isinstance(event, PartEvent):
            self._add_part(journal, event, minute)
        elif isinstance(event, ActuationEvent):
            self._add_action(event, minute)
        elif isinstance(event, MarkEvent):
            self._change(event.part_id, mark=event)
        elif isinstance(event, StartEvent):
            self.started, self.bundle = event, event.bundle
        elif isinstance(event, GapEvent):
            self._losses.append(event)
            self._count(minute, PartCount(lost=event.count or 1))

    def counts(self, first: int, last: int) -> PartCount:
        """Return the numbers from minute ``first`` to ``last``, inclusive (since 1970 UTC)."""
        total = PartCount()
        for minute, count in self._minutes.items():
            if first <= minute <= last:
                total += count
        return total

    @property
    def rejects(self) -> Sequence[ShownPart]:
        """The last rejected and UNKNOWN parts, the newest first."""
        return tuple(reversed(self._rejects.values()))

    @property
    def parts(self) -> Sequence[ShownPart]:
        """The last parts, the newest first."""
        return tuple(reversed(self._parts.values()))

    @property
    def last_loss(self) -> GapEvent | None:
        """The newest gap event that was read."""
        return self._losses[-1] if self._losses else None

    def find(self, part_id: int) -> ShownPart | None:
        """Return one of the last parts; None for another one."""
        return self._rejects.get(part_id) or self._parts.get(part_id)

    def _add_part(self, journal: str, event: PartEvent, minute: int | None) -> None:
        kept = event.model_copy(update={"defects": event.defects[:_MOST_SHOWN_DEFECTS]})
        self.bundle, self.newest_utc = event.bundle, event.utc
        self.newest_part = max(self.newest_part, event.part_id)
        shown = ShownPart(journal, kept)
        _keep(self._parts, event.part_id, shown, MOST_PARTS)
        if event.decision is not Decision.PASS:
            _keep(self._rejects, event.part_id, shown, MOST_REJECTS)
        self._count(
            minute,
            PartCount(
                parts=1,
                rejected=int(event.decision is Decision.REJECT),
                unknown=int(event.decision is Decision.UNKNOWN),
            ),
        )

    def _add_action(self, event: ActuationEvent, minute: int | None) -> None:
        if event.action is ActuationAction.EJECTED:
            self._count(minute, PartCount(ejected=1))
        elif event.action is ActuationAction.MISSED:
            self._count(minute, PartCount(missed=1))
        if event.part_id is not None and event.action is not ActuationAction.NO_PART:
            self._change(event.part_id, action=event)

    def _change(
        self, part_id: int, action: ActuationEvent | None = None, mark: MarkEvent | None = None
    ) -> None:
        for parts in (self._parts, self._rejects):
            if (shown := parts.get(part_id)) is None:
                continue
            if action is not None:
                shown = replace(shown, action=action)
            known = {each.mark_id for each in shown.marks}
            if mark is not None and mark.mark_id not in known:
                shown = replace(shown, marks=(*shown.marks, mark)[-_MOST_MARKS:])
            parts[part_id] = shown

    def _count(self, minute: int | None, count: PartCount) -> None:
        if minute is None:
            return
        self.first_minute = minute if self.first_minute is None else self.first_minute
        self._minutes[minute] = self._minutes.get(minute, PartCount()) + count
        while len(self._minutes) > _MOST_MINUTES:
            # The minute that was begun first: a clock that jumps does not keep old minutes.
            del self._minutes[next(iter(self._minutes))]


def _keep(parts: OrderedDict[int, ShownPart], part_id: int, shown: ShownPart, most: int) -> None:
    parts[part_id] = shown
    parts.move_to_end(part_id)
    while len(parts) > most:
        parts.popitem(last=False)


def minute_of(utc: str) -> int | None:
    """Return the minute since 1970 of a time stamp of an event; None for another text."""
    return _minute(utc[:16])


@lru_cache(maxsize=64)
def _minute(text: str) -> int | None:
    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M")) // 60
    except (ValueError, OverflowError):
        return None


def shift_begin(shifts: Sequence[str], now_s: float) -> float:
    """Return the begin of the present shift in seconds since 1970.

    shifts: times of day HH:MM in the time zone of this machine, ascending. now_s: the wall clock.
    """
    today = datetime.fromtimestamp(now_s).date()
    for day in (today, today - timedelta(days=1)):
        for each in reversed(shifts):
            hour, minute = map(int, each.split(":"))
            begin_s = datetime(day.year, day.month, day.day, hour, minute).timestamp()
            if begin_s <= now_s:
                return begin_s
    return now_s
