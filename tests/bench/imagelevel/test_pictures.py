"""Labels, preparation and the training set that all methods share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from bench.imagelevel.pictures import (
    GOOD,
    Labelled,
    class_names,
    label_of,
    prepare,
    read_side,
    training_set,
)
from models.data.dataset import Sample
from tests.bench.imagelevel.easy import easy_set, quick

RNG = np.random.default_rng(1)
REAL = Labelled(
    RNG.integers(0, 256, (9, 32, 32, 1)).astype(np.uint8), np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
)


def test_the_kind_with_most_pixels_is_the_label() -> None:
    sample = Sample("a.png", Path("a.png"), "a", ("crack", "pit"))
    kind_map = np.zeros((4, 4), np.uint8)
    assert label_of(sample, kind_map, ("crack", "pit")) == 1  # no pixel is left: the first named
    kind_map[0, :3], kind_map[1, :2] = 2, 1
    assert label_of(sample, kind_map, ("crack", "pit")) == 2
    kind_map[1, :3] = 1
    assert label_of(sample, kind_map, ("crack", "pit")) == 1  # of equal ones the first
    good = Sample("b.png", Path("b.png"), "b")
    assert label_of(good, np.zeros((4, 4), np.uint8), ("crack", "pit")) == GOOD


def test_a_side_is_read_in_order_with_its_labels(tmp_path: Path) -> None:
    dataset = easy_set(tmp_path / "data")
    read = read_side(dataset, dataset.samples[:8], quick())
    assert class_names(dataset) == ("good", "bright", "dark")
    assert read.pixels.shape == (8, 32, 32, 1)
    assert read.labels.tolist() == [2, 2, 1, 1, 0, 0, 0, 0]
    centre = read.pixels[:, 16, 16, 0].astype(int)
    assert (centre[:2] < 80).all()
    assert (centre[2:4] > 180).all()


@pytest.mark.parametrize(("size_px", "channels"), [(32, 1), (64, 3)])
def test_pictures_are_brought_to_size(size_px: int, channels: int) -> None:
    shape = (40, 90) if channels == 1 else (40, 90, 3)
    made = prepare(np.full(shape, 7, np.uint8), size_px, 3)
    assert made.shape == (size_px, size_px, channels)
    assert (made == 7).all()


def test_the_median_filter_takes_a_speck_away() -> None:
    picture = np.full((32, 32), 100, np.uint8)
    picture[16:18, 16:18] = 255
    picture[5, 5] = 0
    assert prepare(picture, 32, 0)[5, 5, 0] == 0
    assert prepare(picture, 32, 3)[5, 5, 0] == 100
    assert (prepare(picture, 32, 5) == 100).all()


def test_balance_gives_every_class_as_many() -> None:
    def counts(**changes: object) -> list[int]:
        return np.bincount(training_set(REAL, quick(**changes), 0).labels).tolist()

    assert counts() == [6, 6, 6]
    assert counts(copies=2) == [12, 12, 12]
    assert counts(balance=False) == [6, 2, 1]
    assert counts(balance=False, copies=3) == [18, 6, 3]


def test_unchanged_copies_use_every_picture_as_often_as_any_of_its_class() -> None:
    made = training_set(REAL, quick(augment=False), 0)
    uses = [int((made.pixels == picture).all((1, 2, 3)).sum()) for picture in REAL.pixels]
    assert uses == [1, 1, 1, 1, 1, 1, 3, 3, 6]


def test_augmentation_changes_every_class_alike_and_by_the_seed() -> None:
    made = training_set(REAL, quick(), 0)
    for picture, label in zip(made.pixels, made.labels, strict=True):
        originals = REAL.pixels[REAL.labels == label]
        assert not any((picture == original).all() for original in originals)
    again, other = training_set(REAL, quick(), 0), training_set(REAL, quick(), 1)
    assert (made.pixels == again.pixels).all()
    assert not (made.pixels == other.pixels).all()


def test_colour_is_changed_and_kept_in_three_channels() -> None:
    real = Labelled(np.repeat(REAL.pixels, 3, axis=3), REAL.labels)
    assert training_set(real, quick(), 0).pixels.shape == (18, 32, 32, 3)
