"""The checks that a frame belongs to its part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edge.line.part import Part
from edge.records import Frame


class Refusal(str, Enum):
    """The reason that a part has no frame for inspection. The part is UNKNOWN."""

    NO_CAMERA = "no_camera"
    """The camera itself failed."""
    NO_FRAME = "no_frame"
    """This frame was damaged or did not arrive."""
    MIXED_UP = "mixed_up"
    """The frame has the number of another part."""
    REPEATED = "repeated"
    """The frame has the sequence number, the time stamp or the pixels of an earlier frame."""
    LAGGING = "lagging"
    """The frame was exposed for the part before."""
    EARLY = "early"
    """The frame was exposed before its trigger."""
    AHEAD = "ahead"
    """The frame was exposed after the trigger of the next part."""
    LATE = "late"
    """The frame was exposed too long after its trigger."""


@dataclass(frozen=True, slots=True)
class FreshnessRules:
    """The rules for the exposure time of a frame.

    They must hold for every moment at which the frame can have been exposed.
    """

    live: bool = False
    """The frames come from a sensor and not from a recording. No two frames of a sensor have the
    same pixels, and a frame exposed after the next part's trigger shows the next part."""

    early_ns: int = 0
    """A frame may have a time stamp this long before its trigger."""

    within_ns: int | None = None
    """The longest time from the trigger to the exposure; None: no limit except the budget."""


class Freshness:
    """Checks frames in the order of their parts, and counts refusals. One thread; counts: any.

    A camera that repeats a frame with a new time stamp is detected by the pixels. The comparison
    ends at the first pixel that differs. A time stamp that is wrong by less than the time between
    two parts cannot be detected here. The commissioning measures it.
    """

    def __init__(self, rules: FreshnessRules = FreshnessRules()) -> None:
        self.counts = dict.fromkeys(Refusal, 0)
        self._rules = rules
        self._sequence = 0
        self._exposed_ns: int | None = None
        self._pixels: NDArray[np.uint8] | None = None
        self._before_ns: int | None = None  # the trigger of the part before

    def count_missing(self, part: Part, refusal: Refusal) -> None:
        """Count a part without a frame."""
        self._before_ns = part.triggered_ns
        self.counts[refusal] += 1

    def fault(self, frame: Frame, part: Part, next_ns: int | None) -> str | None:
        """Return the reason to refuse this frame, for the verdict; None: it is the part's frame.

        next_ns: the trigger of the next part, if there is one already.
        """
        result = self._check(frame, part, next_ns)
        self._before_ns = part.triggered_ns
        if frame.exposed_ns >= (self._exposed_ns or frame.exposed_ns):
            self._exposed_ns = frame.exposed_ns
            self._pixels = frame.pixels if self._rules.live else None
        if result is None:
            self._sequence = frame.sequence
            return None
        refusal, reason = result
        self.counts[refusal] += 1
        return f"frame refused: {reason}"

    def _check(self, frame: Frame, part: Part, next_ns: int | None) -> tuple[Refusal, str] | None:
        if frame.part_id != part.part_id:
            return Refusal.MIXED_UP, f"of part {frame.part_id}, expected {part.part_id}"
        if frame.sequence <= self._sequence:
            return Refusal.REPEATED, f"sequence {frame.sequence} again, last was {self._sequence}"
        if self._exposed_ns is not None and frame.exposed_ns == self._exposed_ns:
            return Refusal.REPEATED, "exposed when the last one was"
        after_ns = frame.exposed_ns - part.triggered_ns
        if after_ns < -self._rules.early_ns:
            early = f"exposed {-after_ns / 1e6:.1f} ms before its trigger"
            if self._before_ns is not None and frame.exposed_ns >= self._before_ns:
                return Refusal.LAGGING, f"{early}, after that of the part before"
            return Refusal.EARLY, early
        if self._exposed_ns is not None and frame.exposed_ns < self._exposed_ns:
            return Refusal.REPEATED, "exposed before the last one"
        if self._rules.live and self._same(frame.pixels):
            return Refusal.REPEATED, "every pixel as in the last one"
        by_ns, maybe = frame.exposed_ns, ""
        if frame.exposed_by_ns is not None:
            by_ns, maybe = frame.exposed_by_ns, "perhaps "
        if self._rules.live and next_ns is not None and by_ns >= next_ns:
            late_ms = (by_ns - next_ns) / 1e6
            return Refusal.AHEAD, f"{maybe}exposed {late_ms:.1f} ms after the next part's trigger"
        within_ns = self._rules.within_ns
        if within_ns is not None and by_ns - part.triggered_ns > within_ns:
            limit_ms = within_ns / 1e6
            after_ms = (by_ns - part.triggered_ns) / 1e6
            return (
                Refusal.LATE,
                f"{maybe}exposed {after_ms:.1f} ms after its trigger, at most {limit_ms:g}",
            )
        return None

    def _same(self, pixels: NDArray[np.uint8]) -> bool:
        last = self._pixels
        if last is None or last.shape != pixels.shape:
            return False
        # Views of bytes compare one by one and stop at the first difference; numpy compares all.
        return bool(last.reshape(-1).data == pixels.reshape(-1).data)
