"""An autoencoder whose output is severity: the deviation of a picture from good parts.

Behind the reconstruction there are only convolutions, ReLU and one product. The whole of it can be
quantised, and the station gets severity from one run of one network. The picture is compared in
cells of 4×4 pixels, arranged as channels. The reconstruction is therefore never enlarged, and int8
kernels run on few wide planes (docs/decisions/0027).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import PIXEL_SCALE, DetectorNetwork, conv_bn_relu

CELL_PX = 4  # side of a cell, in px of the reduced picture
LEAST_ERROR = PIXEL_SCALE  # one grey level, the least expected error
REACH = 2.5  # half width of a Gaussian window, in sigmas
# Severity at which a pixel is limited before the window. Without the limit a clear defect would
# need a range of a hundred severities in int8, and would have a halo. Half a window of it still
# gives 12.
MOST = 24.0
_CUT = 6.0  # the limit of ReLU6, which every tool chain has

Places = tuple[tuple[float, float], ...]  # y, x inside a cell
PIXELS: Places = tuple((float(y), float(x)) for y in range(CELL_PX) for x in range(CELL_PX))
QUARTERS: Places = tuple((y, x) for y in (0.5, 2.5) for x in (0.5, 2.5))


class Autoencoder(DetectorNetwork):
    """Severity for each 2×2 px of the reduced picture, from the error of reconstruction.

    reduction: side in px of the squares over which the picture is averaged first. width: channels
    of the layers at the 4×4 cells; twice as many below. depth: number of times that the resolution
    is halved below the cells. latent: channels of the narrowest layer. skip: channels that bypass
    it at every resolution; 0 for none. error_px: sigma of the smoothing of the difference before
    its sign is dropped, so that noise averages out; 0 for none. window_px: sigma of the average of
    the absolute difference after that. Both are in px of the reduced picture. expected: divide by
    the error that the network expects at a place, since a rough surface has larger errors than a
    smooth one (the scale of a Laplace likelihood, Kendall & Gal 2017, NeurIPS, section 2.2).

    The severity of a new network is in units of its own error; ``set_unit`` sets the scale. The
    severity of a pixel is limited to MOST.
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
        """Return the reconstruction of cells, N×planes×h×w, and the trust, N×1×h×w.

        Trust: the logits of LEAST_ERROR as a share of the expected error; None without one.
        """
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
        """Return the size of a difference around each quarter of a cell: N×4×h×w, 0 or more.

        With the logits of trust it is a multiple of the expected error, times LEAST_ERROR. It is
        not limited.
        """
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
        """Return severity, not clamped; in training mode the input of ``parted``."""
        if not self.training:
            return super().forward(x)
        planes = self.split(x)
        made, trust = self.reconstruct(planes)
        return torch.cat([made, planes, *(() if trust is None else (trust,))], 1)

    def parted(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Divide the output of training mode into reconstruction, input, and logits of trust."""
        made, given = outputs[:, : self.planes], outputs[:, self.planes : 2 * self.planes]
        trust = outputs[:, 2 * self.planes :]
        return made, given, trust if trust.shape[1] else None

    @torch.no_grad()
    def set_unit(self, unit: float) -> None:
        """Make ``unit`` of a new network one severity. Raises ValueError unless it is above 0."""
        if not (unit > 0.0 and math.isfinite(unit)):
            raise ValueError(f"a unit of severity is {unit}; expected a number above 0")
        self.differ.weight.mul_(self._unit / unit)
        self._unit = unit

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        return [([p for p in self.parameters() if p.requires_grad], 1.0)]


def expected_error(trust: Tensor, error: Tensor) -> Tensor:
    """Return the negative logarithm of a Laplace likelihood, without a constant.

    It is least where the expected error, LEAST_ERROR / sigmoid(trust), equals the mean error.
    """
    return error * (torch.sigmoid(trust) / LEAST_ERROR) - functional.logsigmoid(trust)


def _fixed(weight: Tensor, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that is not trained."""
    out, inputs, kernel, _ = weight.shape
    pad = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(inputs, out, kernel, stride, pad, bias=False)
    conv.weight = nn.Parameter(weight.float(), requires_grad=False)
    return conv


def _cells(channels: int, reduction: int) -> nn.Conv2d:
    """Return the layer from pixels to cells: channel c, row y, column x is plane (4c + y)·4 + x."""
    side = CELL_PX * reduction
    weight = torch.zeros(channels, CELL_PX, CELL_PX, channels, side, side)
    for c in range(channels):
        for y in range(CELL_PX):
            for x in range(CELL_PX):
                rows, cols = (slice(n * reduction, (n + 1) * reduction) for n in (y, x))
                weight[c, y, x, c, rows, cols] = 1.0 / reduction**2
    return _fixed(weight.flatten(0, 2), side)


def _gauss(given: Places, wanted: Places, sigma_px: float) -> Tensor:
    """Return the weights of a Gaussian around each wanted place: wanted × given × k × k.

    They weight the given places of all cells that the Gaussian reaches, with the sum 1. sigma 0
    weights equal places only, and k is 1.
    """
    reach = math.ceil(REACH * sigma_px / CELL_PX)
    offset = CELL_PX * torch.arange(-reach, reach + 1, dtype=torch.float64)
    a, b = (torch.tensor(places, dtype=torch.float64) for places in (wanted, given))
    away = b[None, :, :, None] + offset - a[:, None, :, None]  # wanted × given × (y, x) × k
    squared = away[:, :, 0, :, None] ** 2 + away[:, :, 1, None, :] ** 2
    weight = torch.exp(-squared / (2 * sigma_px**2)) if sigma_px else (squared == 0).double()
    return weight / weight.sum((1, 2, 3), keepdim=True)


def _signed(channels: int, places: Places, sigma_px: float) -> nn.Conv2d:
    """Return the layer that smooths a difference of cells and gives it with both signs.

    Behind a ReLU the sum of both is the absolute value.
    """
    kernel = _gauss(PIXELS, places, sigma_px)
    weight = torch.zeros(2, channels, len(places), channels, *kernel.shape[1:], dtype=torch.float64)
    for c in range(channels):
        weight[0, c, :, c], weight[1, c, :, c] = kernel, -kernel
    return _fixed(weight.flatten(3, 4).flatten(0, 2))


def _window(channels: int, places: Places, sigma_px: float) -> nn.Conv2d:
    """Return the layer of the mean absolute difference around each quarter, over all channels."""
    kernel = _gauss(places, QUARTERS, sigma_px) / channels
    return _fixed(kernel.repeat(1, 2 * channels, 1, 1))
