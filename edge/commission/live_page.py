"""A small web page that shows the live picture of step focus."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from logging import getLogger

from edge.errors import UsageError

_log = getLogger(__name__)

_PAGE = b"""<!DOCTYPE html><html><head><meta charset="utf-8"><title>Outfeed: live picture</title>
</head><body style="background:#222;text-align:center"><img src="/stream"></body></html>"""
_BOUNDARY = b"outfeed"
_JOIN_S = 5.0


class LivePage:
    """A web server with two paths: ``/``, the page, and ``/stream``, the picture as JPEG frames
    (multipart/x-mixed-replace). It is read-only: another path gives 404, another method 501.

    The thread "commission-live" accepts connections, and one thread for each browser sends.
    ``close`` ends them all. ``show`` may be called from any thread and never waits for a browser:
    a slow browser misses pictures. There is no login, so bind it to an address whose users may see
    the picture.
    """

    def __init__(self, port: int, *, address: str = "127.0.0.1") -> None:
        """Start the server. port 0: a free port. Raises UsageError where it cannot be bound."""
        self._condition = threading.Condition()
        self._jpeg = b""
        self._number = 0
        self._closed = False
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                _log.debug("live_page " + format, *args)

        try:
            self._server = ThreadingHTTPServer((address, port), Handler)
        except OSError as error:
            raise UsageError(f"--browser {address}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="commission-live", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of the page, with the actual port."""
        address, port = self._server.server_address[:2]
        return f"http://{address!s}:{port}/"

    def show(self, jpeg: bytes) -> None:
        """Set the next picture, a JPEG file."""
        with self._condition:
            self._jpeg = jpeg
            self._number += 1
            self._condition.notify_all()

    def close(self) -> None:
        """End every stream and release the port. May be called twice."""
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify_all()
        self._server.shutdown()
        self._thread.join(_JOIN_S)
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/":
            request.send_response(200)
            request.send_header("Content-Type", "text/html; charset=utf-8")
            request.send_header("Content-Length", str(len(_PAGE)))
            request.end_headers()
            request.wfile.write(_PAGE)
        elif request.path == "/stream":
            request.send_response(200)
            request.send_header(
                "Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"
            )
            request.send_header("Cache-Control", "no-store")
            request.end_headers()
            try:
                for jpeg in self._pictures():
                    head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                    request.wfile.write(head % (_BOUNDARY, len(jpeg)) + jpeg + b"\r\n")
            except OSError as error:  # the browser closed the connection
                _log.debug("live_page_left reason=%s", error)
            request.close_connection = True
        else:
            request.send_error(404)

    def _pictures(self) -> Iterator[bytes]:
        sent = 0
        while True:
            with self._condition:
                while self._number == sent and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return
                sent, jpeg = self._number, self._jpeg
            yield jpeg
