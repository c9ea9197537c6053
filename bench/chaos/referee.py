"""Compares what the plant saw with what central has: lost, doubled, unmarked, wrongly ejected."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from bench.chaos.plant import read_eye
from bench.chaos.witness import Ejector
from bench.chaos.world import TRAVEL_MS, World
from edge.events.event import ActuationEvent, GapEvent, PartEvent
from edge.events.reader import JournalReader


@dataclass(slots=True)
class Account:
    """Counts of parts, or of events. ``wrongs`` has one line for each of the first hundred."""

    facts: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    unmarked: int = 0
    wrong: int = 0
    wrongs: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.unmarked or self.wrong)

    def note(self, line: str) -> None:
        if len(self.wrongs) < 100:
            self.wrongs.append(line)

    def text(self) -> str:
        """Some lines for a person."""
        lines = [f"  {count:7} {name}" for name, count in sorted(self.facts.items())]
        lines += [f"  WRONG: {wrong}" for wrong in self.wrongs]
        lines.append(
            f"lost {self.lost}, doubled {self.doubled}, unmarked gaps {self.unmarked}, "
            f"wrong ejections unreported {self.wrong}"
        )
        return "\n".join(lines)


def judge(world: World) -> Account:
    """The account of a world that has been healed and drained."""
    account = Account()
    received = world.central.received
    given = read_eye(world.records.eye)
    ejector = Ejector.read(world.records.edges)
    verdicts: dict[int, list[PartEvent]] = defaultdict(list)
    actuated: dict[int, list[ActuationEvent]] = defaultdict(list)
    gaps: list[GapEvent] = []
    for each in received:
        event = each.event
        if isinstance(event, PartEvent):
            verdicts[event.triggered_ns].append(event)
        elif isinstance(event, ActuationEvent) and event.part_id is not None:
            actuated[event.part_id].append(event)
        elif isinstance(event, GapEvent):
            gaps.append(event)
    account.facts["parts seen by a station"] = len(given)
    account.facts["events at central"] = len(received)
    account.facts["pulses"] = len(ejector)
    account.facts["gap events"] = len(gaps)
    with JournalReader(world.disk.folder / "journal.sqlite") as reader:
        rows = reader.read(None, 1 << 30)
    account.facts["rows in the journal"] = len(rows)
    have = {(each.identity.journal, each.identity.sequence) for each in received}
    missing = [row for row in rows if (row.journal, row.sequence) not in have]
    account.lost += len(missing)
    seen = Counter(each.identity.event_id for each in received)
    account.doubled += sum(count - 1 for count in seen.values())
    silent = 0
    for number, at_ns in given.items():
        events = verdicts.get(at_ns, [])
        account.doubled += max(0, len(events) - 1)
        if not events:
            silent += 1
            continue
        due_ns = at_ns + TRAVEL_MS * 1_000_000
        struck = ejector.at(due_ns)
        event = events[0]
        told = actuated.get(event.part_id, [])
        if event.decision == "PASS" and struck is not None and not told:
            account.wrong += 1
            account.note(f"part {number} ({event.part_id}) passed and was struck, nobody says so")
        if event.decision != "PASS" and struck is None and not told:
            account.wrong += 1
            account.note(f"part {number} ({event.part_id}) {event.decision} was not struck")
    account.facts["parts without a verdict"] = silent
    return account
