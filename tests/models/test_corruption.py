"""Defects set into good patches are reproducible, local, and as many as the options state."""

from __future__ import annotations

import numpy as np
import pytest

from models.augmentation.corruption import Corruption, corrupt
from models.data.dataset import Pixels

CLEAN = np.random.default_rng(1).integers(90, 160, (64, 96, 3), np.uint8)


def corrupted(options: Corruption, pixels: Pixels = CLEAN, count: int = 40) -> list[Pixels]:
    return [corrupt(pixels, options, np.random.default_rng(seed)) for seed in range(count)]


def changed_share(given: Pixels, pixels: Pixels = CLEAN) -> float:
    return float((given != pixels).mean())


def test_nothing_is_nothing() -> None:
    for given in corrupted(Corruption()):
        assert np.array_equal(given, CLEAN)


@pytest.mark.parametrize("pixels", [CLEAN, CLEAN[:, :, 0]], ids=["colour", "grey"])
def test_defects_are_local_and_visible(pixels: Pixels) -> None:
    before = pixels.copy()
    many = corrupted(Corruption(defect_share=1.0), pixels)
    assert np.array_equal(pixels, before), "the patch itself is left as it was"
    for given in many:
        assert given.shape == pixels.shape
        assert given.dtype == np.uint8
    shares = [changed_share(given, pixels) for given in many]
    assert min(shares) > 0
    assert 0.02 < float(np.median(shares)) < 0.7
    largest = [int(np.abs(g.astype(int) - pixels).max()) for g in many]
    assert np.median(largest) > 20


def test_synthetic_share() -> None:
    some = sum(changed_share(g) > 0 for g in corrupted(Corruption(defect_share=0.5), count=200))
    assert 70 < some < 130


def test_noise_sigma() -> None:
    spreads = [float((g.astype(int) - CLEAN).std()) for g in corrupted(Corruption(0.0, 8.0))]
    assert max(spreads) < 8.5
    assert float(np.mean(spreads)) == pytest.approx(4.0, rel=0.2)


def test_the_same_generator_gives_the_same() -> None:
    options = Corruption(0.8, 3.0)
    for first, second in zip(corrupted(options), corrupted(options), strict=True):
        assert np.array_equal(first, second)
    assert not np.array_equal(*corrupted(options, count=2))
