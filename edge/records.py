"""Records of the chain: frame, severity map, region, defect, verdict. All are immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError


class Decision(str, Enum):
    """The decision for one part: eject it (REJECT) or not (PASS).

    UNKNOWN means that there was no verdict in time. The station then acts as its key ``on_unknown``
    sets, by default as for REJECT. ``Inspector.inspect`` never returns UNKNOWN.
    """

    PASS = "PASS"
    REJECT = "REJECT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of one part as the chain inspects them. ``Frame.from_array`` makes one.

    part_id: the number of the part, which the verdict repeats. sequence: the number of the frame.
    triggered_ns: time at which the photo-eye reported the part. exposed_ns: time at which the
    exposure began, or the earliest time at which it can have begun. exposed_by_ns: in that case the
    latest such time; None where exposed_ns is exact. Times are nanoseconds of CLOCK_MONOTONIC.
    pixels: uint8, H×W (grey) or H×W×3 (blue, green, red), C-contiguous.
    """

    part_id: int
    sequence: int
    triggered_ns: int
    exposed_ns: int
    pixels: NDArray[np.uint8]
    exposed_by_ns: int | None = None

    @classmethod
    def from_array(cls, pixels: NDArray[np.uint8], *, part_id: int = 0) -> Frame:
        """Return a frame from an array: uint8, H×W (grey) or H×W×3 in the order blue, green, red,
        as OpenCV reads pictures.

        Pillow and most viewers give red, green, blue: pass ``rgb[..., ::-1]``. An array that is
        C-contiguous is used without a copy, so do not change it before the verdict. part_id: the
        number that the verdict repeats. The frame's times are 0, as inspection does not use them.
        Raises FrameError for another type or shape, or for an array without pixels.
        """
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise FrameError(f"pixels are {kind}; expected a numpy array of uint8")
        if not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
            raise FrameError(f"pixels have shape {pixels.shape}; expected H×W or H×W×3")
        if not pixels.size:
            raise FrameError(f"pixels have shape {pixels.shape}; expected at least one pixel")
        return cls(part_id, part_id, 0, 0, np.ascontiguousarray(pixels))


@dataclass(frozen=True, slots=True)
class SeverityMap:
    """Severity per cell on the scale 0 to 12 of He & Liu 2020, section III.A.1.

    values: h×w, uint8 (quantised: severity = scale * (value - zero_point)) or float32 (scale 1,
    zero_point 0). A cell covers stride_px × stride_px pixels of the frame. The map may be a view
    into an engine's buffer and is valid until the next frame. unmatched: the reason why the
    detector cannot judge this frame, or "". Such a part is never passed. part_score: the score of
    the decision head for the whole part, 0 to 12; None for a detector without one.
    """

    values: NDArray[np.uint8] | NDArray[np.float32]
    scale: float
    zero_point: int
    stride_px: int
    unmatched: str = ""
    part_score: float | None = None

    def severity(self, value: float) -> float:
        """Return the severity of a stored value."""
        return self.scale * (float(value) - self.zero_point)

    def peak(self) -> float:
        """Return the largest severity of the map."""
        return self.severity(self.values.max())


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


Outline = tuple[tuple[tuple[int, int], ...], ...]
"""Polygons of a defect, the largest first: points (x, y) in pixels of the frame."""


@dataclass(frozen=True, slots=True)
class Region:
    """Connected pixels at or above the threshold T. Clusters nearer than ``join_px`` of the bundle
    are one region.

    box: the smallest rectangle around the pixels. area_px: the number of pixels. peak_severity and
    mean_severity: over these pixels, on the scale 0 to 12.
    """

    box: Box
    area_px: int
    peak_severity: float
    mean_severity: float


@dataclass(frozen=True, slots=True)
class Defect:
    """A region that the classifier reports as a defect.

    kind: the kind of defect, a name from the bundle. confidence: the classifier's mean score of
    this kind, 0 to 1. guidance: the bundle's advice for this kind, or "". doubt: the classifier's
    mean score of background, 0 to 1. outline: its simplified outline (edge/chain/outline.py); empty
    where none was made.
    """

    region: Region
    kind: str
    confidence: float
    guidance: str = ""
    doubt: float = 0.0
    outline: Outline = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """A region that the classifier calls background. doubt: its mean background score, 0 to 1."""

    region: Region
    doubt: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of the five steps of the chain for one frame, in microseconds."""

    detect_us: float
    filter_us: float
    components_us: float
    classify_us: float
    decide_us: float

    @property
    def total_us(self) -> float:
        return (
            self.detect_us + self.filter_us + self.components_us + self.classify_us + self.decide_us
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of inspecting one part.

    part_id: the number of the frame's part. decision: PASS, REJECT or UNKNOWN. reason: one line
    that names the rule. defects: the reported defects, most severe first. peak_severity: the
    largest severity anywhere in the frame, also outside the defects. score: 0 to 12, by which
    frames are ranked (edge/chain/decide.py): above T where a defect is reported, and at most T
    where none is. With a part threshold: the larger of the scores of regions and part, on a scale
    on which 6 is the limit of either. With a part_score and no threshold: part_score. timings:
    duration of each step; None where no chain ran. part_score: the score of the whole part, 0 to
    12; None where the bundle has no decision head.
    """

    part_id: int
    decision: Decision
    reason: str
    defects: tuple[Defect, ...]
    peak_severity: float
    timings: Timings | None
    score: float = 0.0
    part_score: float | None = None

    @classmethod
    def unknown(cls, part_id: int, *, reason: str) -> Verdict:
        """Return the verdict of a part without a verdict of the chain in time."""
        return cls(part_id, Decision.UNKNOWN, reason, (), 0.0, None)
