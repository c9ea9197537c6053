"""Compare the results of a chain with annotated pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from edge.chain.inspector import Inspection, Inspector
from edge.records import Decision, Frame
from models.evaluation.metrics import PictureOutcome, outcome
from models.training.patches import Picture
from models.training.progress import track


def evaluate(
    inspector: Inspector, pictures: Iterable[Picture], kinds: tuple[str, ...]
) -> tuple[PictureOutcome, ...]:
    """Inspect pictures and compare the results with the annotation. Blocks for all of them."""
    return tuple(
        outcome_of(inspector.examine(Frame(number, number, 0, 0, picture.pixels)), picture, kinds)
        for number, picture in enumerate(track(pictures, "evaluating pictures"))
    )


def outcome_of(inspection: Inspection, picture: Picture, kinds: tuple[str, ...]) -> PictureOutcome:
    """Compare the result of a chain on one picture with its annotation."""
    labels: npt.NDArray[np.int64] = np.zeros(picture.kind_map.shape, np.int64)
    found = inspection.components
    if found is not None:
        # Region numbers become 1 + index of the reported defect; dropped regions become 0.
        place = np.zeros(len(found.regions) + 1, np.int64)
        place[list(inspection.defect_labels)] = np.arange(1, len(inspection.defect_labels) + 1)
        height, width = found.labels.shape
        labels[found.top : found.top + height, found.left : found.left + width] = place[
            found.labels
        ]
    return outcome(
        picture.sample.name,
        picture.kind_map,
        kinds,
        labels,
        [defect.kind for defect in inspection.verdict.defects],
        rejected=inspection.verdict.decision is Decision.REJECT,
        score=inspection.verdict.score,
        unmasked=picture.sample.unmasked,
        part_score=inspection.verdict.part_score,
    )
