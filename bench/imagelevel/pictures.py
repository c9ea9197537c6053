"""Whole pictures with one label each: denoised, resized, and equally many of each class.

In section 4.1 of the paper OpenCV denoises the picture, corrects its geometry and resizes it.
Correction of geometry needs a calibration of the camera, which no data set here has; it is left
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import cv2
import numpy as np
import numpy.typing as npt

from bench.imagelevel.settings import ImageLevelSettings
from models.augmentation.crops import augment
from models.data.dataset import DataSet, Pixels, Sample
from models.training.recipe import AugmentRecipe

GOOD = 0  # the label of good pictures; kind k of the data set is label k + 1
GOOD_NAME = "good"

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The pictures of one side. pixels: uint8 N×S×S×C, C is 1 or 3 (BGR). labels: int64 N."""

    pixels: Pixels
    labels: Labels


def class_names(dataset: DataSet) -> tuple[str, ...]:
    """Return the names of the classes by label: good, then the kinds."""
    return (GOOD_NAME, *dataset.kinds)


def prepare(pixels: Pixels, size_px: int, denoise_px: int) -> Pixels:
    """Convert uint8 H×W or H×W×3 to uint8 S×S×C. A long picture is compressed along its length.

    denoise_px: side of a median filter at full resolution, odd; 0 for none.
    """
    clean = cv2.medianBlur(pixels, denoise_px) if denoise_px else pixels
    shrinks = size_px < min(pixels.shape[:2])
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(clean, (size_px, size_px), interpolation=how), np.uint8)
    return small if small.ndim == 3 else small[:, :, None]


def label_of(sample: Sample, kind_map: Pixels, kinds: tuple[str, ...]) -> int:
    """Return GOOD, or 1 + the index of the kind with most pixels; of equal ones the first.

    A later mask may cover an earlier one completely. A sample that has kinds, and no pixel of them,
    has the label of its first kind.
    """
    counts = np.bincount(kind_map.ravel(), minlength=len(kinds) + 1)[1:]
    if counts.any():
        return int(counts.argmax()) + 1
    return GOOD if sample.is_good else kinds.index(sample.kinds[0]) + 1


def read_side(
    dataset: DataSet, samples: tuple[Sample, ...], settings: ImageLevelSettings
) -> Labelled:
    """Return the prepared samples in their order. Raises DataError at the first faulty one."""
    shape = (len(samples), settings.size_px, settings.size_px, dataset.channels)
    pixels, labels = np.empty(shape, np.uint8), np.empty(len(samples), np.int64)
    for number, sample in enumerate(samples):
        picture, kind_map = dataset.load_pair(sample)
        pixels[number] = prepare(picture, settings.size_px, settings.denoise_px)
        labels[number] = label_of(sample, kind_map, dataset.kinds)
    return Labelled(pixels, labels)


def training_set(real: Labelled, settings: ImageLevelSettings, seed: int) -> Labelled:
    """Return the training pictures of all methods: equally many of each class.

    Without `balance` each class keeps its share. With `augment` every picture is changed, also
    those of the largest class. If only the repeats of rare kinds were changed, the change would
    reveal the kind. Equal seeds give equal pictures.
    """
    chosen = list(_choose(real.labels, settings, np.random.default_rng([seed, 0])))
    pixels = real.pixels[chosen]
    if settings.augment:
        options = AugmentRecipe().options(centre_on_defect=False)
        for number, picture in enumerate(pixels):
            rng = np.random.default_rng([seed, 1, number])
            flat = picture[:, :, 0] if picture.shape[2] == 1 else picture
            nothing = np.zeros(flat.shape[:2], np.uint8)
            changed, _ = augment(flat, nothing, options, rng, (settings.size_px,) * 2)
            pixels[number] = changed.reshape(picture.shape)
    return Labelled(pixels, real.labels[chosen])


def _choose(
    labels: Labels, settings: ImageLevelSettings, rng: np.random.Generator
) -> Iterator[int]:
    """Yield indices of the real pictures, class by class; equally often within a class."""
    largest = int(np.bincount(labels).max())
    for label in np.unique(labels).tolist():
        members = rng.permutation(np.flatnonzero(labels == label)).tolist()
        wanted = settings.copies * (largest if settings.balance else len(members))
        yield from islice(cycle(members), wanted)
