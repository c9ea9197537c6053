"""An HTTPS server for bundles of systems, with ranges, as the emulated unit sees this machine."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from edge.provision import make_authority, make_broker

HOST = "10.0.2.2"  # by QEMU's user networking


class BundleServer:
    """Serves a folder. authority: the certificate that the unit has to trust."""

    def __init__(self, folder: Path, state: Path) -> None:
        authority = make_authority(state / "authority")
        revoked = (state / "authority/revoked.pem").read_bytes()
        make_broker(state / "certs", authority, revoked, [HOST])
        self.authority = state / "certs/ca.pem"
        names = {path.suffix: path for path in (state / "certs").glob("broker.*")}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(names[".pem"], names[".key"])

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = folder / Path(self.path).name
                if not path.is_file():
                    self.send_error(404)
                    return
                _send(self, path)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> BundleServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join(10)
        self._http.server_close()

    def address(self, name: str) -> str:
        return f"https://{HOST}:{self._http.server_port}/{name}"


def _send(handler: BaseHTTPRequestHandler, path: Path) -> None:
    size = path.stat().st_size
    tag = f'"{path.stat().st_mtime_ns}"'
    begin = 0
    asked = handler.headers.get("Range", "")
    if asked and handler.headers.get("If-Range") == tag:
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
    else:
        handler.send_response(200)
    handler.send_header("ETag", tag)
    handler.send_header("Content-Length", str(size - begin))
    handler.end_headers()
    with path.open("rb") as file:
        file.seek(begin)
        while block := file.read(1 << 20):
            handler.wfile.write(block)
