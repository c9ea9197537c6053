"""Events that are sent again: a model of a station, and of a central system that loses some."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import OutfeedError
from edge.events.committed import MAX_RANGES, CommittedRange, CommittedStatement, parse_statement
from edge.receiver.coverage import SequenceRanges
from edge.uplink.refill import GRACE_S, MAX_PROBE_S, PROBE_S, Refill

RUN = "00000000000000aa"
STEP_S = 0.5


def one_run(first: int, last: int) -> list[CommittedRange]:
    return [CommittedRange(first=first, last=last, run=RUN)]


def statement(complete_to: int, known_to: int, *ranges: tuple[int, int, str]) -> CommittedStatement:
    return CommittedStatement(
        station="press-3",
        journal="j",
        complete_to=complete_to,
        known_to=known_to,
        ranges=tuple(CommittedRange(first=a, last=b, run=run) for a, b, run in ranges),
        utc="2026-11-30T00:00:00Z",
    )


@dataclass
class World:
    """A station and a central system; ``lost`` names the transmissions that do not arrive."""

    refill: Refill = field(default_factory=lambda: Refill("j"))
    has: SequenceRanges = field(default_factory=SequenceRanges)
    now_s: float = 100.0
    published: int = 0
    is_up: bool = True
    is_due: bool = False
    resent: list[int] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)

    def publish(self, count: int, lost: set[int] | frozenset[int] = frozenset()) -> None:
        for number in range(self.published + 1, self.published + count + 1):
            if number not in lost:
                self.receive(number)
        self.published += count
        self.refill.confirm(self.published, self.now_s)

    def receive(self, number: int) -> None:
        if self.is_up:
            self.has.add(range(number, number + 1))
            self.is_due = True

    def told(self) -> CommittedStatement:
        parts = self.has.ranges
        complete = parts[0].stop - 1 if parts and parts[0].start == 1 else 0
        rest = [each for each in parts if each.start > complete][:MAX_RANGES]
        known = rest[-1].stop - 1 if rest else complete
        return statement(complete, known, *((p.start, p.stop - 1, RUN) for p in rest))

    def state(self, *, is_live: bool = True) -> None:
        self.refill.state(self.told(), self.now_s, one_run, is_live=is_live)
        self.is_due = False

    def run(
        self, seconds: float, lost: Iterator[bool] | None = None, step_s: float = STEP_S
    ) -> None:
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            if self.is_up and self.is_due:
                self.state()
            if self.refill.wants_probe(self.now_s):
                self.refill.probed(self.now_s)
                self.probes.append(self.now_s)
                self.receive(self.published)
            for _ in range(100):
                wanted = self.refill.next_range()
                if wanted is None:
                    break
                self.resent.append(wanted.first)
                if lost is None or not next(lost, False):
                    self.receive(wanted.first)
                self.refill.sent(wanted.first, self.now_s)


def test_nothing_is_sent_again_before_a_central_system_states_something() -> None:
    world = World()
    world.publish(50, lost=set(range(1, 51)))
    world.is_due = False
    world.run(3600, step_s=5)
    assert world.refill.committed is None
    assert not world.resent
    assert not world.probes


def test_numbers_below_known_ones_are_sent_again_once_after_the_grace_time() -> None:
    world = World()
    world.publish(20, lost={5, 6, 11})
    world.state()
    begun_s = world.now_s
    world.run(GRACE_S - 2 * STEP_S)
    assert not world.resent
    world.run(60)
    assert world.resent == [5, 6, 11]
    assert world.refill.committed == 20
    assert world.refill.waiting == 0
    assert world.now_s - begun_s < 80


def test_a_late_number_is_not_sent_again() -> None:
    world = World()
    world.publish(20, lost={5})
    world.state()
    world.run(GRACE_S / 2)
    world.receive(5)
    world.run(60)
    assert not world.resent


def test_a_lost_tail_is_found_by_one_probe() -> None:
    world = World()
    world.publish(10)
    world.state()
    world.publish(90, lost=set(range(11, 101)))
    world.run(60)
    assert world.refill.committed == 100
    assert world.resent == list(range(11, 100))  # the 100th came with the probe


def test_while_central_is_away_only_probes_are_sent_and_ever_fewer() -> None:
    world = World()
    world.publish(10)
    world.state()
    world.is_up = False
    world.publish(1000)
    world.run(3 * 3600)
    assert not world.resent
    pauses = [b - a for a, b in zip(world.probes, world.probes[1:], strict=False)]
    assert pauses[:5] == [PROBE_S, 60, 120, 240, 480]
    assert set(pauses[5:]) == {MAX_PROBE_S}
    world.is_up = True
    world.is_due = True  # it states what it has when it connects
    world.run(60)
    assert world.refill.committed == 1010


def test_a_database_restored_from_a_backup_gets_everything_again() -> None:
    world = World()
    world.publish(100)
    world.state()
    assert world.refill.committed == 100
    world.has = SequenceRanges([range(1, 41)])
    world.is_due = True
    world.run(60)
    assert world.refill.committed == 100
    assert sorted(world.resent) == list(range(41, 100))


def test_a_number_that_another_run_wrote_is_missing() -> None:
    """Two copies of a card share numbers: the statement lists runs above the first shared one."""
    refill = Refill("j")
    refill.confirm(20, 0.0)
    told = statement(10, 20, (11, 20, "00000000000000bb"), (11, 14, RUN))
    refill.state(told, 0.0, one_run, is_live=True)
    refill.state(told, GRACE_S, one_run, is_live=True)
    wanted = refill.next_range()
    assert wanted is not None
    assert (wanted.first, wanted.last) == (15, 20)


def test_a_statement_on_another_journal_changes_nothing() -> None:
    refill = Refill("k")
    refill.confirm(20, 0.0)
    refill.state(statement(10, 10), 0.0, one_run, is_live=True)
    assert refill.committed is None


def test_numbers_that_are_not_published_yet_are_not_sent_again() -> None:
    refill = Refill("j")
    refill.confirm(20, 0.0)
    told = statement(10, 50, (45, 50, RUN))
    refill.state(told, 0.0, one_run, is_live=True)
    refill.state(told, GRACE_S, one_run, is_live=True)
    wanted = refill.next_range()
    assert wanted is not None
    assert (wanted.first, wanted.last) == (11, 20)


def test_what_is_sent_in_vain_is_sent_ever_more_rarely() -> None:
    refill = Refill("j")
    refill.confirm(20, 0.0)
    told = statement(10, 20, (12, 20, RUN))
    times = []
    for second in range(2000):
        refill.state(told, float(second), one_run, is_live=True)
        while (wanted := refill.next_range()) is not None:
            times.append(second)
            refill.sent(wanted.last, float(second))
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] >= GRACE_S
    assert pauses[-1] >= 4 * GRACE_S


@settings(max_examples=200, deadline=None)
@given(
    batches=st.lists(
        st.tuples(st.integers(1, 30), st.sets(st.integers(1, 200)), st.booleans()), max_size=8
    ),
    drops=st.lists(st.booleans(), max_size=60),
)
def test_whatever_is_lost_arrives_in_the_end(
    batches: list[tuple[int, set[int], bool]], drops: list[bool]
) -> None:
    world = World()
    world.publish(1)
    world.state()
    losses = iter(drops)
    for count, lost, is_up in batches:
        world.is_up = is_up
        world.publish(count, lost)
        world.run(7, losses)
    world.is_up = True
    world.is_due = True
    world.run(2 * 3600, losses, step_s=5)
    assert world.refill.committed == world.published
    assert world.refill.waiting == 0


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"known_to": 3}, "known_to is below complete_to"),
        ({"ranges": [{"first": 9, "last": 8}]}, "a range ends before it begins"),
        ({"ranges": [{"first": 9, "last": 99}]}, "a range ends above known_to"),
        ({"complete_to": -1}, "complete_to"),
        ({"complete_to": 1 << 60}, "complete_to"),
        ({"ranges": [{"first": 9, "last": 9, "run": "<b>"}]}, "run"),
        ({"ranges": [{"first": 9, "last": 9}] * (MAX_RANGES + 1)}, "ranges"),
        ({"type": "outfeed.committed/2"}, "type"),
        ({"journal": "j" * 65}, "journal"),
    ],
)
def test_a_wrong_statement_is_refused_with_one_line(change: dict[str, object], names: str) -> None:
    good = {**statement(5, 10).model_dump(), "ranges": []}
    with pytest.raises(OutfeedError, match=names) as refused:
        parse_statement(json.dumps({**good, **change}).encode())
    assert "\n" not in str(refused.value)
    assert parse_statement(json.dumps(good).encode()).complete_to == 5


def test_a_long_or_broken_message_is_refused() -> None:
    for payload in (b"x" * (1 << 20), b"", b"[1]", b"\xff\xfe", b"null"):
        with pytest.raises(OutfeedError, match="not a statement"):
            parse_statement(payload)
