"""Batches made ahead by processes: order, errors, an early end."""

from __future__ import annotations

import multiprocessing

import pytest

pytest.importorskip("torch")

import torch

from models.training.feed import Pair, feed


def numbered(step: int) -> Pair:
    if step == 13:
        raise RuntimeError("step 13 is broken")
    return torch.full((1,), step), torch.zeros(1)


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_batches_come_in_order_and_processes_end(processes: int) -> None:
    got = [int(first) for first, _ in feed(numbered, 3, 12, processes=processes)]
    assert got == list(range(3, 12))
    assert multiprocessing.active_children() == []


def test_nothing_to_do_is_no_batch() -> None:
    assert list(feed(numbered, 5, 5)) == []


@pytest.mark.parametrize("processes", [0, 2])
def test_an_error_is_raised_in_its_place(processes: int) -> None:
    batches = feed(numbered, 11, 20, processes=processes)
    assert [int(next(batches)[0]) for _ in range(2)] == [11, 12]
    with pytest.raises(RuntimeError, match="step 13 is broken"):
        next(batches)
    assert multiprocessing.active_children() == []


def test_leaving_early_ends_the_processes() -> None:
    batches = feed(numbered, 20, 10_000)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []
