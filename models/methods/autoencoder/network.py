"""An autoencoder whose output is severity: how far a picture is from what good parts look like.

Everything behind the reconstruction is convolutions, ReLU and one product, so that the whole of it
is quantised, and the station gets severity from one run of one network. The picture is compared in
cells of 4×4 pixels laid out as channels: the reconstruction never has to be spread out again, and
int8 kernels run on few wide planes (docs/decisions/0027).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import PIXEL_SCALE, DetectorNetwork, conv_bn_relu

CELL_PX = 4  # of the reduced picture
LEAST_ERROR = PIXEL_SCALE  # one grey level: an expected error below it counts as this
REACH = 2.5  # sigmas, to which a Gaussian window goes
# At more a pixel is cut off before the window: else a plain flaw would stretch the range of int8
# over a hundred severities, and lie in a halo. Half a window of it still makes 12.
MOST = 24.0
_CUT = 6.0  # where ReLU6 cuts, which every tool chain has

Places = tuple[tuple[float, float], ...]  # y, x inside a cell
PIXELS: Places = tuple((float(y), float(x)) for y in range(CELL_PX) for x in range(CELL_PX))
QUARTERS: Places = tuple((y, x) for y in (0.5, 2.5) for x in (0.5, 2.5))


class Autoencoder(DetectorNetwork):
    """Severity per 2×2 px (of the reduced picture) from the error of reconstruction.

    reduction: the picture is averaged over so many px each way before anything else. width: of the
    layers at the 4×4 cells, twice that below. depth: how often the resolution is halved below the
    cells. latent: channels of the narrowest place. skip: channels that lead past it at every
    resolution; 0 for none. error_px: sigma by which the difference is smoothed before its sign is
    dropped, so that noise averages out; 0 takes every pixel's. window_px: sigma by which the
    absolute difference is then averaged; both in px of the reduced picture. expected: divide by the
    error that the network expects at that place, so that a rough surface may err more than a smooth
    one (a Laplace likelihood's scale, Kendall & Gal 2017, NeurIPS, section 2.2).

    A new network's severity is in units of its own error; ``set_unit`` gives it the scale. What a
    pixel does beyond MOST severities is cut off.
    """

    def __init__(
        self,
        channels: int = 1,
        *,
        reduction: int = 1,
        width: int = 32,
        latent: int = 32,
        depth: int = 2,
        skip: int = 0,
        error_px: float = 1.0,
        window_px: float = 3.0,
        expected: bool = True,
    ) -> None:
        super().__init__()
        self.stride_px, self.shuffle = 2 * reduction, 2
        self.multiple_px = CELL_PX * reduction * 2**depth
        self.planes = channels * CELL_PX**2
        widths = [width, *[2 * width] * depth]
        self.split = _cells(channels, reduction)
        self.stem = nn.Sequential(*conv_bn_relu(self.planes, width, 3))
        self.down = nn.ModuleList(
            nn.Sequential(*conv_bn_relu(fine, coarse, 3, stride=2))
            for fine, coarse in pairwise(widths)
        )
        self.latent = nn.Sequential(*conv_bn_relu(widths[-1], latent, 1))
        steps = [latent, *widths[::-1]]
        self.up = nn.ModuleList(
            nn.Sequential(*conv_bn_relu(coarse, fine, 3)) for coarse, fine in pairwise(steps)
        )
        self.past = nn.ModuleList(
            nn.Sequential(*conv_bn_relu(fine, skip, 1), nn.Conv2d(skip, coarse, 1))
            for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True)
            if skip
        )
        self.head = nn.Conv2d(width, self.planes, 3, padding=1)
        self.trust = nn.Conv2d(width, 1, 3, padding=1) if expected else None
        places = QUARTERS if error_px else PIXELS
        self.differ = _signed(channels, places, error_px)
        self.window = _window(channels, places, window_px)
        self._unit = 1.0
        with torch.no_grad():
            self.differ.weight.mul_(_CUT / MOST)
            self.window.weight.mul_(MOST / _CUT)

    def reconstruct(self, planes: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cells N×planes×h×w → the same reconstructed, and the logits of LEAST_ERROR as a share of
        the expected error, N×1×h×w."""
        finer = [self.stem(planes)]
        for down in self.down:
            finer.append(down(finer[-1]))
        x = self.up[0](self.latent(finer[-1]))
        for i, up in enumerate(self.up[1:]):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            if len(self.past):
                x = x + self.past[i](finer[-2 - i])
            x = up(x)
        return self.head(x), None if self.trust is None else self.trust(x)

    def deviation(self, difference: Tensor, trust: Tensor | None = None) -> Tensor:
        """A difference of cells → how large it is about each quarter of a cell, N×4×h×w, ≥ 0; with
        the logits of trust as a multiple of the expected error, times LEAST_ERROR. Not cut off."""
        size = torch.relu(self.differ(difference))
        if trust is not None:
            size = size * torch.sigmoid(trust)
        return self.window(size)  # type: ignore[no-any-return]

    def raw(self, x: Tensor) -> Tensor:
        planes = self.split(x)
        made, trust = self.reconstruct(planes)
        size = self.differ(planes - made)
        if trust is not None:
            size = size * torch.sigmoid(trust)
        return self.window(functional.relu6(size))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """In training mode what ``parted`` takes apart; in eval mode severity, not clamped."""
        if not self.training:
            return super().forward(x)
        planes = self.split(x)
        made, trust = self.reconstruct(planes)
        return torch.cat([made, planes, *(() if trust is None else (trust,))], 1)

    def parted(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What training mode gives: the reconstruction, what was seen, the logits of trust."""
        made, seen = outputs[:, : self.planes], outputs[:, self.planes : 2 * self.planes]
        trust = outputs[:, 2 * self.planes :]
        return made, seen, trust if trust.shape[1] else None

    @torch.no_grad()
    def set_unit(self, unit: float) -> None:
        """One severity is ``unit`` of a new network's. Raises ValueError unless it is above 0."""
        if not (unit > 0.0 and math.isfinite(unit)):
            raise ValueError(f"a unit of severity is {unit}; expected a number above 0")
        self.differ.weight.mul_(self._unit / unit)
        self._unit = unit

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        return [([p for p in self.parameters() if p.requires_grad], 1.0)]


def expected_error(trust: Tensor, error: Tensor) -> Tensor:
    """Negative logarithm of a Laplace likelihood, but for a constant: least where the error that
    trust stands for, LEAST_ERROR / sigmoid(trust), is the error's mean."""
    return error * (torch.sigmoid(trust) / LEAST_ERROR) - functional.logsigmoid(trust)


def _fixed(weight: Tensor, stride: int = 1) -> nn.Conv2d:
    """A convolution that is not trained."""
    out, inputs, kernel, _ = weight.shape
    pad = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(inputs, out, kernel, stride, pad, bias=False)
    conv.weight = nn.Parameter(weight.float(), requires_grad=False)
    return conv


def _cells(channels: int, reduction: int) -> nn.Conv2d:
    """Pixels to cells: channel c, row y and column x of a cell is plane (4c + y) · 4 + x."""
    side = CELL_PX * reduction
    weight = torch.zeros(channels, CELL_PX, CELL_PX, channels, side, side)
    for c in range(channels):
        for y in range(CELL_PX):
            for x in range(CELL_PX):
                rows, cols = (slice(n * reduction, (n + 1) * reduction) for n in (y, x))
                weight[c, y, x, c, rows, cols] = 1.0 / reduction**2
    return _fixed(weight.flatten(0, 2), side)


def _gauss(given: Places, wanted: Places, sigma_px: float) -> Tensor:
    """Weights of a Gaussian about each wanted place, from the given places of all cells that it
    reaches: wanted × given × k × k, each of sum 1. sigma 0: of equal places, k is 1."""
    reach = math.ceil(REACH * sigma_px / CELL_PX)
    offset = CELL_PX * torch.arange(-reach, reach + 1, dtype=torch.float64)
    a, b = (torch.tensor(places, dtype=torch.float64) for places in (wanted, given))
    away = b[None, :, :, None] + offset - a[:, None, :, None]  # wanted × given × (y, x) × k
    squared = away[:, :, 0, :, None] ** 2 + away[:, :, 1, None, :] ** 2
    weight = torch.exp(-squared / (2 * sigma_px**2)) if sigma_px else (squared == 0).double()
    return weight / weight.sum((1, 2, 3), keepdim=True)


def _signed(channels: int, places: Places, sigma_px: float) -> nn.Conv2d:
    """A difference of cells, smoothed, at the places of a cell, and its negative: behind a ReLU
    their sum is the absolute value."""
    kernel = _gauss(PIXELS, places, sigma_px)
    weight = torch.zeros(2, channels, len(places), channels, *kernel.shape[1:], dtype=torch.float64)
    for c in range(channels):
        weight[0, c, :, c], weight[1, c, :, c] = kernel, -kernel
    return _fixed(weight.flatten(3, 4).flatten(0, 2))


def _window(channels: int, places: Places, sigma_px: float) -> nn.Conv2d:
    """The mean absolute difference about each quarter of a cell, over all channels."""
    kernel = _gauss(places, QUARTERS, sigma_px) / channels
    return _fixed(kernel.repeat(1, 2 * channels, 1, 1))
