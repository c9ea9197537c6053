"""Texture statistics against plain definitions of them, pixel by pixel and block by block."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch

from models.methods.texture.features import (
    BinaryPatterns,
    BlockMean,
    GradientStatistics,
    GreyStatistics,
    TextureFeatures,
)
from models.networks import normalise

Pixels = npt.NDArray[np.uint8]
ROUNDING = 1.0 / 12.0
ALL = ("patterns", "gradient", "grey", "level")


def surface(height: int = 40, width: int = 56, channels: int = 1) -> Pixels:
    """Noise, in which equal neighbours are common: a quarter of the picture is flat."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(90, 110, (height, width, channels)).astype(np.uint8)
    pixels[: height // 2, : width // 2] = 100
    return pixels[:, :, 0] if channels == 1 else pixels


def grey(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32))[None, None]


def describe(pixels: Pixels, **options: object) -> npt.NDArray[np.float32]:
    """count×h×w of whole TextureFeatures."""
    chosen: dict[str, object] = {
        "block_px": 24,
        "step_px": 8,
        "features": ALL,
        "points": 8,
        "radii_px": (1, 2),
        "margin": 0.0,
        "each_channel": False,
    }
    channels = 1 if pixels.ndim == 2 else 3
    module = TextureFeatures(channels, **(chosen | options))  # type: ignore[arg-type]
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    found = module(normalise(torch.from_numpy(np.ascontiguousarray(planes[None]))))
    assert found.shape[1] == module.count
    return np.asarray(found[0].numpy(), np.float32)


def pattern(pixels: Pixels, y: int, x: int, points: int, radius: int, margin: float) -> int:
    """Ojala et al. 2002, equation 9, of one pixel. Positions to 1/64 px, rim pixels repeated."""
    height, width = pixels.shape

    def at(row: int, col: int) -> float:
        return float(pixels[min(max(row, 0), height - 1), min(max(col, 0), width - 1)])

    bits = []
    for point in range(points):
        angle = 2 * math.pi * point / points
        row = y + round(-radius * math.sin(angle) * 64) / 64
        col = x + round(radius * math.cos(angle) * 64) / 64
        top, left = math.floor(row), math.floor(col)
        upper = at(top, left) + (at(top, left + 1) - at(top, left)) * (col - left)
        lower = at(top + 1, left) + (at(top + 1, left + 1) - at(top + 1, left)) * (col - left)
        bits.append(upper + (lower - upper) * (row - top) - float(pixels[y, x]) >= margin)
    changes = sum(a != b for a, b in zip(bits, bits[1:] + bits[:1], strict=True))
    return sum(bits) if changes <= 2 else points + 1


@pytest.mark.parametrize(
    ("points", "radius", "margin"), [(8, 1, 0.0), (8, 2, 4.0), (16, 2, 0.0), (24, 3, 2.5)]
)
def test_patterns_are_ojalas(points: int, radius: int, margin: float) -> None:
    pixels = surface(20, 26)
    found = BinaryPatterns(points, radius, margin, BlockMean(8, 8)).codes(grey(pixels))[0, 0]
    wanted = [[pattern(pixels, y, x, points, radius, margin) for x in range(26)] for y in range(20)]
    assert np.array_equal(found.numpy(), wanted)
    assert len(np.unique(found.numpy())) > 5


def window(values: npt.NDArray[np.float64], row: int, col: int) -> npt.NDArray[np.float64]:
    """The 24×24 around the cell of 8×8, as much of it as lies in the picture."""
    top, left = max(row * 8 - 8, 0), max(col * 8 - 8, 0)
    return values[top : row * 8 + 16, left : col * 8 + 16]


def test_a_histogram_is_of_the_pixels_of_the_block() -> None:
    patterns = BinaryPatterns(8, 1, 0.0, BlockMean(24, 8))
    codes = patterns.codes(grey(surface()))[0, 0].numpy().astype(np.float64)
    found = patterns(grey(surface()))[0].numpy()
    assert found.shape == (10, 5, 7)
    for row in range(5):
        for col in range(7):
            inside = window(codes, row, col).ravel().astype(int)
            share = np.bincount(inside, minlength=10) / inside.size
            assert found[:, row, col] == pytest.approx(share, abs=1e-6)


def test_gradients_are_sobels() -> None:
    pixels = surface()
    dx, dy = (
        cv2.Sobel(pixels, cv2.CV_64F, *way, ksize=3, borderType=cv2.BORDER_REPLICATE) / 8
        for way in ((1, 0), (0, 1))
    )
    found = GradientStatistics(BlockMean(24, 8))(grey(pixels))[0].numpy()
    for row in range(5):
        for col in range(7):
            x, y = window(dx, row, col), window(dy, row, col)
            length = np.hypot(x, y)
            assert found[0, row, col] == pytest.approx(length.mean(), rel=1e-5)
            spread = math.sqrt(length.var() + ROUNDING)
            assert found[1, row, col] == pytest.approx(spread, rel=1e-4)
            for direction in range(8):
                angle = direction * math.pi / 4
                part = np.maximum(x * math.cos(angle) + y * math.sin(angle), 0)
                assert found[2 + direction, row, col] == pytest.approx(part.mean(), abs=1e-5)


def test_grey_statistics_are_those_of_the_block() -> None:
    pixels = surface().astype(np.float64)
    means = np.array([[window(pixels, row, col).mean() for col in range(7)] for row in range(5)])
    about = pixels - means.repeat(8, 0).repeat(8, 1)
    found = GreyStatistics(BlockMean(24, 8))(grey(surface()))[0].numpy()
    for row in range(5):
        for col in range(7):
            inside, levels = window(about, row, col), window(pixels, row, col)
            variance = inside.var() + ROUNDING
            third = float(((inside - inside.mean()) ** 3).mean())
            wanted = (
                math.sqrt(variance),
                third / variance**1.5,
                levels.max() - levels.mean(),
                levels.mean() - levels.min(),
            )
            assert found[:, row, col] == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_constant_picture_has_statistics(level: int) -> None:
    found = describe(np.full((40, 40), level, np.uint8), radii_px=(1,))
    flat = [0.0] * 8 + [1.0, 0.0]  # all eight neighbours are as bright
    gradient = [0.0, math.sqrt(ROUNDING)] + [0.0] * 8
    wanted = [*flat, *gradient, math.sqrt(ROUNDING), 0.0, 0.0, 0.0, level]
    for row in range(5):
        for col in range(5):
            assert found[:, row, col] == pytest.approx(wanted, abs=1e-5)


def test_a_picture_smaller_than_a_block_is_one_block() -> None:
    pixels = surface(16, 16)
    found = describe(pixels, block_px=120)
    assert found.shape[1:] == (2, 2)
    assert np.ptp(found, axis=(1, 2)).max() < 1e-4
    assert found[-1, 0, 0] == pytest.approx(pixels.mean(), rel=1e-6)


def test_light_that_adds_changes_the_level_alone() -> None:
    darker, brighter = describe(surface()), describe(surface() + 40)
    assert brighter[:-1] == pytest.approx(darker[:-1], abs=1e-3)
    assert brighter[-1] == pytest.approx(darker[-1] + 40, abs=1e-3)


def test_a_turned_picture_has_the_same_patterns() -> None:
    pixels = surface(40, 40)
    plain = describe(pixels, features=("patterns",), block_px=8)
    turned = describe(np.ascontiguousarray(np.rot90(pixels)), features=("patterns",), block_px=8)
    assert np.array_equal(np.rot90(plain, axes=(1, 2)), turned)


def test_each_channel_apart_is_three_grey_pictures() -> None:
    pixels = surface(channels=3)
    found = describe(pixels, each_channel=True)
    for channel in range(3):
        alone = describe(np.ascontiguousarray(pixels[:, :, channel]))
        assert np.array_equal(found[channel * len(alone) : (channel + 1) * len(alone)], alone)


def test_colour_as_grey_is_opencvs_to_a_level_and_flat_stays_flat() -> None:
    pixels = surface(channels=3)
    pixels[20:] = (13, 200, 91)
    found = describe(pixels, block_px=8, radii_px=(1,))
    wanted = describe(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), block_px=8, radii_px=(1,))
    assert found[-1] == pytest.approx(wanted[-1], abs=1.0)
    assert found[8, 4].tolist() == [1.0] * 7  # all neighbours equal
    assert len(found) == len(wanted)
