"""A camera behind a network: RTSP, or JPEGs by HTTP."""

from __future__ import annotations

import re
import threading
from logging import getLogger

import cv2
import numpy as np

from edge.clock import Clock
from edge.errors import DeviceError
from edge.records import Frame

_log = getLogger(__name__)

_OPEN_MS = 5_000
_JOIN_S = 5.0


class StreamCamera:
    """The first frame that can have been exposed after the trigger, of a stream that a thread named
    "camera-stream" reads all the time, so that none waits.

    A stream says nothing of exposure. The stamp is the moment at which a frame was here and
    decoded, less ``latency_ns``: the longest time from exposure to there, measured, not guessed. A
    camera that is ever slower than that gives stale frames that nobody can tell. Where parts follow
    one another faster than the latency varies, use a camera with stamps of its own.

    Raises DeviceError when there is no such stream, it ends, or it is silent for longer than
    ``timeout_ns``; a name and password in the url are not said. early_ns: how much before the
    photo-eye's stamp a frame may seem exposed.
    """

    def __init__(
        self, url: str, *, latency_ns: int, timeout_ns: int, clock: Clock, early_ns: int = 0
    ) -> None:
        """Blocks until the first frame, or for 5 s."""
        self._name = _without_login(url)
        self._latency_ns = latency_ns
        self._early_ns = early_ns
        self._timeout_ns = timeout_ns
        self._clock = clock
        self._closed = False
        self._ended = False
        self._condition = threading.Condition()
        self._wanted_ns: int | None = None  # a frame exposed not before this is waited for
        self._found: tuple[int, np.ndarray] | None = None
        read_ms = max(100, timeout_ns // 1_000_000)
        self._video = cv2.VideoCapture(
            url,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms],
        )
        if not self._video.isOpened() or not self._video.grab():
            self._video.release()
            raise DeviceError(f"camera {self._name}: no stream that can be read")
        self._thread = threading.Thread(target=self._read, name="camera-stream", daemon=True)
        self._thread.start()

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closed:
            raise DeviceError("camera_stream: capture after close")
        with self._condition:
            self._found = None
            self._wanted_ns = triggered_ns - self._early_ns
            self._condition.wait_for(
                lambda: self._found is not None or self._ended, self._timeout_ns / 1e9
            )
            self._wanted_ns = None
            if self._found is None:
                limit_ms = self._timeout_ns / 1e6
                silent = f"no fresh frame within {limit_ms:g} ms"
                raise DeviceError(f"camera {self._name}: {'has ended' if self._ended else silent}")
            exposed_ns, pixels = self._found
        return Frame(part_id, sequence, triggered_ns, exposed_ns, pixels)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._thread.join(self._timeout_ns / 1e9 + _JOIN_S)
        if self._thread.is_alive():
            _log.error("thread_stuck name=%s", self._thread.name)

    def _read(self) -> None:
        """The thread. It alone touches the stream, and releases it."""
        while not self._closed and self._video.grab():
            exposed_ns = self._clock.now_ns() - self._latency_ns
            wanted_ns = self._wanted_ns
            if wanted_ns is None or exposed_ns < wanted_ns:
                continue
            there, pixels = self._video.retrieve()
            if not there:
                continue
            with self._condition:
                if self._wanted_ns == wanted_ns and self._found is None:
                    self._found = (exposed_ns, np.ascontiguousarray(pixels, np.uint8))
                    self._condition.notify_all()
        self._video.release()
        with self._condition:
            self._ended = True
            self._condition.notify_all()


def _without_login(url: str) -> str:
    """The url as it may be told to others. A password may hold what should have been escaped."""
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2]
    return f"{scheme}://{re.split('[?#]', place, maxsplit=1)[0]}"
