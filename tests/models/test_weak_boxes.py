"""Boxes as weak labels: estimated outlines, cells that are not known, the loss, T, the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

import torch

from edge.label_files.shapes import BoxArea, LabelledShape, PolygonArea
from edge.records import SeverityMap
from models.data.boxes import estimate_outline, estimate_outlines, is_boxed
from models.data.dataset import KindBox, Pixels, Sample, shape_mask
from models.report.limits import unknowns
from models.training.alignment import align_pictures, find_alignment
from models.training.blocks import collect_regions
from models.training.losses import l2, without_unknown
from models.training.patches import (
    UNKNOWN,
    UNKNOWN_MARK,
    PatchSource,
    Picture,
    set_t_by,
    severity_target,
    target_with_unknown,
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


def pitted(*pits: tuple[int, int, int, int], grey: int = 40) -> Pixels:
    """A noisy surface with dark rectangles: left, top, right and bottom of each."""
    pixels = np.random.default_rng(1).integers(120, 136, SIZE, np.uint8)
    for left, top, right, bottom in pits:
        pixels[top:bottom, left:right] = grey
    return pixels


def picture(*shapes: LabelledShape, pixels: Pixels | None = None) -> Picture:
    pixels = pitted((42, 30, 58, 42)) if pixels is None else pixels
    own = sample(*shapes)
    kind_map = np.zeros(SIZE, np.uint8)
    for shape in shapes:
        kind_map[shape_mask(shape, SIZE)] = 1
    estimated = estimate_outlines(own, pixels, kind_map)
    return Picture(own, pixels, *((kind_map,) if estimated is None else estimated))


def smooth(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (3, 3), 0), np.uint8)


def iou(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("grey", [40, 240])
def test_the_outline_of_a_defect_is_found_in_its_box(grey: int) -> None:
    """A diagonal crack fills little of its box."""
    pixels = pitted()
    truth = np.zeros(SIZE, np.uint8)
    cv2.line(truth, (20, 20), (70, 60), 1, 3)
    pixels[truth > 0] = grey
    inside = np.zeros(SIZE, np.bool_)
    inside[19:62, 19:72] = True
    found = estimate_outline(smooth(pixels), inside, ~inside)
    assert found is not None
    assert iou(found, truth > 0) > 0.6
    assert iou(inside, truth > 0) < 0.15


def test_a_box_in_which_nothing_stands_out_stays_filled() -> None:
    inside = np.zeros(SIZE, np.bool_)
    inside[20:60, 20:60] = True
    pixels = pitted((22, 22, 30, 58))  # reaches over one side of the box only
    assert estimate_outline(smooth(pixels), inside, ~inside) is None
    assert estimate_outline(np.full(SIZE, 100, np.uint8), inside, ~inside) is None
    everywhere = np.ones(SIZE, np.bool_)
    assert estimate_outline(smooth(pixels), everywhere, ~everywhere) is None
    assert estimate_outline(smooth(pixels), ~everywhere, everywhere) is None
    kept = picture(box(20, 20, 60, 60), pixels=pixels)
    assert kept.unknown is not None
    assert (int(kept.kind_map.sum()), int(kept.unknown.sum())) == (1600, 0)


def test_the_rest_of_a_box_is_not_known() -> None:
    own = picture(box(40, 28, 60, 44))
    assert own.unknown is not None
    assert own.kind_map[31:41, 43:57].all()
    inside = own.kind_map[28:44, 40:60] > 0
    assert np.array_equal(inside, own.unknown[28:44, 40:60] == 0)
    assert own.unknown.sum() == 20 * 16 - inside.sum() > 50
    assert not own.kind_map[28, 40:60].any()
    assert picture(outline()).unknown is None


def test_drawn_outlines_count_before_boxes_and_other_defects_are_no_surface() -> None:
    pixels = pitted((42, 30, 58, 42), (5, 5, 35, 60))
    drawn = LabelledShape("dent", PolygonArea((((38.0, 30.0), (50.0, 30.0), (50.0, 42.0)),)), "a")
    own = picture(drawn, box(40, 28, 60, 44), box(4, 4, 36, 61), pixels=pixels)
    assert own.unknown is not None
    assert not (own.unknown[shape_mask(drawn, SIZE)]).any()
    assert own.kind_map[shape_mask(drawn, SIZE)].all()
    assert own.kind_map[10:50, 10:30].all()  # the large pit does not hide the small one
    assert own.kind_map[33:39, 46:54].all()


def test_boxes_of_deeppcb_are_no_weak_labels() -> None:
    own = replace(sample(), kinds=("open",), boxes=(KindBox("open", 1, 1, 9, 9),))
    assert estimate_outlines(own, pitted(), np.zeros(SIZE, np.uint8)) is None
    assert not is_boxed(own)


def test_a_sample_is_boxed_where_boxes_alone_show_its_defects() -> None:
    assert is_boxed(sample(box(1, 1, 5, 5)))
    assert not is_boxed(sample(box(1, 1, 5, 5), outline()))
    assert not is_boxed(sample())


def test_cells_that_are_not_known_have_no_target() -> None:
    pixels = np.full((64, 64), 128, np.uint8)
    marks = np.zeros((64, 64), np.uint8)
    marks[10:20, 10:20] = UNKNOWN_MARK
    marks[40:44, 40:44] = 1
    pixels[40:44, 40:44] = 20
    target = target_with_unknown(pixels, marks, 2, LABELS, 100.0)
    assert (target[5:10, 5:10] == UNKNOWN).all()
    assert (target < 0).sum() == 25
    drawn = np.where(marks == 1, marks, 0)
    expected = severity_target(pixels, drawn, 2, LABELS, 100.0)
    np.testing.assert_array_equal(target[target >= 0], expected[target >= 0])
    marks[9:10, 10:20] = 1  # a cell of both is one of the defect
    pixels[9:10, 10:20] = 20
    marks[8:9, 10:20] = UNKNOWN_MARK
    floor = LabelRecipe(floor=6.0)
    assert (target_with_unknown(pixels, marks, 2, floor, 100.0)[4, 5:10] >= 6).all()


def test_patches_of_boxed_pictures_hold_unknown_cells() -> None:
    boxed = PatchSource((picture(box(40, 28, 60, 44)),), ("dent",), RECIPE, 100.0)
    targets = np.concatenate([boxed.batch(step)[1] for step in range(6)])
    assert targets.min() == UNKNOWN
    assert targets.max() > 6
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
def test_no_cell_that_is_not_known_is_punished(logistic: bool) -> None:
    outputs = torch.linspace(-3.0, 3.0, 2 * 10 * 10).reshape(2, 1, 10, 10).requires_grad_()
    targets = torch.zeros(2, 1, 10, 10)
    targets[0, 0, :4, :5] = UNKNOWN
    targets[1, 0, 6:, 6:] = 9.0
    left, known = without_unknown(outputs, targets, logistic=logistic)
    assert (known[0] == 0).all()
    assert torch.equal(known[1], targets[1])
    l2(torch.sigmoid(left) if logistic else left, known).backward()
    assert outputs.grad is not None
    gradient = outputs.grad[:, 0]
    assert (gradient[0, :4, :5] == 0).all()
    assert (gradient[0, 4:] != 0).all()
    assert (gradient[1] != 0).all()


def test_where_all_is_known_nothing_changes() -> None:
    outputs, targets = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    left, same = without_unknown(outputs, targets, logistic=True)
    assert left is outputs
    assert same is targets


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


def test_boxes_set_t_where_nothing_else_is_drawn() -> None:
    good, boxed = picture(), picture(box(40, 28, 60, 44))
    drawn = picture(outline())
    assert set_t_by((good, boxed)) == (good, boxed)
    assert set_t_by((good, boxed, drawn)) == (good, drawn)
    assert set_t_by((good, drawn)) == (good, drawn)


def test_a_region_in_the_rest_of_a_box_is_no_background() -> None:
    own = picture(box(40, 28, 60, 44))
    assert own.unknown is not None
    assert not own.kind_map[28, 40:60].any()

    def labels(place: tuple[slice, slice]) -> list[int]:
        """The labels of regions that are reported there, at T and at half of it."""
        cells = np.zeros((40, 48), np.float32)
        cells[place] = 9.0
        found = collect_regions((own,), (SeverityMap(cells, 1.0, 0, 2),), 6.0, 0.0)
        return [region.label for region in found][1:]  # behind the annotated defect

    assert labels(np.s_[2:5, 2:9]) == [0, 0]
    assert labels(np.s_[16:20, 22:28]) == [1, 1]
    assert labels(np.s_[14:15, 20:30]) == []


def test_the_report_states_that_masks_are_boxes() -> None:
    good = [sample(name=f"{n}.png") for n in range(12)]
    bad = [sample(box(1, 1, 5, 5), name=f"b{n}.png") for n in range(12)]
    assert unknowns([*good, *bad], ["dent"]) == (
        "Of those held back, 12 of 12 defective pictures have boxes in place of masks. Figures of "
        "pixels compare with outlines that are estimated from the pictures, so they show little of "
        "the true extent of a defect.",
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
    marked = np.zeros(drawn[0].shape, np.uint8)
    marked[100:156, 110:146] = 1
    (aligned,) = align_pictures((replace(pictures[0], kind_map=marked, unknown=marked),), found)
    assert aligned.unknown is not None
    assert aligned.unknown.any()
    np.testing.assert_array_equal(aligned.unknown, aligned.kind_map)
