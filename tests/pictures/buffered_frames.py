"""Frames, verdicts and records for the tests of pictures."""

from __future__ import annotations

import numpy as np

from edge.pictures.provenance import Provenance
from edge.pictures.ring import BufferedFrame
from edge.records import Box, Decision, Defect, Frame, Region, Timings, Verdict

P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN
JOURNAL = "1f3a9c2e-0000-4000-8000-000000000000"
ORIGIN = Provenance(
    outfeed="0.1.0",
    bundle="dark-spots-1.0-abcdef012345",
    bundle_digest="ab" * 32,
    engine="ort",
    package="onnxruntime 1.20.0",
    build="onnx-int8",
    threads=1,
    providers=(),
    machine="x86_64",
    processor="a processor",
    numpy="2.0.0",
    opencv="4.10.0",
)


def frame(part_id: int, shape: tuple[int, ...] = (8, 10)) -> Frame:
    """Return a frame with pixels that no other part has."""
    pixels = np.random.default_rng(part_id).integers(0, 256, shape, np.uint8)
    return Frame(part_id, part_id, 1000 * part_id, 1000 * part_id + 1, pixels)


def verdict(part_id: int, decision: Decision = P) -> Verdict:
    defect = Defect(Region(Box(1, 2, 3, 4), 4, 7.1, 0.1 + 0.2), "hole", 1 / 3, "Look. ü", 2e-9)
    defects = (defect,) if decision is R else ()
    return Verdict(part_id, decision, "scripted", defects, 7.1, Timings(1, 2, 3, 4, 5), 6.25)


def buffered(
    part_id: int, decision: Decision = R, shape: tuple[int, ...] = (8, 10)
) -> BufferedFrame:
    final = verdict(part_id, decision)
    return BufferedFrame(frame(part_id, shape), final, final)
