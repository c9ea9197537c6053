"""Features of the teacher on changed pictures of good parts, in memory, and crops of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.augmentation.crops import Augmentation, augment
from models.methods.cell_features import input_of
from models.methods.recipe import ReverseDistillationRecipe
from models.methods.reverse_distillation.network import DEEP_PX, ReverseDistillationDetector
from models.training.patches import Picture
from models.training.progress import track

MOST_BYTES = 2_000_000_000  # of features in memory
STRIDES_PX = (8, 8, 16, 16, 32)  # of the features, as ReverseDistillationDetector.teach orders them
EVERY = 3  # cells between two that give the statistics, along both axes
FLAT = 1e-3  # added to the deviation of a feature, so that a constant one has no weight
STRUCTURE_SHARE = 0.5  # share of the crops around a cell with more structure than others


@dataclass(frozen=True, slots=True)
class _View:
    """The features of one changed picture, float16 C×h×w for each stage, and its structured cells.

    structured: rows and columns at stride 32, N×2. Never empty.
    """

    stages: list[Tensor]
    structured: Tensor

    @property
    def bytes(self) -> int:
        return sum(stage.nbytes for stage in self.stages)


class TeacherViews:
    """Standardised features of many views of good parts.

    A view is a picture that was turned, flipped and lightened by the recipe; the first view of each
    picture is unchanged. Views are made until ``views`` of each picture exist or MOST_BYTES are
    used. Equal seeds give equal views.
    """

    def __init__(
        self,
        network: ReverseDistillationDetector,
        pictures: tuple[Picture, ...],
        options: ReverseDistillationRecipe,
        seed: int,
    ) -> None:
        """Run the teacher on every view. Blocks for about 0.1 s for each on one core."""
        self._rng = np.random.default_rng([seed, 46])
        self.views: list[_View] = []
        order = self._rng.permutation(len(pictures)).tolist()
        turns = [(number, index) for number in range(options.views) for index in order]
        used = 0
        for number, index in track(turns, "computing the features of good parts"):
            view = _view(network, self._changed(pictures[index], options, changed=number > 0))
            used += view.bytes
            if used > MOST_BYTES and self.views:
                break
            self.views.append(view)
        self.means, self.deviations = self._statistics()

    def __len__(self) -> int:
        return len(self.views)

    @property
    def choices(self) -> dict[str, Any]:
        """The state of the random choices, from which the next batches follow."""
        return dict(self._rng.bit_generator.state)

    @choices.setter
    def choices(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    def batches(self, steps: int, batch: int, crop_px: int) -> Iterator[list[Tensor]]:
        """Yield crops of the stages in the order of ``teach``: batch×C×h×w of each.

        All but the deepest are standardised. A crop has crop_px a side, or less where a picture of
        the batch is smaller.
        """
        for _ in range(steps):
            chosen = [self.views[int(i)] for i in self._rng.integers(len(self), size=batch)]
            deep = [view.stages[-1] for view in chosen]
            rows, cols = (
                min(crop_px // DEEP_PX, *(s.shape[axis] for s in deep)) for axis in (1, 2)
            )
            places = [self._place(view, rows, cols) for view in chosen]
            yield [
                (torch.stack([_cut(v.stages[i], at, rows, cols, stride) for v, at in pairs]) - mean)
                / deviation
                for i, (stride, mean, deviation) in enumerate(
                    zip(STRIDES_PX, _wide(self.means), _wide(self.deviations), strict=True)
                )
                for pairs in [list(zip(chosen, places, strict=True))]
            ]

    def _changed(
        self, picture: Picture, options: ReverseDistillationRecipe, *, changed: bool
    ) -> Picture:
        if not changed:
            return picture
        limits = Augmentation(
            flip=options.flip,
            rotate_deg=options.rotate_deg,
            brightness=options.brightness,
            contrast=options.contrast,
        )
        size = picture.kind_map.shape
        pixels, _ = augment(picture.pixels, picture.kind_map, limits, self._rng, (size[0], size[1]))
        return Picture(picture.sample, pixels, picture.kind_map)

    def _place(self, view: _View, rows: int, cols: int) -> tuple[int, int]:
        """Return the first row and column of a crop, at stride 32."""
        height, width = view.stages[-1].shape[1:]
        if self._rng.random() < STRUCTURE_SHARE:
            row, col = view.structured[int(self._rng.integers(len(view.structured)))].tolist()
            shift = self._rng.integers(0, (rows, cols))
            row, col = row - int(shift[0]), col - int(shift[1])
            return min(max(row, 0), height - rows), min(max(col, 0), width - cols)
        return int(self._rng.integers(height - rows + 1)), int(self._rng.integers(width - cols + 1))

    def _statistics(self) -> tuple[list[Tensor], list[Tensor]]:
        means, deviations = [], []
        for i in range(len(STRIDES_PX)):
            cells = torch.cat(
                [v.stages[i][:, ::EVERY, ::EVERY].flatten(1).float() for v in self.views], 1
            )
            means.append(cells.mean(1))
            deviations.append(cells.std(1, correction=0) + FLAT)
        # The student begins with a normalisation of its own.
        means[-1], deviations[-1] = torch.zeros_like(means[-1]), torch.ones_like(deviations[-1])
        return means, deviations


@torch.no_grad()
def _view(network: ReverseDistillationDetector, picture: Picture) -> _View:
    stages = [stage[0] for stage in network.teach(input_of(network, picture.pixels))]
    energy = (stages[-1] - stages[-1].mean((1, 2), keepdim=True)).abs().mean(0)
    structured = torch.nonzero(energy >= energy.median())
    return _View([stage.half().cpu() for stage in stages], structured.cpu())


def _cut(stage: Tensor, at: tuple[int, int], rows: int, cols: int, stride_px: int) -> Tensor:
    times = DEEP_PX // stride_px
    top, left = at[0] * times, at[1] * times
    return stage[:, top : top + rows * times, left : left + cols * times].float()


def _wide(values: list[Tensor]) -> list[Tensor]:
    return [each[:, None, None] for each in values]
