"""The account of the previous run, for the first events of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby

from edge.events.event import (
    ActuationAction,
    ActuationEvent,
    Event,
    PartEvent,
    gap_event,
    part_event,
)
from edge.events.identity import StoredEvent, parse_payload
from edge.events.start import LastEnd, StartEvent, start_event
from edge.records import Decision, Verdict
from edge.station.part_numbers import BLOCK_PARTS, RunEnd, SavedNumbers
from edge.station.recent_parts import LastRun, OpenPart

# The last events of the journal. The previous run cannot have journalled more than one batch of
# them without a record in the register.
TAIL_ROWS = 1024

_NO_VERDICT = "the station ended before it had a verdict"
_UNJOURNALLED = "judged before the station ended, and journalled after; details are lost"

_ENDS: dict[RunEnd, LastEnd] = {
    RunEnd.RUNNING: "killed",
    RunEnd.STOPPED: "stopped",
    RunEnd.FAILED: "failed",
    RunEnd.CRASHED: "crashed",
}


@dataclass(frozen=True, slots=True)
class JournalTail:
    """A summary of the last events of the journal."""

    is_empty: bool
    run: str | None
    first_part: int | None
    """The lowest part number of the last run in these events."""
    parts: frozenset[int]
    """The parts with a verdict, or with the report that there was no part."""


def tail_of(latest: Sequence[StoredEvent]) -> JournalTail:
    """Return the summary of the last events. latest: the newest first."""
    parts: set[int] = set()
    first_part = None
    for stored in latest:
        _, event = parse_payload(stored.payload)
        if isinstance(event, StartEvent) and first_part is None:
            first_part = event.first_part
        if isinstance(event, PartEvent) or (
            isinstance(event, ActuationEvent) and event.action is ActuationAction.NO_PART
        ):
            parts.add(event.part_id or 0)
    if first_part is None:
        first_part = min(parts, default=None)
    return JournalTail(not latest, latest[0].run if latest else None, first_part, frozenset(parts))


@dataclass(frozen=True, slots=True)
class LastRunAccount:
    """The known facts of the previous run.

    They come from the register, if the machine was not reset since; from the numbers on the disk;
    and from the last events of the journal, which ``tail`` reads.
    """

    station: str
    bundle: str
    first_part: int
    last: LastRun | None
    saved: SavedNumbers | None
    tail: Callable[[], JournalTail]

    @property
    def gap(self) -> int:
        """The number of events that the previous run lost without a gap event."""
        return 0 if self.last is None else self.last.gap

    def events(self) -> list[Event]:
        """Return the start event and the events that it announces. Blocks for the disk.

        Raises JournalError.
        """
        tail = self.tail()
        if self.last is not None:
            return self._by_register(self.last, tail)
        return self._by_disk(tail)

    def _by_register(self, last: LastRun, tail: JournalTail) -> list[Event]:
        missing = [part for part in last.parts if part.part_id not in tail.parts]
        lost = last.gap - sum(part.is_lost for part in missing)
        open_parts = {part.part_id for part in last.parts}
        unaccounted = _ranges(last.gap_parts, open_parts | tail.parts) if last.gap else ()
        start = start_event(
            self.station,
            self.bundle,
            first_part=self.first_part,
            last_end=_ENDS[last.end],
            last_run=tail.run,
            last_part=last.announced,
            recovered=len(missing),
            unaccounted=unaccounted,
            under_way=last.under_way,
            refused=last.refused,
            unwatched_s=last.unwatched_ns / 1e9,
        )
        events: list[Event] = [start]
        if lost > 0:
            reason = "the queue to the journal was full when the station ended"
            events.append(gap_event(self.station, count=lost, reason=reason))
        return [*events, *(self._recovered(part, last.bundle) for part in missing)]

    def _by_disk(self, tail: JournalTail) -> list[Event]:
        saved = self.saved
        if saved is None:
            return [self._start("first" if tail.is_empty else "unknown", tail)]
        end = _ENDS[RunEnd(min(saved.end, RunEnd.CRASHED))]
        if end == "killed" and not saved.is_of_this_boot:
            end = "power"
        last_part = max(saved.announced, max(tail.parts, default=0))
        begin = last_part + 1 if tail.first_part is None else tail.first_part
        if saved.end == RunEnd.STOPPED and not saved.unjournalled:
            begin = last_part + 1  # a number without a verdict was no part
        unaccounted = _ranges(range(begin, last_part + 1), tail.parts)
        count = sum(map(len, unaccounted))
        start = start_event(
            self.station,
            self.bundle,
            first_part=self.first_part,
            last_end=end,
            last_run=tail.run,
            last_part=last_part,
            last_part_at_most=saved.reserved if saved.end == RunEnd.RUNNING else None,
            unaccounted=unaccounted,
            unwatched_s=_since_s(saved),
        )
        if not count:
            return [start]
        reason = f"parts {unaccounted[0].start} to {unaccounted[-1].stop - 1} have no verdict"
        return [start, gap_event(self.station, count=count, reason=reason)]

    def _start(self, end: LastEnd, tail: JournalTail) -> Event:
        return start_event(
            self.station,
            self.bundle,
            first_part=self.first_part,
            last_end=end,
            last_run=tail.run,
        )

    def _recovered(self, part: OpenPart, bundle: str) -> Event:
        decision = part.decision
        reason = _NO_VERDICT if decision is None else _UNJOURNALLED
        verdict = Verdict(part.part_id, decision or Decision.UNKNOWN, reason, (), 0.0, None, 0.0)
        return part_event(self.station, bundle, verdict, part.triggered_ns)


def first_part(last: LastRun | None, saved: SavedNumbers | None, last_sequence: int | None) -> int:
    """Return the number of the first part of a run, above every number that was used.

    last_sequence: the journal's; None: the journal cannot be read yet.
    """
    if last is not None:
        used = max(last.announced, 0 if saved is None else saved.announced)
    elif saved is not None:
        used = saved.reserved
    elif last_sequence is None:
        # The time in milliseconds is above every number that counting reaches.
        used = time.time_ns() // 1_000_000
    else:
        # The file is lost, or the version before had none: some parts may have no event.
        used = BLOCK_PARTS if last_sequence else 0
    return max(used, last_sequence or 0) + 1


def _ranges(parts: range, but: Collection[int]) -> tuple[range, ...]:
    """Return the consecutive ranges of the numbers that are not in ``but``."""
    left = (part for part in parts if part not in but)
    groups: Iterable[list[int]] = (
        [number for _, number in group]
        for _, group in groupby(enumerate(left), key=lambda pair: pair[1] - pair[0])
    )
    return tuple(range(group[0], group[-1] + 1) for group in groups)


def _since_s(saved: SavedNumbers) -> float | None:
    """Return the seconds since the numbers were saved.

    The wall clock, which may jump, is used only if the machine was off in between.
    """
    if saved.is_of_this_boot and saved.at_ns is not None:
        return max(0, time.monotonic_ns() - saved.at_ns) / 1e9
    try:
        then = datetime.fromisoformat(saved.utc.replace("Z", "+00:00"))
    except ValueError:
        return None
    return max(0.0, (datetime.now(timezone.utc) - then).total_seconds())
