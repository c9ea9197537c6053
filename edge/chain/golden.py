"""What a golden frame must give, step by step, and what it gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.bundle.manifest import GoldenDefect, GoldenLimits, GoldenManifest
from edge.chain.inspector import Inspection
from edge.records import Box, Decision, Defect, SeverityMap

GRID = 8  # a map is remembered as the peaks of at most 8×8 blocks


def golden_of(file: str, inspection: Inspection) -> GoldenManifest:
    """What must be reproduced of a frame. file: the picture's name in the bundle."""
    verdict = inspection.verdict
    return GoldenManifest(
        file=file,
        decision="PASS" if verdict.decision is Decision.PASS else "REJECT",
        grid=tuple(tuple(round(float(v), 4) for v in row) for row in peaks(inspection.severity)),
        defects=tuple(
            GoldenDefect(
                kind=defect.kind,
                box=_sides(defect.region.box),
                area_px=defect.region.area_px,
                peak_severity=round(defect.region.peak_severity, 4),
                confidence=round(defect.confidence, 4),
            )
            for defect in verdict.defects
        ),
    )


def peaks(severity: SeverityMap) -> NDArray[np.float32]:
    """The largest severity of each of at most GRID × GRID equal blocks of the map, float32."""
    blocks: NDArray[np.generic] = severity.values
    for axis in (0, 1):
        step = -(-blocks.shape[axis] // GRID)
        blocks = np.maximum.reduceat(blocks, np.arange(0, blocks.shape[axis], step), axis=axis)
    found = (blocks.astype(np.float32) - severity.zero_point) * np.float32(severity.scale)
    return np.asarray(found, np.float32)


def difference(
    golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits, threshold: float
) -> str | None:
    """The first step that did not do what it must, in words; None where all of them did.

    A defect whose peak is nearer to T than the limit of severity may be there or not.
    """
    verdict = inspection.verdict
    found = (
        _detect(golden, inspection, limits)
        or _components(golden, inspection, limits, threshold)
        or _surplus(golden, verdict.defects, limits, threshold)
    )
    if found is None and verdict.decision.value != golden.decision:
        return f"decide: {verdict.decision.value} ({verdict.reason}), expected {golden.decision}"
    return found


def _detect(golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits) -> str | None:
    wanted, seen = np.array(golden.grid, np.float32), peaks(inspection.severity)
    if seen.shape != wanted.shape:
        return f"detect: a map of {seen.shape} blocks, expected {wanted.shape}"
    off = np.abs(seen - wanted)
    if (off <= limits.severity).all():
        return None
    # NaN is no number, and the worst of all.
    row, col = np.unravel_index(np.nan_to_num(off, nan=np.inf).argmax(), off.shape)
    return (
        f"detect: severity {seen[row, col]:.2f} in block {row}, {col}, "
        f"expected {wanted[row, col]:.2f}"
    )


def _components(
    golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits, threshold: float
) -> str | None:
    defects = inspection.verdict.defects
    regions = inspection.found.regions if inspection.found else ()
    for wanted in golden.defects:
        if wanted.peak_severity < threshold + limits.severity:
            continue
        place = list(wanted.box)
        near = [defect for defect in defects if _near(wanted.box, defect.region.box, limits)]
        if not near:
            if any(_near(wanted.box, region.box, limits) for region in regions):
                return f"classify: background at {place}, expected {wanted.kind}"
            return f"components: no region at {place}, expected {wanted.kind}"
        defect = min(near, key=lambda d: abs(d.region.area_px - wanted.area_px))
        if abs(defect.region.area_px - wanted.area_px) > limits.area * wanted.area_px:
            return f"filter: {defect.region.area_px} px at {place}, expected {wanted.area_px}"
        if defect.kind != wanted.kind:
            return f"classify: {defect.kind} at {place}, expected {wanted.kind}"
        if not abs(defect.confidence - wanted.confidence) <= limits.confidence:
            return (
                f"classify: {defect.kind} at {place} with confidence {defect.confidence:.2f}, "
                f"expected {wanted.confidence:.2f}"
            )
    return None


def _surplus(
    golden: GoldenManifest, defects: tuple[Defect, ...], limits: GoldenLimits, threshold: float
) -> str | None:
    for defect in defects:
        box = defect.region.box
        if defect.region.peak_severity < threshold + limits.severity:
            continue
        if not any(_near(wanted.box, box, limits) for wanted in golden.defects):
            return f"classify: {defect.kind} at {list(_sides(box))}, expected nothing"
    return None


def _near(wanted: tuple[int, int, int, int], box: Box, limits: GoldenLimits) -> bool:
    return all(abs(a - b) <= limits.box_px for a, b in zip(wanted, _sides(box), strict=True))


def _sides(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.right, box.bottom
