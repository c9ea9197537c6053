"""The results of a chain at one T, and the choice of T."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from edge.errors import UsageError
from models.data.dataset import DataError
from models.evaluation.interval import (
    CONFIDENCE,
    counted,
    interval,
    parts_to_prove,
    percent,
)


@dataclass(frozen=True, slots=True)
class Assurance:
    """The proof of a limit of the false reject rate.

    upper: the rate is below this value at ``confidence`` (one-sided Clopper-Pearson). needed: the
    number of good parts that would prove the limit with no further false reject. Without any false
    reject this is the rule of three (3 / limit).
    """

    limit: float
    confidence: float
    upper: float
    false_rejects: int
    needed: int

    @property
    def proved(self) -> bool:
        return self.upper <= self.limit

    def __str__(self) -> str:
        sure = f"at {percent(self.confidence)} confidence false rejects are below"
        if self.proved:
            return f"{sure} {percent(self.upper)}: the limit of {percent(self.limit)} is proved"
        return (
            f"{sure} {percent(self.upper)}: the limit of {percent(self.limit)} is not proved; that "
            f"takes {self.needed} good parts with no more than {self.false_rejects} rejected"
        )


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The results of the whole chain at one T and reject severity. Counts are parts.

    escapes is None where no part is defective, false_rejects where none is good: then they are
    unknown. mean_iou is over defective parts, nan without any. reject_severity: None where every
    defect rejects.
    """

    threshold: float
    escapes: int | None
    defective: int
    false_rejects: int | None
    good: int
    mean_iou: float
    reject_severity: float | None = None

    def __post_init__(self) -> None:
        # Without a part to count, the number is unknown, not 0.
        if not self.defective:
            object.__setattr__(self, "escapes", None)
        if not self.good:
            object.__setattr__(self, "false_rejects", None)

    @property
    def escape_rate(self) -> float:
        """0 to 1; nan without a defective part."""
        return math.nan if self.escapes is None else self.escapes / self.defective

    @property
    def false_reject_rate(self) -> float:
        """0 to 1; nan without a good part."""
        return math.nan if self.false_rejects is None else self.false_rejects / self.good

    @property
    def escape_interval(self) -> tuple[float, float]:
        return interval(self.escapes or 0, self.defective)

    @property
    def false_reject_interval(self) -> tuple[float, float]:
        return interval(self.false_rejects or 0, self.good)

    def assurance(self, limit: float, confidence: float = CONFIDENCE) -> Assurance:
        """Return the proof that at most ``limit`` of the good parts are rejected."""
        return Assurance(
            limit,
            confidence,
            # One-sided: the upper end of the two-sided interval that leaves twice as much out.
            interval(self.false_rejects or 0, self.good, 2 * confidence - 1)[1],
            self.false_rejects or 0,
            parts_to_prove(limit, self.false_rejects or 0, confidence),
        )

    def __str__(self) -> str:
        own = self.reject_severity
        severity = "" if own is None else f", reject severity {own:g}"
        text = (
            f"T = {self.threshold:g}{severity}: "
            f"escapes {counted(self.escapes, self.defective)}, "
            f"false rejects {counted(self.false_rejects, self.good)}"
        )
        return text if math.isnan(self.mean_iou) else f"{text}, mean IoU {self.mean_iou:.3f}"


def operating_point(threshold: float, metrics: Mapping[str, float]) -> OperatingPoint:
    """Return the operating point of metrics, as ``Metrics.as_dict`` returns them."""
    defective = int(metrics["defective"])
    good = int(metrics["parts"]) - defective
    return OperatingPoint(
        threshold,
        int(metrics["escapes"]) if defective else None,
        defective,
        int(metrics["false_rejects"]) if good else None,
        good,
        metrics.get("mean_iou", math.nan),
    )


def within(points: Iterable[OperatingPoint], limit: float) -> tuple[OperatingPoint, ...]:
    """Return the points with at most ``limit`` false rejects, the best first.

    The order is: fewest escapes, best mean IoU, fewest false rejects, lowest T and reject severity.
    """
    return tuple(
        sorted(
            (point for point in points if point.false_reject_rate <= limit),
            key=lambda p: (
                p.escapes or 0,
                math.inf if math.isnan(p.mean_iou) else -p.mean_iou,
                p.false_rejects or 0,
                p.threshold,
                p.reject_severity or 0.0,
            ),
        )
    )


def choose(points: Sequence[OperatingPoint], max_false_rejects: float) -> OperatingPoint:
    """Return the point with the fewest escapes within the limit of false rejects, 0 to 1.

    Its ``assurance`` shows how far the limit is proved. Escapes do not always fall with T, because
    a larger region may be called background. Raises DataError, one line, where no T is within the
    limit or no part is good.
    """
    best_first = within(points, max_false_rejects)
    if best_first:
        return best_first[0]
    require_good(sum(point.good for point in points))
    least = min(points, key=lambda point: (point.false_rejects or 0, point.escapes or 0))
    raise DataError(
        f"no limit of severity rejects at most {percent(max_false_rejects)} of the good parts; the "
        f"least is {counted(least.false_rejects, least.good)} at T = {least.threshold:g}"
    )


def require_good(parts: int, among: str = "the pictures") -> None:
    """Raise DataError where no part is good, so that a limit of false rejects cannot be applied.

    Call it before any long work.
    """
    if not parts:
        raise DataError(
            f"--max-false-rejects: no good part to count false rejects on is among {among}; add "
            "pictures of good parts and train again, or leave the option out"
        )


def require_good_in(metrics: Mapping[str, float], among: str) -> None:
    """Apply ``require_good`` to the metrics of a run."""
    require_good(int(metrics.get("parts", 1) - metrics.get("defective", 0)), among)


def parse_share(text: str) -> float:
    """Return a share between 0 and 1 from text such as "0.5%" or "0.005". Raises UsageError."""
    number = text.strip()
    try:
        value = Decimal(number.removesuffix("%").rstrip())
    except InvalidOperation:
        value = Decimal("nan")
    if number.endswith("%"):
        value /= 100
    if not (value.is_finite() and 0 < value < 1):
        raise UsageError(
            f"{text!r} is no share; expected more than 0 and less than 1, for instance 0.5%"
        )
    return float(value)
