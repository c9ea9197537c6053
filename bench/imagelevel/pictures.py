"""Whole pictures with one label each: denoised, resized, and as many of each class.

The paper, section 4.1: OpenCV denoises and corrects geometry, the picture is read into an array and
brought to size. Geometric correction needs the camera's calibration, which no data set here
carries; it is left out.
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
    """Pictures of one side. pixels: uint8 N×S×S×C, C is 1 or 3 (BGR). labels: int64 N."""

    pixels: Pixels
    labels: Labels


def class_names(dataset: DataSet) -> tuple[str, ...]:
    """By label: good, then the kinds."""
    return (GOOD_NAME, *dataset.kinds)


def prepare(pixels: Pixels, size_px: int, denoise_px: int) -> Pixels:
    """uint8 H×W or H×W×3 → uint8 S×S×C. Sides are scaled apart: a long picture is squeezed.

    denoise_px: side of a median filter at full resolution, odd; 0 for none.
    """
    clean = cv2.medianBlur(pixels, denoise_px) if denoise_px else pixels
    shrinks = size_px < min(pixels.shape[:2])
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(clean, (size_px, size_px), interpolation=how), np.uint8)
    return small if small.ndim == 3 else small[:, :, None]


def label_of(sample: Sample, kind_map: Pixels, kinds: tuple[str, ...]) -> int:
    """GOOD, or 1 + the index of the kind with most pixels; of equal ones the first.

    A later mask may cover an earlier one whole. A sample that carries kinds and not one pixel of
    them is labelled by the first it names.
    """
    counts = np.bincount(kind_map.ravel(), minlength=len(kinds) + 1)[1:]
    if counts.any():
        return int(counts.argmax()) + 1
    return GOOD if sample.is_good else kinds.index(sample.kinds[0]) + 1


def read_side(
    dataset: DataSet, samples: tuple[Sample, ...], settings: ImageLevelSettings
) -> Labelled:
    """The samples, prepared, in their order. Raises DataError at the first that is not right."""
    shape = (len(samples), settings.size_px, settings.size_px, dataset.channels)
    pixels, labels = np.empty(shape, np.uint8), np.empty(len(samples), np.int64)
    for number, sample in enumerate(samples):
        picture, kind_map = dataset.load_pair(sample)
        pixels[number] = prepare(picture, settings.size_px, settings.denoise_px)
        labels[number] = label_of(sample, kind_map, dataset.kinds)
    return Labelled(pixels, labels)


def training_set(real: Labelled, settings: ImageLevelSettings, seed: int) -> Labelled:
    """What every method is trained on: the same pictures, as many of each class.

    Without `balance` each class keeps its share. With `augment` every picture is changed, those of
    the largest class too: were only the repeats of rare kinds changed, the change would tell them.
    Deterministic by seed.
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
    """Indices into the real pictures, class by class; each picture as often as any of its class."""
    largest = int(np.bincount(labels).max())
    for label in np.unique(labels).tolist():
        members = rng.permutation(np.flatnonzero(labels == label)).tolist()
        wanted = settings.copies * (largest if settings.balance else len(members))
        yield from islice(cycle(members), wanted)
