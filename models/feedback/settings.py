"""T and keep_severity from old validation parts and marked ones. Pure."""

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
    """What the chain does with the networks' answers."""

    threshold: float
    keep_severity: float = KEEP_NONE

    def __str__(self) -> str:
        return f"T {self.threshold:g}, keep_severity {self.keep_severity:g}"


@dataclass(frozen=True, slots=True)
class FeedbackFacts:
    """Per picture, in the order of the beliefs. bad: the part is defective. caught: the old bundle
    rejects it. marked: it is of the quarantine, else of the old validation set. set_in: it is
    bad by a defect that was set in. All bool N."""

    bad: npt.NDArray[np.bool_]
    caught: npt.NDArray[np.bool_]
    marked: npt.NDArray[np.bool_]
    synthetic: npt.NDArray[np.bool_]

    def without(self, place: int) -> FeedbackFacts:
        keep = np.arange(len(self.bad)) != place
        return FeedbackFacts(
            self.bad[keep], self.caught[keep], self.marked[keep], self.synthetic[keep]
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """new_escapes: parts that the old bundle rejects, rightly, and the new one passes. more: by how
    large a share of the old good validation parts their false rejects may grow, 0 to 1. set_in:
    the share of the defects that were set in and are rejected that may be lost: some lie where
    nobody could see them, and painted flaws grow down to the faintest. fixed:
    the least share of the marked parts that nothing was learned from which must be judged rightly:
    they were chosen for being wrong, so some come right by any change."""

    new_escapes: int = 0
    more_false_rejects: float = 0.01
    synthetic_escapes: float = 0.05
    fixed: float = 0.5


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why no settings keep the limits: what those that come nearest lose, and what was allowed.
    escapes: bad parts that are rejected and would be passed; set_in: the same of those that were
    made; false_rejects: of old good validation parts. lost: the places of the escapes."""

    lost: tuple[int, ...]
    escapes: tuple[int, int]
    synthetic: tuple[int, int]
    false_rejects: tuple[int, int]

    def __str__(self) -> str:
        told = (
            ("bad parts that are rejected would be passed", self.escapes),
            ("bad parts made of the new look would be passed", self.synthetic),
            ("good validation parts would be rejected", self.false_rejects),
        )
        words = ", ".join(f"{found} {what} ({most} allowed)" for what, (found, most) in told)
        return f"no T keeps the limits; at the nearest {words}"


def choose_settings(
    grid: OperatingGrid,
    facts: FeedbackFacts,
    old: FeedbackSettings,
    limits: Limits,
    *,
    classified: bool,
) -> FeedbackSettings | Shortfall:
    """Of the settings within the limits those that pass the fewest marked escapes, of these those
    that reject the fewest marked good parts, then the fewest others, then those that pass the
    fewest bad parts made of the new look, then the nearest to the old ones. What else escapes was
    known when the old settings were chosen.

    int8 is not float, and the next part is not this one: a defective part counts as caught only
    where it is at the next step of both grids too, a good one as passed only where it is at the
    step before. At the old settings both count as they are. classified: the chain has a
    classifier, so keep_severity matters.
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
    faded = (~caught[:, held & facts.synthetic]).sum(1)
    alarmed_now = rejected[:, unmarked].sum(1)
    may_fade = int(limits.synthetic_escapes * (held & facts.synthetic).sum())
    bounds = ((lost, limits.new_escapes), (faded, may_fade), (alarmed_now, allowed))
    beyond = np.sum([np.maximum(values - most, 0) for values, most in bounds], 0)
    within = beyond == 0
    if not within.any():
        at = np.unravel_index(int(beyond.argmin()), beyond.shape)
        missed = ~caught[at[0], :, at[1]] & held & ~facts.synthetic
        return Shortfall(
            tuple(np.flatnonzero(missed).tolist()),
            (int(lost[at]), limits.new_escapes),
            (int(faded[at]), may_fade),
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
            faded[at[0], at[1]],
            abs(at[1] - column),
            abs(at[0] - row),
        ),
    )
    return FeedbackSettings(grid.thresholds[j], keeps[i])


def left_out_right(
    grid: OperatingGrid,
    facts: FeedbackFacts,
    old: FeedbackSettings,
    limits: Limits,
    *,
    classified: bool,
) -> tuple[int, int]:
    """Leave one out: how many marked parts the settings judge rightly that were chosen without
    them, and how many marked parts there are."""
    places = np.flatnonzero(facts.marked).tolist()
    right = 0
    for place in places:
        others = OperatingGrid(grid.thresholds, np.delete(grid.most, place, 0))
        found = choose_settings(others, facts.without(place), old, limits, classified=classified)
        kept = found if isinstance(found, FeedbackSettings) else old
        right += bool(decisions(grid, kept)[place] == facts.bad[place])
    return right, len(places)


def decisions(grid: OperatingGrid, settings: FeedbackSettings) -> npt.NDArray[np.bool_]:
    """bool N: whether each picture is rejected at the settings, whose T is one of the beliefs'."""
    at = grid.thresholds.index(settings.threshold)
    return np.asarray(grid.most[:, at] >= settings.keep_severity, np.bool_)


def mistakes(rejected: Sequence[bool] | npt.NDArray[np.bool_], facts: FeedbackFacts) -> int:
    """Marked parts that are judged wrongly."""
    wrong = np.asarray(rejected, np.bool_) != facts.bad
    return int((wrong & facts.marked).sum())


def _moved(values: npt.NDArray[np.bool_], axis: int, by: int) -> npt.NDArray[np.bool_]:
    """Each value's neighbour along the axis, after (1) or before it (-1); the last one's is
    itself."""
    count = values.shape[axis]
    index = np.clip(np.arange(count) + by, 0, count - 1)
    return np.asarray(np.take(values, index, axis), np.bool_)
