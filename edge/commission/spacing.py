"""How near to one another parts may come, from what was measured."""

from __future__ import annotations

from dataclasses import dataclass

MARGIN = 1.2  # on what the machine needs: other loads, a warmer processor, a fuller disk


@dataclass(frozen=True, slots=True)
class SpacingTimes:
    """Everything that bounds the speed of a line. Milliseconds.

    pulse_ms: of the ejector. error_ms: bound of the p99.9 of how late a pulse begins. spread_ms:
    how far to either side of its moment a part may be at the ejector. inspect_ms: bound of the
    p99.9 of the chain. capture_ms: the longest from a trigger to its frame in memory; frame_ms: one
    frame of a camera at a fixed rate, 0 for others. spacing_ms: parts nearer than this are kicked
    together; debounce_ms: an edge this soon after another is a bounce.
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
        """From the trigger to the verdict at worst: frame, then chain."""
        return self.capture_ms + self.inspect_ms


@dataclass(frozen=True, slots=True)
class LeastGap:
    """The least time between two parts, and what demands it."""

    ms: float
    because: str

    @property
    def rate_hz(self) -> float:
        """Parts a second at that gap."""
        return 1e3 / self.ms


def least_gap(measured: SpacingTimes) -> LeastGap:
    """The greatest of what each thing on a part's way needs for itself (decision 24):

    - ejector: pulse + 2 · error + 2 · spread. A pulse begins up to ``error`` late and may end as
      late, and each of the two parts may be ``spread`` off its moment;
    - inspection: 1.2 · inspect; one thread inspects one part after the other;
    - camera: 1.2 · capture, and one frame; one thread waits for one frame after the other, beside
      inspection, so the two are not added;
    - spacing: what line.min_spacing says, below which a good part is kicked with a bad one;
    - debounce: below it there is no second part.
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
    """A belt with an encoder. Counts. gap: the least between two parts; spread: how far to either
    side of its place a part may be; spacing: parts nearer than this are kicked together; travel:
    from the photo-eye to the ejector."""

    gap: float
    spread: float
    spacing: float
    travel: float


def greatest_counts_per_s(measured: SpacingTimes, belt: BeltSpacing) -> float:
    """The greatest speed of a belt with an encoder. 0: parts are nearer than the spacing.

    Two parts that lie a gap apart, and each a spread off its place, must come least_gap apart; and
    a verdict (1.2 · latency, and the rejector's error) must be there before the travel is over.
    """
    room = belt.gap - 2 * belt.spread
    if belt.gap < belt.spacing or room <= 0:
        return 0.0
    by_gap = room * 1e3 / least_gap(measured).ms
    verdict_ms = MARGIN * measured.latency_ms + measured.error_ms
    return min(by_gap, belt.travel * 1e3 / verdict_ms)
