"""Boxes as weak labels: their cells in a patch, the loss, T, the sides of the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from edge.label_files.shapes import BoxArea, LabelledShape, PolygonArea
from models.data.boxes import MOST_NUMBERS, box_numbers, is_boxed
from models.data.dataset import KindBox, Pixels, Sample
from models.report.limits import unknowns
from models.training.alignment import align_pictures, find_alignment
from models.training.losses import BOX_SEVERITY, BOX_SHARE, l2, without_boxes
from models.training.patches import (
    BOXES_FROM,
    UNKNOWN,
    PatchSource,
    Picture,
    apart_from_boxes,
    box_target,
    severity_target,
)
from models.training.recipe import AlignmentRecipe, LabelRecipe, Recipe
from models.training.whole_pictures import Sampling, WholePictures
from tests.support.bolts import draw_bolt

SIZE = (80, 96)
RECIPE = Recipe.model_validate(
    {"name": "tiny", "seed": 3, "detector": {"patch_px": 64, "batch": 4, "defect_share": 1.0}}
)
LABELS = LabelRecipe()
OUTLINE = PolygonArea((((10.0, 10.0), (30.0, 10.0), (30.0, 30.0)),))


def box(left: float, top: float, right: float, bottom: float) -> LabelledShape:
    return LabelledShape("dent", BoxArea(left, top, right, bottom), "a.json: annotations[0]")


def outline() -> LabelledShape:
    return LabelledShape("dent", OUTLINE, "a.json: annotations[1]")


def sample(*shapes: LabelledShape, name: str = "a.png") -> Sample:
    kinds = ("dent",) if shapes else ()
    return Sample(name, Path(name), name, kinds, shapes=shapes)


def picture(*shapes: LabelledShape) -> Picture:
    pixels = np.random.default_rng(1).integers(120, 136, SIZE, np.uint8)
    own = sample(*shapes)
    numbers = box_numbers(own, SIZE)
    kind_map = np.zeros(SIZE, np.uint8) if numbers is None else (numbers > 0).astype(np.uint8)
    return Picture(own, pixels, kind_map, numbers)


def test_boxes_are_numbered_and_outlines_count_before_them() -> None:
    numbers = box_numbers(sample(box(5, 5, 40, 40), outline(), box(60, 60, 70, 66)), SIZE)
    assert numbers is not None
    assert (numbers[8, 8], numbers[12, 28], numbers[62, 62], numbers[0, 0]) == (1, 0, 2, 0)
    many = box_numbers(sample(*[box(n, 0, n + 0.9, 1) for n in range(90)] * 2), SIZE)
    assert many is not None
    assert many.max() == MOST_NUMBERS
    assert box_numbers(sample(outline()), SIZE) is None


def test_boxes_of_deeppcb_are_no_weak_labels() -> None:
    own = replace(sample(), kinds=("open",), boxes=(KindBox("open", 1, 1, 9, 9),))
    assert box_numbers(own, SIZE) is None
    assert not is_boxed(own)


def test_a_sample_is_boxed_where_boxes_alone_show_its_defects() -> None:
    assert is_boxed(sample(box(1, 1, 5, 5)))
    assert not is_boxed(sample(box(1, 1, 5, 5), outline()))
    assert not is_boxed(sample())


def test_cells_of_a_box_are_unknown_and_demanded_where_it_is_visible() -> None:
    pixels = np.full((64, 64), 128, np.uint8)
    marks = np.zeros((64, 64), np.uint8)
    marks[10:20, 10:20] = BOXES_FROM + 4
    marks[40:44, 40:44] = 1
    pixels[40:44, 40:44] = 20
    full_px = np.zeros(256, np.int64)
    full_px[BOXES_FROM + 4] = 100
    target = box_target(pixels, marks, 2, LABELS, 100.0, full_px)
    assert (target[5:10, 5:10] == UNKNOWN - 5).all()
    assert (target < 0).sum() == 25
    drawn = np.where(marks == 1, marks, 0)
    expected = severity_target(pixels, drawn, 2, LABELS, 100.0)
    np.testing.assert_array_equal(target[target >= 0], expected[target >= 0])
    full_px[BOXES_FROM + 4] = 400  # a quarter of it is visible
    assert (box_target(pixels, marks, 2, LABELS, 100.0, full_px)[5:10, 5:10] == UNKNOWN).all()
    # A box larger than the patch is demanded where it fills most of the patch.
    marks[:] = BOXES_FROM
    full_px[BOXES_FROM] = 10_000
    assert (box_target(pixels, marks, 2, LABELS, 100.0, full_px) == UNKNOWN - 1).all()


def test_patches_of_boxed_pictures_hold_unknown_cells() -> None:
    boxed = PatchSource((picture(box(40, 30, 60, 42)),), ("dent",), RECIPE, 100.0)
    targets = np.concatenate([boxed.batch(step)[1] for step in range(6)])
    assert set(np.unique(targets).tolist()) <= {UNKNOWN - 1, UNKNOWN, 0.0}
    assert (targets == UNKNOWN - 1).any()
    assert (targets == 0.0).any()


def test_synthetic_defects_and_high_kinds_are_drawn() -> None:
    recipe = RECIPE.model_copy(
        update={"detector": RECIPE.detector.model_copy(update={"synthetic_share": 1.0})}
    )
    good = PatchSource((picture(),), (), recipe, 100.0)
    targets = np.concatenate([good.batch(step)[1] for step in range(3)])
    assert (targets > 0).any()
    assert targets.min() == 0.0
    pixels = picture().pixels.copy()
    kind_map = np.zeros(SIZE, np.uint8)
    kind_map[30:40, 40:60], pixels[30:40, 40:60] = 200, 20
    high = PatchSource((Picture(sample(outline()), pixels, kind_map),), ("dent",), RECIPE, 100.0)
    assert high.batch(0)[1].max() > 0
    assert high.batch(0)[1].min() == 0.0


def test_a_boxed_picture_gives_no_piece_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pasted piece of a box would be a defect with the surface around it."""
    recipe = RECIPE.model_copy(
        update={"detector": RECIPE.detector.model_copy(update={"copy_paste_share": 1.0})}
    )
    pasted: list[int] = []

    def paste(pixels: Pixels, marks: Pixels, *rest: object) -> tuple[Pixels, Pixels]:
        pasted.append(1)
        return pixels, marks

    monkeypatch.setattr("models.training.patches.paste_piece", paste)
    PatchSource((picture(box(0, 0, 96, 80)),), ("dent",), recipe, 100.0).batch(0)
    assert pasted == []
    PatchSource((picture(),), ("dent",), recipe, 100.0).batch(0)
    assert len(pasted) == 4


@pytest.mark.parametrize("logistic", [True, False])
def test_no_cell_of_a_box_is_punished_and_its_strongest_are_demanded(logistic: bool) -> None:
    outputs = torch.linspace(-3.0, 3.0, 2 * 10 * 10).reshape(2, 1, 10, 10).requires_grad_()
    targets = torch.zeros(2, 1, 10, 10)
    targets[0, 0, :4, :5] = UNKNOWN - 1
    targets[1, 0, 6:, 6:] = UNKNOWN
    left, sound, demand = without_boxes(outputs, targets, logistic=logistic)
    assert demand is not None
    assert (sound == 0).all()
    (demand + l2(torch.sigmoid(left) if logistic else left, sound)).backward()
    assert outputs.grad is not None
    gradient = outputs.grad[:, 0]
    pulled = gradient[0, :4, :5] < 0
    assert int(pulled.sum()) == round(BOX_SHARE * 20)
    values = outputs.detach()[0, 0, :4, :5]
    assert values[pulled].min() > values[~pulled].max()
    assert (gradient[0, :4, :5][~pulled] == 0).all()
    assert (gradient[1, 6:, 6:] == 0).all()
    assert (gradient[1, :6] != 0).all()


def test_the_demand_of_a_box_is_met_at_its_severity() -> None:
    targets = torch.full((1, 1, 4, 4), UNKNOWN - 1)
    reached = torch.full((1, 1, 4, 4), BOX_SEVERITY)
    assert without_boxes(reached, targets, logistic=False)[2] == 0.0
    logits = [torch.full((1, 1, 4, 4), value) for value in (-2.0, 1.0986, 4.0)]
    at = [float(without_boxes(each, targets, logistic=True)[2] or 0.0) for each in logits]
    assert at[1] < min(at[0], at[2])


def test_without_boxes_nothing_changes() -> None:
    outputs, targets = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    left, same, demand = without_boxes(outputs, targets, logistic=True)
    assert left is outputs
    assert same is targets
    assert demand is None


def test_cells_of_whole_pictures_with_boxes_are_not_known() -> None:
    source = WholePictures(
        (picture(box(40, 30, 60, 42)), picture()),
        Sampling(0, 4, 64, RECIPE.augment.options(centre_on_defect=False)),
        lambda pixels, kind_map: severity_target(pixels, kind_map, 2, LABELS, 100.0),
        32,
    )
    _, targets = source.batch(0)
    bad = targets[:, -1] == 12.0
    assert np.isnan(targets[bad, :-1]).all()
    assert not np.isnan(targets[~bad]).any()


def test_boxes_do_not_set_the_extent_of_a_defect() -> None:
    good, boxed = picture(), picture(box(40, 30, 60, 42))
    drawn = Picture(sample(outline()), good.pixels, good.kind_map)
    assert apart_from_boxes((good, boxed)) == ((good,), (boxed,))
    assert apart_from_boxes((good, boxed, drawn)) == ((good, drawn), ())
    assert apart_from_boxes((boxed,)) == ((boxed,), ())
    assert apart_from_boxes((good, drawn)) == ((good, drawn), ())


def test_the_report_states_that_masks_are_boxes() -> None:
    good = [sample(name=f"{n}.png") for n in range(12)]
    bad = [sample(box(1, 1, 5, 5), name=f"b{n}.png") for n in range(12)]
    assert unknowns([*good, *bad], ["dent"]) == (
        "Of those held back, 12 of 12 defective pictures have boxes in place of masks. Figures of "
        "pixels compare with every pixel of a box, so they show little of the extent of a defect.",
    )
    (told, _) = unknowns([*good, *bad], ["dent", "pit"])[:2]
    assert told.startswith("Of those held back, 12 of 12")
    assert unknowns([*good, *bad], ["dent", "pit"])[1].startswith("Whether pit is found is unknown")


def test_boxes_are_aligned_with_their_pixels() -> None:
    rng = np.random.default_rng(5)
    drawn = [
        draw_bolt(float(rng.uniform(-180, 180)), centre=tuple(rng.uniform(118, 138, 2)))
        for _ in range(14)
    ]
    pictures = tuple(
        Picture(sample(name=f"{n}.png"), pixels, np.zeros_like(pixels))
        for n, pixels in enumerate(drawn)
    )
    found = find_alignment(pictures, AlignmentRecipe(use="auto"))
    assert found is not None
    marked = (drawn[0] > 225).astype(np.uint8)
    (aligned,) = align_pictures((replace(pictures[0], kind_map=marked, boxes=marked * 3),), found)
    assert aligned.boxes is not None
    np.testing.assert_array_equal(aligned.boxes, aligned.kind_map * 3)
