"""Golden frames: what a station must reproduce before it runs the bundle."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import GoldenDefect, GoldenManifest
from edge.chain.inspector import Inspector
from edge.records import Decision, Frame, Verdict
from export.crops import frame_crops
from export.errors import ExportError
from models.patches import Picture

GOLDEN_FRAMES = 6


def choose_golden(
    candidate: Inspector,
    reference: Inspector,
    pictures: tuple[Picture, ...],
    size: tuple[int, int],
) -> tuple[tuple[GoldenManifest, ...], dict[str, bytes]]:
    """Frames whose verdict both chains share: first one per kind, then good ones.

    Of each group the plainest: the defect of the highest peak, the good frame of the lowest, so
    that another engine's rounding cannot turn them. Cut to the static shape, kept as PNG.
    """
    shown: list[tuple[str, float, npt.NDArray[np.uint8], Verdict]] = []
    for picture, frame in zip(pictures, frame_crops(pictures, size), strict=True):
        verdict = candidate.inspect(Frame(0, 0, 0, 0, frame))
        if reference.inspect(Frame(0, 0, 0, 0, frame)).decision is not verdict.decision:
            continue
        if (verdict.decision is Decision.PASS) == picture.sample.is_good:
            kind = picture.sample.kinds[0] if picture.sample.kinds else ""
            shown.append((kind, verdict.peak_severity, frame, verdict))
    rejects = sorted((s for s in shown if s[0]), key=lambda s: -s[1])
    first = {kind: (kind, peak, frame, verdict) for kind, peak, frame, verdict in reversed(rejects)}
    passes = sorted((s for s in shown if not s[0]), key=lambda s: s[1])
    chosen = [first[kind] for kind in sorted(first)][: GOLDEN_FRAMES - 1]
    chosen += passes[: GOLDEN_FRAMES - len(chosen)]
    if not any(s[0] for s in chosen):
        raise ExportError(
            "no validation picture with a defect is rejected by the float and the int8 chain; "
            "a station could not prove that the bundle still sees"
        )
    golden, files = [], {}
    for number, (_, _, frame, verdict) in enumerate(chosen):
        name = f"golden/{number:02d}.png"
        files[name] = cv2.imencode(".png", frame)[1].tobytes()
        boxes = (d.region.box for d in verdict.defects)
        golden.append(
            GoldenManifest(
                file=name,
                decision="PASS" if verdict.decision is Decision.PASS else "REJECT",
                peak_severity=round(verdict.peak_severity, 4),
                defects=tuple(
                    GoldenDefect(kind=d.kind, box=(b.left, b.top, b.right, b.bottom))
                    for d, b in zip(verdict.defects, boxes, strict=True)
                ),
            )
        )
    return tuple(golden), files
