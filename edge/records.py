"""The nouns of the chain. All frozen and slotted; the unit is in the name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray


class Decision(str, Enum):
    """What the station says of a part. UNKNOWN is actuated as ``on_unknown`` says."""

    PASS = "PASS"
    REJECT = "REJECT"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one part.

    pixels: uint8, H×W (grey) or H×W×3 (BGR), C-contiguous. Times are CLOCK_MONOTONIC nanoseconds.
    exposed_ns: when the exposure began, or the earliest moment at which it can have begun;
    exposed_by_ns: then the latest such moment, None where exposed_ns is exact.
    """

    part_id: int
    sequence: int
    triggered_ns: int
    exposed_ns: int
    pixels: NDArray[np.uint8]
    exposed_by_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SeverityMap:
    """Severity per cell on the scale 0 to 12 of He & Liu 2020, section III.A.1.

    values: h×w, uint8 (quantised: severity = scale * (value - zero_point)) or float32 (scale 1,
    zero_point 0). A cell covers stride_px × stride_px pixels of the frame; the map may be a view
    into an engine's buffer and is valid until the next frame. unmatched: why the frame is none that
    the detector can judge, where it says so; such a part is never passed.
    """

    values: NDArray[np.uint8] | NDArray[np.float32]
    scale: float
    zero_point: int
    stride_px: int
    unmatched: str = ""

    def severity(self, value: float) -> float:
        """The severity that a stored value stands for."""
        return self.scale * (float(value) - self.zero_point)

    def peak(self) -> float:
        """The largest severity of the map."""
        return self.severity(self.values.max())


@dataclass(frozen=True, slots=True)
class Box:
    """Frame pixels; right and bottom are exclusive."""

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


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels at or above the threshold that belong together. Severity on the scale 0 to 12."""

    box: Box
    area_px: int
    peak_severity: float
    mean_severity: float


@dataclass(frozen=True, slots=True)
class Defect:
    """A region that was named. confidence is the share of trust in the kind, doubt the share of
    belief that it is none at all, both 0 to 1."""

    region: Region
    kind: str
    confidence: float
    guidance: str = ""
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A region that the classifier takes for sound surface, and how far it does, 0 to 1."""

    region: Region
    doubt: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Microseconds spent in each step of the chain for one frame."""

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
    """What the chain says of one part, and why.

    peak_severity is the largest severity anywhere in the frame, defect or not. score, by which
    frames are ranked, counts what the whole chain says (edge/chain/decide.py). timings is None
    where no chain ran.
    """

    part_id: int
    decision: Decision
    reason: str
    defects: tuple[Defect, ...]
    peak_severity: float
    timings: Timings | None
    score: float = 0.0

    @classmethod
    def unknown(cls, part_id: int, *, reason: str) -> Verdict:
        """The verdict of a part that the chain could not judge (in time)."""
        return cls(part_id, Decision.UNKNOWN, reason, (), 0.0, None)
