"""Parity: the comparison of two chains, frame by frame and step by step."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil, floor
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.inspector import Inspection
from edge.records import Box, Decision, Defect, Frame
from export.chains import Examines, side_by_side
from export.errors import ExportError, ParityError
from models.evaluation.interval import lower_bound, upper_bound
from models.training.progress import track

MATCH_IOU = 0.5
# The step of the chain that a figure measures.
_STEPS = {
    "severity_error_p99": "detect",
    "part_error_p99": "detect",
    "mask_iou": "filter",
    "regions": "components",
    "kinds": "classify",
}
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class ParityLimits:
    """The limits for the difference between a build and the reference chain.

    A build that exceeds a limit is not packed.

    Attributes:
        severity_error_p99: largest 99th percentile of the error in severity (0 to 12), over the
            cells where at least one chain has T / 2 or more. It also limits the 99th percentile of
            the error in the score of the part, over the frames.
        mask_iou: smallest mean IoU of the two masks, over the frames where a chain reports a
            defect.
        regions: smallest share of the defects of one chain that the other reports as well (boxes
            with an IoU of at least 0.5), in both directions.
        kinds: smallest share of these defects with equal kinds.
        verdict_agreement: smallest share of frames with the same decision. Where the peak is
            within the rounding error of T, the decisions may differ.
        missed: largest share of the defective parts rejected by the reference that the build
            passes. This is the most expensive error.
    """

    severity_error_p99: float = 2.5
    mask_iou: float = 0.8
    regions: float = 0.8
    kinds: float = 0.9
    verdict_agreement: float = 0.95
    missed: float = 0.02


# A float build computes the same arithmetic in another order, so only values very close to T may
# lead to another decision.
FLOAT_LIMITS = ParityLimits(0.05, 0.98, 0.95, 0.95, 0.95, 0.02)


@dataclass(frozen=True, slots=True)
class Worst:
    """The frame on which a figure is worst.

    Attributes:
        figure: name of the figure in Parity.
        name: name of the frame.
        off: size of the difference, as text.
    """

    figure: str
    name: str
    off: str


@dataclass(frozen=True, slots=True)
class Parity:
    """The figures of the comparison of a build with the reference chain.

    Attributes:
        frames: number of frames.
        severity_error_mean: mean error in severity (0 to 12) over all cells.
        severity_error_p99: see ParityLimits.
        severity_error_max: largest error, over the cells of severity_error_p99.
        mask_iou: see ParityLimits.
        regions: see ParityLimits.
        kinds: see ParityLimits.
        verdict_agreement: see ParityLimits.
        found: number of defective parts that the reference rejects.
        missed: number of these that the build passes.
        new_rejects: number of good parts that only the build rejects.
        disagreements: names of frames with different decisions.
        missed_names: names of the missed parts.
        worst: the worst frame for each figure.
        part_error_mean: mean error in the score of the part (0 to 12); 0 without a decision head.
        part_error_p99: see ParityLimits.severity_error_p99.
    """

    frames: int
    severity_error_mean: float
    severity_error_p99: float
    severity_error_max: float
    mask_iou: float
    regions: float
    kinds: float
    verdict_agreement: float
    found: int
    missed: int
    new_rejects: int
    disagreements: tuple[str, ...]
    missed_names: tuple[str, ...]
    worst: tuple[Worst, ...] = ()
    part_error_mean: float = 0.0
    part_error_p99: float = 0.0

    @property
    def missed_share(self) -> float:
        """Return the share of missed parts, 0 to 1; 0 where the reference rejects none."""
        return self.missed / self.found if self.found else 0.0

    @property
    def missed_bound(self) -> float:
        """Return the upper bound of the missed share at 95 % confidence (Clopper-Pearson)."""
        return upper_bound(self.missed, self.found)

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        figures = {
            name: float(value)
            for name, value in asdict(self).items()
            if not isinstance(value, tuple)
        }
        return {**figures, "missed_bound": self.missed_bound}

    def __str__(self) -> str:
        part = f"part score error p99 {self.part_error_p99:.2f}, " if self.part_error_p99 else ""
        return (
            f"{self.frames} frames: severity error p99 {self.severity_error_p99:.2f}, {part}"
            f"mask IoU {self.mask_iou:.3f}, defects matched {self.regions:.1%}, kinds equal "
            f"{self.kinds:.1%}, verdicts equal {self.verdict_agreement:.1%}, missed {self.missed} "
            f"of {self.found} (with 95% confidence at most {self.missed_bound:.1%})"
        )


class ParityComparison:
    """Compares two chains frame by frame. threshold: the T of both."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._hot: list[npt.NDArray[np.float32]] = []
        self._error, self._cells = 0.0, 0
        self._part_errors: dict[str, float] = {}  # of the part's score, by frame
        self._overlaps: list[float] = []
        self._reported, self._matched, self._same_kind = 0, 0, 0
        self._differ: list[str] = []
        self._missed: list[str] = []
        self._largest: dict[str, float] = {}
        self._frames, self._found, self._new_rejects = 0, 0, 0
        self._overlap: dict[str, float] = {}  # IoU of the masks, by frame
        self._alone: dict[str, int] = {}  # number of regions that one chain alone reports
        self._renamed: dict[str, int] = {}  # number of regions with different kinds

    def add(
        self,
        name: str,
        size: tuple[int, int],
        expected: Inspection,
        found: Inspection,
        *,
        defective: bool,
    ) -> None:
        """Add the results of both chains for a frame.

        size: height and width of the frame. defective: true where the part is defective.
        """
        self._frames += 1
        wanted, got = _severity(expected), _severity(found)
        error = np.abs(wanted - got)
        self._error += float(error.sum())
        self._cells += error.size
        self._hot.append(error[np.maximum(wanted, got) >= self._threshold / 2])
        self._largest[name] = float(self._hot[-1].max(initial=0.0))
        scores = [each.verdict.part_score for each in (expected, found)]
        if None not in scores:
            self._part_errors[name] = abs((scores[0] or 0.0) - (scores[1] or 0.0))
        one, other = (each.defect_mask(*size) for each in (expected, found))
        union = cv2.countNonZero(cv2.bitwise_or(one, other))
        if union:
            self._overlaps.append(cv2.countNonZero(cv2.bitwise_and(one, other)) / union)
            self._overlap[name] = self._overlaps[-1]
        before = self._reported, self._matched, self._same_kind
        self._add_regions(expected.verdict.defects, found.verdict.defects)
        reported, matched, same = self._reported, self._matched, self._same_kind
        self._alone[name] = reported - before[0] - (matched - before[1])
        self._renamed[name] = matched - before[1] - (same - before[2])
        rejects, rejected = (e.verdict.decision is Decision.REJECT for e in (expected, found))
        self._found += defective and rejects
        if rejects is not rejected:
            self._differ.append(name)
            if defective and rejects:
                self._missed.append(name)
            self._new_rejects += rejected and not defective

    def worst(self, count: int) -> tuple[str, ...]:
        """Return names of frames: missed parts, other decisions, then the largest errors."""
        by_error = sorted(self._largest, key=lambda name: -self._largest[name])
        return tuple(dict.fromkeys([*self._missed, *self._differ, *by_error]))[:count]

    def parity(self) -> Parity:
        """Return the figures of the frames so far. Raises ExportError where there is none."""
        if not self._frames:
            raise ExportError(
                "expected at least one validation picture, on which chains are compared"
            )
        hot = np.concatenate(self._hot)
        off = [*self._part_errors.values()] or [0.0]
        return Parity(
            frames=self._frames,
            severity_error_mean=self._error / self._cells,
            severity_error_p99=float(np.percentile(hot, 99)) if hot.size else 0.0,
            severity_error_max=float(hot.max(initial=0.0)),
            mask_iou=float(np.mean(self._overlaps)) if self._overlaps else 1.0,
            regions=self._matched / self._reported if self._reported else 1.0,
            kinds=self._same_kind / self._matched if self._matched else 1.0,
            verdict_agreement=1.0 - len(self._differ) / self._frames,
            found=self._found,
            missed=len(self._missed),
            new_rejects=self._new_rejects,
            disagreements=tuple(self._differ),
            missed_names=tuple(self._missed),
            worst=tuple(self._worst()),
            part_error_mean=float(np.mean(off)),
            part_error_p99=float(np.percentile(off, 99)),
        )

    def _worst(self) -> Iterator[Worst]:
        name = max(self._largest, key=self._largest.__getitem__)
        if self._largest[name]:
            yield Worst(
                "severity_error_p99", name, f"severity differs by {self._largest[name]:.2f}"
            )
        if self._part_errors:
            name = max(self._part_errors, key=self._part_errors.__getitem__)
            off = f"part score differs by {self._part_errors[name]:.2f}"
            yield Worst("part_error_p99", name, off)
        if self._overlap:
            name = min(self._overlap, key=self._overlap.__getitem__)
            yield Worst("mask_iou", name, f"IoU of the masks {self._overlap[name]:.2f}")
        for figure, counts, off in (
            ("regions", self._alone, "regions are reported by one chain only"),
            ("kinds", self._renamed, "regions have different kinds"),
        ):
            name = max(counts, key=counts.__getitem__)
            if counts[name]:
                yield Worst(figure, name, f"{counts[name]} {off}")

    def _add_regions(self, expected: tuple[Defect, ...], found: tuple[Defect, ...]) -> None:
        """Match each defect with the best one of the other chain, in both directions."""
        for mine, others in ((expected, found), (found, expected)):
            for defect in mine:
                box = defect.region.box
                partner = max(others, key=lambda o: box_iou(box, o.region.box), default=None)
                self._reported += 1
                if partner and box_iou(box, partner.region.box) >= MATCH_IOU:
                    self._matched += 1
                    self._same_kind += partner.kind == defect.kind


def compare(
    reference: Examines,
    candidates: Mapping[_Key, Examines],
    frames: Iterable[tuple[str, npt.NDArray[np.uint8], bool]],
    threshold: float,
    total: int | None = None,
) -> dict[_Key, Parity]:
    """Compare several chains with a reference. Blocks for all chains over all frames.

    frames: name, pixels, and true where the part is defective. total: number of frames, for the
    progress bar, where ``frames`` has no length. Raises ExportError where there is no frame.
    """
    comparisons = {key: ParityComparison(threshold) for key in candidates}
    seen = track(frames, f"comparing {len(candidates)} ways to quantise", total)
    with side_by_side({None: reference, **candidates}) as examine:
        for number, (name, pixels, defective) in enumerate(seen):
            found = examine(Frame(number, number, 0, 0, pixels))
            height, width = pixels.shape[:2]
            for key, comparison in comparisons.items():
                comparison.add(name, (height, width), found[None], found[key], defective=defective)
    return {key: comparison.parity() for key, comparison in comparisons.items()}


def faults(parity: Parity, limits: ParityLimits, *, proven: bool = False) -> list[str]:
    """Return a sentence for each figure that exceeds its limit.

    proven: missed parts count only where the share exceeds the limit at 95 % confidence. One and
    two missed parts of a hundred do not show which of two ways is better.
    """
    exceeded = []
    for name in ("mask_iou", "regions", "kinds", "verdict_agreement"):
        value, least = getattr(parity, name), getattr(limits, name)
        if value < least:
            where = _where(parity, name)
            exceeded.append(f"{name.replace('_', ' ')} {value:.3f} (limit {least:g}){where}")
    if parity.severity_error_p99 > limits.severity_error_p99:
        exceeded.append(
            f"severity error p99 {parity.severity_error_p99:.2f} "
            f"(limit {limits.severity_error_p99:g}){_where(parity, 'severity_error_p99')}"
        )
    if parity.part_error_p99 > limits.severity_error_p99:
        exceeded.append(
            f"part score error p99 {parity.part_error_p99:.2f} "
            f"(limit {limits.severity_error_p99:g}){_where(parity, 'part_error_p99')}"
        )
    share = lower_bound(parity.missed, parity.found) if proven else parity.missed_share
    if share > limits.missed:
        exceeded.append(
            f"{parity.missed} of {parity.found} rejected parts are passed (limit "
            f"{limits.missed:.3g}; first: {', '.join(parity.missed_names[:3])})"
        )
    if exceeded and parity.disagreements:
        exceeded.append(f"verdicts differ at {', '.join(parity.disagreements[:3])}")
    return exceeded


def limit_options(parity: Parity, limits: ParityLimits) -> str:
    """Return the options of an export with which these figures would be within their limits.

    For instance "--mask-iou 0.7"; "" where no figure exceeds its limit.
    """
    options = []
    for name in ("mask_iou", "regions", "kinds", "verdict_agreement"):
        value = getattr(parity, name)
        if value < getattr(limits, name):
            options.append(f"--{name.replace('_', '-')} {floor(value * 100) / 100:g}")
    largest = max(parity.severity_error_p99, parity.part_error_p99)
    if largest > limits.severity_error_p99:
        options.append(f"--severity-error {ceil(largest * 10) / 10:g}")
    if parity.missed_share > limits.missed:
        options.append(f"--missed {ceil(parity.missed_share * 100) / 100:g}")
    return " ".join(options)


def _where(parity: Parity, figure: str) -> str:
    """Return the step of the chain and the frame where a figure is worst, as text."""
    found = next((worst for worst in parity.worst if worst.figure == figure), None)
    return "" if found is None else f" in step {_STEPS[figure]}, worst at {found.name}: {found.off}"


def require(parity: Parity, limits: ParityLimits, chain: str, against: str) -> None:
    """Raise ParityError where a figure exceeds its limit.

    The error names both chains, the figures and the frames.
    """
    exceeded = faults(parity, limits)
    if exceeded:
        raise ParityError(f"{chain} does not agree with {against}: {'; '.join(exceeded)}")


def box_iou(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, 0 to 1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _severity(inspection: Inspection) -> npt.NDArray[np.float32]:
    """Return a copy of the map as severity; the next frame overwrites the engine's buffer."""
    severity = inspection.severity
    values = severity.values.astype(np.float32)
    return np.asarray((values - severity.zero_point) * np.float32(severity.scale), np.float32)
