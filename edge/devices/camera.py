"""The protocol of a camera.

It is implemented for files, videos, V4L2, Raspberry Pi cameras, network streams and simulation.
"""

from __future__ import annotations

from typing import Protocol

from edge.records import Frame


class EndOfFrames(Exception):  # noqa: N818 - an end, not an error, as StopIteration is
    """Raised when a recording has no further frame. A real camera never raises it."""


class Camera(Protocol):
    """A camera. The constructor opens it, and ``close`` closes it.

    One thread at a time may use it. Every implementation passes
    tests/devices/test_camera_contract.py.
    """

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        """Return the frame of this part. Blocks until it is available.

        The frame contains the three arguments and ``exposed_ns``, the time of exposure on
        CLOCK_MONOTONIC. Its pixels are uint8 H×W or H×W×3 (BGR) and must not be written to. No
        later capture changes them.

        Raises FrameError when this frame is unusable; the next call takes the next one. Raises
        DeviceError when the camera itself fails, and EndOfFrames at the end of a recording.
        """
        ...

    def close(self) -> None:
        """Release the device. May be called twice; ``capture`` must not follow."""
        ...
