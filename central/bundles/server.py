"""The HTTPS server from which stations download bundles, each with its own certificate.

``GET /bundles/v1/SHA256.outfeed`` returns a file, or a range of it. A station gets every bundle
whose SHA-256 it knows: it learns it from its signed desired state, and checks the bundle itself.
There is no list. So the server needs no database.
"""

from __future__ import annotations

import base64
import logging
import threading
from collections import Counter
from http import HTTPStatus
from typing import Any

from central.bundles.folder import BundleFolder, file_name
from central.bundles.ranges import answer_for
from central.config.station_server import BundleFolderConfig
from central.station_server import (
    StationHttpServer,
    StationRequestHandler,
    StationServer,
    port_error,
)
from edge.bundle import SUFFIX
from edge.updates.desired import SERVER_PATH

_log = logging.getLogger(__name__)

PREFIX = f"{SERVER_PATH}/"
MAX_PER_STATION = 2
"""Downloads of one station at a time, so that one station cannot occupy all connections."""

_PIECE_BYTES = 64 << 10
_RETRY_S = 10


class BundleServer(StationServer):
    """Serves bundles on a thread per connection, from ``start`` to ``close``."""

    def __init__(self, settings: BundleFolderConfig, folder: BundleFolder) -> None:
        """Open the port. Raises ConfigError for TLS files, OutfeedError for a port in use."""
        try:
            server = _Server((settings.listen, settings.port), _Handler)
        except OSError as error:
            raise port_error("bundles", settings.listen, settings.port, error) from error
        server.folder = folder
        super().__init__("bundles", settings, server)


class _Server(StationHttpServer):
    folder: BundleFolder

    def __init__(self, *arguments: Any) -> None:
        self._downloads: Counter[str] = Counter()
        self._downloads_lock = threading.Lock()
        super().__init__(*arguments)

    def begin(self, station: str) -> bool:
        """Return False where the station has as many downloads as it may have."""
        with self._downloads_lock:
            if self._downloads[station] >= MAX_PER_STATION:
                return False
            self._downloads[station] += 1
            return True

    def end(self, station: str) -> None:
        with self._downloads_lock:
            self._downloads[station] -= 1
            self._downloads += Counter()


class _Handler(StationRequestHandler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        station = self.station
        if station is None:
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not self.server.begin(station):
            self._refuse(HTTPStatus.TOO_MANY_REQUESTS, ("Retry-After", str(_RETRY_S)))
        else:
            try:
                self._send(station)
            finally:
                self.server.end(station)

    def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
        self.do_GET()

    def _send(self, station: str) -> None:
        digest = self.path.removeprefix(PREFIX).removesuffix(SUFFIX)
        try:
            is_bundle = self.path == PREFIX + file_name(digest)
            opened = self.server.folder.open(digest) if is_bundle else None
        except OSError as error:
            _log.error("bundle_not_read sha256=%s reason=%s", digest, error)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
            return
        if opened is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        file, size = opened
        with file:
            tag = f'"{digest}"'
            is_head = self.command == "HEAD"
            # A range is defined for GET only (RFC 9110, section 14.2).
            given = {"Range": ""} if is_head else {}
            answer = answer_for({**_named(self.headers), **given}, size, tag)
            self.send_response(answer.status)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", tag)
            if answer.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self.send_header("Content-Range", f"bytes */{size}")
            if answer.status is HTTPStatus.PARTIAL_CONTENT:
                last = answer.end - 1
                self.send_header("Content-Range", f"bytes {answer.first}-{last}/{size}")
            if answer.end:
                text = base64.b64encode(bytes.fromhex(digest)).decode()
                self.send_header("Repr-Digest", f"sha-256=:{text}:")
                self.send_header("Content-Type", "application/octet-stream")
            if answer.status is not HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Length", str(answer.end - answer.first))
            self.end_headers()
            if is_head:
                return
            file.seek(answer.first)
            left = answer.end - answer.first
            while left:
                piece = file.read(min(_PIECE_BYTES, left))
                if not piece:  # the file was cut, and the station notices the missing bytes
                    self.close_connection = True
                    _log.error("bundle_is_cut sha256=%s", digest)
                    return
                self.wfile.write(piece)
                left -= len(piece)
        if answer.end:
            _log.info(
                "bundle_sent station=%s sha256=%s first=%s end=%s",
                *(station, digest[:12], answer.first, answer.end),
            )

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _named(headers: Any) -> dict[str, str]:
    """Return the headers that decide the answer, by their usual names. A repeated one is joined."""
    names = ("Range", "If-Range", "If-Match", "If-None-Match")
    found = {name: headers.get_all(name, []) for name in names}
    return {name: ", ".join(values) for name, values in found.items() if values}
