"""What a bundle was trained on, as a station watches it: the file ``reference.json``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.drift import Measurer, Reference
from edge.drift.measurer import small_picture
from edge.drift.template import Template
from export.errors import ExportError

REFERENCE = "reference.json"
# Fewer say nothing of how much parts differ: the level of 16 is known to a quarter of their spread.
LEAST_PICTURES = 16


def reference_of(pictures: Sequence[NDArray[np.uint8]], peaks: Sequence[float] = ()) -> Reference:
    """Of good parts' frames, uint8 H×W or H×W×3 (BGR), as the station's camera gives them: not cut,
    not scaled, not changed. peaks: the severity that the shipped build gave each, or none. Some
    5 ms a picture. Raises ExportError for fewer than LEAST_PICTURES."""
    if len(pictures) < LEAST_PICTURES:
        raise ExportError(
            f"{len(pictures)} good pictures; a reference for drift needs {LEAST_PICTURES}"
        )
    if peaks and len(peaks) != len(pictures):
        raise ExportError(f"{len(peaks)} peaks of {len(pictures)} pictures")
    template = Template.mean_of(small_picture(pixels) for pixels in pictures)
    measurer = Measurer(template)
    scores = peaks or [float("nan")] * len(pictures)
    values = [
        measurer.measure(pixels, peak).copy() for pixels, peak in zip(pictures, scores, strict=True)
    ]
    return Reference.of(np.stack(values), template)
