"""Pieces of one picture set into another."""

from __future__ import annotations

import numpy as np
import pytest

from models.augmentation.copy_paste import paste_piece

SIDE_PX = 96


def surface(seed: int, level: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(level, 4, (SIDE_PX, SIDE_PX))
    return noise.clip(0, 255).astype(np.uint8)


@pytest.fixture
def donor() -> tuple[np.ndarray, np.ndarray]:
    """Sound surface at 180 with a pit 60 levels darker."""
    pixels, kinds = surface(1, 180), np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    kinds[40:52, 30:42] = 3
    pixels[kinds > 0] = 120
    return pixels, kinds


@pytest.mark.parametrize("seed", range(8))
def test_a_defect_comes_with_its_contrast_and_kind(
    donor: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    target, none = surface(2, 90), np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mixed, kinds = paste_piece(target, none, *donor, np.random.default_rng(seed))
    assert (kinds == donor[1]).all()
    pit, rest = mixed[42:50, 32:40].mean(), mixed[:20].mean()
    assert rest == target[:20].mean(), "far from the piece nothing changes"
    assert rest - pit == pytest.approx(60, abs=8), "the place's brightness, the donor's contrast"
    assert not none.any()


def test_sound_surface_is_set_in_as_well_and_hides_what_was_there() -> None:
    target = surface(2, 90)
    marked = np.full((SIDE_PX, SIDE_PX), 2, np.uint8)
    sound = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    changed = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        mixed, kinds = paste_piece(target, marked, surface(1, 180), sound, rng)
        changed += int((kinds == 0).any())
        assert set(np.unique(kinds).tolist()) <= {0, 2}
        assert abs(float(mixed.mean()) - float(target.mean())) < 2
    assert changed >= 8


def test_colour_and_determinism(donor: tuple[np.ndarray, np.ndarray]) -> None:
    target = np.repeat(surface(2, 90)[:, :, None], 3, 2)
    wide = np.repeat(donor[0][:, :, None], 3, 2)
    none = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    one = paste_piece(target, none, wide, donor[1], np.random.default_rng(5))
    other = paste_piece(target, none, wide, donor[1], np.random.default_rng(5))
    assert one[0].shape == target.shape
    assert (one[0] == other[0]).all()
    assert (one[1] == other[1]).all()
