"""A camera that is opened again after it has failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from logging import getLogger

from edge.devices.camera import Camera
from edge.errors import DeviceError, OutfeedError
from edge.records import Frame

_log = getLogger(__name__)

_FIRST_PAUSE_S = 0.25
_JOIN_S = 5.0


class ReopeningCamera:
    """A Camera that opens another one, and opens it again after each DeviceError.

    A thread named "camera-reopening" closes the failed camera and tries to open it again: after
    0.25 s, then after twice the time of the last try, up to retry_max_s. Meanwhile ``capture``
    raises DeviceError at once, so that parts are UNKNOWN without a wait. A camera that is missing
    at the start counts as failed too, because all parts would pass if the station did not run.
    ``losses`` counts the failures.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        *,
        retry_max_s: float,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """Open the camera. Blocks as long as that takes. Raises its errors, except DeviceError."""
        self.losses = 0
        self._open = open_camera
        self._retry_max_s = retry_max_s
        self._wait = wait
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._camera: Camera | None = None
        self._reason = ""
        self._thread: threading.Thread | None = None
        try:
            self._camera = open_camera()
        except DeviceError as error:
            self._lost(None, error)

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closing.is_set():
            raise DeviceError("camera_reopening: capture after close")
        camera = self._camera
        if camera is None:
            raise DeviceError(f"{self._reason} (lost; trying to open it again)")
        try:
            return camera.capture(part_id, sequence, triggered_ns)
        except DeviceError as error:
            self._lost(camera, error)
            raise

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
            if self._thread.is_alive():
                _log.error("thread_stuck name=%s", self._thread.name)
        with self._lock:
            camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _lost(self, camera: Camera | None, error: DeviceError) -> None:
        self.losses += 1
        self._reason = str(error)
        self._camera = None
        _log.error("camera_lost reason=%s", error)
        self._thread = threading.Thread(
            target=self._reopen, args=(camera,), name="camera-reopening", daemon=True
        )
        self._thread.start()

    def _reopen(self, lost: Camera | None) -> None:
        began_s = time.monotonic()
        if lost is not None:
            lost.close()
        pause_s = min(_FIRST_PAUSE_S, self._retry_max_s)
        while not self._wait(self._closing, pause_s):
            pause_s = min(2 * pause_s, self._retry_max_s)
            try:
                camera = self._open()
            except OutfeedError as error:
                _log.debug("camera_still_lost reason=%s", error)
                self._reason = str(error)
                continue
            with self._lock:
                if not self._closing.is_set():
                    self._camera = camera
                    _log.warning("camera_back after_s=%.1f", time.monotonic() - began_s)
                    return
            camera.close()
