"""A teacher: what a student is compared with, from normalised pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.distillation.state_file import PublishedNetwork
from models.networks import PIXEL_SCALE, PIXEL_ZERO_POINT, SEVERITY_MAX, DetectorNetwork
from models.training.patches import Picture

# Of ImageNet, for red, green and blue from 0 to 1: the input of published networks.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, eq=False)
class MapTeacher:
    """A trained detector, whose severity map a student learns.

    network: in eval mode. It takes pixels as the student does.
    """

    network: DetectorNetwork

    @property
    def module(self) -> nn.Module:
        """Return the network, which is moved to the device of the student."""
        return self.network

    @torch.no_grad()
    def severity(self, inputs: Tensor, cells: tuple[int, int]) -> Tensor:
        """Return the severity, float32 N×1×h×w, 0 to 12, at the student's number of cells.

        inputs: normalised pixels, float32 N×C×H×W. The picture is reflected up to a multiple of
        the network's, as on the station.
        """
        height, width = inputs.shape[2:]
        multiple = self.network.multiple_px
        pad = (0, -width % multiple, 0, -height % multiple)
        padded = functional.pad(inputs, pad, mode="reflect") if any(pad) else inputs
        stride = self.network.stride_px
        rows, cols = (side // stride for side in padded.shape[2:])
        values = self.network(padded).float().flatten(1)[:, : rows * cols]
        found = values.reshape(len(inputs), 1, rows, cols)
        found = found[:, :, : -(-height // stride), : -(-width // stride)]
        if tuple(found.shape[2:]) != cells:
            found = functional.interpolate(found, cells, mode="bilinear")
        severity: Tensor = found.clamp(0, SEVERITY_MAX)
        return severity

    def __deepcopy__(self, _memo: dict[int, Any]) -> MapTeacher:
        """Return the same teacher: a copy of a student shares it."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTeacher:
    """A published network, whose features a student learns to predict."""

    published: PublishedNetwork

    @property
    def module(self) -> nn.Module:
        """Return the network, which is moved to the device of the student."""
        return self.published.network

    @property
    def channels(self) -> int:
        """Return the number of channels of ``features``."""
        return sum(self.published.network.widths)

    @torch.no_grad()
    def features(self, inputs: Tensor, cells: tuple[int, int], reduction: int) -> Tensor:
        """Return features, float32 N×channels×h×w, averaged or repeated to h×w = cells.

        inputs: normalised pixels, float32 N×C×H×W, grey or BGR. reduction: the factor by which the
        student reduces the resolution. The teacher sees the picture reduced alike.
        """
        network = self.published.network
        multiple = network.multiple_px
        height, width = (
            max(round(side / reduction / multiple), 1) * multiple for side in inputs.shape[2:]
        )
        picture = functional.interpolate(as_imagenet(inputs), (height, width), mode="area")
        return torch.cat(
            [functional.adaptive_avg_pool2d(some.float(), cells) for some in network(picture)], 1
        )

    def __deepcopy__(self, _memo: dict[int, Any]) -> FeatureTeacher:
        """Return the same teacher: a copy of a student shares it."""
        return self


Teacher = MapTeacher | FeatureTeacher


def as_imagenet(inputs: Tensor) -> Tensor:
    """Return normalised pixels N×C×H×W, grey or BGR, as the input of networks of ImageNet."""
    shares = (inputs / PIXEL_SCALE + PIXEL_ZERO_POINT) / 255
    shares = shares.expand(-1, 3, -1, -1) if shares.shape[1] == 1 else shares.flip(1)
    mean, deviation = (
        torch.tensor(values, dtype=shares.dtype).reshape(1, 3, 1, 1).to(shares.device)
        for values in (MEAN, DEVIATION)
    )
    return (shares - mean) / deviation


@dataclass(frozen=True, slots=True)
class Guide:
    """A teacher, and the pictures from which only it teaches.

    undrawn: pictures of defective parts without a mask; no label of theirs is known.
    """

    teacher: Teacher
    undrawn: tuple[Picture, ...] = ()
