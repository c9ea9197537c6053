"""A camera behind a network whose delay is scripted. Real sockets, real decoder; every picture
carries its number, so a test knows when it was exposed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.devices.streams import HEAD

_BITS = 12  # a number's, each a block of 16 × 16 px
_MS = 1_000_000


class DelayedStream:
    """Frame n is exposed at n times frame_ms after the viewer came, and is sent delay_ms(n) later,
    never before the one ahead of it, as a queue does. None: dropped. damage: its bytes.

    No exposure time, no noise; one viewer after the other, each with numbers from 0.
    """

    def __init__(
        self,
        delay_ms: Callable[[int], float | None],
        *,
        frame_ms: float = 20.0,
        damage: Callable[[int, bytes], bytes] = lambda number, data: data,
    ) -> None:
        self.viewers = 0
        self._delay_ms = delay_ms
        self._frame_ms = frame_ms
        self._damage = damage
        self._began_ns = 0
        self._closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve, name="delayed-stream", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}/stream.mjpg"

    def exposed_ns(self, pixels: NDArray[np.uint8]) -> int:
        """Return the time at which this frame was exposed."""
        return self._began_ns + round(number_of(pixels) * self._frame_ms * _MS)

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                viewer, _ = self._server.accept()
            except TimeoutError:
                continue
            with viewer, suppress(OSError):
                viewer.settimeout(1)
                viewer.recv(4096)
                viewer.sendall(HEAD)
                self.viewers += 1
                self._send_frames(viewer)

    def _send_frames(self, viewer: socket.socket) -> None:
        self._began_ns = time.monotonic_ns()
        for number in range(1 << _BITS):
            delay_ms = self._delay_ms(number)
            if delay_ms is None:
                continue
            due_ns = self._began_ns + round((number * self._frame_ms + delay_ms) * _MS)
            if self._closing.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9)):
                return
            data = self._damage(number, picture(number))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            viewer.sendall(head.encode() + data + b"\r\n")


def picture(number: int) -> bytes:
    """A JPEG that carries a number below 4096."""
    bits = [(number >> bit) & 1 for bit in range(_BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 20, 16)
    done, data = cv2.imencode(".jpg", np.dstack([np.tile(row, (48, 1))] * 3))
    assert done
    return data.tobytes()


def number_of(pixels: NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    cells = pixels[8::16, 8::16, 0][0] > 120
    return sum(int(cell) << bit for bit, cell in enumerate(cells))
