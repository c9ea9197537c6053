"""Calibration sees good and defective parts of every kind, and holds one picture at a time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("cv2")

from export.quantisation.calibration import BlockCrops, FrameCrops, crop, spread
from models.data.dataset import Pixels, Sample


def sample(name: str, kind: str = "") -> Sample:
    return Sample(name, Path(name), name, (kind,) if kind else ())


def samples(good: int, **kinds: int) -> list[Sample]:
    bad = [sample(f"{kind}{i}", kind) for kind, count in kinds.items() for i in range(count)]
    return [*(sample(f"good{i}") for i in range(good)), *bad]


@given(st.integers(0, 30), st.integers(0, 20), st.integers(0, 20), st.integers(1, 40))
def test_half_is_defective_where_there_are_so_many(
    good: int, holes: int, cracks: int, count: int
) -> None:
    chosen = spread(samples(good, hole=holes, crack=cracks), count)
    bad = sum(not each.is_good for each in chosen)
    assert len(chosen) == len(set(chosen)) == min(count, good + holes + cracks)
    if min(good, holes + cracks) >= count:
        assert bad == -(-count // 2)
    assert bad >= min(holes + cracks, -(-count // 2))


def test_kinds_come_in_turn() -> None:
    chosen = spread(samples(50, hole=40, crack=3, fray=9), 36)
    assert Counter(each.kinds for each in chosen if each.kinds) == {
        ("crack",): 3,
        ("fray",): 8,
        ("hole",): 7,
    }


def test_the_order_is_fixed_and_the_seed_changes_it() -> None:
    some = samples(20, hole=20)
    assert spread(some, 10) == spread(some, 10)
    assert spread(some, 10) != spread(some, 10, seed=1)


class Reader:
    """Pictures made when they are asked for; their grey is the number in their name."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, sample: Sample) -> tuple[Pixels, Pixels]:
        self.read.append(sample.name)
        pixels = np.full((40, 60), int(sample.name), np.uint8)
        kind_map = np.zeros((40, 60), np.uint8)
        if sample.kinds:
            kind_map[30:36, 50:56] = 1
            pixels[33, 53] = 255
        return pixels, kind_map


def test_a_picture_is_read_when_it_is_looked_at() -> None:
    reader = Reader()
    crops = FrameCrops([sample("7"), sample("9", "hole")], reader, (16, 16))
    assert len(crops) == 2
    assert reader.read == []
    assert (crops[0] == 7).all()
    assert crops[1].shape == (16, 16)
    assert crops[1].max() == 255, "about its defect"
    assert list(map(int, (each.min() for each in crops[1:]))) == [9]
    assert reader.read == ["7", "9", "9"] + ["9"] * (len(reader.read) - 3)


def test_blocks_are_on_the_defect_and_anywhere() -> None:
    blocks = BlockCrops([sample("7"), sample("9", "hole")], Reader(), 16)
    assert len(blocks) == 4
    assert [int(block.max()) for block in blocks][:3] == [7, 7, 255]
    assert [block.shape for block in blocks[1:3]] == [(16, 16)] * 2
    with pytest.raises(IndexError):
        blocks[4]


def test_a_small_picture_is_reflected() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    grown = crop(pixels, np.zeros((3, 4), np.uint8), (5, 6))
    assert grown[:, 0].tolist() == [0, 4, 8, 4, 0]
    assert grown[0].tolist() == [0, 1, 2, 3, 2, 1]
