"""A student: a detector that is trained beside a teacher."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data.dataset import DataError
from models.distillation.teacher import FeatureTeacher, MapTeacher, Teacher
from models.networks import SEVERITY_MAX, DetectorNetwork, ReducedDetector

# As the weight of the labels' cross entropy (models/training/losses.py).
CROSS_ENTROPY_WEIGHT = 4.0


class DistilledNetwork(DetectorNetwork):
    """A detector with a teacher beside it. The teacher is no part of its state.

    In training mode ``forward`` returns N×2×h×w: the detector's own output, and its distance from
    the teacher in each cell, 0 or more. In eval mode it is the detector alone.

    For a teacher of features, ``projection`` maps the coarsest features of the detector to those of
    the teacher. It learns with the detector and is left out of the run.
    """

    def __init__(self, student: DetectorNetwork, teacher: Teacher) -> None:
        """Raises DataError where the detector cannot learn from this teacher."""
        super().__init__()
        if student.decides or student.stages > 1:
            raise DataError(
                "a teacher is for networks without a decision head; expected detector.decision = "
                "false"
            )
        self.stride_px, self.multiple_px = student.stride_px, student.multiple_px
        self.shuffle, self.logistic = student.shuffle, student.logistic
        self.student = student
        self._teacher = teacher
        self.projection: nn.Module | None = None
        if isinstance(teacher, FeatureTeacher):
            if not isinstance(student, ReducedDetector):
                raise DataError(
                    f"{type(student).__name__} has no features that a state file can teach; "
                    "expected a finished run as teacher"
                )
            width = student.backbone.widths[student.TAPS[0]]
            self.projection = nn.Conv2d(width, teacher.channels, 1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> DistilledNetwork:
        # The teacher is no part of the state, but must be on the same device.
        self._teacher.module._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def raw(self, x: Tensor) -> Tensor:
        return self.student.raw(x)

    def parameter_groups(self) -> list[tuple[list[nn.Parameter], float]]:
        groups = self.student.parameter_groups()
        if self.projection is not None:
            groups.append((list(self.projection.parameters()), 1.0))
        return groups

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            own: Tensor = self.student(x)
            return own
        if isinstance(self._teacher, MapTeacher):
            outputs = self.student(x)
            return torch.cat((outputs, self._from_map(x, outputs, self._teacher)), 1)
        return self._beside_features(x, self._teacher)

    def _from_map(self, x: Tensor, outputs: Tensor, teacher: MapTeacher) -> Tensor:
        wanted = teacher.severity(x, (outputs.shape[2], outputs.shape[3]))
        if not self.logistic:
            return (outputs.float() - wanted) ** 2
        share = wanted / SEVERITY_MAX
        # Less the entropy of the teacher, so that equal maps have the distance 0.
        least = functional.binary_cross_entropy(share, share, reduction="none")
        cells = functional.binary_cross_entropy_with_logits(
            outputs.float(), share, reduction="none"
        )
        return CROSS_ENTROPY_WEIGHT * (cells - least)

    def _beside_features(self, x: Tensor, teacher: FeatureTeacher) -> Tensor:
        student = self.student
        assert isinstance(student, ReducedDetector)
        assert self.projection is not None
        stages = student.backbone(x)
        outputs = functional.pixel_shuffle(student.cells(stages), student.shuffle)
        own = self.projection(stages[student.TAPS[0]]).float()
        grid = (own.shape[2], own.shape[3])
        wanted = teacher.features(x, grid, student.REDUCTION)
        distance = 1 - functional.cosine_similarity(own, wanted, dim=1).unsqueeze(1)
        cells = functional.interpolate(distance, outputs.shape[2:], mode="nearest")
        return torch.cat((outputs, cells.to(outputs.dtype)), 1)
