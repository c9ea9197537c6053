"""A camera behind a network: JPEGs over HTTP, as many of them do it. Real sockets, real decoder."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import cv2
import numpy as np

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


class JpegStream:
    """Serves one viewer after the other on a free port of this machine, a frame every frame_s.

    Frame n shows level(n). ``pause`` keeps the connection and sends nothing; ``cut`` ends it.
    """

    def __init__(self, *, frame_s: float = 0.02) -> None:
        self._frame_s = frame_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._closing = False
        self.paused = False
        self.cut = False
        self.sent: list[tuple[int, int]] = []  # number, CLOCK_MONOTONIC before it was sent
        self._thread = threading.Thread(target=self._serve, name="jpeg-stream", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return (
            f"http://user:secret@127.0.0.1:{self._server.getsockname()[1]}/stream.mjpg?key=secret"
        )

    def close(self) -> None:
        self._closing = True
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        number = 0
        while not self._closing:
            try:
                viewer, _ = self._server.accept()
            except TimeoutError:
                continue
            with viewer, suppress(OSError):
                viewer.settimeout(1)
                viewer.recv(4096)
                viewer.sendall(HEAD)
                while not self._closing and not self.cut:
                    time.sleep(self._frame_s)
                    if self.paused:
                        continue
                    number += 1
                    self.sent.append((number, time.monotonic_ns()))
                    data = jpeg(level(number))
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n"
                    viewer.sendall(head.encode() + b"\r\n" + data + b"\r\n")
            self.cut = False


def level(number: int) -> int:
    return number * 5 % 200 + 20


def jpeg(value: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), value, np.uint8))[1].tobytes()
