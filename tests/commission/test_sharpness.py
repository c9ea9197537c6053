"""Figures of pictures: what they follow, and what they do not."""

import numpy as np
import pytest

from edge.commission.sharpness import flicker, mains_amplitude, measure_picture, median_figures
from tests.commission.stations import blurred, lit, tiles


def test_blur_lowers_sharpness_and_light_does_not() -> None:
    sharp = tiles()
    figures = [measure_picture(blurred(sharp, sigma)).sharpness for sigma in (0.5, 1, 2, 4)]
    figures.insert(0, measure_picture(sharp).sharpness)
    assert figures == sorted(figures, reverse=True)
    assert figures[2] < 0.6 * figures[0]
    for factor in (0.5, 1.3):
        other = measure_picture(lit(sharp, factor))
        assert other.sharpness == pytest.approx(figures[0], rel=0.05)
        assert other.laplacian == pytest.approx(measure_picture(sharp).laplacian, rel=0.05)


def test_levels_and_clipped_shares() -> None:
    pixels = np.full((10, 10), 100, np.uint8)
    pixels[0], pixels[1, :5] = 0, 255
    found = measure_picture(pixels)
    assert (found.black, found.white) == (0.1, 0.05)
    assert found.mean == pytest.approx((85 * 100 + 5 * 255) / 100)
    assert (found.low, found.high) == (0, 255)
    colour = np.full((4, 4, 3), 100, np.uint8)
    colour[:, :, 2] = 255  # red alone is clipped
    assert measure_picture(colour).white == 1.0


def test_the_middle_of_several() -> None:
    found = median_figures(
        [measure_picture(np.full((4, 4), level, np.uint8)) for level in (10, 20, 90)]
    )
    assert (found.mean, found.sharpness) == (20, 0)


def test_flicker() -> None:
    assert flicker([100.0]) == flicker([100.0, 100.0]) == 0
    assert flicker([90.0, 110.0]) == pytest.approx(0.1)


@pytest.mark.parametrize("hertz", [100, 120])
def test_light_that_pulses_is_found_at_its_frequency(hertz: int) -> None:
    chance = np.random.default_rng(3)
    stamps = np.cumsum(chance.integers(20_000_000, 70_000_000, 40))
    means = 120 * (1 + 0.08 * np.sin(2 * np.pi * hertz * stamps / 1e9 + 1)) + chance.normal(
        0, 1, 40
    )
    found = {
        each: mains_amplitude([int(at) for at in stamps], list(means), each) for each in (100, 120)
    }
    assert found[hertz] == pytest.approx(0.08, abs=0.015)
    assert found[220 - hertz] < 0.04
    assert mains_amplitude([0] * 7, [1.0] * 7, hertz) == 0  # too few
    even = [number * 40_000_000 for number in range(40)]  # always at the same phase of 100 Hz
    assert mains_amplitude(even, [100.0] * 40, 100) == 0
