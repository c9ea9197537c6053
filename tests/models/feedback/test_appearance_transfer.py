"""Known defects pasted onto good parts with a new appearance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.dataset import Sample
from models.feedback.appearance_transfer import paste_defects
from models.training.patches import Picture
from tests.support.marked import pitted, ringed


def good(number: int) -> Picture:
    pixels = ringed(number)
    sample = Sample(f"ring{number}", Path("a"), f"ring{number}")
    return Picture(sample, pixels, np.zeros(pixels.shape, np.uint8))


def pit(number: int, side: int | None = None) -> Picture:
    pixels = pitted(number)[:side, :side]
    kind_map = (pixels < 60).astype(np.uint8) * 2
    sample = Sample(f"pit{number}", Path("b"), f"pit{number}", kinds=("pit",))
    return Picture(sample, pixels, kind_map)


def test_the_appearance_stays_and_the_defect_is_annotated() -> None:
    pictures = paste_defects([good(1), good(2)], [pit(3), good(4), pit(5)], 6, 0)
    assert len(pictures) == 6
    assert len({picture.sample.name for picture in pictures}) == 6
    for number, picture in enumerate(pictures):
        target = good(1 + number % 2)
        marked = picture.kind_map > 0
        assert picture.sample.kinds == ("pit",)
        assert set(np.unique(picture.kind_map)) == {0, 2}
        assert picture.pixels[marked].mean() < 50
        same = picture.pixels == target.pixels
        assert same.mean() > 0.6
        assert not same[marked].all()
    again = paste_defects([good(1), good(2)], [pit(3), good(4), pit(5)], 6, 0)
    assert all((a.pixels == b.pixels).all() for a, b in zip(pictures, again, strict=True))


def test_nothing_without_a_defect_a_good_part_or_a_size() -> None:
    assert paste_defects([], [pit(1)], 4, 0) == ()
    assert paste_defects([good(1)], [good(2)], 4, 0) == ()
    assert paste_defects([good(1)], [pit(1, 80)], 4, 0) == ()
