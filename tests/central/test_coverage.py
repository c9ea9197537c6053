"""The coverage of a journal against a simple model: any order, repeats, gap events and copies."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.store import coverage as coverage_module
from central.store.coverage import (
    GAP,
    MAX_RUNS,
    MAX_SEGMENTS,
    Coverage,
    KnownAs,
    load_ranges,
)
from edge.events.committed import MAX_RANGES, CommittedRange, CommittedStatement

_RUNS = ("a", "b", "c")
_MOST = 40


@dataclass
class _Model:
    """The same as ``Coverage``, with sets."""

    own: dict[str, set[int]] = field(default_factory=lambda: {run: set() for run in _RUNS})
    gaps: set[int] = field(default_factory=set)

    def all(self) -> set[int]:
        return set().union(self.gaps, *self.own.values())

    def shared(self) -> set[int]:
        return {n for n in self.all() if sum(n in own for own in self.own.values()) > 1}

    def complete_to(self) -> int:
        last = 0
        while last + 1 in self.all() and last + 1 not in self.shared():
            last += 1
        return last


_event = st.tuples(st.sampled_from(_RUNS), st.integers(1, _MOST))
_gap = st.tuples(st.just(GAP), st.integers(1, _MOST), st.integers(0, 12))
_steps = st.lists(st.one_of(_event, _gap), max_size=80)


def _play(steps: list[tuple]) -> tuple[Coverage, _Model]:
    coverage, model = Coverage(), _Model()
    for step in steps:
        if step[0] == GAP:
            numbers = range(step[1], step[1] + step[2] + 1)
            coverage.add_gap(numbers)
            model.gaps.update(numbers)
            continue
        run, number = step
        relation = coverage.relation(run, number)
        others = any(number in own for name, own in model.own.items() if name != run)
        if number in model.own[run]:
            assert relation is KnownAs.REPEAT
            continue
        expected = KnownAs.LATE if number in model.gaps else KnownAs.NEW
        assert relation is (KnownAs.COPY if others else expected)
        coverage.add(run, number)
        model.own[run].add(number)
    return coverage, model


def _statement(coverage: Coverage) -> CommittedStatement:
    found = coverage.statement()
    return CommittedStatement(
        station="press-3",
        journal="j",
        complete_to=found.complete_to,
        known_to=found.known_to,
        ranges=found.ranges,
        utc="",
    )


@given(_steps)
def test_the_statement_is_that_of_the_model(steps: list[tuple]) -> None:
    coverage, model = _play(steps)
    statement = _statement(coverage)
    assert statement.complete_to == model.complete_to()
    assert statement.known_to == max(model.all(), default=0)
    for run in _RUNS:
        asked = CommittedRange(first=1, last=_MOST + 20, run=run)
        missing = {
            number
            for each in statement.missing([asked])
            for number in range(each.first, each.last + 1)
        }
        known = set(range(1, statement.complete_to + 1)) | model.own[run] | model.gaps
        assert missing == set(range(1, statement.known_to + 1)) - known


@given(_steps)
def test_what_is_stored_and_read_again_is_the_same(steps: list[tuple]) -> None:
    coverage, _ = _play(steps)
    texts = dict(coverage.changes())
    again = Coverage(
        {run: load_ranges(text) for run, text in texts.items() if text}, coverage.shared_from
    )
    assert again.statement() == coverage.statement()
    assert list(coverage.changes()) == []


@given(_steps, st.integers(1, 4))
def test_a_statement_with_too_many_ranges_states_less_and_nothing_wrong(
    steps: list[tuple], most: int
) -> None:
    coverage, model = _play(steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coverage_module, "MAX_RANGES", most)
        statement = _statement(coverage)
    assert len(statement.ranges) <= most
    assert statement.complete_to == model.complete_to()
    for each in statement.ranges:
        runs = [each.run] if each.run else [run for run in _RUNS if model.own[run]]
        for number in range(each.first, each.last + 1):
            shared = number in model.shared()
            for run in runs:
                assert number in model.all()
                if shared and number not in model.gaps:
                    assert number in model.own[run]


def test_most_ranges_are_those_of_the_protocol() -> None:
    coverage = Coverage()
    for number in range(2, 2 * MAX_RANGES + 40, 2):
        coverage.add("a", number)
    statement = _statement(coverage)
    assert len(statement.ranges) == MAX_RANGES
    assert statement.known_to == 2 * MAX_RANGES + 1
    missing = statement.missing([CommittedRange(first=1, last=9999, run="a")])
    assert [each.first for each in missing] == list(range(1, 2 * MAX_RANGES + 2, 2))


def test_complete_runs_are_merged_and_their_numbers_stay_known() -> None:
    coverage = Coverage()
    for run in range(MAX_RUNS + 10):
        coverage.add(f"{run:x}", run + 1)
    coverage.merge()
    changes = dict(coverage.changes())
    assert sorted(name for name, text in changes.items() if text is None) == sorted(
        f"{run:x}" for run in range(10)
    )
    assert changes["merged"] == "[[1,10]]"
    assert coverage.complete_to == MAX_RUNS + 10
    assert coverage.relation("0", 1) is KnownAs.MERGED
    assert coverage.relation(f"{MAX_RUNS:x}", MAX_RUNS + 1) is KnownAs.REPEAT


def test_a_run_that_is_not_complete_is_not_merged() -> None:
    coverage = Coverage()
    for run in range(MAX_RUNS + 10):
        coverage.add(f"{run:x}", run + 2)
    coverage.merge()
    assert all(text is not None for _, text in coverage.changes())


def test_a_station_cannot_make_the_coverage_grow_without_end() -> None:
    coverage = Coverage()
    for number in range(1, 2 * MAX_SEGMENTS, 2):
        assert coverage.relation("a", number) is KnownAs.NEW
        coverage.add("a", number)
    assert coverage.relation("a", 2 * MAX_SEGMENTS + 1) is KnownAs.SCATTERED
    assert coverage.relation("a", 2) is KnownAs.NEW
    assert not Coverage({GAP: [range(n, n + 1) for n in range(1, 2 * MAX_SEGMENTS, 2)]}).add_gap(
        range(2 * MAX_SEGMENTS + 3, 2 * MAX_SEGMENTS + 4)
    )
    many = Coverage({f"{run:x}": [range(run, run + 1)] for run in range(2, MAX_SEGMENTS + 2)})
    assert many.relation("ffffff", MAX_SEGMENTS + 9) is KnownAs.SCATTERED
