"""The network of the method `ensemble`: the mean of three methods on one backbone.

Sources: the student is that of `reverse-distillation` (Deng & Li 2022, CVPR), the bank that of
`patchcore` (Roth et al. 2022, CVPR) with cells of 16 px, and the contrast that of `threshold`.
Their values are combined by the mean rule of Kittler et al. 1998 (On Combining Classifiers, PAMI
20:226), after each is limited where a member sees nothing. docs/decisions/0081 has the trials.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.methods.ensemble.contrast import LocalContrast
from models.methods.patchcore.network import PATCH, TAPS, bank_of, distance_to_bank
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.methods.sized_buffers import SizedBuffers, Sizes
from models.networks.base import SEVERITY_MAX

VALUES = ("student", "bank", "darker", "brighter")
TAP = TAPS[-1]  # the stage of the bank, at stride 16


class EnsembleDetector(SizedBuffers):
    """Severity for each cell of 8 px: the mean of a student, a bank and the local contrast.

    ``student``: a ReverseDistillationDetector, whose backbone the bank uses too. ``bank``: feature
    vectors of good parts, as PatchCoreDetector has them; its size is that of the weights that are
    loaded. ``scales`` brings the VALUES to one scale, where 0 is the least: there a member sees
    nothing. Of the two contrasts the larger counts. ``gain``: severity of a mean of 1; an untrained
    network has none.
    """

    sized: ClassVar[Sizes] = {"bank": (1,)}

    def __init__(
        self, channels: int, student: ReverseDistillationDetector, vectors: int = 1
    ) -> None:
        """vectors: size of the bank before a training, for the time of an untrained network."""
        super().__init__()
        self.stride_px, self.multiple_px = student.stride_px, student.multiple_px
        self.student = student
        self.bank: Tensor
        self.gain: Tensor
        self.register_buffer("bank", torch.zeros(student.backbone.widths[TAP] + 1, vectors))
        self.register_buffer("gain", torch.zeros(1))
        self.contrast = LocalContrast(channels)
        self.scales = nn.Conv2d(len(VALUES), len(VALUES), 1, groups=len(VALUES))

    def values(self, x: Tensor) -> Tensor:
        """Return the VALUES of each cell, not scaled: N×4×(H/8)×(W/8)."""
        outputs = self.student.backbone(x)
        student = self.student.raw_of(outputs).clamp(0.0, SEVERITY_MAX)
        features = functional.avg_pool2d(outputs[TAP], PATCH, 1, PATCH // 2)
        distance = functional.interpolate(
            distance_to_bank(features, self.bank),
            scale_factor=2.0,
            mode="bilinear",
            align_corners=False,
        )
        return torch.cat([student, distance, self.contrast(x)], 1)

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean of the three members, scaled: N×1×(H/8)×(W/8)."""
        scaled = functional.relu(self.scales(self.values(x)))
        student, bank, darker, brighter = torch.split(scaled, 1, 1)
        return (student + bank + torch.maximum(darker, brighter)) / 3.0

    def raw(self, x: Tensor) -> Tensor:
        return self.mean(x) * self.gain

    def load_imagenet(self) -> None:
        self.student.load_imagenet()

    @torch.no_grad()
    def remember(self, vectors: Tensor) -> None:
        """Set the bank: vectors N×features of the stage at stride 16, averaged over 3×3 cells."""
        self.bank = bank_of(vectors)

    @torch.no_grad()
    def scale(self, middles: Tensor, units: Tensor) -> None:
        """Scale each of the VALUES to 1 + (value - middle) / unit. middles, units: 4."""
        self.scales.weight.copy_((1.0 / units)[:, None, None, None])
        assert self.scales.bias is not None
        self.scales.bias.copy_(1.0 - middles / units)
