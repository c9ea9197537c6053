"""A camera on a network: RTSP, or JPEGs over HTTP."""

from __future__ import annotations

import re
import threading
from logging import getLogger

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.devices.stream_delay import StreamDelay
from edge.devices.video_source import VideoSource
from edge.errors import DeviceError, FrameError
from edge.records import Frame

_log = getLogger(__name__)

_OPEN_MS = 5_000
_SETTLE_S = 5.0
_JOIN_S = 5.0
# A queue that has not drained by then does not drain; or frames were dropped and not delayed.
_BEHIND_NS = 3_000_000_000

_Found = tuple[int, int, "NDArray[np.uint8] | FrameError"]


class StreamCamera:
    """A Camera that returns the first frame that was certainly exposed after the trigger.

    A thread named "camera-stream" reads the stream all the time, so that no frame waits here.

    A stream carries no time of exposure. latency_ns is the longest measured time from exposure to
    arrival without a queue; least_latency_ns is the shortest. A frame that is later than the pace
    of the camera may have waited in a queue for that delay (edge/devices/stream_delay.py). So its
    exposure began between ``exposed_ns`` = arrival − latency_ns − delay and ``exposed_by_ns`` =
    arrival − least_latency_ns. If frames stay late for behind_ns, their age is not known, and the
    stream counts as failed. A new connection has no queue.

    early_ns: a frame may seem exposed by this much before the photo-eye's edge. timeout_ns: longest
    wait for a frame.

    Raises DeviceError when the stream cannot be opened, ends, is silent for longer than timeout_ns,
    or stays late. Raises FrameError for a damaged frame, and without a fresh frame within the
    timeout while the stream continues. No message contains a name or password of the url.
    """

    def __init__(
        self,
        url: str,
        *,
        latency_ns: int,
        timeout_ns: int,
        clock: Clock,
        early_ns: int = 0,
        least_latency_ns: int = 0,
        behind_ns: int = _BEHIND_NS,
    ) -> None:
        """Open the stream. Blocks until its pace is known, after 32 frames, or for 5 s."""
        self._name = _without_login(url)
        self._latency_ns = latency_ns
        self._least_ns = min(least_latency_ns, latency_ns)
        self._early_ns = early_ns
        self._timeout_ns = timeout_ns
        self._behind_ns = behind_ns
        self._clock = clock
        self._closed = False
        self._ended: str | None = None  # reason why the stream has ended
        self._arrivals = 0
        self._delay = StreamDelay()
        self._condition = threading.Condition()
        self._wanted_ns: int | None = (
            None  # capture waits for a frame exposed at this time or later
        )
        self._found: _Found | None = None
        read_ms = max(100, timeout_ns // 1_000_000)
        self._video = VideoSource(
            url,
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms),
            shown=self._name,
        )
        if not self._video.is_open or not self._video.grab():
            self._video.close()
            raise DeviceError(f"camera {self._name}: no stream that can be read")
        self._thread = threading.Thread(target=self._read, name="camera-stream", daemon=True)
        self._thread.start()
        with self._condition:
            self._condition.wait_for(
                lambda: self._delay.is_settled or self._ended is not None, _SETTLE_S
            )

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closed:
            raise DeviceError("camera_stream: capture after close")
        with self._condition:
            arrivals = self._arrivals
            self._found = None
            self._wanted_ns = triggered_ns - self._early_ns
            self._condition.wait_for(
                lambda: self._found is not None or self._ended is not None, self._timeout_ns / 1e9
            )
            self._wanted_ns = None
            if self._found is None:
                raise self._missing(has_moved=self._arrivals != arrivals)
            exposed_ns, by_ns, pixels = self._found
        if isinstance(pixels, FrameError):
            raise pixels
        return Frame(part_id, sequence, triggered_ns, exposed_ns, pixels, by_ns)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._thread.join(self._timeout_ns / 1e9 + _JOIN_S)
        if self._thread.is_alive():
            _log.error("thread_stuck name=%s", self._thread.name)

    def _missing(self, *, has_moved: bool) -> DeviceError | FrameError:
        """Return the error for a capture without a frame."""
        if self._ended is not None:
            return DeviceError(f"camera {self._name}: {self._ended}")
        limit = f"no fresh frame within {self._timeout_ns / 1e6:g} ms"
        if not has_moved:
            return DeviceError(f"camera {self._name}: {limit}")
        why = "frames come late" if self._delay.is_settled else "the pace is not known yet"
        return FrameError(f"camera {self._name}: {limit}: {why}, so their age cannot be known")

    def _read(self) -> None:
        """Read the stream. Only this thread uses it, and releases it."""
        ended = "has ended"
        while not self._closed and self._video.grab():
            now_ns = self._clock.now_ns()
            was_settled = self._delay.is_settled
            excess_ns = self._delay.arrived(now_ns, self._video.stamp_ns)
            self._arrivals += 1
            if self._delay.is_settled and not was_settled:
                with self._condition:
                    self._condition.notify_all()
            if excess_ns is None:
                continue
            since_ns = self._delay.behind_since_ns
            if since_ns is not None and now_ns - since_ns > self._behind_ns:
                ended = f"frames come {excess_ns / 1e6:.0f} ms late, and stay so"
                break
            self._offer(now_ns, excess_ns)
        self._video.close()
        with self._condition:
            self._ended = ended
            self._condition.notify_all()

    def _offer(self, now_ns: int, excess_ns: int) -> None:
        """Decode the frame for a waiting capture, if it is certainly fresh."""
        exposed_ns = now_ns - self._latency_ns - excess_ns
        wanted_ns = self._wanted_ns
        if wanted_ns is None or exposed_ns < wanted_ns:
            return
        pixels: NDArray[np.uint8] | FrameError | None
        try:
            pixels = self._video.pixels(name=f"camera {self._name}")
        except FrameError as error:
            pixels = error
        if pixels is None:
            return
        with self._condition:
            if self._wanted_ns == wanted_ns and self._found is None:
                self._found = (exposed_ns, now_ns - self._least_ns, pixels)
                self._condition.notify_all()


def _without_login(url: str) -> str:
    """Return the url for messages, without login and query.

    A password may contain characters that should have been escaped, such as "@".
    """
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2]
    return f"{scheme}://{re.split('[?#]', place, maxsplit=1)[0]}"
