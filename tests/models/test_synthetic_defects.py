"""Generated defects on real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from models.augmentation.synthetic_defects import SYNTHETIC, add_defect


@pytest.fixture
def surface() -> np.ndarray:
    return np.random.default_rng(0).normal(120, 6, (128, 160)).clip(0, 255).astype(np.uint8)


def test_what_is_marked_has_changed_and_the_rest_hardly(surface: np.ndarray) -> None:
    marked_px = 0
    for seed in range(20):
        kinds = np.zeros_like(surface)
        painted, marked = add_defect(surface, kinds, np.random.default_rng(seed))
        assert not kinds.any(), "the annotation given is not written to"
        change = np.abs(painted.astype(int) - surface.astype(int))
        seen = marked == SYNTHETIC
        marked_px += int(seen.sum())
        assert set(np.unique(marked).tolist()) <= {0, SYNTHETIC}
        if seen.any():
            assert change[seen].mean() >= 5
            assert change[~seen].mean() < 1
    assert marked_px > 1000, "most flaws are seen"


def test_annotated_pixels_keep_their_kind(surface: np.ndarray) -> None:
    kinds = np.full_like(surface, 2)
    _, marked = add_defect(surface, kinds, np.random.default_rng(1))
    assert (marked == 2).all()


def test_colour_changes_alike_in_every_channel(surface: np.ndarray) -> None:
    grey, _ = add_defect(surface, np.zeros_like(surface), np.random.default_rng(4))
    colour = np.repeat(surface[:, :, None], 3, axis=2)
    painted, _ = add_defect(colour, np.zeros_like(surface), np.random.default_rng(4))
    assert painted.shape == colour.shape
    assert (painted[:, :, 0] == painted[:, :, 2]).all()
    assert np.abs(painted[:, :, 1].astype(int) - grey.astype(int)).max() <= 1


def test_same_rng_same_defect(surface: np.ndarray) -> None:
    one, other = (
        add_defect(surface, np.zeros_like(surface), np.random.default_rng(9)) for _ in range(2)
    )
    assert (one[0] == other[0]).all()
    assert (one[1] == other[1]).all()


def test_a_dark_picture_gets_a_fainter_defect(surface: np.ndarray) -> None:
    dark = (surface // 3).astype(np.uint8)
    changes = []
    for image in (surface, dark):
        painted, _ = add_defect(image, np.zeros_like(image), np.random.default_rng(2))
        changes.append(np.abs(painted.astype(int) - image.astype(int)).max())
    assert changes[1] < changes[0]
