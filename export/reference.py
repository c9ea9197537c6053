"""What a bundle was trained on, as a station watches it: the file ``reference.json``."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from edge.drift import DriftReference, Measurer
from edge.drift.measurer import small_picture
from edge.drift.template import Template
from edge.records import Decision, Frame
from export.chains import Examines
from export.errors import ExportError
from export.source import ExportSource
from models.data.dataset import Pixels

log = logging.getLogger(__name__)

REFERENCE = "reference.json"
# Fewer say nothing of how much parts differ: the level of 16 is known to a quarter of their spread.
LEAST_PICTURES = 16
MOST_PICTURES = 256  # the level of 256 is known to a sixteenth of it
_MOST_BYTES = 256 * 1024 * 1024  # of pixels at a time
_UNSEEN = float("nan")


def reference_file(source: ExportSource, chain: Examines) -> dict[str, bytes]:
    """The file by its name, of good parts' pictures that the run has: those held back, with the
    peak severity that the shipped chain gives those it passes, and training ones besides. Empty
    where there are fewer than LEAST_PICTURES. Raises DataError."""
    pictures: list[Pixels] = []
    peaks: list[float] = []
    left = _MOST_BYTES
    for picture in source.held_back[: 2 * MOST_PICTURES]:
        if picture.sample.is_good and len(pictures) < MOST_PICTURES and left > 0:
            verdict = chain.examine(Frame(0, 0, 0, 0, picture.pixels)).verdict
            passed = verdict.decision is Decision.PASS
            pictures.append(picture.pixels)
            peaks.append(verdict.peak_severity if passed else _UNSEEN)
            left -= picture.pixels.nbytes
    good = [sample for sample in source.train if sample.is_good]
    wanted = MOST_PICTURES - len(pictures)
    for sample in good[:: max(1, -(-len(good) // max(1, wanted)))][: max(0, wanted)]:
        if left <= 0:
            break
        pixels = source.dataset.load_image(sample)
        pictures.append(pixels)
        peaks.append(_UNSEEN)
        left -= pixels.nbytes
    if len(pictures) < LEAST_PICTURES:
        log.warning(
            "reference left out: %s good pictures, drift needs %s", len(pictures), LEAST_PICTURES
        )
        return {}
    return {REFERENCE: reference_of(pictures, peaks).data()}


def reference_of(pictures: Sequence[Pixels], peaks: Sequence[float] = ()) -> DriftReference:
    """Of good parts' frames, uint8 H×W or H×W×3 (BGR), as the station's camera gives them: not cut,
    not scaled, not changed. peaks: the severity that the shipped build gave each, NaN where
    it passed none, or no peaks at all. Some
    5 ms a picture. Raises ExportError for fewer than LEAST_PICTURES."""
    if len(pictures) < LEAST_PICTURES:
        raise ExportError(
            f"{len(pictures)} good pictures; a reference for drift needs {LEAST_PICTURES}"
        )
    if peaks and len(peaks) != len(pictures):
        raise ExportError(f"{len(peaks)} peaks of {len(pictures)} pictures")
    template = Template.mean_of(small_picture(pixels) for pixels in pictures)
    measurer = Measurer(template)
    scores = peaks or [_UNSEEN] * len(pictures)
    values = [
        measurer.measure(pixels, peak).copy() for pixels, peak in zip(pictures, scores, strict=True)
    ]
    return DriftReference.of(np.stack(values), template)
