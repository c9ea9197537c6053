"""The predicted writes against those of a real journal, picture store and cursor on a real disk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from bench.disk_usage import (
    LoopDisk,
    bundle_cost,
    cursor_cost,
    journal_cost,
    loop_disk,
    picture_cost,
    trial_state_cost,
)
from edge.disk_usage import (
    bundle_update_bytes,
    journal_bytes,
    position_bytes,
    system_update_bytes,
)
from edge.pictures.picture_store import cost_bytes

# Both ways. Fewer parts than the constants come from weigh the beginning of a journal more.
BOUND = 0.25


@pytest.fixture(scope="module")
def disk() -> Iterator[LoopDisk]:
    try:
        with loop_disk(256) as made:
            yield made
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount an ext4 of its own, and not everywhere")


@pytest.mark.parametrize(
    "batch", [1, *(pytest.param(each, marks=pytest.mark.slow) for each in (2, 8)), 64]
)
def test_a_good_part_in_a_transaction_of_so_many(disk: LoopDisk, batch: int) -> None:
    cost = journal_cost(disk, 4096, batch, rejects=False)
    assert cost.disk_bytes == pytest.approx(journal_bytes(batch), rel=BOUND)


def test_a_rejected_part(disk: LoopDisk) -> None:
    cost = journal_cost(disk, 1500, 1, rejects=True)
    assert cost.disk_bytes == pytest.approx(journal_bytes(1, rejected=True), rel=BOUND)


@pytest.mark.parametrize("kilobytes", [64, 1024])
def test_a_picture(disk: LoopDisk, kilobytes: int) -> None:
    cost = picture_cost(disk, 40, kilobytes << 10)
    assert cost.disk_bytes == pytest.approx(cost_bytes(kilobytes << 10), rel=BOUND)


def test_the_uplinks_position(disk: LoopDisk) -> None:
    assert cursor_cost(disk, 300).disk_bytes == pytest.approx(position_bytes(), rel=BOUND)


def test_a_bundle_and_its_trial(disk: LoopDisk) -> None:
    state = trial_state_cost(disk, 40)
    found = bundle_cost(disk, 4, 4 << 20).disk_bytes + 300 * state.disk_bytes
    assert found == pytest.approx(bundle_update_bytes(4 << 20), rel=BOUND)


def test_a_system_is_downloaded_and_written_once() -> None:
    assert system_update_bytes(350e6) == 700e6


def test_between_and_beyond_what_was_measured() -> None:
    assert journal_bytes(0.5) == journal_bytes(1)
    assert journal_bytes(1) > journal_bytes(1.5) > journal_bytes(2) > journal_bytes(5)
    assert journal_bytes(64) == journal_bytes(1000)
    assert journal_bytes(3, rejected=True) > 2 * journal_bytes(3)
