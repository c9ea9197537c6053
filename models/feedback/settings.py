"""The choice of T and keep_severity from old validation parts and marked parts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.chain.classify import KEEP_NONE
from models.evaluation.keep_severity import GRID as KEEPS
from models.feedback.operating_grid import OperatingGrid


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """The settings of a chain that need no training.

    reject_severity: of the old bundle, or None where every reported defect rejects.
    """

    threshold: float
    keep_severity: float = KEEP_NONE
    reject_severity: float | None = None

    def __str__(self) -> str:
        text = f"T {self.threshold:g}, keep_severity {self.keep_severity:g}"
        if self.reject_severity is None:
            return text
        return f"{text}, reject_severity {self.reject_severity:g}"


@dataclass(frozen=True, slots=True)
class FeedbackFacts:
    """Facts on each picture, in the order of the grid. Each attribute is bool N.

    Attributes:
        bad: the part is defective.
        caught: the old bundle rejects the part.
        marked: the part is from the quarantine; otherwise from the old validation set.
        synthetic: the part is a generated bad part.
    """

    bad: npt.NDArray[np.bool_]
    caught: npt.NDArray[np.bool_]
    marked: npt.NDArray[np.bool_]
    synthetic: npt.NDArray[np.bool_]

    def without(self, place: int) -> FeedbackFacts:
        """Return the facts without the picture at this index."""
        keep = np.arange(len(self.bad)) != place
        return FeedbackFacts(
            self.bad[keep], self.caught[keep], self.marked[keep], self.synthetic[keep]
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits within which a new bundle may replace the old one.

    Attributes:
        new_escapes: largest number of bad parts that the old bundle rejects and the new one passes.
        more_false_rejects: largest growth of the false rejects, as a share of the good validation
            parts, 0 to 1.
        synthetic_escapes: largest share of the rejected synthetic bad parts that the new bundle may
            pass, 0 to 1. Some of these defects are hardly visible.
        fixed: smallest share of the wrong verdicts on held-back marked parts that must become
            right, 0 to 1. These parts were selected because their verdicts were wrong, so any
            change corrects some of them.
    """

    new_escapes: int = 0
    more_false_rejects: float = 0.01
    synthetic_escapes: float = 0.05
    fixed: float = 0.5


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The reason why no settings are within the limits: the counts of the nearest settings.

    Attributes:
        lost: indices of the new escapes.
        escapes: new escapes, and the allowed number.
        synthetic: passed synthetic bad parts, and the allowed number.
        false_rejects: false rejects of validation parts, and the allowed number.
    """

    lost: tuple[int, ...]
    escapes: tuple[int, int]
    synthetic: tuple[int, int]
    false_rejects: tuple[int, int]

    def __str__(self) -> str:
        counts = (
            ("bad parts that are rejected would be passed", self.escapes),
            ("synthetic bad parts would be passed", self.synthetic),
            ("good validation parts would be rejected", self.false_rejects),
        )
        words = ", ".join(f"{count} {what} ({most} allowed)" for what, (count, most) in counts)
        return f"no T is within the limits; at the nearest T {words}"


def choose_settings(
    grid: OperatingGrid,
    facts: FeedbackFacts,
    old: FeedbackSettings,
    limits: Limits,
    *,
    classified: bool,
) -> FeedbackSettings | Shortfall:
    """Return the best settings within the limits, or the shortfall where there are none.

    The order is: fewest marked escapes, fewest false rejects of marked parts, fewest other false
    rejects, fewest passed synthetic bad parts, smallest distance from the old settings. Other
    escapes were known when the old settings were chosen.

    The comparison leaves a margin, because int8 differs from float and the next part from this one.
    A defective part counts as caught only where it is caught at the next step of both grids as
    well. A good part counts as passed only where it is passed at the step before as well. At the
    old settings both count without margin. classified: the chain has a classifier, so keep_severity
    has an effect.
    """
    keeps = sorted({*KEEPS, old.keep_severity}) if classified else [old.keep_severity]
    rejected = grid.rejected(keeps)
    caught = rejected & _moved(rejected, 0, 1) & _moved(rejected, 2, 1)
    alarmed = rejected | _moved(rejected, 0, -1) | _moved(rejected, 2, -1)
    row, column = keeps.index(old.keep_severity), grid.thresholds.index(old.threshold)
    for some in (caught, alarmed):
        some[row, :, column] = rejected[row, :, column]
    unmarked = ~facts.bad & ~facts.marked
    allowed = (unmarked & facts.caught).sum() + int(limits.more_false_rejects * unmarked.sum())
    held = facts.bad & facts.caught
    lost = (~caught[:, held & ~facts.synthetic]).sum(1)
    passed_synthetic = (~caught[:, held & facts.synthetic]).sum(1)
    alarmed_now = rejected[:, unmarked].sum(1)
    most_synthetic = int(limits.synthetic_escapes * (held & facts.synthetic).sum())
    bounds = (
        (lost, limits.new_escapes),
        (passed_synthetic, most_synthetic),
        (alarmed_now, allowed),
    )
    beyond = np.sum([np.maximum(values - most, 0) for values, most in bounds], 0)
    within = beyond == 0
    if not within.any():
        at = np.unravel_index(int(beyond.argmin()), beyond.shape)
        missed = ~caught[at[0], :, at[1]] & held & ~facts.synthetic
        return Shortfall(
            tuple(np.flatnonzero(missed).tolist()),
            (int(lost[at]), limits.new_escapes),
            (int(passed_synthetic[at]), most_synthetic),
            (int(alarmed_now[at]), int(allowed)),
        )
    escapes = (~caught[:, facts.bad & facts.marked]).sum(1)
    alarms = alarmed[:, ~facts.bad & facts.marked].sum(1)
    others = alarmed[:, unmarked].sum(1)
    i, j = min(
        np.argwhere(within).tolist(),
        key=lambda at: (
            escapes[at[0], at[1]],
            alarms[at[0], at[1]],
            others[at[0], at[1]],
            passed_synthetic[at[0], at[1]],
            abs(at[1] - column),
            abs(at[0] - row),
        ),
    )
    return FeedbackSettings(grid.thresholds[j], keeps[i], old.reject_severity)


def left_out_right(
    grid: OperatingGrid,
    facts: FeedbackFacts,
    old: FeedbackSettings,
    limits: Limits,
    *,
    classified: bool,
) -> tuple[int, int]:
    """Return the number of right verdicts by leaving one out, and the number of marked parts.

    For each marked part, settings are chosen without it and then applied to it.
    """
    places = np.flatnonzero(facts.marked).tolist()
    right = 0
    for place in places:
        others = OperatingGrid(grid.thresholds, np.delete(grid.most, place, 0))
        chosen = choose_settings(others, facts.without(place), old, limits, classified=classified)
        settings = chosen if isinstance(chosen, FeedbackSettings) else old
        right += bool(decisions(grid, settings)[place] == facts.bad[place])
    return right, len(places)


def decisions(grid: OperatingGrid, settings: FeedbackSettings) -> npt.NDArray[np.bool_]:
    """Return bool N: true where a picture is rejected. T of the settings must be in the grid."""
    at = grid.thresholds.index(settings.threshold)
    return np.asarray(grid.most[:, at] >= settings.keep_severity, np.bool_)


def mistakes(rejected: Sequence[bool] | npt.NDArray[np.bool_], facts: FeedbackFacts) -> int:
    """Return the number of wrong verdicts on marked parts."""
    wrong = np.asarray(rejected, np.bool_) != facts.bad
    return int((wrong & facts.marked).sum())


def _moved(values: npt.NDArray[np.bool_], axis: int, by: int) -> npt.NDArray[np.bool_]:
    """Return the neighbour of each value along an axis, after (1) or before it (-1).

    A value at the end is its own neighbour.
    """
    count = values.shape[axis]
    index = np.clip(np.arange(count) + by, 0, count - 1)
    return np.asarray(np.take(values, index, axis), np.bool_)
