"""Comparison of the plant's records with the events of the central system."""

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
    """Records of the environment, and the events delivered to the central system.

    edges: number of the part → time of its edge at a station. rows: the journal at the end.
    travel_ns: time from photo-eye to ejector. pulse_ns: time that a part stays at the ejector.
    """

    edges: Mapping[int, int]
    ejector: Ejector
    received: Sequence[ReceivedEvent]
    rows: Sequence[StoredEvent]
    travel_ns: int
    pulse_ns: int


@dataclass(frozen=True, slots=True)
class Note:
    """A finding as text. at_ns: its time on CLOCK_MONOTONIC, 0 where there is none."""

    text: str
    at_ns: int = 0


@dataclass(slots=True)
class LineAccount:
    """The result of the comparison.

    lost: events of the journal that were not delivered. doubled: events, or verdicts on one part,
    that were delivered twice. unmarked: parts without a verdict that no event covers. wrong: parts
    with an open ejector instead of a closed one, or the reverse, that no event reports.
    """

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
        """Store a finding; at most 400 are kept."""
        if len(self.notes) < _SHOWN:
            self.notes.append(Note(text, at_ns))

    def text(self) -> str:
        """Return the result as lines of text."""
        lines = [f"  {count:7} {name}" for name, count in sorted(self.facts.items())]
        lines.append(
            f"lost {self.lost}, doubled {self.doubled}, unmarked gaps {self.unmarked}, "
            f"wrong ejections unreported {self.wrong}"
        )
        return "\n".join(lines)


def judge(evidence: Evidence) -> LineAccount:
    """Return the result for a line whose faults have ended and whose events are delivered."""
    account = LineAccount()
    delivered = _Delivered(evidence.received)
    runs = find_runs(evidence.edges, delivered.ids)
    account.facts["parts seen by a station"] = len(evidence.edges)
    account.facts["runs of the station"] = len(runs)
    account.facts["pulses"] = len(evidence.ejector)
    account.facts["events delivered"] = len(evidence.received)
    account.facts["gap events"] = len(delivered.gaps)
    account.facts["start events"] = len(delivered.starts)
    account.facts["rows in the journal"] = len(evidence.rows)
    _judge_events(evidence, account)
    for run in runs:
        for number in run.edges:
            _judge_part(number, run, evidence, delivered, account)
    unseen, silent = unwatched(runs, delivered.starts)
    account.facts["parts that no station saw"] = unseen
    account.unmarked += silent
    if silent:
        account.note(f"{silent} parts passed without a station, and no start event reports it")
    # A part without a verdict may be among the events that a gap event counts.
    gaps = sum(gap.count or 0 for gap in delivered.gaps)
    missing = account.facts["parts that only a gap event may count"]
    if missing > gaps and not delivered.is_open_ended:
        account.unmarked += missing - gaps
        account.note(f"{missing} parts have no verdict and no mark, gap events count {gaps}")
    return account


class _Delivered:
    """The delivered events, by subject."""

    @property
    def is_open_ended(self) -> bool:
        """Return whether a gap event has no count of the lost events."""
        return any(gap.count is None for gap in self.gaps)

    def __init__(self, received: Sequence[ReceivedEvent]) -> None:
        self.verdicts: dict[int, list[PartEvent]] = defaultdict(list)  # by the edge's time
        self.actuations: dict[int, list[ActuationEvent]] = defaultdict(list)  # by part_id
        self.gaps: list[GapEvent] = []
        self.starts: list[StartEvent] = []
        self.ids: dict[int, int] = {}  # the edge's time → part_id
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
            account.note(f"event {event_id} was delivered {count} times")
    conflicts = Counter(each.conflict for each in evidence.received if each.conflict is not None)
    for conflict, count in conflicts.items():
        account.doubled += count
        account.note(f"{count} events contradict others: {conflict.value}")
    # A gap event replaces a damaged row. The central system may have the event itself.
    places = {(each.identity.journal, each.identity.sequence) for each in evidence.received}
    for row in evidence.rows:
        if (row.journal, row.sequence) not in places:
            account.lost += 1
            account.note(f"event {row.event_id} is in the journal but was not delivered")


def _judge_part(
    number: int,
    run: StationRun,
    evidence: Evidence,
    delivered: _Delivered,
    account: LineAccount,
) -> None:
    at_ns = run.edges[number]
    events = delivered.verdicts.get(at_ns, [])
    due_ns = at_ns + evidence.travel_ns
    if not events:
        account.facts["parts without a verdict"] += 1
        if not is_marked(run, number, delivered.starts):
            account.facts["parts that only a gap event may count"] += 1
        return
    if len(events) > 1:
        account.doubled += len(events) - 1
        account.note(f"part {number} has {len(events)} verdicts", due_ns)
    event = events[0]
    is_bad = event.decision is not Decision.PASS
    # A pulse that is some µs late still hits its part. No pulse is too early.
    until_ns = due_ns + (evidence.pulse_ns if is_bad else 1)
    was_struck = evidence.ejector.opens(due_ns, until_ns)
    account.facts["parts whose outcome differs from the order"] += was_struck != is_bad
    if was_struck == is_bad or delivered.actuations.get(event.part_id):
        return
    if is_outcome_open(event.part_id, delivered.starts):
        account.facts["of these, on their way when the station crashed"] += 1
        return
    account.wrong += 1
    met = "was ejected" if was_struck else "was not ejected"
    account.note(f"part {number} ({event.part_id}), {event.decision.value}, {met}", due_ns)
