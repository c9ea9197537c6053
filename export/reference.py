"""The file ``reference.json``: the measures of the training pictures for drift detection."""

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
# The mean of 16 pictures is known to a quarter of their spread. Fewer pictures do not show how much
# parts differ.
LEAST_PICTURES = 16
MOST_PICTURES = 256  # their mean is known to a sixteenth of the spread
_MOST_BYTES = 256 * 1024 * 1024  # of pixels in memory at a time
_UNSEEN = float("nan")


def reference_file(source: ExportSource, chain: Examines) -> dict[str, bytes]:
    """Return the file by its name, computed from good pictures of the run.

    Held-back pictures that the packed chain passes have a peak severity. Training pictures have
    none. Returns an empty dict where there are fewer than LEAST_PICTURES. Raises DataError.
    """
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
            "reference left out: %s good pictures, drift detection needs %s",
            len(pictures),
            LEAST_PICTURES,
        )
        return {}
    return {REFERENCE: reference_of(pictures, peaks).data()}


def reference_of(pictures: Sequence[Pixels], peaks: Sequence[float] = ()) -> DriftReference:
    """Return the reference of frames of good parts.

    pictures: uint8 H×W or H×W×3 (BGR), as the camera of the station delivers them: neither cut nor
    scaled. peaks: the peak severity of each frame by the packed build, NaN where it was not passed;
    or empty. Blocks for about 5 ms a picture. Raises ExportError for fewer than LEAST_PICTURES.
    """
    if len(pictures) < LEAST_PICTURES:
        raise ExportError(
            f"{len(pictures)} good pictures; a reference for drift detection needs {LEAST_PICTURES}"
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
