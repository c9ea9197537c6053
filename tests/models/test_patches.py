"""Training patches: the same for a step whenever it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.dataset import Sample
from models.training.patches import PatchSource, Picture, find_truncate, severity_target
from models.training.recipe import LabelRecipe, Recipe

RECIPE = Recipe.model_validate(
    {"name": "tiny", "seed": 3, "detector": {"patch_px": 64, "batch": 4, "defect_share": 0.5}}
)


def picture(kind: int = 0, seed: int = 0, colour: bool = False) -> Picture:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(120, 136, (80, 96, 3) if colour else (80, 96), np.uint8)
    kind_map = np.zeros((80, 96), np.uint8)
    if kind:
        kind_map[30:40, 40:60] = kind
        pixels[30:40, 40:60] = 20
    kinds = ((), ("crack",), ("hole",))[kind]
    return Picture(Sample(f"{seed}.png", Path("x"), "g", kinds), pixels, kind_map)


def source(recipe: Recipe = RECIPE, colour: bool = False) -> PatchSource:
    some = (picture(0, 1, colour), picture(1, 2, colour), picture(2, 3, colour))
    return PatchSource(some, ("crack", "hole"), recipe, 200.0)


@pytest.mark.parametrize(("colour", "channels"), [(False, 1), (True, 3)])
def test_the_shapes_of_a_batch(colour: bool, channels: int) -> None:
    pixels, targets = source(colour=colour).batch(0)
    assert (pixels.shape, pixels.dtype) == ((4, channels, 64, 64), np.uint8)
    assert (targets.shape, targets.dtype) == ((4, 1, 32, 32), np.float32)
    assert pixels.flags.c_contiguous
    assert 0 <= targets.min() <= targets.max() <= 12


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = source(), source()
    later = [other.batch(step) for step in (7, 3, 5)]
    for step, (pixels, targets) in zip((7, 3, 5), later, strict=True):
        again, and_targets = one.batch(step)
        assert (pixels == again).all()
        assert (targets == and_targets).all()
    assert (later[0][0] != later[1][0]).any()
    reseeded = source(RECIPE.model_copy(update={"seed": 4})).batch(7)
    assert (reseeded[0] != later[0][0]).any()


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (1.0, 40)])
def test_defect_share_is_how_many_are_cut_around_a_defect(share: float, expected: int) -> None:
    detector = RECIPE.detector.model_copy(update={"defect_share": share, "batch": 40})
    recipe = RECIPE.model_copy(
        update={
            "detector": detector,
            "augment": RECIPE.augment.model_copy(update={"shift_px": 0, "rotate_deg": 0.0}),
        }
    )
    good = (picture(0, 1),) * 50
    pictures = (*good, picture(1, 2)) if share else good
    _, targets = PatchSource(pictures, ("crack",), recipe, 200.0).batch(0)
    assert int((targets.reshape(40, -1).max(1) > 0).sum()) == expected


def test_the_target_of_a_good_picture_is_zero_and_of_a_defect_its_place() -> None:
    good, bad = picture(0), picture(1)
    labels = LabelRecipe()
    assert not severity_target(good.pixels, good.kind_map, 2, labels, 200.0).any()
    target = severity_target(bad.pixels, bad.kind_map, 2, labels, 200.0)
    assert target.shape == (40, 48)
    assert (target[15:20, 20:30] > 0).all()
    target[15:20, 20:30] = 0
    assert not target.any()


def test_the_floor_lifts_defect_cells_alone() -> None:
    bad = picture(1)
    target = severity_target(bad.pixels, bad.kind_map, 2, LabelRecipe(floor=6.0), 1e6)
    assert target.max() < 6.1
    assert target[15:20, 20:30].min() >= 6.0
    assert target[0, 0] == 0.0


def test_truncate_is_the_recipes_or_the_datas() -> None:
    assert find_truncate((picture(1),), 2, LabelRecipe(truncate=321.0)) == 321.0
    found = find_truncate((picture(0), picture(1)), 2, LabelRecipe(truncate=0.0))
    # The defect is 20, its surroundings 120 to 135: d0 and d1 are each about 100.
    assert 180 < found < 240
    with pytest.raises(ValueError, match="no training picture carries a defect"):
        find_truncate((picture(0),), 2, LabelRecipe(truncate=0.0))
