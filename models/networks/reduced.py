"""The networks of stations: the first stages of EfficientNet-Lite on a reduced picture.

Features that separate a defect from its surface can be learned from ImageNet, and not from some
forty defective parts. At half or a quarter of the resolution they take a station 1 or 0.3 ms for
256×256 px, and reach twice or four times as far around a cell. docs/decisions/0010 has the trials.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.base import DetectorNetwork
from models.networks.decision import DecisionHead
from models.networks.efficientnet import EfficientNetLite, unit

SILENT = -6.0  # the logit of severity 0.03
_STAGE_STRIDES = (2, 4, 8, 16, 16, 32, 32)  # of EfficientNet-Lite0, before the reduction


class ReducedDetector(DetectorNetwork):
    """Severity for each 2×2 px, from EfficientNet-Lite at a reduced resolution and a thin decoder.

    Each step of the decoder adds the coarser features to a 1×1 convolution of the finer ones, and
    mixes them by a 3×3 convolution. The last step gives cells of 2×2 px as sub-cells in its
    channels. If the decoder ends above stage 0, a strided convolution adds the finer features of
    stage 0. Without them a crack of 2 px would be lost.

    decision: add a decision head on a coarser stage and the map (models/networks/decision.py). The
    stages beyond the map's belong to the decision alone, and always learn with it.
    """

    logistic = True
    REDUCTION: int  # factor by which the resolution is reduced
    KERNEL: int  # side of the stem's kernel in px; its stride is twice the reduction
    DECISION_KERNEL: int = 6  # the same with a decision head
    TAPS: tuple[int, ...]  # the stages whose outputs are used, coarse to fine
    WIDTHS: tuple[int, ...]  # channels of the decoder at these stages
    DECISION_STAGES: tuple[int, ...] = (3, 4, 5, 6)  # those that the decision head looks at
    RATE = 0.5  # learning rate of the backbone, as a share of the decoder's
    VARIANT: str = "lite0"  # of the backbone: a key of SCALINGS

    def __init__(self, channels: int = 1, *, decision: bool = False) -> None:
        super().__init__()
        self.decides = decision
        self.stride_px = 2
        end, first = (_STAGE_STRIDES[stage] * self.REDUCTION for stage in (self.TAPS[-1], 0))
        # The head looks at more stages than the map: a decision takes coarser features.
        last = max(self.TAPS[0], self.DECISION_STAGES[-1]) if decision else self.TAPS[0]
        self.multiple_px = _STAGE_STRIDES[last] * self.REDUCTION
        self.shuffle = end // self.stride_px
        self.backbone = EfficientNetLite(
            channels,
            variant=self.VARIANT,
            stages=last + 1,
            reduction=self.REDUCTION,
            kernel=self.DECISION_KERNEL if decision else self.KERNEL,
        )
        widths = self.backbone.widths
        self.lateral = nn.ModuleList(
            nn.Sequential(*unit(widths[tap], width, 1, linear=bool(i)))
            for i, (tap, width) in enumerate(zip(self.TAPS, self.WIDTHS, strict=True))
        )
        self.narrow = nn.ModuleList(
            nn.Sequential(*unit(coarse, fine, 1, linear=True))
            for coarse, fine in zip(self.WIDTHS[:-1], self.WIDTHS[1:], strict=True)
        )
        self.merge = nn.ModuleList(
            nn.Sequential(*unit(width, width, 3)) for width in self.WIDTHS[1:]
        )
        self.detail: nn.Module | None = None
        if end > first:
            step, width = end // first, self.WIDTHS[-1]
            self.detail = nn.Sequential(*unit(widths[0], width, step, step, linear=True))
        self.head = nn.Conv2d(self.WIDTHS[-1], self.shuffle**2, 3, padding=1)
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -3.0)  # severity 0.6, because most cells are sound
        self.decision: DecisionHead | None = None
        if decision:
            self.decision = DecisionHead(
                [widths[stage] for stage in self.DECISION_STAGES],
                self.shuffle,
                self.multiple_px // end,
            )

    def raw(self, x: Tensor) -> Tensor:
        return self.cells(self.backbone(x))

    def raw_and_part(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert self.decision is not None
        last = self.TAPS[0]  # of the map
        is_cut = self.decision.is_cut
        outputs = self.backbone(x, cut_after=last if is_cut else None)
        raw = self.cells(outputs)
        return raw, self.decision(self.seen(outputs, is_cut=is_cut), raw)

    def seen(self, outputs: list[Tensor], *, is_cut: bool = False) -> list[Tensor]:
        """Return the features that the decision head sees, of the outputs of all stages.

        is_cut: without a gradient to the stages of the map.
        """
        return [
            outputs[stage].detach() if is_cut and stage <= self.TAPS[0] else outputs[stage]
            for stage in self.DECISION_STAGES
        ]

    def cells(self, outputs: list[Tensor]) -> Tensor:
        """Return the raw sub-cells, from the outputs of all stages of the backbone."""
        x = self.lateral[0](outputs[self.TAPS[0]])
        steps = zip(self.TAPS[1:], self.lateral[1:], self.narrow, self.merge, strict=True)
        for tap, lateral, narrow, merge in steps:
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest")
            x = x + lateral(outputs[tap])
            if tap == self.TAPS[-1] and self.detail is not None:
                x = x + self.detail(outputs[0])
            x = merge(torch.relu(x))
        return self.head(x)  # type: ignore[no-any-return]

    @torch.no_grad()
    def silence_map(self) -> None:
        """Make every cell SILENT, for a network that learns decisions alone."""
        assert self.head.bias is not None
        self.head.weight.zero_()
        self.head.bias.fill_(SILENT)

    def load_imagenet(self) -> None:
        self.backbone.load_imagenet()

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        known = {id(p) for p in self.backbone.parameters()}
        decoder = [p for p in self.parameters() if id(p) not in known]
        return [(list(self.backbone.parameters()), self.RATE), (decoder, 1.0)]


class ExtraLargeDetector(ReducedDetector):
    """Large on EfficientNet-Lite2 with a wider decoder, in about twice its time: for a PC.

    It is the top of the ladder (models/ladder) and the usual teacher of smaller networks.
    """

    REDUCTION, KERNEL = 2, 6
    TAPS = (4, 2, 1, 0)
    WIDTHS = (64, 48, 32, 32)
    VARIANT = "lite2"


class LargeDetector(ReducedDetector):
    """Half the resolution, five stages, a decoder to stride 4: for a PC or a Jetson."""

    REDUCTION, KERNEL = 2, 6
    TAPS = (4, 2, 1, 0)
    WIDTHS = (48, 32, 16, 16)


class LeanDetector(ReducedDetector):
    """Half the resolution, four stages, a decoder to stride 8: for a Raspberry Pi.

    Its stem takes each 4×4 px once: the 6×6 stem of ``large`` would cost 7 % of the network. With a
    decision head it has that stem, because the features of ImageNet then fit better.
    """

    REDUCTION, KERNEL = 2, 4
    TAPS = (3, 2, 1)
    WIDTHS = (32, 32, 32)


class NanoDetector(ReducedDetector):
    """A quarter of the resolution, three stages: for a Pi Zero 2 or a very fast line.

    It is not for cracks of 2 px.
    """

    REDUCTION, KERNEL = 4, 8
    TAPS = (2, 1)
    WIDTHS = (32, 32)
    DECISION_STAGES = (1, 2)
    DECISION_KERNEL = 8
