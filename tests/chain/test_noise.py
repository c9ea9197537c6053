"""The noise level: white noise is measured, edges and spots are not; the factor is limited."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.chain.noise import LEAST, noise_factor, noise_level
from edge.chain.template.detector import TemplateDetector
from edge.chain.template.file import TemplateFile
from edge.chain.threshold.detector import ThresholdDetector
from edge.chain.threshold.file import ThresholdFile
from tests.models.methods.parts import drawing, seen
from tests.support.templates import header, reference


def noisy(sigma: float, size: tuple[int, int] = (240, 320)) -> NDArray[np.uint8]:
    made = 128.0 + np.random.default_rng(1).normal(0.0, sigma, size) + 0.5
    return np.asarray(made.clip(0, 255), np.uint8)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0, 12.0])
def test_white_noise_is_measured(sigma: float) -> None:
    assert noise_level(noisy(sigma)) == pytest.approx(sigma, rel=0.15)


def test_edges_spots_and_slopes_are_no_noise() -> None:
    assert noise_level(np.full((64, 64), 7, np.uint8)) == LEAST
    assert noise_level(np.tile(np.arange(200, dtype=np.uint8), (64, 1))) == LEAST
    part = seen(drawing(240, 320), noise=2.0)
    assert noise_level(part) == pytest.approx(2.0, rel=0.2)
    part[60:140, 100:220] = 20
    assert noise_level(part) < 2.4


@pytest.mark.parametrize("size", [(1, 3), (4, 16), (8, 9), (16, 640)])
def test_any_size(size: tuple[int, int]) -> None:
    assert noise_level(np.zeros(size, np.uint8)) == LEAST


def test_the_noise_factor_is_between_one_and_the_limit() -> None:
    assert [noise_factor(found, 2.0, 3.0) for found in (1.0, 2.0, 5.0, 9.0)] == [1.0, 1.0, 2.5, 3.0]


def test_noise_limit_of_a_template() -> None:
    """The noise is 6 and usually 2: a factor of three. With a limit of 1 nothing is reduced."""
    frame = seen(drawing(240, 320), noise=6.0)
    strict, granted = (
        TemplateDetector(TemplateFile(header(noise=2.0, noise_limit=limit), (reference(),)))
        for limit in (1.0, 3.0)
    )
    assert strict.detect(frame).peak() == pytest.approx(3.0 * granted.detect(frame).peak(), rel=0.2)
    calm = seen(drawing(240, 320, defect="blob"), noise=1.0)
    assert strict.detect(calm).peak() == granted.detect(calm).peak()


@pytest.mark.parametrize("relative", [False, True])
def test_noise_limit_of_a_threshold(relative: bool) -> None:
    """Half of the light is half of the noise, and as much where distances are relative."""
    told = ThresholdFile(denoise="none", relative=relative, noise=2.0)
    dim = np.asarray(noisy(6.0) // 2, np.uint8)
    noises = [ThresholdDetector(told, 1).noise_level(each) for each in (noisy(6.0), dim)]
    assert noises == pytest.approx([6.0, 6.0 if relative else 3.0], rel=0.15)
    strict, granted = (
        ThresholdDetector(told.model_copy(update={"noise_limit": limit}), 1)
        .scores(noisy(6.0))
        .max()
        for limit in (1.0, 2.5)
    )
    assert strict == pytest.approx(2.5 * granted, rel=1e-5)
