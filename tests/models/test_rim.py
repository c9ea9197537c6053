"""Patches as a station sees pictures: with the picture's own rim, and as large as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.augmentation.crops import Augmentation, augment
from models.data.dataset import Sample
from models.training.patches import PatchSource, Picture
from models.training.recipe import Recipe

HEIGHT, WIDTH, SIDE = 160, 200, 64


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def rows_and_columns() -> tuple[np.ndarray, np.ndarray]:
    """Two pictures that say where a pixel is from: by its row, by its column."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return rows.astype(np.uint8), columns.astype(np.uint8)


def rims(options: Augmentation, seed: int, kinds: np.ndarray) -> set[str]:
    """The sides of the picture at which the crop has its own."""
    rows, columns = rows_and_columns()
    row, column = (
        augment(some, kinds, options, rng(seed), (SIDE, SIDE))[0] for some in (rows, columns)
    )
    ends = {
        "top": row[0].max() <= 1,
        "bottom": row[-1].min() >= HEIGHT - 2,
        "left": column[:, 0].max() <= 1,
        "right": column[:, -1].min() >= WIDTH - 2,
    }
    return {side for side, there in ends.items() if there}


@pytest.mark.parametrize("zoom", [0.0, 0.5])
def test_crops_lie_at_every_rim_and_are_not_turned(zoom: float) -> None:
    kinds = np.zeros((HEIGHT, WIDTH), np.uint8)
    options = Augmentation(rim_share=1.0, rotate_deg=30.0, zoom=zoom)
    seen = [rims(options, seed, kinds) for seed in range(40)]
    assert all(seen)
    assert set().union(*seen) == {"top", "bottom", "left", "right"}
    assert {len(sides) for sides in seen} == {1, 2}


def test_without_a_share_next_to_none_does() -> None:
    kinds = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert sum(bool(rims(Augmentation(), seed, kinds)) for seed in range(40)) < 10


def test_a_crop_at_a_rim_keeps_its_defect() -> None:
    """In the middle of the picture, where no crop at a rim sideways would show it."""
    kinds = np.zeros((HEIGHT, WIDTH), np.uint8)
    kinds[50, 100] = 1
    options = Augmentation(rim_share=1.0, centre_on_defect=True, shift_px=20)
    for seed in range(30):
        _, crop = augment(kinds, kinds, options, rng(seed), (SIDE, SIDE))
        assert crop.sum() == 1
    assert any(rims(options, seed, kinds) == {"top"} for seed in range(30))


def test_a_crop_as_large_as_the_picture_has_every_rim() -> None:
    rows, _ = rows_and_columns()
    kinds = np.zeros_like(rows)
    options = Augmentation(rim_share=1.0, rotate_deg=30.0, zoom=0.5)
    for seed in range(10):
        crop, _ = augment(rows, kinds, options, rng(seed), (HEIGHT, WIDTH))
        tops, bottoms = crop[0], crop[-1]
        # Magnified, it has two of the four; never less than the whole, or it would have none.
        assert tops.max() <= 1 or bottoms.min() >= HEIGHT - 2


def _batches(patches: str) -> list[np.ndarray]:
    pictures = tuple(
        Picture(Sample(str(width), Path("x"), "x", ()), zeros, zeros)
        for width in (100, 150, 300)
        for zeros in (np.zeros((130, width), np.uint8),)
    )
    recipe = Recipe.model_validate(
        {"name": "x", "detector": {"patch_px": 128, "batch": 4, "steps": 1, "patches": patches}}
    )
    source = PatchSource(pictures, (), recipe, 200.0)
    return [source.batch(step)[0] for step in range(12)]


def test_square_patches() -> None:
    assert {some.shape for some in _batches("square")} == {(4, 1, 128, 128)}


def test_patches_as_large_as_the_pictures_with_as_many_pixels_a_batch() -> None:
    assert {some.shape for some in _batches("pictures")} == {(4, 1, 128, 128), (5, 1, 128, 96)}
