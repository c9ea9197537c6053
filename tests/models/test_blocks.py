"""Blocks for the classifier: what regions are called, and batches that depend on the step alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from edge.records import Box, SeverityMap
from models.data.dataset import Sample
from models.training.blocks import BlockSource, LabelledRegion, collect_regions
from models.training.patches import Picture
from models.training.recipe import Recipe

SIDE = 120
RECIPE = Recipe.model_validate(
    {"name": "tiny", "seed": 3, "classifier": {"batch": 64, "background_share": 0.4}}
)


def picture(kind_map: np.ndarray, kinds: tuple[str, ...], colour: bool = False) -> Picture:
    """The pixels say what is annotated: 100 where nothing is, 200 and more by kind."""
    pixels = np.where(kind_map > 0, 180 + 20 * kind_map, 100).astype(np.uint8)
    if colour:
        pixels = np.repeat(pixels[:, :, None], 3, 2)
    return Picture(Sample("x.png", Path("x"), "g", kinds), pixels, kind_map)


def annotated(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    kind_map = np.zeros((SIDE, SIDE), np.uint8)
    for left, top, right, bottom, kind in boxes:
        kind_map[top:bottom, left:right] = kind
    return kind_map


def severity(*boxes: tuple[int, int, int, int, float]) -> SeverityMap:
    """Stride 1: the map is the frame, and a region is exactly its rectangle."""
    values = np.zeros((SIDE, SIDE), np.float32)
    for left, top, right, bottom, value in boxes:
        values[top:bottom, left:right] = value
    return SeverityMap(values, 1.0, 0, 1)


def labels(kind_map: np.ndarray, seen: SeverityMap, threshold: float = 4.0) -> list[LabelledRegion]:
    return list(collect_regions((picture(kind_map, ("k",)),), (seen,), threshold, 4.0))


def test_annotated_defects_are_regions_of_their_kind() -> None:
    kind_map = annotated((10, 10, 20, 20, 2), (60, 60, 70, 64, 1), (73, 60, 80, 64, 1))
    assert labels(kind_map, severity()) == [
        LabelledRegion(0, Box(60, 60, 70, 64), 1),  # 3 sound pixels between: two
        LabelledRegion(0, Box(73, 60, 80, 64), 1),
        LabelledRegion(0, Box(10, 10, 20, 20), 2),
    ]


def test_clusters_nearer_than_the_join_distance_are_one_region() -> None:
    kind_map = annotated((60, 60, 70, 64, 1), (72, 60, 80, 64, 1))
    assert labels(kind_map, severity()) == [LabelledRegion(0, Box(60, 60, 80, 64), 1)]


@pytest.mark.parametrize(
    ("share_px", "label"),
    [(0, 0), (5, 0), (6, None), (29, None), (30, 2), (100, 2)],
)
def test_a_reported_region_is_true_background_or_left_out(share_px: int, label: int | None) -> None:
    """10×10 reported; so many of its pixels are annotated: 30 % are a defect, 5 % are none."""
    kind_map = np.zeros((SIDE, SIDE), np.uint8)
    block = np.zeros(100, np.uint8)
    block[:share_px] = 2
    kind_map[40:50, 40:50] = block.reshape(10, 10)
    found = labels(kind_map, severity((40, 40, 50, 50, 8.0)))
    reported = [region.label for region in found if region.box == Box(40, 40, 50, 50)]
    if share_px == 100:
        reported = reported[1:]  # the annotation itself
    assert reported == ([] if label is None else [label] * 2)  # at T and at T / 2


def test_the_kind_most_pixels_have_names_a_region() -> None:
    kind_map = annotated((40, 40, 44, 50, 1), (44, 40, 50, 50, 2))
    found = labels(kind_map, severity((40, 40, 50, 50, 8.0)))
    assert [r.label for r in found if r.box == Box(40, 40, 50, 50)] == [2, 2]


def test_half_of_the_threshold_finds_what_the_threshold_does_not() -> None:
    found = labels(annotated(), severity((40, 40, 50, 50, 2.5)))
    assert found == [LabelledRegion(0, Box(40, 40, 50, 50), 0)]
    assert labels(annotated(), severity((40, 40, 50, 50, 1.9))) == []


def test_regions_know_their_picture() -> None:
    some = (picture(annotated(), ()), picture(annotated((10, 10, 20, 20, 1)), ("k",)))
    found = collect_regions(some, (severity((5, 5, 9, 9, 8.0)), severity()), 4.0, 4.0)
    assert {(region.picture, region.label) for region in found} == {(0, 0), (1, 1)}


def source(recipe: Recipe = RECIPE, good: bool = True, colour: bool = False) -> BlockSource:
    defects = annotated((20, 20, 40, 40, 1), (70, 70, 90, 90, 2))
    pictures = (picture(defects, ("a", "b"), colour), picture(annotated(), (), colour))
    regions = (
        LabelledRegion(0, Box(20, 20, 40, 40), 1),
        LabelledRegion(0, Box(70, 70, 90, 90), 2),
        *(LabelledRegion(1, Box(5 * i, 5, 5 * i + 9, 9), 0) for i in range(4)),
    )
    return BlockSource(pictures if good else pictures[:1], regions[: 6 if good else 2], recipe)


@pytest.mark.parametrize(("colour", "channels"), [(False, 1), (True, 3)])
def test_the_shapes_of_a_batch(colour: bool, channels: int) -> None:
    pixels, kinds = source(colour=colour).batch(0)
    assert (pixels.shape, pixels.dtype) == ((64, channels, 64, 64), np.uint8)
    assert (kinds.shape, kinds.dtype) == ((64,), np.int64)
    assert pixels.flags.c_contiguous


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = source(), source()
    later = {step: other.batch(step) for step in (7, 3)}
    for step in (3, 7):
        pixels, kinds = one.batch(step)
        assert (pixels == later[step][0]).all()
        assert (kinds == later[step][1]).all()
    assert (later[3][0] != later[7][0]).any()
    reseeded = source(RECIPE.model_copy(update={"seed": 4})).batch(7)
    assert (reseeded[0] != later[7][0]).any()


def test_kinds_come_in_equal_shares_and_background_in_its_own() -> None:
    kinds = np.concatenate([source().batch(step)[1] for step in range(10)])
    shares = np.bincount(kinds, minlength=3) / len(kinds)
    assert shares == pytest.approx([0.4, 0.3, 0.3], abs=0.06)  # 640 drawn: 3 sigma


def test_without_good_parts_and_false_alarms_there_are_defects_to_draw() -> None:
    kinds = source(good=False).batch(0)[1]
    assert set(kinds.tolist()) == {1, 2}


def test_without_any_annotated_defect_there_is_nothing_to_teach() -> None:
    regions = (LabelledRegion(0, Box(0, 0, 9, 9), 0),)
    with pytest.raises(ValueError, match="no annotated defect"):
        BlockSource((picture(annotated(), ()),), regions, RECIPE)


def test_a_defects_block_shows_the_defect() -> None:
    """Whatever window and jitter are drawn: some of what is annotated is in view."""
    augment = RECIPE.augment.model_copy(
        update={"noise_sigma": 0.0, "illumination": 0.0, "contrast": 0.0, "brightness": 0.0}
    )
    some = source(RECIPE.model_copy(update={"augment": augment}))
    for step in range(4):
        pixels, kinds = some.batch(step)
        for block, kind in zip(pixels, kinds.tolist(), strict=True):
            assert kind == 0 or (block > 150).any()


def test_the_loop_gets_normalised_pixels() -> None:
    some = source()
    (inputs, targets), *_ = list(some.batches(3, 5))
    pixels, kinds = some.batch(3)
    assert inputs.dtype.is_floating_point
    assert np.allclose(inputs.numpy(), (pixels.astype(np.float32) - 128) / 64)
    assert targets.tolist() == kinds.tolist()
