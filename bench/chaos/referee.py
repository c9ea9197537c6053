"""Compares what the plant saw with what central has: lost, doubled, unmarked, wrongly ejected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.chaos.runs import StationRun, find_runs, is_marked, is_outcome_open, unwatched
from bench.chaos.witness import Ejector
from edge.events.event import ActuationEvent, GapEvent, PartEvent
from edge.events.identity import StoredEvent
from edge.events.start import StartEvent
from edge.receiver.receiver import ReceivedEvent
from edge.records import Decision

_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records that do not come from the line's own accounts, and what central was handed.

    edges: number of the part → when some station was given its edge. rows: the journal that is
    there at the end. travel_ns: from the photo-eye to the ejector. pulse_ns: how long a part that
    is to be ejected lies before it.
    """

    edges: Mapping[int, int]
    ejector: Ejector
    received: Sequence[ReceivedEvent]
    rows: Sequence[StoredEvent]
    travel_ns: int
    pulse_ns: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something wrong, for a person. at_ns: the moment, CLOCK_MONOTONIC, 0 where there is none."""

    text: str
    at_ns: int = 0


@dataclass(slots=True)
class LineAccount:
    """lost: events of the journal that central lacks. doubled: events, or verdicts on one part,
    that central has twice. unmarked: parts without a verdict of which no event speaks. wrong: parts
    that met an ejector in the other state than ordered, of which no event speaks."""

    facts: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    unmarked: int = 0
    wrong: int = 0
    notes: list[Note] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.unmarked or self.wrong)

    def note(self, text: str, at_ns: int = 0) -> None:
        """Keep the first hundreds."""
        if len(self.notes) < _SHOWN:
            self.notes.append(Note(text, at_ns))

    def text(self) -> str:
        """Some lines for a person."""
        lines = [f"  {count:7} {name}" for name, count in sorted(self.facts.items())]
        lines.append(
            f"lost {self.lost}, doubled {self.doubled}, unmarked gaps {self.unmarked}, "
            f"wrong ejections unreported {self.wrong}"
        )
        return "\n".join(lines)


def judge(evidence: Evidence) -> LineAccount:
    """The account of a line that has been healed and drained."""
    account = LineAccount()
    heard = _Heard(evidence.received)
    runs = find_runs(evidence.edges, heard.ids)
    account.facts["parts seen by a station"] = len(evidence.edges)
    account.facts["runs of the station"] = len(runs)
    account.facts["pulses"] = len(evidence.ejector)
    account.facts["events at central"] = len(evidence.received)
    account.facts["gap events"] = len(heard.gaps)
    account.facts["start events"] = len(heard.starts)
    account.facts["rows in the journal"] = len(evidence.rows)
    _judge_events(evidence, account)
    for run in runs:
        for number in run.edges:
            _judge_part(number, run, evidence, heard, account)
    unseen, silent = unwatched(runs, heard.starts)
    account.facts["parts that no station saw"] = unseen
    account.unmarked += silent
    if silent:
        account.note(f"{silent} parts passed while nobody looked, and no start event says so")
    # A part without a verdict may be among the events that a gap event counts.
    gaps = sum(gap.count or 0 for gap in heard.gaps)
    missing = account.facts["parts that only a gap event may count"]
    if missing > gaps and not heard.is_open_ended:
        account.unmarked += missing - gaps
        account.note(f"{missing} parts have no verdict and no mark, gap events count {gaps}")
    return account


class _Heard:
    """The events of central by what they are about."""

    @property
    def is_open_ended(self) -> bool:
        """Return whether a gap event says that nobody can count what was lost."""
        return any(gap.count is None for gap in self.gaps)

    def __init__(self, received: Sequence[ReceivedEvent]) -> None:
        self.verdicts: dict[int, list[PartEvent]] = defaultdict(list)  # by the edge's moment
        self.actuations: dict[int, list[ActuationEvent]] = defaultdict(list)  # by part_id
        self.gaps: list[GapEvent] = []
        self.starts: list[StartEvent] = []
        self.ids: dict[int, int] = {}  # the edge's moment → part_id
        for each in received:
            event = each.event
            if isinstance(event, PartEvent):
                self.verdicts[event.triggered_ns].append(event)
                self.ids[event.triggered_ns] = event.part_id
            elif isinstance(event, ActuationEvent) and event.part_id is not None:
                self.actuations[event.part_id].append(event)
            elif isinstance(event, GapEvent):
                self.gaps.append(event)
            elif isinstance(event, StartEvent):
                self.starts.append(event)


def _judge_events(evidence: Evidence, account: LineAccount) -> None:
    counted = Counter(each.identity.event_id for each in evidence.received)
    for event_id, count in counted.items():
        if count > 1:
            account.doubled += count - 1
            account.note(f"event {event_id} was handed over {count} times")
    conflicts = Counter(each.conflict for each in evidence.received if each.conflict is not None)
    for conflict, count in conflicts.items():
        account.doubled += count
        account.note(f"{count} events contradict others: {conflict.value}")
    # A damaged row is a gap event in its place; central may have the event itself.
    places = {(each.identity.journal, each.identity.sequence) for each in evidence.received}
    for row in evidence.rows:
        if (row.journal, row.sequence) not in places:
            account.lost += 1
            account.note(f"event {row.event_id} is in the journal and not at central")


def _judge_part(
    number: int, run: StationRun, evidence: Evidence, heard: _Heard, account: LineAccount
) -> None:
    at_ns = run.edges[number]
    events = heard.verdicts.get(at_ns, [])
    due_ns = at_ns + evidence.travel_ns
    if not events:
        account.facts["parts without a verdict"] += 1
        if not is_marked(run, number, heard.starts):
            account.facts["parts that only a gap event may count"] += 1
        return
    if len(events) > 1:
        account.doubled += len(events) - 1
        account.note(f"part {number} has {len(events)} verdicts", due_ns)
    event = events[0]
    is_bad = event.decision is not Decision.PASS
    # A pulse that is late by some µs still meets its part; it is too early for none.
    until_ns = due_ns + (evidence.pulse_ns if is_bad else 1)
    was_struck = evidence.ejector.opens(due_ns, until_ns)
    account.facts["parts that met the ejector otherwise than ordered"] += was_struck != is_bad
    if was_struck == is_bad or heard.actuations.get(event.part_id):
        return
    if is_outcome_open(event.part_id, heard.starts):
        account.facts["of these, under way when the station died"] += 1
        return
    account.wrong += 1
    met = "was ejected" if was_struck else "was not ejected"
    account.note(f"part {number} ({event.part_id}), {event.decision.value}, {met}", due_ns)
