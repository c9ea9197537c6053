"""The pictures that candidates are judged on: good parts and bad ones that none of them trained
on, and good ones with a flaw painted in."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from models.augmentation.synthetic_defects import paint_flaw
from models.data.dataset import DataSet
from models.data.facts import parts_of
from models.runs.run import RunRecord
from models.training.patches import Picture, load_pictures

PAINTED_KIND = "painted"
MOST_PAINTED = 200  # what 100 ms a picture and candidate cost 20 s
LEAST_SIDE_PX = 32  # of a picture that a flaw can be painted on
TRIES = 8  # a flaw may be too faint to be seen; then another is painted


@dataclass(frozen=True, slots=True)
class JudgedPictures:
    """In memory, each by name. bad: drawn or not. painted: copies of good ones with one flaw each;
    its pixels are 1 in the kind map."""

    good: tuple[Picture, ...]
    bad: tuple[Picture, ...]
    painted: tuple[Picture, ...]

    @property
    def bad_parts(self) -> int:
        return parts_of([picture.sample for picture in self.bad])


def judged_pictures(dataset: DataSet, records: Iterable[RunRecord]) -> JudgedPictures:
    """The pictures that all candidates held back. Reads them; raises DataError."""
    records = tuple(records)
    trained_on = {name for record in records for name in record.train}
    unseen = set.intersection(*({*record.validation, *record.unmasked} for record in records))
    seen_parts = {sample.group for sample in dataset.samples if sample.name in trained_on}
    samples = tuple(
        sample
        for sample in dataset.samples
        if sample.name in unseen and sample.group not in seen_parts
    )
    pictures = load_pictures(dataset, samples)
    good = tuple(picture for picture in pictures if picture.sample.is_good)
    step = -(-len(good) // MOST_PAINTED) or 1
    return JudgedPictures(
        good=good,
        bad=tuple(picture for picture in pictures if not picture.sample.is_good),
        painted=tuple(filter(None, (_painted(picture) for picture in good[::step]))),
    )


def _painted(picture: Picture) -> Picture | None:
    """With a flaw, the same at each look; None where none can be painted or seen."""
    if min(picture.kind_map.shape) < LEAST_SIDE_PX:
        return None
    rng = np.random.default_rng(zlib.crc32(picture.sample.name.encode()))
    for _ in range(TRIES):
        pixels, marked = paint_flaw(picture.pixels, picture.kind_map, rng)
        if marked.any():
            sample = replace(picture.sample, kinds=(PAINTED_KIND,))
            return Picture(sample, pixels, (marked > 0).astype(np.uint8))
    return None
