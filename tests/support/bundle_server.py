"""A server of bundles over HTTPS with ranges, which can misbehave as a server of an attacker."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edge.updates.desired import SERVER_PATH


class BundleServer:
    """Serves files by name. cut: bytes after which each connection is closed. ranges: False: the
    whole file is sent always. endless: zeros follow the file for ever, without a length. slow_s:
    pause before each KiB."""

    def __init__(self, plant_folder: Path) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut: int | None = None
        self.endless = False
        self.slow_s = 0.0
        self.status: int | None = None
        self.shift = 0
        self.requests: list[str] = []
        self.sent = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        broker = plant_folder / "broker"
        context.load_cert_chain(broker / "broker.pem", broker / "broker.key")
        context.load_verify_locations(broker / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.requests.append(asked)
        data = self.files.get(handler.path.removeprefix(f"{SERVER_PATH}/"))
        if self.status is not None or data is None:
            handler.send_error(self.status or 404)
            return
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if begin >= len(data):
            handler.send_error(416)
            return
        handler.send_response(206 if begin else 200)
        if begin:
            at = begin + self.shift
            handler.send_header("Content-Range", f"bytes {at}-{len(data) - 1}/{len(data)}")
        if not self.endless:
            handler.send_header("Content-Length", str(len(data) - begin))
        handler.end_headers()
        with suppress(OSError):
            self.send(handler, data[begin:])
        handler.close_connection = True

    def send(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        left = len(data) if self.cut is None else min(self.cut, len(data))
        for at in range(0, left, 1024):
            time.sleep(self.slow_s)
            chunk = data[at : min(left, at + 1024)]
            handler.wfile.write(chunk)
            self.sent += len(chunk)
        while self.endless:
            handler.wfile.write(bytes(1 << 16))
            self.sent += 1 << 16

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
