"""The measurement of a picture: each stream changes with its own cause and with no other."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import drift_line as production
from bench.drift_line import DriftLine
from edge.drift import Measurer, streams
from edge.drift.measurer import sharpness, small_picture
from edge.drift.template import Template

SHARED = Path(__file__).parents[2] / "../shared/data"
PARTS = 60


@pytest.fixture(scope="module")
def template() -> Template:
    return Template.mean_of(small_picture(pixels) for pixels in DriftLine(1).parts(64))


def means(template: Template | None, change=None, *, aligned: bool = True) -> np.ndarray:
    """Return the mean of every stream over the same parts, after the change."""
    line, measurer = DriftLine(1, aligned=aligned), Measurer(template)
    return np.mean([measurer.measure(p).copy() for p in line.parts(PARTS, change)], axis=0)


def shifts(template: Template, change) -> np.ndarray:
    """Return the change of every stream, in units of the shift to detect."""
    return (means(template, change) - means(template)) / streams.shifts()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (production.darker(0.2), {0: -2.2}),
        (production.blurred(0.7), {2: -1.9}),
        (production.lamp(0.2), {0: -1.1, 3: -1.1}),
        (production.moved(3.0), {6: 10.0}),  # 3 px of 192 are 2 of 128
        (production.moved(-0.3), {6: -1.0}),
    ],
    ids=["darker", "blurred", "lamp", "moved", "moved a little"],
)
def test_what_changes_moves_its_own_streams(template: Template, change, expected: dict) -> None:
    found = shifts(template, change)
    scalars = dict(enumerate(found[: streams.SCORE]))
    for index, by in expected.items():
        assert scalars.pop(index) == pytest.approx(by, rel=0.15, abs=0.1), streams.stream(
            index
        ).name
    assert all(abs(by) < 0.5 for by in scalars.values()), scalars


def test_dirt_moves_its_own_cell_and_no_scalar(template: Template) -> None:
    found = shifts(template, production.dirt(0.2))
    assert np.nanmax(np.abs(found[: streams.SCORE])) < 0.3
    dark = found[streams.DARK].reshape(streams.CELLS, streams.CELLS)
    row, column = np.unravel_index(dark.argmin(), dark.shape)
    assert dark.min() < -1.5
    index = streams.DARK.start + row * streams.CELLS + column
    assert streams.place(index) == pytest.approx((0.7, 0.3), abs=0.05)


def test_grease_is_seen_without_being_darker(template: Template) -> None:
    found = shifts(template, production.grease())
    dull = found[streams.DULL]
    assert dull.min() < -2.5
    assert found[streams.DARK].min() > -1.0
    assert streams.place(streams.DULL.start + int(dull.argmin())) == pytest.approx(
        (0.7, 0.3), abs=0.07
    )


def test_parts_that_lie_anywhere_have_no_place() -> None:
    line = DriftLine(3, aligned=False)
    anywhere = Template.mean_of(small_picture(pixels) for pixels in line.parts(64))
    assert np.isnan(Measurer(anywhere).measure(line.part())[streams.POSITION]).all()
    assert np.isnan(Measurer(None).measure(DriftLine(1).part())[streams.POSITION]).all()


def test_another_part_has_no_place(template: Template) -> None:
    upside_down = np.ascontiguousarray(DriftLine(1).part()[::-1])
    assert np.isnan(Measurer(template).measure(upside_down)[streams.POSITION]).all()


def test_sharpness_is_not_moved_by_light_gain_or_contrast() -> None:
    pixels = DriftLine(4, aligned=False, side=400).part().astype(np.float32)
    plain = sharpness(pixels.astype(np.uint8))
    brighter = sharpness(np.clip(pixels + 40, 0, 255).astype(np.uint8))
    weaker = sharpness(((pixels - 128) * 0.7 + 128).astype(np.uint8))
    assert brighter == pytest.approx(plain, abs=0.02)
    assert weaker == pytest.approx(plain, abs=0.04)


@pytest.mark.parametrize("shape", [(16, 16), (16, 900), (300, 500, 3), (1024, 1280)])
def test_frames_of_any_size_and_colour(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    values = Measurer().measure(pixels, 1.5)
    assert np.isfinite(np.delete(values, [6, 7])).all()
    assert values[streams.SCORE] == 1.5
    assert values[streams.BRIGHTNESS] == pytest.approx(np.log(pixels.mean() + 1), abs=0.03)


def test_black_white_and_flat_frames_are_numbers() -> None:
    for grey in (0, 128, 255):
        values = Measurer().measure(np.full((64, 64), grey, np.uint8), 0.0)
        assert np.isfinite(np.delete(values, [6, 7])).all()
        assert values[streams.CLIPPED] == (grey != 128)
        assert values[streams.SHARPNESS] == 0.0


def test_the_same_frame_gives_the_same_bytes(template: Template) -> None:
    pixels = DriftLine(5).part()
    first = Measurer(template).measure(pixels, 1.0).tobytes()
    assert Measurer(template).measure(pixels, 1.0).tobytes() == first


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real images (shared/data) are not here")
@pytest.mark.parametrize(
    ("pattern", "sigma_px"),
    [
        ("magnetic_tile/MT_Free/Imgs/*.jpg", 0.5),
        ("crackforest/**/*.jpg", 0.5),
        ("kolektorsdd/*/*.jpg", 1.0),
        ("deeppcb/**/*_temp.jpg", 0.5),
    ],
)
def test_a_blur_of_real_surfaces_is_a_whole_shift(pattern: str, sigma_px: float) -> None:
    files = sorted(SHARED.glob(pattern))[::9]
    if not files:
        pytest.skip(f"no {pattern} in shared/data")
    wanted = streams.SCALARS[streams.SHARPNESS].shift
    for file in files[:12]:
        pixels = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        blurred = cv2.GaussianBlur(pixels, (0, 0), sigma_px)
        assert sharpness(blurred) - sharpness(pixels) < -wanted, file.name
