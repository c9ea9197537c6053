"""What a camera must do."""

from __future__ import annotations

from typing import Protocol

from edge.records import Frame


class EndOfFrames(Exception):  # noqa: N818 - an end, not an error, as StopIteration is
    """A recorded source has no further frame. A real camera never raises it."""


class Camera(Protocol):
    """Opened by its constructor, used by one thread at a time, closed by ``close``.

    Every implementation passes tests/devices/test_camera_contract.py.
    """

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        """Block until the picture of this part is there.

        The frame carries the three numbers handed in and ``exposed_ns``, the moment of exposure on
        CLOCK_MONOTONIC; the pixels may be read but not written, and are this part's for good: no
        later capture changes them. Raises FrameError when this one
        picture is unusable (the next call takes the next picture), DeviceError when the camera
        itself fails, and EndOfFrames when a recording is over.
        """
        ...

    def close(self) -> None:
        """Release the device. May be called twice; no capture afterwards."""
        ...
