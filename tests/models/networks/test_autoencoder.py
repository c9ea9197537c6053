"""The autoencoder's network: the planes that it compares, and severity as it is documented."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
import torch
from torch import Tensor
from torch.nn import functional

from models.methods.autoencoder.network import LEAST_ERROR, MOST, Autoencoder, expected_error

MIDDLE = (slice(None), slice(None), slice(10, -10), slice(10, -10))  # 2×2 px that no rim reaches


def deviation(difference: Tensor, **options: Any) -> Tensor:
    """Of a difference N×C×H×W, as a map N×1×H/2×W/2."""
    network = Autoencoder(difference.shape[1], **options)
    with torch.no_grad():
        found = network.deviation(functional.pixel_unshuffle(difference, 4))
    return functional.pixel_shuffle(found, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("reduction", "depth", "skip"), [(1, 2, 0), (2, 1, 0), (4, 1, 8), (1, 3, 4)]
)
def test_one_severity_per_2_by_2_of_the_reduced_picture(
    channels: int, reduction: int, depth: int, skip: int
) -> None:
    network = Autoencoder(channels, reduction=reduction, depth=depth, skip=skip, width=8).eval()
    assert network.multiple_px == 4 * reduction * 2**depth
    assert network.stride_px == 2 * reduction
    height, width = 2 * network.multiple_px, 3 * network.multiple_px
    with torch.no_grad():
        severity = network(torch.randn(2, channels, height, width))
    assert tuple(severity.shape) == (2, 1, height // (2 * reduction), width // (2 * reduction))
    assert severity.min() >= 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("reduction", [1, 2])
def test_cells_are_the_averaged_picture(channels: int, reduction: int) -> None:
    pixels = torch.randn(1, channels, 32, 48)
    found = Autoencoder(channels, reduction=reduction).split(pixels)
    small = functional.avg_pool2d(pixels, reduction)
    torch.testing.assert_close(found, functional.pixel_unshuffle(small, 4))


@pytest.mark.parametrize("error_px", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_even_difference_is_its_own_size(error_px: float, channels: int) -> None:
    for value in (0.3, -0.3):
        found = deviation(torch.full((1, channels, 64, 64), value), error_px=error_px)
        torch.testing.assert_close(found[MIDDLE], torch.full_like(found[MIDDLE], 0.3))


def test_a_window_is_a_gaussian_about_each_2_by_2() -> None:
    """One pixel that differs: the map is the Gaussian at the centres of the 2×2."""
    difference = torch.zeros(1, 1, 64, 64)
    difference[0, 0, 33, 30] = -1.0
    found = deviation(difference, error_px=0.0, window_px=2.0)[0, 0]
    y = 2 * torch.arange(32.0)[:, None] + 0.5 - 33
    x = 2 * torch.arange(32.0)[None, :] + 0.5 - 30
    away = y**2 + x**2
    wanted = torch.exp(-away / 8) / (2 * torch.pi * 4)
    near = away < 5**2
    torch.testing.assert_close(found[near], wanted[near], rtol=0.03, atol=1e-5)


def test_noise_averages_out_before_the_sign_is_dropped() -> None:
    torch.manual_seed(0)
    noise = torch.randn(1, 1, 128, 128)
    means = [float(deviation(noise, error_px=sigma)[MIDDLE].mean()) for sigma in (0.0, 1.0, 2.0)]
    # The mean of |normal| is 0.798; a Gaussian of sigma s leaves 1 / (2 s √π) of its spread.
    assert means == pytest.approx([0.798, 0.225, 0.113], rel=0.08)


def test_a_wider_window_spreads_further() -> None:
    difference = torch.zeros(1, 1, 64, 64)
    difference[0, 0, 32, 32] = 1.0
    small, large = (deviation(difference, window_px=sigma) for sigma in (1.0, 4.0))
    assert small.max() > 4 * large.max()
    assert (large > 1e-3).sum() > 2 * (small > 1e-3).sum()


def test_a_set_unit_is_one_severity() -> None:
    torch.manual_seed(0)
    network, pixels = Autoencoder(1).eval(), torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        before = network(pixels)
        for unit in (0.25, 0.5):
            network.set_unit(unit)
            torch.testing.assert_close(network(pixels), before / unit)
    for unit in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected a number above 0"):
            network.set_unit(unit)


def test_expected_divides_by_the_expected_error() -> None:
    torch.manual_seed(0)
    network, pixels = Autoencoder(1).eval(), torch.randn(1, 1, 64, 64)
    plain = Autoencoder(1, expected=False).eval()
    missing = plain.load_state_dict(network.state_dict(), strict=False)
    assert set(missing.unexpected_keys) == {"trust.weight", "trust.bias"}
    with torch.no_grad():
        assert network.trust is not None
        network.trust.weight.zero_()
        for share in (0.1, 0.5):
            network.trust.bias.fill_(math.log(share / (1 - share)))  # type: ignore[union-attr]
            torch.testing.assert_close(network.raw(pixels), plain.raw(pixels) * share)


def test_a_plain_defect_is_cut_off() -> None:
    """Whatever it is to be severe by, a pixel counts as 24 at the most."""
    torch.manual_seed(0)
    network, pixels = Autoencoder(1).eval(), torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        planes = network.split(pixels)
        made, trust = network.reconstruct(planes)
        size = network.deviation(planes - made, trust)
        torch.testing.assert_close(network.raw(pixels), size)
        network.set_unit(float(size.max()) / 1000)
        found = network(pixels)[MIDDLE]
    assert found.max() <= MOST * (1 + 1e-5)
    assert found.mean() > 0.8 * MOST


def test_the_likelihood_is_best_at_the_mean_error() -> None:
    torch.manual_seed(0)
    errors = 0.1 * torch.rand(1000)
    trust = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([trust], lr=1.0)
    for _ in range(300):
        optimizer.zero_grad()
        expected_error(trust, errors).mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert LEAST_ERROR / float(torch.sigmoid(trust.detach())) == pytest.approx(
        float(errors.mean()), rel=0.02
    )


def test_what_compares_is_not_trained() -> None:
    network = Autoencoder(1)
    fixed = {"split.weight", "differ.weight", "window.weight"}
    ((trained, share),) = network.parameter_groups()
    assert share == 1.0
    told = {id(p) for p in trained}
    assert {name for name, p in network.named_parameters() if id(p) not in told} == fixed


def test_training_gives_what_the_loss_takes() -> None:
    for expected in (True, False):
        network = Autoencoder(3, expected=expected)
        pixels = torch.randn(2, 3, 32, 32)
        made, seen, trust = network.parted(network(pixels))
        torch.testing.assert_close(seen, network.split(pixels))
        assert made.shape == seen.shape
        assert (trust is not None) == expected
