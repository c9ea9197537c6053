"""What makes a frame unfit to be judged."""

from __future__ import annotations

from edge.line.parts import Part
from edge.records import Frame


def fault_of(frame: Frame, part: Part, last_sequence: int) -> str | None:
    """Why this frame cannot be the picture of this part."""
    if frame.part_id != part.part_id:
        return f"frame refused: of part {frame.part_id}, expected {part.part_id}"
    if frame.exposed_ns < part.triggered_ns:
        early_ms = (part.triggered_ns - frame.exposed_ns) / 1e6
        return f"frame refused: exposed {early_ms:.1f} ms before its trigger"
    if frame.sequence <= last_sequence:
        return f"frame refused: sequence {frame.sequence} again, last was {last_sequence}"
    return None
