"""A network as torch.export writes it: what the TFLite tool chain converts, in another environment.

It takes normalised pixels float32 N×H×W×C, as a station's frames lie in memory, and gives what the
engine hands to the chain: one plane of severity N×h×w×1, or the classifier's logits N×K.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from models.networks import SEVERITY_MAX, BlockClassifier, DetectorNetwork

LAYER_MARK = "layer"


class _Severity(nn.Module):
    """The detector; severity / 12, or as ``raw_severity`` severity itself, not yet clamped."""

    def __init__(self, network: DetectorNetwork, *, raw_severity: bool) -> None:
        super().__init__()
        self.network = network
        self.raw_severity = raw_severity

    def forward(self, pixels: Tensor) -> Tensor:
        value = self.network.raw(pixels.permute(0, 3, 1, 2))
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
    """AvgPool2d that leaves out the padding, of what TFLite has: its own leaves it out only where
    it lies at the bottom and right. The mean with zeros, times what the zeros took away."""

    def __init__(self, pool: nn.AvgPool2d) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
        self.gain: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "gain"):  # the run before the export
            self.register_buffer("gain", 1.0 / self.pool(torch.ones_like(x[:1, :1])))
        return self.pool(x) * self.gain  # type: ignore[no-any-return]


def shuffled(value: Tensor, side: int) -> Tensor:
    """Sub-cells in channels, N×h×w×(side·side), to cells N×(h·side)×(w·side)×1.

    torch's pixel_shuffle in the memory order of TFLite: one transposition there, not three.
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
    """The network at a static shape, in eval mode.

    Every node carries the path of its module (as ``backbone.stem.0``), by which the worker names
    the layers. raw_severity: leave out the clamp of a detector without a logistic, where the range
    of the int8 output clamps.
    """
    network = copy.deepcopy(network).eval()
    for path, pool in list(network.named_modules()):
        if isinstance(pool, nn.AvgPool2d) and pool.padding and not pool.count_include_pad:
            network.set_submodule(path, _PaddedMean(pool))
    module: nn.Module = (
        _Logits(network)
        if isinstance(network, BlockClassifier)
        else _Severity(network, raw_severity=raw_severity)
    )
    example = torch.zeros(batch, height, width, channels)
    with torch.no_grad():
        module.eval()(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, not ours to mend
        program = torch.export.export(module, (example,))
    for node in program.graph.nodes:
        stack: dict[str, tuple[str, Any]] = node.meta.get("nn_module_stack", {})
        if stack:
            path = list(stack.values())[-1][0].removeprefix("network.") or "tail"
            # The converter names tensors by the last part after a dot, so that there is one part.
            node.meta["nn_module_stack"] = {path: (path.replace(".", "/"), LAYER_MARK)}
    return program


def layer_paths(network: nn.Module) -> tuple[str, ...]:
    """Paths of the modules that have weights to round."""
    kinds = (nn.Conv2d, nn.Linear)
    return tuple(name for name, module in network.named_modules() if isinstance(module, kinds))
