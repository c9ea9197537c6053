"""Whether a frame can be the picture of its part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from edge.line.part import Part
from edge.records import Frame


class Refusal(str, Enum):
    """Why a part has no frame that can be inspected. The part is UNKNOWN."""

    NO_CAMERA = "no_camera"  # the camera itself failed
    NO_FRAME = "no_frame"  # this one picture was damaged or never came
    MIXED_UP = "mixed_up"  # it says that it is of another part
    REPEATED = "repeated"  # it was there before, by its number, its stamp or its pixels
    LAGGING = "lagging"  # exposed for the part before this one
    EARLY = "early"  # exposed before its trigger
    AHEAD = "ahead"  # exposed when the next part was already there
    LATE = "late"  # exposed too long after its trigger


@dataclass(frozen=True, slots=True)
class FreshnessRules:
    """The rules hold for every moment at which a frame can have been exposed.

    live: a sensor at the photo-eye, as against a recording: no two of its pictures are the same
    in every pixel, and a frame exposed after the next part's trigger is of that one.

    early_ns: how much before its trigger a frame may seem exposed. within_ns: how long after its
    trigger at most; None: as long as the budget lasts.
    """

    live: bool = False
    early_ns: int = 0
    within_ns: int | None = None


class Freshness:
    """Judges frames in the order of their parts, and counts. One thread; counts: any.

    A camera that repeats a picture under a new stamp is found out by its pixels, which costs next
    to nothing: the comparison ends at the first one that differs. What it cannot find out is a
    stamp that is wrong by less than the time between two parts; that is measured when a station is
    set up.
    """

    def __init__(self, rules: FreshnessRules = FreshnessRules()) -> None:
        self.counts = dict.fromkeys(Refusal, 0)
        self._rules = rules
        self._sequence = 0
        self._exposed_ns: int | None = None
        self._pixels: NDArray[np.uint8] | None = None
        self._before_ns: int | None = None  # when the part before this one was triggered

    def count_missing(self, part: Part, refusal: Refusal) -> None:
        """The part has no frame at all."""
        self._before_ns = part.triggered_ns
        self.counts[refusal] += 1

    def fault(self, frame: Frame, part: Part, next_ns: int | None) -> str | None:
        """Why this frame is refused, as a reason for a verdict; None: it is the part's.

        next_ns: when the part after this one was triggered, if it was.
        """
        found = self._find(frame, part, next_ns)
        self._before_ns = part.triggered_ns
        if frame.exposed_ns >= (self._exposed_ns or frame.exposed_ns):
            self._exposed_ns = frame.exposed_ns
            self._pixels = frame.pixels if self._rules.live else None
        if found is None:
            self._sequence = frame.sequence
            return None
        refusal, reason = found
        self.counts[refusal] += 1
        return f"frame refused: {reason}"

    def _find(self, frame: Frame, part: Part, next_ns: int | None) -> tuple[Refusal, str] | None:
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
