"""The network of the method `patchcore`: the distance of features from a bank of good parts.

Source: Roth et al. 2022 (Towards Total Recall in Industrial Anomaly Detection, CVPR), sections 3.1
and 3.3. The backbone is EfficientNet-Lite in place of a Wide-ResNet-50. docs/decisions/0048 lists
every difference from the paper.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from models.methods.pixel_map import PixelMap
from models.methods.sized_buffers import SizedBuffers, Sizes
from models.networks.efficientnet import EfficientNetLite

TAPS = (2, 4)  # stages of the backbone, at strides 8 and 16
STRIDES_PX = (8, 16)  # of these stages
PATCH = 3  # side in cells of the neighbourhood over which features are averaged
# Vectors of the bank that one matrix product compares. Its result takes 4 KB for each cell.
BLOCK = 1024


class PatchCoreDetector(SizedBuffers):
    """Severity for each pixel: the distance to the nearest of many feature vectors of good parts.

    The features are those of a frozen network, averaged over PATCH × PATCH cells. Cells of 8 px
    have both stages, and cells of 16 px the second one alone. The distance is the Euclidean one, in
    float32 in every build. The score of the part is the distance of the farthest cell,
    weighted by equation 7 of the paper with the ``neighbours`` vectors nearest to its vector of the
    bank.

    ``bank`` has features + 1 rows and a column for each vector v: the vector, and -|v|²/2. The
    product with a cell's features x and a 1 is x·v - |v|²/2 = (|x|² - |x - v|²) / 2, which is
    greatest for the nearest vector. ``near`` has a row for each vector: the indices of the vectors
    nearest to it, itself first. ``units``: distance, and weighted distance, of severity 1. The size
    of the bank is that of the weights that are loaded.
    """

    sized: ClassVar[Sizes] = {"bank": (1,), "near": (0, 1)}
    decides = True
    stride_px = 1
    multiple_px = STRIDES_PX[-1]

    def __init__(self, channels: int = 1, *, backbone: str = "lite0", cell_px: int = 8) -> None:
        super().__init__()
        self.cell_px, self.taps = cell_px, TAPS[STRIDES_PX.index(cell_px) :]
        self.backbone = EfficientNetLite(channels, variant=backbone, stages=TAPS[-1] + 1)
        self.features = sum(self.backbone.widths[tap] for tap in self.taps)
        self.pixels = PixelMap(cell_px)
        self.bank: Tensor
        self.near: Tensor
        self.units: Tensor
        self.register_buffer("bank", torch.zeros(self.features + 1, 1))
        self.register_buffer("near", torch.zeros(1, 1, dtype=torch.int64))
        self.register_buffer("units", torch.ones(2))

    def cell_features(self, x: Tensor) -> Tensor:
        """Return the features of the cells: N×C×H×W → N×features×(H/cell)×(W/cell)."""
        outputs = self.backbone(x)
        finest, *coarse = (
            functional.avg_pool2d(outputs[tap], PATCH, 1, PATCH // 2) for tap in self.taps
        )
        enlarged = [
            functional.interpolate(each, scale_factor=2.0, mode="bilinear", align_corners=False)
            for each in coarse
        ]
        return torch.cat([finest, *enlarged], 1)

    def distances(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each cell, N×1×(H/cell)×(W/cell), and that of the part, N×1."""
        features = self.cell_features(x)
        cells, squares = _rows(features)
        distance = _to_nearest(cells, squares, self.bank)
        part = self._weighted(*(each.flatten(1, 2) for each in (cells, squares, distance)))
        return distance.permute(0, 3, 1, 2), part

    def raw(self, x: Tensor) -> Tensor:
        return self.raw_and_part(x)[0]

    def raw_and_part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cells, part = self.distances(x)
        return self.pixels(cells) / self.units[0], (part / self.units[1])[:, :, None, None]

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    @torch.no_grad()
    def remember(self, vectors: Tensor, neighbours: int) -> None:
        """Set the bank: vectors N×features. neighbours: b of equation 7, at most N of them."""
        self.bank = bank_of(vectors)
        self.near = nearest(vectors, min(neighbours, len(vectors)))

    @torch.no_grad()
    def scale(self, cell: float, part: float) -> None:
        """Set the distance, and the weighted distance, that is a severity of 1."""
        self.units.copy_(torch.tensor([cell, part]))

    def _weighted(self, cells: Tensor, squares: Tensor, distance: Tensor) -> Tensor:
        """Return equation 7 for each picture, N×1. cells: N×P×(features + 1); the others N×P×1."""
        place = distance.argmax(1, keepdim=True)
        farthest = distance.gather(1, place)[:, :, 0]
        if self.near.shape[1] == 1:
            return farthest
        # The product with ones repeats the place for each feature, without the operator Expand.
        each = place * torch.ones(1, 1, self.features + 1, dtype=torch.int64)
        products = (cells.gather(1, each) @ self.bank)[:, 0]
        known = self.near.index_select(0, products.argmax(1))
        others = squares.gather(1, place)[:, 0] - 2.0 * products.gather(1, known)
        weights = torch.softmax(torch.sqrt(functional.relu(others)), 1)
        return (1.0 - weights[:, :1]) * farthest


def bank_of(vectors: Tensor) -> Tensor:
    """Return the bank of vectors N×features, as PatchCoreDetector has it: (features + 1)×N."""
    return torch.cat([vectors.T, -vectors.square().sum(1)[None] / 2]).contiguous()


def distance_to_bank(features: Tensor, bank: Tensor) -> Tensor:
    """Return the distance of each cell from the nearest vector: N×features×h×w → N×1×h×w.

    Its graph keeps rows and columns apart, so that a station can run it on stripes.
    """
    cells, squares = _rows(features)
    return _to_nearest(cells, squares, bank).permute(0, 3, 1, 2)


def _rows(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return a row for each cell with a 1 at its end, N×h×w×(features + 1), and |x|², N×h×w×1."""
    # The check of a bundle (edge/bundle/onnx_file.py) allows the operator Pad, and refuses Expand.
    cells = functional.pad(features, (0, 0, 0, 0, 0, 1), value=1.0).permute(0, 2, 3, 1)
    return cells, (cells * cells).sum(3, keepdim=True) - 1.0


def _to_nearest(cells: Tensor, squares: Tensor, bank: Tensor) -> Tensor:
    """Return the distance of each row from the nearest vector: N×…×1."""
    best: Tensor | None = None
    for block in torch.split(bank, BLOCK, 1):
        product = (cells @ block).amax(-1, keepdim=True)
        best = product if best is None else torch.maximum(best, product)
    assert best is not None
    return torch.sqrt(functional.relu(squares - 2.0 * best))


def nearest(vectors: Tensor, count: int) -> Tensor:
    """Return the indices of the ``count`` vectors nearest to each, itself first: int64 N×count."""
    squares = vectors.square().sum(1)
    rows = []
    for start in range(0, len(vectors), BLOCK):
        own = torch.arange(start, min(start + BLOCK, len(vectors)))
        distances = torch.addmm(squares, vectors[own], vectors.T, alpha=-2.0)
        distances[torch.arange(len(own)), own] = -torch.inf  # also before an equal vector
        rows.append(distances.topk(count, largest=False).indices)
    return torch.cat(rows)
