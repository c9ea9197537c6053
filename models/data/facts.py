"""Measurements of a data set before a training: sizes of pictures, kinds, defects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.components import components
from edge.chain.filter import Mask
from models.data.dataset import DataSet, Pixels, Sample, as_channels
from models.data.split import Split
from models.evaluation.metrics import JOIN_PX
from models.training.patches import Picture

RING_PX = (1, 5)  # the surroundings of a defect, from and to this distance
MOST_MEASURED = 200  # most pictures of a kind that are measured


@dataclass(frozen=True, slots=True)
class KindFacts:
    """Measurements of one kind in the training pictures; 0 where nothing could be measured.

    parts: number of physical parts. area_px, width_px, contrast: medians over the defects, of their
    pixels, of the diameter of the largest circle inside, and of the grey levels between inside and
    surroundings. long_px: 90 % of the defects have a box with no side above this.
    """

    name: str
    pictures: int
    parts: int
    defects: int
    area_px: float
    width_px: float
    long_px: float
    contrast: float


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """The measurements from which settings are chosen.

    training, validation: number of pictures. defective: number of training pictures with a defect.
    height_px, width_px, short_px: medians, the last one of the short sides. short_low_px,
    short_high_px: the 10th and 90th percentile of the short sides.
    """

    channels: int
    training: int
    validation: int
    defective: int
    height_px: int
    width_px: int
    short_px: float
    short_low_px: float
    short_high_px: float
    kinds: tuple[KindFacts, ...]


def measure(dataset: DataSet, divided: Split, pictures: tuple[Picture, ...]) -> DatasetFacts:
    """Measure the training pictures. Raises ValueError when there is none."""
    if not pictures:
        raise ValueError("no training picture; expected one at least")
    sizes = np.array([picture.kind_map.shape for picture in pictures])
    height, width = np.median(sizes, axis=0).tolist()
    low, short, high = np.percentile(sizes.min(axis=1), (10, 50, 90)).tolist()
    return DatasetFacts(
        channels=dataset.channels,
        training=len(pictures),
        validation=len(divided.validation),
        defective=sum(not picture.sample.is_good for picture in pictures),
        height_px=round(height),
        width_px=round(width),
        short_px=short,
        short_low_px=low,
        short_high_px=high,
        kinds=tuple(_kind(dataset, number, pictures) for number in range(len(dataset.kinds))),
    )


def _kind(dataset: DataSet, number: int, pictures: tuple[Picture, ...]) -> KindFacts:
    name = dataset.kinds[number]
    shown = [picture for picture in pictures if name in picture.sample.kinds]
    step = -(-len(shown) // MOST_MEASURED) or 1
    rows = [row for picture in shown[::step] for row in _defects(picture, number + 1)]
    table = np.array(rows).reshape(-1, 4)
    area, width, _, contrast = np.median(table, axis=0).tolist() if rows else (0.0,) * 4
    return KindFacts(
        name=name,
        pictures=len(shown),
        parts=parts_of([picture.sample for picture in shown]),
        defects=len(rows),
        area_px=area,
        width_px=width,
        long_px=float(np.percentile(table[:, 2], 90)) if rows else 0.0,
        contrast=contrast,
    )


def _defects(picture: Picture, code: int) -> Iterator[tuple[float, float, float, float]]:
    """Yield area, width, long side and contrast of each defect of a kind, joined as in a chain."""
    pixels = (picture.kind_map == code).astype(np.uint8)
    if not pixels.any():
        return
    grey = as_channels(picture.pixels, 1)
    sound = picture.kind_map == 0
    defects = components(Mask(pixels, pixels.astype(np.float32), 0, 0), JOIN_PX)
    margin = RING_PX[1] + 1
    for label, region in enumerate(defects.regions, start=1):
        box = region.box
        rows = slice(max(box.top - margin, 0), box.bottom + margin)
        cols = slice(max(box.left - margin, 0), box.right + margin)
        inside = np.pad((defects.labels[rows, cols] == label).astype(np.uint8), 1)
        reach = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        contrast = _contrast(grey[rows, cols], inside[1:-1, 1:-1], sound[rows, cols])
        # The centre of a line of 3 px has a distance of 2 px to the nearest pixel outside.
        width_px = 2.0 * float(reach.max()) - 1.0
        yield float(inside.sum()), width_px, float(max(box.width, box.height)), contrast


def _contrast(grey: Pixels, inside: Pixels, sound: npt.NDArray[np.bool_]) -> float:
    """Return the grey levels between the medians of a defect and of its sound surroundings.

    0 if no pixel around it is sound.
    """
    near, far = (
        cv2.dilate(inside, np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0 for px in RING_PX
    )
    ring = far & ~near & sound
    if not ring.any():
        return 0.0
    return abs(float(np.median(grey[inside > 0])) - float(np.median(grey[ring])))


def carriers(samples: Sequence[Sample], kind: str) -> list[Sample]:
    """Return the samples with a defect of the kind."""
    return [sample for sample in samples if kind in sample.kinds]


def parts_of(samples: Sequence[Sample]) -> int:
    """Return the number of physical parts that the samples show."""
    return len({sample.group for sample in samples})
