"""Augmentation: each option, its neutral value, and the kind map that must follow the image."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.augmentation.crops import Augmentation, augment

EVERYTHING = Augmentation(
    flip=True,
    rotate_deg=180.0,
    noise_sigma=6.0,
    illumination=0.3,
    contrast=0.3,
    brightness=25.0,
    centre_on_defect=True,
    shift_px=20,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(height: int = 64, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A smooth surface with a bright square whose kind is 2; the square is exactly the mask."""
    image = np.fromfunction(lambda y, x: 60 + y / 2 + x / 4, (height, width)).astype(np.uint8)
    kind_map = np.zeros((height, width), np.uint8)
    kind_map[20:30, 34:48] = 2
    image[kind_map > 0] = 220
    return image, kind_map


def test_defaults_change_nothing() -> None:
    image, kind_map = picture()
    out, kinds = augment(image, kind_map, Augmentation(), rng(), (64, 64))
    np.testing.assert_array_equal(out, image)
    np.testing.assert_array_equal(kinds, kind_map)
    assert not np.shares_memory(out, image)
    assert not np.shares_memory(kinds, kind_map)


@pytest.mark.parametrize(
    "options",
    [
        Augmentation(flip=True),
        Augmentation(rotate_deg=30.0),
        Augmentation(noise_sigma=5.0),
        Augmentation(illumination=0.3),
        Augmentation(contrast=0.3),
        Augmentation(brightness=30.0),
    ],
    ids=lambda options: next(
        f.name for f in dataclasses.fields(options) if getattr(options, f.name)
    ),
)
def test_each_option_changes_the_image(options: Augmentation) -> None:
    image, kind_map = picture()
    changed = [augment(image, kind_map, options, rng(seed), (64, 64))[0] for seed in range(6)]
    assert any(not np.array_equal(out, image) for out in changed)
    assert any(not np.array_equal(out, changed[0]) for out in changed[1:])


@pytest.mark.parametrize(
    "options",
    [
        Augmentation(noise_sigma=5.0),
        Augmentation(illumination=0.3),
        Augmentation(contrast=0.3),
        Augmentation(brightness=30.0),
    ],
)
def test_light_does_not_move_the_kind_map(options: Augmentation) -> None:
    image, kind_map = picture()
    np.testing.assert_array_equal(augment(image, kind_map, options, rng(), (64, 64))[1], kind_map)


def test_flip_gives_the_four_mirror_images() -> None:
    image, kind_map = picture()
    seen = set()
    for seed in range(40):
        out, kinds = augment(image, kind_map, Augmentation(flip=True), rng(seed), (64, 64))
        for rows in (1, -1):
            for cols in (1, -1):
                if np.array_equal(out, image[::rows, ::cols]):
                    np.testing.assert_array_equal(kinds, kind_map[::rows, ::cols])
                    seen.add((rows, cols))
    assert len(seen) == 4


@given(seed=st.integers(0, 2**32 - 1), flip=st.booleans())
def test_a_turned_defect_keeps_its_mask(seed: int, flip: bool) -> None:
    image, kind_map = picture()
    options = Augmentation(rotate_deg=180.0, flip=flip)
    out, kinds = augment(image, kind_map, options, rng(seed), (64, 64))
    assert set(np.unique(kinds)) <= {0, 2}
    # The square is 220 and the surface at most 107: half-way is the edge, whatever interpolation.
    disagree = np.count_nonzero((out > 165) != (kinds > 0))
    assert disagree <= 30  # a pixel of rim on 48 px of edge, and less


def test_rotation_is_bounded_by_its_option() -> None:
    image, kind_map = picture()
    for seed in range(20):
        _, kinds = augment(image, kind_map, Augmentation(rotate_deg=2.0), rng(seed), (64, 64))
        assert np.count_nonzero(kinds != kind_map) < 60


def test_brightness_is_an_offset_within_bounds() -> None:
    image = np.full((32, 32), 128, np.uint8)
    kinds = np.zeros_like(image)
    levels = [
        int(augment(image, kinds, Augmentation(brightness=20.0), rng(s), (32, 32))[0][0, 0])
        for s in range(60)
    ]
    assert 108 <= min(levels) < 118
    assert 138 < max(levels) <= 148


def test_contrast_stretches_about_the_mean() -> None:
    image = np.repeat(np.array([[100, 140]], np.uint8), 32, axis=0).repeat(16, axis=1)
    kinds = np.zeros_like(image)
    spreads = []
    for seed in range(60):
        out = augment(image, kinds, Augmentation(contrast=0.5), rng(seed), (32, 32))[0]
        spreads.append(int(out.max()) - int(out.min()))
        assert abs(float(out.mean()) - 120.0) <= 1.0
    assert 20 <= min(spreads) < 30
    assert 50 < max(spreads) <= 60


def test_illumination_is_a_ramp_about_the_middle() -> None:
    image = np.full((65, 65), 100, np.uint8)
    kinds = np.zeros_like(image)
    for seed in range(20):
        out = augment(image, kinds, Augmentation(illumination=0.4), rng(seed), (65, 65))[0].astype(
            int
        )
        assert out[32, 32] == 100
        assert out.min() >= 60
        assert out.max() <= 140
        assert abs(out[0, 0] + out[-1, -1] - 200) <= 1  # odd about the middle


def test_noise_has_no_more_than_its_sigma() -> None:
    image = np.full((128, 128), 128, np.uint8)
    kinds = np.zeros_like(image)
    sigmas = [
        float(augment(image, kinds, Augmentation(noise_sigma=8.0), rng(s), (128, 128))[0].std())
        for s in range(40)
    ]
    assert max(sigmas) < 8.3
    assert max(sigmas) > 6.0
    assert min(sigmas) < 2.0


def test_noise_does_not_wrap_around() -> None:
    image = np.full((64, 64), 255, np.uint8)
    out = augment(image, np.zeros_like(image), Augmentation(noise_sigma=9.0), rng(3), (64, 64))[0]
    assert out.min() > 150


def test_a_crop_about_a_defect_holds_it_and_shift_moves_it() -> None:
    image, kind_map = np.zeros((300, 400), np.uint8), np.zeros((300, 400), np.uint8)
    kind_map[150, 200] = 3
    centred = Augmentation(centre_on_defect=True)
    shifted = Augmentation(centre_on_defect=True, shift_px=10)
    assert {tuple(_found(image, kind_map, centred, s)) for s in range(5)} == {(32, 32)}
    places = [_found(image, kind_map, shifted, s) for s in range(60)]
    rows, cols = zip(*places, strict=True)
    for side in (rows, cols):
        assert 22 <= min(side) < 26
        assert 38 < max(side) <= 42


@pytest.mark.parametrize("centred", [False, True])
def test_crops_of_a_sliding_window(centred: bool) -> None:
    """Window 32, step 24, picture 64 high and 90 wide: rows 0, 24, 32; columns 0, 24, 48, 58."""
    grid = np.arange(64 * 90, dtype=np.uint32).reshape(64, 90)
    # Each pixel holds its position: its row in one picture, its column in another.
    rows, cols = (grid // 90).astype(np.uint8), (grid % 90).astype(np.uint8)
    kind_map = np.zeros((64, 90), np.uint8)
    kind_map[26, 50] = 1
    options = Augmentation(centre_on_defect=centred, step_px=24)
    places = set()
    for seed in range(200):
        top = int(augment(rows, kind_map, options, rng(seed), (32, 32))[0][0, 0])
        crop, kinds = augment(cols, kind_map, options, rng(seed), (32, 32))
        places.add((top, int(crop[0, 0])))
        assert bool(kinds.any()) or not centred
    everywhere = {(top, left) for top in (0, 24, 32) for left in (0, 24, 48, 58)}
    shows_it = {(top, left) for top, left in everywhere if top <= 26 and left <= 50 < left + 32}
    assert places == (shows_it if centred else everywhere)


def test_a_crop_about_a_defect_in_the_corner_stays_inside() -> None:
    image, kind_map = np.zeros((300, 400), np.uint8), np.zeros((300, 400), np.uint8)
    kind_map[299, 399] = 1
    assert _found(image, kind_map, Augmentation(centre_on_defect=True), 0) == (63, 63)


def _found(
    image: np.ndarray, kind_map: np.ndarray, options: Augmentation, seed: int
) -> tuple[int, int]:
    kinds = augment(image, kind_map, options, rng(seed), (64, 64))[1]
    ((row, col),) = np.argwhere(kinds)
    return int(row), int(col)


def test_without_a_defect_the_place_is_random() -> None:
    image = np.arange(200 * 200, dtype=np.uint32).reshape(200, 200).astype(np.uint8)
    kinds = np.zeros_like(image)
    options = Augmentation(centre_on_defect=True)
    crops = {augment(image, kinds, options, rng(s), (32, 32))[0].tobytes() for s in range(10)}
    assert len(crops) > 5


def test_a_small_image_is_reflected_with_its_kind_map() -> None:
    image = np.array([[1, 2, 3]] * 3, np.uint8)
    kind_map = np.array([[0, 0, 5]] * 3, np.uint8)
    out, kinds = augment(image, kind_map, Augmentation(), rng(), (5, 5))
    assert out[2].tolist() == [2, 1, 2, 3, 2]
    assert kinds[2].tolist() == [0, 0, 0, 5, 0]


def test_sizes_must_agree() -> None:
    with pytest.raises(ValueError, match="expected equal"):
        augment(
            np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8), Augmentation(), rng(), (8, 8)
        )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(5, 90),
    width=st.integers(5, 90),
    size_px=st.sampled_from([8, 32, 64]),
    colour=st.booleans(),
)
def test_any_image_gives_the_size_asked_for_and_the_same_again(
    seed: int, height: int, width: int, size_px: int, colour: bool
) -> None:
    source = rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    image = source.integers(0, 256, shape, dtype=np.uint8)
    kind_map = (source.random((height, width)) < 0.1).astype(np.uint8) * 4
    before = image.copy(), kind_map.copy()
    first = augment(image, kind_map, EVERYTHING, rng(seed), (size_px, size_px))
    again = augment(image, kind_map, EVERYTHING, rng(seed), (size_px, size_px))
    assert first[0].shape == (size_px, size_px, *shape[2:])
    assert first[1].shape == (size_px, size_px)
    assert first[0].dtype == first[1].dtype == np.uint8
    assert set(np.unique(first[1])) <= {0, 4}
    for left, right in zip(first + before, (*again, image, kind_map), strict=True):
        np.testing.assert_array_equal(left, right)


def test_fast_enough_for_a_loader() -> None:
    source = rng()
    image = source.integers(0, 256, (400, 500), dtype=np.uint8)
    kind_map = (image > 250).astype(np.uint8)
    times_ms = []
    for _ in range(20):
        start = time.process_time()
        augment(image, kind_map, EVERYTHING, source, (256, 256))
        times_ms.append((time.process_time() - start) * 1e3)
    assert min(times_ms) < 3.0  # of the processor; 1.5 ms on an idle core
