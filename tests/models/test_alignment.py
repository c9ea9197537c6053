"""Alignment in training: when it is used, its values, aligned pictures and changed parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")

from edge.bundle import AlignmentManifest
from models.data.dataset import DataError, Pixels, Sample
from models.training.alignment import (
    align_pictures,
    aligned_view,
    change_part,
    find_alignment,
)
from models.training.patches import Picture
from models.training.recipe import AlignmentRecipe
from tests.support.bolts import draw_bolt

AUTO = AlignmentRecipe(use="auto")
_Draw = Callable[[np.random.Generator], npt.NDArray[np.uint8]]


def _pictures(draw: _Draw, count: int = 14) -> tuple[Picture, ...]:
    rng = np.random.default_rng(5)
    drawn = [draw(rng) for _ in range(count)]
    return tuple(
        Picture(Sample(f"{i}.png", Path(f"{i}.png"), str(i)), pixels, np.zeros_like(pixels))
        for i, pixels in enumerate(drawn)
    )


def _anywhere(rng: np.random.Generator, **options: bool) -> npt.NDArray[np.uint8]:
    angle, x, y = rng.uniform([-180, 100, 100], [180, 156, 156]).tolist()
    return draw_bolt(angle, centre=(x, y), noise_seed=int(rng.integers(1000)), **options)


def _round(rng: np.random.Generator, radius_px: int = 30) -> npt.NDArray[np.uint8]:
    picture = np.full((256, 256), 200, np.uint8)
    x, y = rng.integers(80, 176, 2).tolist()
    cv2.circle(picture, (x, y), radius_px, 60, -1)
    return picture


@pytest.fixture(scope="module")
def bolts() -> tuple[Picture, ...]:
    return _pictures(_anywhere)


@pytest.fixture(scope="module")
def alignment(bolts: tuple[Picture, ...]) -> AlignmentManifest:
    found = find_alignment(bolts, AUTO)
    assert found is not None
    return found


def test_scattered_parts_are_aligned(alignment: AlignmentManifest) -> None:
    assert alignment.turns
    assert alignment.directed
    # The bolt is 141 px long and 41 px wide, with 8 px around it.
    assert (alignment.height, alignment.width) == (64, 160)
    assert alignment.least_area_px < 2200 < alignment.most_area_px
    assert 40 < alignment.contrast < 110


def test_every_part_lies_wholly_inside(
    alignment: AlignmentManifest, bolts: tuple[Picture, ...]
) -> None:
    for picture in align_pictures(bolts, alignment):
        assert picture.pixels.shape == picture.kind_map.shape == (64, 160)
        rim = np.concatenate([picture.pixels[[0, -1]].ravel(), picture.pixels[:, [0, -1]].ravel()])
        assert rim.min() > 150
        # The head is to the left of every picture.
        assert picture.pixels[:, :50].mean() < picture.pixels[:, -50:].mean()


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda rng: draw_bolt(0.0, centre=tuple(rng.uniform(126, 130, 2))), "one pose already"),
        (lambda rng: rng.integers(0, 255, (128, 128), np.uint8), "of the rim"),
        (lambda rng: _round(rng, int(rng.integers(15, 45))), "not one kind of part"),
        (lambda rng: np.full((128, 128), 128, np.uint8), "grey levels only"),
    ],
)
def test_other_pictures_are_left_as_they_are(
    draw: _Draw, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    pictures = _pictures(draw)
    assert find_alignment(pictures, AUTO) is None
    (message,) = [m for m in caplog.messages if m.startswith("alignment off")]
    assert reason in message


def test_an_empty_picture_among_them_refuses_the_alignment(bolts: tuple[Picture, ...]) -> None:
    empty = _pictures(lambda rng: np.full((256, 256), 200, np.uint8), 1)
    assert find_alignment((*bolts, *empty), AUTO) is None


def test_one_odd_picture_among_a_hundred_is_left_out(bolts: tuple[Picture, ...]) -> None:
    many = (*bolts, *_pictures(_anywhere, 90))
    empty = _pictures(lambda rng: np.full((256, 256), 200, np.uint8), 1)
    double = _pictures(lambda rng: cv2.resize(draw_bolt(0.0), (512, 512)), 1)
    found, usual = (find_alignment(some, AUTO) for some in ((*many, *empty, *double), many))
    assert found is not None
    assert usual is not None
    assert (found.height, found.width) == (usual.height, usual.width)
    assert found.most_area_px == pytest.approx(usual.most_area_px, rel=0.02)


def test_few_pictures_are_not_enough(bolts: tuple[Picture, ...]) -> None:
    assert find_alignment(bolts[:9], AUTO) is None


def test_never_and_always(bolts: tuple[Picture, ...]) -> None:
    assert find_alignment(bolts, AlignmentRecipe()) is None
    always = AlignmentRecipe(use="always")
    # Parts in one pose already are aligned too.
    still = _pictures(lambda rng: draw_bolt(0.0, noise_seed=int(rng.integers(99))))
    assert find_alignment(still, always) is not None
    noise = _pictures(lambda rng: rng.integers(0, 255, (128, 128), np.uint8))
    with pytest.raises(DataError, match=r"recipe key 'alignment.use': .*expected 'auto'"):
        find_alignment(noise, always)


def test_round_parts_are_centred_only() -> None:
    found = find_alignment(_pictures(_round), AUTO)
    assert found is not None
    assert not found.turns
    assert not found.directed
    assert found.height == found.width == 96


def test_parts_without_a_heavier_end_are_trained_in_both_poses() -> None:
    pictures = _pictures(lambda rng: _anywhere(rng, has_head=False))
    found = find_alignment(pictures, AUTO)
    assert found is not None
    assert found.turns
    assert not found.directed
    aligned = align_pictures(pictures, found)
    assert len(aligned) == 2 * len(pictures)
    np.testing.assert_array_equal(aligned[1].pixels, aligned[0].pixels[::-1, ::-1])


def test_a_picture_without_a_part_is_left_out(
    alignment: AlignmentManifest, bolts: tuple[Picture, ...], caplog: pytest.LogCaptureFixture
) -> None:
    empty = _pictures(lambda rng: np.full((256, 256), 200, np.uint8), 1)
    assert len(align_pictures((*bolts, *empty), alignment)) == len(bolts)
    assert caplog.messages == ["alignment-skipped picture=0.png"]


def test_masks_are_aligned_with_their_pixels(alignment: AlignmentManifest) -> None:
    pixels = draw_bolt(37.0, mark_px=30.0)
    kind_map = (pixels > 225).astype(np.uint8) * 3
    view = aligned_view(pixels, kind_map, alignment)
    assert view is not None
    assert set(np.unique(view[1])) == {0, 3}
    assert view[0][view[1] == 3].min() > 130


@pytest.mark.parametrize("angle_deg", [0.0, 37.0, -100.0])
def test_a_change_touches_the_part_only(alignment: AlignmentManifest, angle_deg: float) -> None:
    def blot(pixels: Pixels, kind_map: Pixels) -> tuple[Pixels, Pixels]:
        changed, marked = pixels.copy(), kind_map.copy()
        changed[28:36, 80:90], marked[28:36, 80:90] = 255, 7
        return changed, marked

    pixels = draw_bolt(angle_deg)
    changed, marked = change_part(pixels, np.zeros_like(pixels), alignment, blot)
    assert 60 <= (marked == 7).sum() <= 100
    assert pixels[marked == 7].max() < 100  # on the bolt
    np.testing.assert_array_equal(changed != pixels, marked > 0)
    whole = change_part(pixels, np.zeros_like(pixels), None, blot)
    np.testing.assert_array_equal(np.argwhere(whole[1])[0], [28, 80])
