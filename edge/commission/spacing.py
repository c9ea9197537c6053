"""The smallest allowed gap between parts, calculated from the measured times."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN = 1.2  # factor for other loads, a warmer processor, a fuller disk


@dataclass(frozen=True, slots=True)
class SpacingTimes:
    """The times that limit the speed of a line, all in milliseconds.

    pulse_ms: length of the ejector pulse.
    error_ms: upper bound of the p99.9 of the delay with which a pulse begins.
    spread_ms: largest deviation of a part from its expected time at the ejector, to either side.
    inspect_ms: upper bound of the p99.9 of the chain's time per frame.
    capture_ms: longest time from a trigger until its frame is in memory.
    frame_ms: period of a camera with a fixed rate; 0 for other cameras.
    spacing_ms: parts nearer than this are ejected together.
    debounce_ms: an edge that follows another within this time is a bounce.
    """

    pulse_ms: float
    error_ms: float
    spread_ms: float
    inspect_ms: float
    capture_ms: float
    frame_ms: float
    spacing_ms: float
    debounce_ms: float

    @property
    def latency_ms(self) -> float:
        """The longest time from the trigger to the verdict: frame, then chain."""
        return self.capture_ms + self.inspect_ms


@dataclass(frozen=True, slots=True)
class LeastGap:
    """The smallest time between two parts.

    because: the key in ``least_gap`` that requires this time, for instance "ejector".
    """

    ms: float
    because: str

    @property
    def rate_hz(self) -> float:
        """Parts per second at that gap."""
        return 1e3 / self.ms


def least_gap(measured: SpacingTimes) -> LeastGap:
    """Return the largest of the gaps that each device needs (decision 24).

    - ejector: pulse + 2 · error + 2 · spread. A pulse begins up to ``error`` late and may end as
      late, and each of the two parts may be ``spread`` away from its expected time;
    - inspection: 1.2 · inspect. One thread inspects one part after the other;
    - camera: the larger of 1.2 · capture and one frame period. Another thread waits for frames
      while a part is inspected, so the two times are not added;
    - spacing: line.min_spacing. Below it a good part is ejected together with a bad one;
    - debounce: below it the photo-eye reports no second part.
    """
    needs = {
        "ejector": measured.pulse_ms + 2 * measured.error_ms + 2 * measured.spread_ms,
        "inspection": MARGIN * measured.inspect_ms,
        "camera": max(MARGIN * measured.capture_ms, measured.frame_ms),
        "spacing": measured.spacing_ms,
        "debounce": measured.debounce_ms,
    }
    because = max(needs, key=lambda name: needs[name])
    return LeastGap(needs[because], because)


@dataclass(frozen=True, slots=True)
class BeltSpacing:
    """Distances on a belt with an encoder, in counts.

    gap: smallest distance between two parts.
    spread: largest deviation of a part from its expected place, to either side.
    spacing: parts nearer than this are ejected together.
    travel: distance from the photo-eye to the ejector.
    """

    gap: float
    spread: float
    spacing: float
    travel: float


def greatest_counts_per_s(measured: SpacingTimes, belt: BeltSpacing) -> float:
    """Return the greatest speed of a belt with an encoder, in counts per second.

    Two parts lie one gap apart, each up to one spread away from its place. They must arrive at
    least ``least_gap`` apart. The verdict (1.2 · latency, plus the rejector's error) must exist
    before the part has travelled to the ejector. Return 0 where parts are nearer than the spacing.
    """
    certain_gap = belt.gap - 2 * belt.spread
    if belt.gap < belt.spacing or certain_gap <= 0:
        return 0.0
    by_gap = certain_gap * 1e3 / least_gap(measured).ms
    verdict_ms = MARGIN * measured.latency_ms + measured.error_ms
    return min(by_gap, belt.travel * 1e3 / verdict_ms)
