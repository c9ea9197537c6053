"""A larger network, trained before, as the teacher of one that a station can afford.

After Hinton et al. 2015 (Distilling the Knowledge in a Neural Network): beside the labels the
student is trained towards the teacher's severity, which says of every cell how like a defect it
is, where the label only says yes or no.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.data.dataset import DataError
from models.networks import DetectorNetwork
from models.run import Run


class Teacher:
    """The detector of a finished run, asked for the severity of training patches."""

    def __init__(self, network: DetectorNetwork, *, bfloat16: bool = False) -> None:
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._bfloat16 = bfloat16

    @torch.no_grad()
    def severity(self, inputs: Tensor) -> Tensor:
        """Normalised pixels N×C×H×W → severity N×1×(H/stride)×(W/stride), 0 to 12."""
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            severity: Tensor = self._network(inputs)
        return severity.float()


def load_teacher(
    folder: Path, channels: int, stride_px: int, held_back: Sequence[str], *, bfloat16: bool = False
) -> Teacher:
    """The teacher of a run's folder. held_back: names of the student's validation pictures.

    Raises DataError when there is no trained detector, when its pictures or cells are of another
    kind, or when it was trained on a picture that the student is validated on: it would hand the
    answer down.
    """
    run = Run(folder)
    record = run.record()
    if record.channels != channels:
        raise DataError(
            f"{folder}: the teacher takes {record.channels} channels; expected {channels}"
        )
    network = run.load_detector()
    if network.stride_px != stride_px:
        raise DataError(
            f"{folder}: the teacher's cells are {network.stride_px} px; expected {stride_px}"
        )
    seen = sorted(set(record.train) & set(held_back))
    if seen:
        raise DataError(
            f"{folder}: the teacher was trained on {seen[0]}, which this run is validated on; "
            "expected the same split"
        )
    return Teacher(network, bfloat16=bfloat16)
