"""Drawn defects: a whole data set in the layout of MVTec AD, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.drawn_defects import KINDS, draw_defect, write_set
from bench.public_sets.protocols import PROTOCOLS
from models.data.dataset import DataError
from tests.support.bolts import draw_bolt, scatter


def test_the_set_is_one_of_mvtec_ad(tmp_path: Path) -> None:
    scatter(tmp_path / "good", 32)
    assert write_set(tmp_path / "good", tmp_path / "set", seed=0) == 16
    (fold,) = PROTOCOLS["mvtec-ad"].folds(tmp_path / "set")
    train, test = fold.train(), fold.test()
    assert len(train) == 24
    assert [sample.is_good for sample in test].count(True) == 8
    assert {kind for sample in test for kind in sample.kinds} == set(KINDS)
    assert not any(sample.unmasked for sample in test)
    trained = {sample.image_path.resolve() for sample in train}
    assert not trained & {sample.image_path.resolve() for sample in test if sample.is_good}


def test_the_same_seed_gives_the_same_set(tmp_path: Path) -> None:
    scatter(tmp_path / "good", 20)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_set(tmp_path / "good", tmp_path / name, seed)
    first, again, other = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.png")}
        for name in "abc"
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("colour", [False, True])
def test_a_defect_lies_on_the_part_and_is_visible(kind: str, colour: bool) -> None:
    rng = np.random.default_rng(4)
    pixels = draw_bolt(30.0, noise_seed=1)
    part = cv2.dilate((pixels < 140).astype(np.uint8), np.ones((25, 25), np.uint8))
    if colour:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    for _ in range(10):
        changed, mask = draw_defect(pixels, kind, rng)
        assert changed.shape == pixels.shape
        assert mask.shape == pixels.shape[:2]
        assert (changed[mask > 0] != pixels[mask > 0]).any()
        rows, cols = np.nonzero(mask)
        assert part[int(np.median(rows)), int(np.median(cols))] == 1
        # The defect is local.
        assert (mask > 0).mean() < 0.05


def test_a_picture_without_a_ground_gets_defects_anywhere() -> None:
    rng = np.random.default_rng(1)
    texture = np.random.default_rng(2).integers(90, 160, (128, 128), np.uint8)
    places = []
    for _ in range(12):
        _, mask = draw_defect(texture, "dent", rng)
        places.append(np.argwhere(mask).mean(0))
    assert np.ptp(places, 0).min() > 60


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    scatter(tmp_path / "few", 8)
    with pytest.raises(DataError, match="has 8 pictures; expected 16 or more"):
        write_set(tmp_path / "few", tmp_path / "out", 0)
    with pytest.raises(DataError, match="has 0 pictures"):
        write_set(tmp_path / "missing", tmp_path / "out", 0)
    with pytest.raises(DataError, match="is not empty"):
        write_set(tmp_path / "few", tmp_path / "few", 0)
    flat = np.full((64, 64), 128, np.uint8)
    with pytest.raises(DataError, match="no defect of kind patch is clearly visible"):
        draw_defect(flat, "patch", np.random.default_rng(0))
