"""Parity: the int8 chain against the float chain, frame by frame, before anything is packed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.inspector import Inspection, Inspector
from edge.records import Decision, Frame
from export.errors import ExportError


@dataclass(frozen=True, slots=True)
class ParityLimits:
    """How far int8 may be from float; over any of these the export fails.

    severity_error_p99: of the cells that either chain puts at T / 2 or above, the 99th percentile
    of the difference in severity (0 to 12). mask_iou: mean IoU of the two masks over the frames
    where either reports a defect. verdict_agreement: share of frames with the same decision; parts
    whose peak lies within the rounding error of T fall either way. new_escapes: of the defective
    parts that float rejects, the share that int8 passes: the error that costs most.
    """

    severity_error_p99: float = 2.5
    mask_iou: float = 0.8
    verdict_agreement: float = 0.95
    new_escapes: float = 0.02


@dataclass(frozen=True, slots=True)
class Parity:
    """What was found. disagreements: names of frames whose decisions differ."""

    frames: int
    severity_error_mean: float
    severity_error_p99: float
    severity_error_max: float
    mask_iou: float
    verdict_agreement: float
    new_escapes: float
    disagreements: tuple[str, ...]

    def as_dict(self) -> dict[str, float]:
        """The figures, for the bundle's manifest."""
        return {
            "frames": float(self.frames),
            "severity_error_mean": self.severity_error_mean,
            "severity_error_p99": self.severity_error_p99,
            "severity_error_max": self.severity_error_max,
            "mask_iou": self.mask_iou,
            "verdict_agreement": self.verdict_agreement,
            "new_escapes": self.new_escapes,
        }


def compare(
    reference: Inspector,
    candidate: Inspector,
    frames: Iterable[tuple[str, npt.NDArray[np.uint8], bool]],
    threshold: float,
) -> Parity:
    """Run both chains over frames: name, pixels, whether the part is defective. Blocks.

    Raises ExportError when there is no frame.
    """
    errors: list[npt.NDArray[np.float32]] = []
    overlaps: list[float] = []
    differ: list[str] = []
    count, total, cells = 0, 0.0, 0
    rejects, lost = 0, 0
    for name, pixels, defective in frames:
        frame = Frame(count, count, 0, 0, pixels)
        expected, found = reference.examine(frame), candidate.examine(frame)
        wanted, got = _severity(expected), _severity(found)
        error = np.abs(wanted - got)
        total, cells = total + float(error.sum()), cells + error.size
        errors.append(error[np.maximum(wanted, got) >= threshold / 2])
        overlap = _overlap(expected, found, pixels)
        if overlap is not None:
            overlaps.append(overlap)
        if expected.verdict.decision is not found.verdict.decision:
            differ.append(name)
            lost += defective and expected.verdict.decision is Decision.REJECT
        rejects += defective and expected.verdict.decision is Decision.REJECT
        count += 1
    if not count:
        raise ExportError("no validation picture to compare the int8 chain with the float chain on")
    hot = np.concatenate(errors)
    return Parity(
        count,
        total / cells,
        float(np.percentile(hot, 99)) if hot.size else 0.0,
        float(hot.max(initial=0.0)),
        float(np.mean(overlaps)) if overlaps else 1.0,
        1.0 - len(differ) / count,
        lost / rejects if rejects else 0.0,
        tuple(differ),
    )


def require(parity: Parity, limits: ParityLimits) -> None:
    """Raises ExportError that names the figure over its limit, and the frames where it shows."""
    faults = []
    if parity.severity_error_p99 > limits.severity_error_p99:
        faults.append(
            f"severity error p99 {parity.severity_error_p99:.2f} "
            f"(limit {limits.severity_error_p99})"
        )
    if parity.mask_iou < limits.mask_iou:
        faults.append(f"mask IoU {parity.mask_iou:.3f} (limit {limits.mask_iou})")
    if parity.verdict_agreement < limits.verdict_agreement:
        some = ", ".join(parity.disagreements[:3])
        faults.append(
            f"verdict agreement {parity.verdict_agreement:.3f} (limit {limits.verdict_agreement}; "
            f"first: {some})"
        )
    if parity.new_escapes > limits.new_escapes:
        faults.append(
            f"new escapes {parity.new_escapes:.3f} (limit {limits.new_escapes}; "
            f"among: {', '.join(parity.disagreements[:3])})"
        )
    if faults:
        raise ExportError("int8 is not the float chain: " + "; ".join(faults))


def _severity(inspection: Inspection) -> npt.NDArray[np.float32]:
    """A copy of the map as severity: the engine's buffer is overwritten by the next frame."""
    severity = inspection.severity
    values = severity.values.astype(np.float32)
    return np.asarray((values - severity.zero_point) * np.float32(severity.scale), np.float32)


def _overlap(
    expected: Inspection, found: Inspection, pixels: npt.NDArray[np.uint8]
) -> float | None:
    one, other = (i.defect_mask(*pixels.shape[:2]) for i in (expected, found))
    union = cv2.countNonZero(cv2.bitwise_or(one, other))
    return cv2.countNonZero(cv2.bitwise_and(one, other)) / union if union else None
