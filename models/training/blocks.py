"""Training blocks for the classifier: annotated defects, and the detector's own false positives.

He & Liu 2020, section III.C.2: the classifier is trained after the detector, on the marked defects
and on what the detector reports where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from edge.chain.classify import BACKGROUND, block_windows, cut_block
from edge.chain.components import Components, components
from edge.chain.filter import Mask, keep
from edge.records import Box, SeverityMap
from models.augmentation.crops import Augmentation, augment
from models.data.dataset import Pixels
from models.networks import BlockClassifier, normalise
from models.training.feed import Pair, feed
from models.training.patches import Picture
from models.training.recipe import Recipe

# A reported region is a true positive for training when this share of it is annotated; below the
# lower bound it is background; between the two nobody can say, and it is left out.
TRUE_SHARE, BACKGROUND_SHARE = 0.3, 0.05


@dataclass(frozen=True, slots=True)
class LabelledRegion:
    """A place in a picture and what the classifier should call it (0 background, else 1 + kind)."""

    picture: int
    box: Box
    label: int


def collect_regions(
    pictures: tuple[Picture, ...],
    maps: tuple[SeverityMap, ...],
    threshold: float,
    join_px: float,
) -> tuple[LabelledRegion, ...]:
    """Annotated defects of the pictures, and the regions that the detector reports in them.

    The detector saw these pictures in training and raises few false alarms on them, so regions are
    read at half of T as well, where it does.
    """
    found: list[LabelledRegion] = []
    for number, (picture, severity) in enumerate(zip(pictures, maps, strict=True)):
        for value in np.unique(picture.kind_map[picture.kind_map > 0]).tolist():
            pixels = (picture.kind_map == value).view(np.uint8)
            marked = components(Mask(pixels, pixels.astype(np.float32), 0, 0), join_px)
            found += [LabelledRegion(number, region.box, value) for region in marked.regions]
        for level in (threshold, threshold / 2):
            mask = keep(severity, level, *picture.kind_map.shape)
            if mask is not None:
                found += _reported(number, picture.kind_map, components(mask, join_px))
    return tuple(found)


def _reported(number: int, kind_map: Pixels, found: Components) -> list[LabelledRegion]:
    labelled = []
    height, width = found.labels.shape
    crop = kind_map[found.top : found.top + height, found.left : found.left + width]
    for index, region in enumerate(found.regions, start=1):
        values = crop[found.labels == index]
        share = float((values > 0).mean())
        if share >= TRUE_SHARE:
            label = int(np.bincount(values[values > 0]).argmax())
            labelled.append(LabelledRegion(number, region.box, label))
        elif share <= BACKGROUND_SHARE:
            labelled.append(LabelledRegion(number, region.box, BACKGROUND))
    return labelled


class BlockSource:
    """Batches of augmented blocks; batch number i depends on the recipe's seed and i alone.

    Kinds come in equal shares; background blocks are the detector's false positives, and one in
    four a random place of a good part, so that background is known even where the detector errs
    little. Raises ValueError when no region carries a defect.
    """

    def __init__(
        self, pictures: tuple[Picture, ...], regions: tuple[LabelledRegion, ...], recipe: Recipe
    ) -> None:
        self._pictures = pictures
        self._recipe = recipe
        self._good = [i for i, picture in enumerate(pictures) if picture.sample.is_good]
        self._background = [region for region in regions if region.label == BACKGROUND]
        labels = sorted({region.label for region in regions} - {BACKGROUND})
        if not labels:
            raise ValueError("no annotated defect to train the classifier on")
        self._by_label = [[r for r in regions if r.label == label] for label in labels]
        augmentation = recipe.augment
        self._options = Augmentation(
            flip=augmentation.flip,
            rotate_deg=augmentation.rotate_deg,
            zoom=augmentation.zoom / 2,
            noise_sigma=augmentation.noise_sigma,
            illumination=augmentation.illumination,
            contrast=augmentation.contrast,
            brightness=augmentation.brightness,
        )

    def batch(self, step: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Blocks uint8 N×C×64×64 and labels int64 N."""
        options = self._recipe.classifier
        rng = np.random.default_rng([self._recipe.seed, 1, step])
        blocks, labels = [], []
        for _ in range(options.batch):
            region = self._choose(rng)
            blocks.append(self._block(region, rng))
            labels.append(region.label)
        return np.ascontiguousarray(np.stack(blocks).transpose(0, 3, 1, 2)), np.array(labels)

    def batches(self, first: int, last: int) -> Iterator[Pair]:
        """The steps as the training loop wants them."""

        def batch(step: int) -> Pair:
            pixels, labels = self.batch(step)
            return torch.from_numpy(pixels), torch.from_numpy(labels)

        for pixels, labels in feed(batch, first, last):
            yield normalise(pixels), labels

    def _choose(self, rng: np.random.Generator) -> LabelledRegion:
        if rng.random() >= self._recipe.classifier.background_share:
            group = self._by_label[rng.integers(len(self._by_label))]
            return group[rng.integers(len(group))]
        if self._background and (not self._good or rng.random() < 0.75):
            return self._background[rng.integers(len(self._background))]
        if not self._good:
            group = self._by_label[rng.integers(len(self._by_label))]
            return group[rng.integers(len(group))]
        number = self._good[rng.integers(len(self._good))]
        height, width = self._pictures[number].kind_map.shape
        side = int(rng.integers(4, BlockClassifier.size_px))
        left, top = (
            int(rng.integers(max(width - side, 1))),
            int(rng.integers(max(height - side, 1))),
        )
        return LabelledRegion(number, Box(left, top, left + side, top + side), BACKGROUND)

    def _block(self, region: LabelledRegion, rng: np.random.Generator) -> Pixels:
        size = BlockClassifier.size_px
        windows = block_windows(region.box, size)
        window = windows[rng.integers(len(windows))]
        jitter = window.width // 8
        dx, dy = rng.integers(-jitter, jitter + 1, 2).tolist()
        moved = Box(window.left + dx, window.top + dy, window.right + dx, window.bottom + dy)
        block = cut_block(self._pictures[region.picture].pixels, moved, size)
        block, _ = augment(
            block, np.zeros(block.shape[:2], np.uint8), self._options, rng, (size, size)
        )
        return block if block.ndim == 3 else block[:, :, None]
