"""The expected result of a golden frame, and its comparison with an inspection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.bundle.manifest import GoldenDefect, GoldenLimits, GoldenManifest
from edge.chain.inspector import Inspection
from edge.records import Box, Decision, Defect, SeverityMap

GRID = 8  # a severity map is stored as the peaks of at most 8×8 blocks


def golden_manifest(file: str, inspection: Inspection) -> GoldenManifest:
    """Return the expected result that a bundle stores. file: name of the picture in the bundle."""
    verdict = inspection.verdict
    return GoldenManifest(
        file=file,
        decision="PASS" if verdict.decision is Decision.PASS else "REJECT",
        grid=tuple(
            tuple(round(float(v), 4) for v in row) for row in block_peaks(inspection.severity)
        ),
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
        part_score=None if verdict.part_score is None else round(verdict.part_score, 4),
    )


def block_peaks(severity: SeverityMap) -> NDArray[np.float32]:
    """Return the peak severity of each of at most GRID×GRID equal blocks of the map, float32."""
    blocks: NDArray[np.generic] = severity.values
    for axis in (0, 1):
        step = -(-blocks.shape[axis] // GRID)
        blocks = np.maximum.reduceat(blocks, np.arange(0, blocks.shape[axis], step), axis=axis)
    values = (blocks.astype(np.float32) - severity.zero_point) * np.float32(severity.scale)
    return np.asarray(values, np.float32)


def first_difference(
    golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits, threshold: float
) -> str | None:
    """Return a text that names the first step with another result, or None.

    The steps are compared in the order detect, components, filter, classify, decide, within the
    limits. A defect whose peak severity is less than limits.severity above the threshold may be
    present or absent.
    """
    verdict = inspection.verdict
    fault = (
        _detect(golden, inspection, limits)
        or _part(golden, verdict.part_score, limits)
        or _components(golden, inspection, limits, threshold)
        or _surplus(golden, verdict.defects, limits, threshold)
    )
    if fault is None and verdict.decision.value != golden.decision:
        return f"decide: {verdict.decision.value} ({verdict.reason}), expected {golden.decision}"
    return fault


def _detect(golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits) -> str | None:
    wanted, grid = np.array(golden.grid, np.float32), block_peaks(inspection.severity)
    if grid.shape != wanted.shape:
        return f"detect: a map of {grid.shape} blocks, expected {wanted.shape}"
    off = np.abs(grid - wanted)
    if (off <= limits.severity).all():
        return None
    # A NaN counts as the largest difference.
    row, col = np.unravel_index(np.nan_to_num(off, nan=np.inf).argmax(), off.shape)
    return (
        f"detect: severity {grid[row, col]:.2f} in block {row}, {col}, "
        f"expected {wanted[row, col]:.2f}"
    )


def _part(golden: GoldenManifest, found: float | None, limits: GoldenLimits) -> str | None:
    wanted = golden.part_score
    if found is None or wanted is None:
        return None if found is wanted else f"detect: part score {found}, expected {wanted}"
    if abs(found - wanted) <= limits.severity:
        return None
    return f"detect: part score {found:.2f}, expected {wanted:.2f}"


def _components(
    golden: GoldenManifest, inspection: Inspection, limits: GoldenLimits, threshold: float
) -> str | None:
    defects = inspection.verdict.defects
    regions = inspection.components.regions if inspection.components else ()
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
