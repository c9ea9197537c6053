"""The program of torch.export that the TFLite tool chain converts in another environment.

Its input is normalised pixels float32 N×H×W×C, the memory order of a station's frames. Its output
is one plane of severity N×h×w×1, or the classifier's logits N×K. With a decision head it is one row
per picture, N×(h·w + 1): the plane row by row, and the score of the part last.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork, joined
from models.networks.decision import Largest

LAYER_MARK = "layer"


class _Severity(nn.Module):
    """The detector with severity / 12 as output; with ``raw_severity``, severity not clamped."""

    def __init__(self, network: DetectorNetwork, *, raw_severity: bool) -> None:
        super().__init__()
        self.network = network
        self.raw_severity = raw_severity

    def forward(self, pixels: Tensor) -> Tensor:
        planes = pixels.permute(0, 3, 1, 2)
        if self.network.decides:
            raw, part = (torch.sigmoid(each) for each in self.network.raw_and_part(planes))
            cells = shuffled(raw.permute(0, 2, 3, 1), self.network.shuffle)
            return joined(cells, part)
        value = self.network.raw(planes)
        if self.network.logistic:
            value = torch.sigmoid(value)
        elif not self.raw_severity:
            value = value.clamp(0.0, SEVERITY_MAX) / SEVERITY_MAX
        return shuffled(value.permute(0, 2, 3, 1), self.network.shuffle)


class _Logits(nn.Module):
    def __init__(self, network: BlockClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixels.permute(0, 3, 1, 2))  # type: ignore[no-any-return]


class _PaddedMean(nn.Module):
    """An AvgPool2d that ignores the padding, made from operators that TFLite has.

    The operator of TFLite ignores only a padding at the bottom and right. Here the mean includes
    the zeros of the padding, and is multiplied by a factor that compensates for them.
    """

    def __init__(self, pool: nn.AvgPool2d) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
        self.gain: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "gain"):  # the first run, before the export
            self.register_buffer("gain", 1.0 / self.pool(torch.ones_like(x[:1, :1])))
        return self.pool(x) * self.gain  # type: ignore[no-any-return]


class _PooledLargest(nn.Module):
    """``Largest`` as one pooling window, because the quantiser leaves REDUCE_MAX in float."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(x, (x.shape[2], x.shape[3]))


def shuffled(value: Tensor, side: int) -> Tensor:
    """Convert cells in channels, N×h×w×(side·side), to cells N×(h·side)×(w·side)×1.

    This is torch's pixel_shuffle in the memory order of TFLite, with one transposition instead of
    three.
    """
    if side == 1:
        return value
    batch, height, width, _ = value.shape
    value = value.reshape(batch * height, width, side, side).permute(0, 2, 1, 3)
    return value.reshape(batch, height * side, width * side, 1)


def export_program(
    network: DetectorNetwork | BlockClassifier,
    channels: int,
    height: int,
    width: int,
    batch: int,
    *,
    raw_severity: bool = False,
) -> torch.export.ExportedProgram:
    """Export a copy of the network at a static shape, in eval mode.

    Every node has the path of its module, for instance ``backbone.stem.0``, by which the worker
    names the layers. raw_severity: omit the clamp of a detector without a logistic, because the
    range of the int8 output clamps.
    """
    network = copy.deepcopy(network).eval()
    for path, pool in list(network.named_modules()):
        if isinstance(pool, nn.AvgPool2d) and pool.padding and not pool.count_include_pad:
            network.set_submodule(path, _PaddedMean(pool))
    for path, largest in list(network.named_modules()):
        if isinstance(largest, Largest):
            network.set_submodule(path, _PooledLargest())
    module: nn.Module = (
        _Logits(network)
        if isinstance(network, BlockClassifier)
        else _Severity(network, raw_severity=raw_severity)
    )
    example = torch.zeros(batch, height, width, channels)
    with torch.no_grad():
        module.eval()(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's exporter
        program = torch.export.export(module, (example,))
    for node in program.graph.nodes:
        stack: dict[str, tuple[str, Any]] = node.meta.get("nn_module_stack", {})
        if stack:
            path = list(stack.values())[-1][0].removeprefix("network.") or "tail"
            # The converter names tensors by the text after the last dot, so dots are replaced.
            node.meta["nn_module_stack"] = {path: (path.replace(".", "/"), LAYER_MARK)}
    return program


def layer_paths(network: nn.Module) -> tuple[str, ...]:
    """Return the paths of the modules with weights that are rounded."""
    kinds = (nn.Conv2d, nn.Linear)
    return tuple(name for name, module in network.named_modules() if isinstance(module, kinds))
