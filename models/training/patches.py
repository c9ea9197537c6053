"""Training patches for the detector: crops with severity targets, made when they are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.augmentation.copy_paste import paste_piece
from models.augmentation.crops import Augmentation, augment
from models.augmentation.synthetic_defects import add_defect
from models.data.boxes import estimate_outlines, is_boxed
from models.data.dataset import DataError, DataSet, Pixels, Sample, as_channels
from models.training.labels import coverage_cells, severity_cells
from models.training.progress import track
from models.training.recipe import LabelRecipe, Recipe

CHOICES = 8  # trials to find a picture as large as a patch; then a smaller one is reflected
MULTIPLE_PX = 32

# Of the numbers in a map of patches: a pixel that may be a defect or not. Kinds are below it, and
# SYNTHETIC is above it.
UNKNOWN_MARK = 128
UNKNOWN = -1.0  # the target of a cell that may be a defect or not

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Picture:
    """One sample in memory. pixels: uint8 H×W or H×W×3; kind_map: uint8 H×W.

    unknown: 1 for each pixel that may be a defect or not, uint8 H×W (see `models.data.boxes`); None
    where all are known. The kind map is 0 there.
    """

    sample: Sample
    pixels: Pixels
    kind_map: Pixels
    unknown: Pixels | None = None


def load_pictures(dataset: DataSet, samples: tuple[Sample, ...]) -> tuple[Picture, ...]:
    """Read the pixels and masks of samples. Raises DataError that lists every faulty file."""
    tracked = track(samples, "reading pictures")
    try:
        return tuple(_load(dataset, sample) for sample in tracked)
    except DataError:
        dataset.verify(samples)
        raise


def set_t_by(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Return the pictures whose annotated pixels set T.

    Pictures with boxes alone are left out where other defects are drawn: an estimated outline is
    less exact.
    """
    rest = tuple(picture for picture in pictures if not is_boxed(picture.sample))
    return rest if any(picture.kind_map.any() for picture in rest) else pictures


def _load(dataset: DataSet, sample: Sample) -> Picture:
    pixels, kind_map = dataset.load_pair(sample)
    estimated = estimate_outlines(sample, pixels, kind_map)
    return Picture(sample, pixels, *((kind_map,) if estimated is None else estimated))


def target_with_unknown(
    pixels: Pixels, marks: Pixels, cell_px: int, labels: LabelRecipe, truncate: float
) -> npt.NDArray[np.float32]:
    """Return the target severity as ``severity_target`` does: float32, UNKNOWN in cells with a
    pixel that is not known and none of a defect.

    marks: uint8 H×W, the drawn kind, or UNKNOWN_MARK.
    """
    unknown = marks == UNKNOWN_MARK
    target = severity_target(pixels, np.where(unknown, 0, marks), cell_px, labels, truncate)
    if unknown.any():
        target[(coverage_cells(unknown, cell_px) > 0) & (target <= 0)] = UNKNOWN
    return target


def severity_target(
    pixels: Pixels, kind_map: Pixels, cell_px: int, labels: LabelRecipe, truncate: float
) -> npt.NDArray[np.float32]:
    """Return the target severity of the detector: float32 H/cell × W/cell, 0 to 12."""
    mask = kind_map > 0
    if not mask.any():
        return np.zeros((mask.shape[0] // cell_px, mask.shape[1] // cell_px), np.float32)
    severity = severity_cells(
        as_channels(pixels, 1),
        mask,
        cell_px,
        truncate,
        defect_pixels_only=labels.defect_pixels_only,
    )
    coverage = coverage_cells(mask, cell_px)
    lifted = labels.floor + severity * np.float32(1.0 - labels.floor / 12.0)
    weight = coverage if labels.coverage else (coverage > 0.0)
    return np.asarray(lifted * weight, np.float32)


def find_truncate(pictures: tuple[Picture, ...], cell_px: int, labels: LabelRecipe) -> float:
    """Return λ of the recipe, or the 95th percentile of the raw scores of the training pictures.

    Raises ValueError when no picture carries a defect.
    """
    if labels.truncate > 0:
        return labels.truncate
    scores = []
    for picture in pictures:
        if picture.sample.is_good:
            continue
        pixels, kind_map = (_whole_cells(p, cell_px) for p in (picture.pixels, picture.kind_map))
        cells = severity_cells(
            as_channels(pixels, 1),
            kind_map > 0,
            cell_px,
            510.0,
            defect_pixels_only=labels.defect_pixels_only,
        )
        scores.append(cells[cells > 0] * (510.0 / 12.0))
    if not scores:
        raise ValueError("no training picture carries a defect; expected masks of some")
    return max(float(np.percentile(np.concatenate(scores), 95)), 1.0)


class PatchSource:
    """Batches of augmented patches. Batch number i depends on the recipe's seed and i only."""

    def __init__(
        self, pictures: tuple[Picture, ...], kinds: tuple[str, ...], recipe: Recipe, truncate: float
    ) -> None:
        self._recipe = recipe
        self._truncate = truncate
        self._pictures = pictures
        by_kind = [[p for p in pictures if kind in p.sample.kinds] for kind in kinds]
        self._by_kind = [group for group in by_kind if group]
        self._around = recipe.augment.options(centre_on_defect=True)
        self._anywhere = recipe.augment.options(centre_on_defect=False)

    def batch(self, step: int) -> Batch:
        """Return pixels, uint8 N×C×h×w, and targets, float32 N×1×(h/cell)×(w/cell)."""
        recipe = self._recipe.detector
        rng = np.random.default_rng([self._recipe.seed, step])
        size_px = self._size(rng)
        # Every batch has the same number of pixels, whatever the size of the patches.
        count = max(1, round(recipe.batch * recipe.patch_px**2 / (size_px[0] * size_px[1])))
        images, targets = [], []
        for _ in range(count):
            pixels, marks, _ = self._cut(rng, size_px)
            if rng.random() < recipe.copy_paste_share:
                donor, donor_marks, has_boxes = self._cut(rng, size_px)
                if not has_boxes:  # its defect may reach further, or not so far
                    pixels, marks = paste_piece(pixels, marks, donor, donor_marks, rng)
            if rng.random() < recipe.synthetic_share:
                pixels, marks = add_defect(pixels, marks, rng)
            target = target_with_unknown(
                pixels, marks, recipe.resolution, self._recipe.labels, self._truncate
            )
            images.append(pixels if pixels.ndim == 3 else pixels[:, :, None])
            targets.append(target[None])
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), np.stack(targets)

    def _size(self, rng: np.random.Generator) -> tuple[int, int]:
        """Return height and width of the patches of a batch."""
        most = self._recipe.detector.patch_px
        if self._recipe.detector.patches == "square":
            return most, most
        height, width = self._choose(rng)[0].kind_map.shape
        return _down(height, most), _down(width, most)

    def _cut(
        self, rng: np.random.Generator, size_px: tuple[int, int]
    ) -> tuple[Pixels, Pixels, bool]:
        """Return a patch, its marks, and whether its picture has boxes."""
        for _ in range(CHOICES):
            picture, options = self._choose(rng)
            if all(have >= px for have, px in zip(picture.kind_map.shape, size_px, strict=True)):
                break
        cut = augment(picture.pixels, _marks(picture), options, rng, size_px)
        return *cut, picture.unknown is not None

    def _choose(self, rng: np.random.Generator) -> tuple[Picture, Augmentation]:
        if self._by_kind and rng.random() < self._recipe.detector.defect_share:
            group = self._by_kind[rng.integers(len(self._by_kind))]
            return group[rng.integers(len(group))], self._around
        return self._pictures[rng.integers(len(self._pictures))], self._anywhere


def _marks(picture: Picture) -> Pixels:
    """Return the kind map of a picture, in which pixels that are not known are UNKNOWN_MARK.

    Kinds beyond the numbers that are left share one: which kind it is does not matter here.
    """
    kinds = np.minimum(picture.kind_map, np.uint8(UNKNOWN_MARK - 1))
    if picture.unknown is None:
        return kinds
    return np.where(picture.unknown > 0, np.uint8(UNKNOWN_MARK), kinds)


def _down(side: int, most: int) -> int:
    """Return the side rounded down to a multiple of MULTIPLE_PX, at most ``most``."""
    return max(MULTIPLE_PX, min(side, most) // MULTIPLE_PX * MULTIPLE_PX)


def _whole_cells(pixels: Pixels, cell_px: int) -> Pixels:
    height, width = (side // cell_px * cell_px for side in pixels.shape[:2])
    return pixels[:height, :width]
