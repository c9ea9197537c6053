"""Methods on the features of a ResNet that was trained on ImageNet.

Sources: Defard et al. 2021 (PaDiM, ICPR workshops); Roth et al. 2022 (PatchCore, CVPR); Rolih et
al. 2024 (SuperSimpleNet, ICPR).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.peers.networks.blocks import ConvNorm, same_size
from models.distillation.resnet import RESNETS, ResNet


class FeatureLayers(nn.Module):
    """The first three layers of a ResNet; their outputs, at strides 4, 8 and 16."""

    def __init__(self, name: str) -> None:
        super().__init__()
        whole = ResNet(RESNETS[name])
        middle, last = whole.widths
        self.widths = (middle // 2, middle, last)
        self.stem = nn.Sequential(whole.conv1, whole.bn1, nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.layers = nn.ModuleList(whole.get_submodule(f"layer{number}") for number in (1, 2, 3))

    def forward(self, x: Tensor) -> list[Tensor]:
        outputs, x = [], self.stem(x)
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


class PaDiM(nn.Module):
    """ResNet-18, stages 1 to 3, 100 of 448 features, and a Gaussian for each cell of 4 px.

    products_mmac: million multiply-accumulates of its matrix products.
    """

    DIMENSIONS = 100

    def __init__(self, side_px: int) -> None:
        super().__init__()
        self.backbone = FeatureLayers("resnet18")
        cells = (side_px // 4) ** 2
        chosen = torch.randperm(sum(self.backbone.widths))[: self.DIMENSIONS]
        self.register_buffer("chosen", chosen.sort().values)
        self.register_buffer("mean", torch.zeros(cells, self.DIMENSIONS))
        inverse = torch.randn(cells, self.DIMENSIONS, self.DIMENSIONS) / self.DIMENSIONS
        self.register_buffer("inverse", inverse)
        self.products_mmac = cells * self.DIMENSIONS**2 / 1e6

    def forward(self, x: Tensor) -> Tensor:
        chosen, mean, inverse = self.chosen, self.mean, self.inverse
        assert isinstance(chosen, Tensor)
        assert isinstance(mean, Tensor)
        assert isinstance(inverse, Tensor)
        fine, *coarse = self.backbone(x)
        features = torch.cat([fine, *(same_size(each, fine, "nearest") for each in coarse)], 1)
        cells = features.index_select(1, chosen)[0].flatten(1).T - mean
        distance = (torch.bmm(cells[:, None], inverse)[:, 0] * cells).sum(1)
        rows = fine.shape[2]
        return torch.sqrt(functional.relu(distance)).reshape(1, 1, rows, -1)


class PatchCore(nn.Module):
    """ResNet-18, stages 2 and 3, averaged over 3×3 cells, and the nearest vector of a bank.

    vectors: of the bank. The published bank has 10 % of the cells of the training pictures.
    products_mmac: million multiply-accumulates of the comparison.
    """

    def __init__(self, side_px: int, vectors: int) -> None:
        super().__init__()
        self.backbone = FeatureLayers("resnet18")
        features = sum(self.backbone.widths[1:])
        self.register_buffer("bank", torch.randn(features, vectors))
        self.products_mmac = (side_px // 8) ** 2 * features * vectors / 1e6

    def forward(self, x: Tensor) -> Tensor:
        _, fine, coarse = (functional.avg_pool2d(each, 3, 1, 1) for each in self.backbone(x))
        features = torch.cat([fine, same_size(coarse, fine)], 1)
        bank = self.bank
        assert isinstance(bank, Tensor)
        cells = features[0].flatten(1).T
        squares = cells.square().sum(1) + (bank.square().sum(0) - 2.0 * (cells @ bank)).amin(1)
        rows = fine.shape[2]
        return torch.sqrt(functional.relu(squares)).reshape(1, 1, rows, -1)


class SuperSimpleNet(nn.Module):
    """Wide-ResNet-50-2, stages 2 and 3, enlarged to cells of 4 px; a map, and a score of the part.

    narrow: ResNet-18 in place of the published backbone.
    """

    def __init__(self, *, narrow: bool = False) -> None:
        super().__init__()
        self.backbone = FeatureLayers("resnet18" if narrow else "wide_resnet50_2")
        width = sum(self.backbone.widths[1:])
        self.adapter = nn.Conv2d(width, width, 1)
        self.segmentation = nn.Sequential(
            ConvNorm(width, 1024, 1), nn.Conv2d(1024, 1, 1, bias=False)
        )
        self.decision = ConvNorm(width + 1, 128, 5)
        self.score = nn.Linear(2 * 128 + 2, 1)

    def forward(self, x: Tensor) -> Sequence[Tensor]:
        _, fine, coarse = self.backbone(x)
        fine = functional.interpolate(fine, scale_factor=2.0, mode="bilinear", align_corners=False)
        features = torch.cat([fine, same_size(coarse, fine)], 1)
        features = self.adapter(functional.avg_pool2d(features, 3, 1, 1))
        found = self.segmentation(features)
        last = self.decision(torch.cat([features, found], 1))
        pooled = [function(each) for each in (last, found) for function in (_largest, _mean)]
        return found, self.score(torch.cat(pooled, 1))


def _largest(x: Tensor) -> Tensor:
    return x.amax((2, 3))


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3))
