"""The pictures on which candidates are compared.

They are good and bad parts that no candidate was trained on, and good ones with a synthetic defect.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from edge.bundle import AlignmentManifest
from models.augmentation.synthetic_defects import add_defect
from models.data.dataset import DataSet
from models.data.facts import parts_of
from models.runs.run import RunRecord
from models.training.alignment import change_part
from models.training.patches import Picture, load_pictures

SYNTHETIC_KIND = "synthetic"
MOST_SYNTHETIC = 200  # at 100 ms a picture this costs 20 s for each candidate
LEAST_SIDE_PX = 32  # smallest side of a picture for a synthetic defect
TRIES = 8  # a synthetic defect may be too faint to be visible; then another is made


@dataclass(frozen=True, slots=True)
class JudgedPictures:
    """The pictures of a comparison, in memory.

    Attributes:
        good: good parts.
        bad: bad parts, with or without a mask.
        synthetic: copies of good parts with one synthetic defect each. Its pixels are 1 in the kind
            map.
    """

    good: tuple[Picture, ...]
    bad: tuple[Picture, ...]
    synthetic: tuple[Picture, ...]

    @property
    def bad_parts(self) -> int:
        """Return the number of physical parts among the bad pictures."""
        return parts_of([picture.sample for picture in self.bad])


def comparison_pictures(dataset: DataSet, records: Iterable[RunRecord]) -> JudgedPictures:
    """Read the pictures that all candidates held back. Raises DataError.

    Where a candidate aligns the part, synthetic defects lie on the part for every candidate. A
    defect on the ground is not one of the part, and a candidate that aligns does not look there.
    """
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
    alignment = next((record.alignment for record in records if record.alignment), None)
    step = -(-len(good) // MOST_SYNTHETIC) or 1
    return JudgedPictures(
        good=good,
        bad=tuple(picture for picture in pictures if not picture.sample.is_good),
        synthetic=tuple(
            filter(None, (_with_synthetic_defect(picture, alignment) for picture in good[::step]))
        ),
    )


def _with_synthetic_defect(picture: Picture, alignment: AlignmentManifest | None) -> Picture | None:
    """Return a copy with a synthetic defect; None where the picture is too small for one.

    The defect depends on the name of the picture only. None also where no defect is visible.
    """
    if min(picture.kind_map.shape) < LEAST_SIDE_PX:
        return None
    rng = np.random.default_rng(zlib.crc32(picture.sample.name.encode()))
    for _ in range(TRIES):
        pixels, marked = change_part(
            picture.pixels, picture.kind_map, alignment, partial(add_defect, rng=rng)
        )
        if marked.any():
            sample = replace(picture.sample, kinds=(SYNTHETIC_KIND,))
            return Picture(sample, pixels, (marked > 0).astype(np.uint8))
    return None
