"""One frame of one part, and what is said where there is none."""

from __future__ import annotations

from edge.devices.camera import Camera
from edge.errors import DeviceError, FrameError
from edge.line.freshness import Freshness, Refusal
from edge.line.part import Part
from edge.records import Frame


def capture(camera: Camera, freshness: Freshness, part: Part, sequence: int) -> Frame:
    """The camera's frame; blocks for it. Raises what the camera raises, counted as missing."""
    try:
        return camera.capture(part.part_id, sequence, part.triggered_ns)
    except DeviceError:
        freshness.missing(part, Refusal.NO_CAMERA)
        raise
    except FrameError:
        freshness.missing(part, Refusal.NO_FRAME)
        raise
