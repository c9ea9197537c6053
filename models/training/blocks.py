"""Training blocks for the classifier: annotated defects, and false positives of the detector.

As in He & Liu 2020, section III.C.2, the classifier is trained after the detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from edge.chain.classify import BACKGROUND, block_windows, cut_block
from edge.chain.components import Components, components
from edge.chain.filter import Mask, apply_threshold
from edge.records import Box, SeverityMap
from models.augmentation.crops import Augmentation, augment
from models.data.dataset import Pixels
from models.networks import BlockClassifier, normalise
from models.training.feed import Pair, feed
from models.training.patches import Picture
from models.training.recipe import Recipe

# Shares of a reported region that are annotated: from the first on it is a true positive, up to the
# second it is background. A region between the two is uncertain and is left out.
TRUE_SHARE, BACKGROUND_SHARE = 0.3, 0.05


@dataclass(frozen=True, slots=True)
class LabelledRegion:
    """A place in a picture and the label to learn: 0 for background, else 1 + the kind's index."""

    picture: int
    box: Box
    label: int


def collect_regions(
    pictures: tuple[Picture, ...],
    maps: tuple[SeverityMap, ...],
    threshold: float,
    join_px: float,
) -> tuple[LabelledRegion, ...]:
    """Return the annotated defects of the pictures, and the regions that the detector reports.

    The detector was trained on these pictures and reports few false regions at T. Regions are
    therefore also taken at half of T.
    """
    regions: list[LabelledRegion] = []
    for number, (picture, severity) in enumerate(zip(pictures, maps, strict=True)):
        for value in np.unique(picture.kind_map[picture.kind_map > 0]).tolist():
            pixels = (picture.kind_map == value).view(np.uint8)
            marked = components(Mask(pixels, pixels.astype(np.float32), 0, 0), join_px)
            regions += [LabelledRegion(number, region.box, value) for region in marked.regions]
        for level in (threshold, threshold / 2):
            mask = apply_threshold(severity, level, *picture.kind_map.shape)
            if mask is not None:
                regions += _reported(number, picture, components(mask, join_px))
    return tuple(regions)


def _reported(number: int, picture: Picture, reported: Components) -> list[LabelledRegion]:
    """Return the reported regions that are clearly a defect or clearly background.

    A region with pixels that are not known is no background.
    """
    labelled = []
    height, width = reported.labels.shape
    window = np.s_[reported.top : reported.top + height, reported.left : reported.left + width]
    crop = picture.kind_map[window]
    unknown = None if picture.unknown is None else picture.unknown[window]
    for index, region in enumerate(reported.regions, start=1):
        values = crop[reported.labels == index]
        share = float((values > 0).mean())
        if share >= TRUE_SHARE:
            label = int(np.bincount(values[values > 0]).argmax())
            labelled.append(LabelledRegion(number, region.box, label))
        elif unknown is not None and unknown[reported.labels == index].any():
            continue
        elif share <= BACKGROUND_SHARE:
            labelled.append(LabelledRegion(number, region.box, BACKGROUND))
    return labelled


class BlockSource:
    """Batches of augmented blocks. Batch number i depends on the recipe's seed and i only.

    All kinds are equally frequent. Background blocks are false positives of the detector. One in
    four is a random place of a good part, so that background is learned even if the detector has
    few false positives. Raises ValueError when no region has a defect.
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
        """Return blocks, uint8 N×C×64×64, and labels, int64 N."""
        options = self._recipe.classifier
        rng = np.random.default_rng([self._recipe.seed, 1, step])
        blocks, labels = [], []
        for _ in range(options.batch):
            region = self._choose(rng)
            blocks.append(self._block(region, rng))
            labels.append(region.label)
        return np.ascontiguousarray(np.stack(blocks).transpose(0, 3, 1, 2)), np.array(labels)

    def batches(self, first: int, last: int) -> Iterator[Pair]:
        """Yield the batches of steps first to last - 1 for the training loop."""

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
