"""The split: no part on both sides, every kind on both, the same by seed."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data.dataset import DataSet, Sample
from models.data.split import hold_back_defective, split

KINDS = ("crack", "dent", "stain")


def data_set(samples: list[Sample]) -> DataSet:
    return DataSet(Path("nowhere"), "generic", KINDS, 1, tuple(samples))


def sample(number: int, group: int | str, *kinds: str, unmasked: bool = False) -> Sample:
    name = f"images/{number:04d}.png"
    return Sample(name, Path(name), str(group), tuple(sorted(kinds)), (), unmasked)


carried = st.sets(st.sampled_from(KINDS), max_size=2)
pool = st.lists(st.tuples(st.integers(0, 15), carried), min_size=1, max_size=60)


def build(rows: list[tuple[int, set[str]]]) -> list[Sample]:
    return [sample(number, group, *kinds) for number, (group, kinds) in enumerate(rows)]


@given(rows=pool, share=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_never_leaks_never_loses_and_repeats(
    rows: list[tuple[int, set[str]]], share: float, seed: int
) -> None:
    samples = build(rows)
    parts = split(data_set(samples), share, seed)
    assert sorted(parts.train + parts.validation, key=lambda s: s.name) == samples
    assert not {s.group for s in parts.train} & {s.group for s in parts.validation}
    shuffled = list(samples)
    np.random.default_rng(seed).shuffle(shuffled)  # type: ignore[arg-type]
    assert split(data_set(shuffled), share, seed) == parts


@given(
    rows=st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, max_size=60),
    share=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**31),
)
def test_every_kind_of_two_groups_is_on_both_sides(
    rows: list[tuple[int, bool]], share: float, seed: int
) -> None:
    # A part carries one kind, and may be photographed on its good side too.
    samples = [
        sample(number, group, *(() if good else (KINDS[group % 3],)))
        for number, (group, good) in enumerate(rows)
    ]
    parts = split(data_set(samples), share, seed)
    groups = defaultdict(set)
    for item in samples:
        for kind in item.kinds:
            groups[kind].add(item.group)
    for kind, members in groups.items():
        if len(members) >= 2:
            for side in (parts.train, parts.validation):
                assert any(kind in item.kinds for item in side), kind


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
def test_shares_are_close_for_each_kind_and_for_good(share: float) -> None:
    samples = []
    for number in range(400):
        part = number // 4
        kinds = () if part < 60 else (KINDS[part % 3],)
        samples.append(sample(number, f"part {part}", *kinds))
    for seed in range(5):
        parts = split(data_set(samples), share, seed)
        everything = Counter(k for s in samples for k in s.kinds or ("",))
        held = Counter(k for s in parts.validation for k in s.kinds or ("",))
        for kind, count in everything.items():
            assert abs(held[kind] - share * count) <= 4, kind


def test_seeds_differ() -> None:
    samples = [sample(number, number) for number in range(40)]
    assert len({split(data_set(samples), 0.5, seed).train for seed in range(5)}) == 5


def test_unmasked_samples_are_on_neither_side(caplog: pytest.LogCaptureFixture) -> None:
    samples = [sample(n, n, "crack", unmasked=n == 3) for n in range(6)]
    with caplog.at_level(logging.INFO, logger="models.data.split"):
        parts = split(data_set(samples), 0.5, 0)
    assert [s.name for s in parts.unmasked] == ["images/0003.png"]
    assert len(parts.train) + len(parts.validation) == 5
    assert "split-unmasked count=1" in caplog.text


@given(
    rows=st.lists(st.tuples(st.integers(0, 15), carried, st.booleans()), max_size=60),
    drawn=st.booleans(),
)
def test_defective_parts_are_held_back_unless_their_part_is_known(
    rows: list[tuple[int, set[str], bool]], drawn: bool
) -> None:
    samples = [
        sample(number, group, *kinds, unmasked=bool(kinds) and hidden)
        for number, (group, kinds, hidden) in enumerate(rows)
    ]
    divided = split(data_set(samples), 0.3, 0)
    held = hold_back_defective(divided, drawn=drawn)
    everything = [*held.train, *held.validation, *held.unmasked]
    assert sorted(everything, key=lambda s: s.name) == samples
    known = {s.group for s in divided.train if s.is_good}
    assert set(divided.validation) <= set(held.validation)
    assert [s for s in held.train if s.is_good] == [s for s in divided.train if s.is_good]
    assert all(s.group in known for s in held.unmasked)
    if drawn:
        assert all(s.is_good or s.group in known for s in held.train)
    else:
        assert held.train == divided.train
    moved = set(held.validation) - set(divided.validation)
    assert not {s.group for s in moved} & known


def test_groups_tied_in_a_ring_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    # crack in 1 and 2, dent in 2 and 3, stain in 3 and 1: no cut serves all three.
    samples = [
        sample(1, 1, "crack", "stain"),
        sample(2, 2, "crack", "dent"),
        sample(3, 3, "dent", "stain"),
    ]
    with caplog.at_level(logging.WARNING, logger="models.data.split"):
        parts = split(data_set(samples), 0.5, 0)
    assert len(parts.train) + len(parts.validation) == 3
    assert caplog.text.count("split-one-sided") == 1


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_the_share_must_leave_something_on_both_sides(share: float) -> None:
    with pytest.raises(ValueError, match="expected inside"):
        split(data_set([sample(1, 1)]), share, 0)
