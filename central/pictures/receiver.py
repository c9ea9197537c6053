"""The HTTPS server to which stations send pictures, each with its own certificate."""

from __future__ import annotations

import logging
import threading
from http import HTTPStatus
from typing import Any

from central.config.station_server import PictureFolderConfig
from central.pictures.folder import AppendResult, HasPicture, PictureFolder
from central.station_server import (
    StationHttpServer,
    StationRequestHandler,
    StationServer,
    port_error,
)
from edge.picture_upload.protocol import (
    DIGEST,
    LENGTH,
    MAX_BODY_BYTES,
    MAX_PICTURE_BYTES,
    OFFSET,
    PREFIX,
    parse_digest,
)
from edge.pictures.file_name import PictureName, parse_name

_log = logging.getLogger(__name__)

_MAX_NUMBER_DIGITS = 12


class PictureReceiver(StationServer):
    """Receives pictures on a thread per connection, from ``start`` to ``close``.

    A station proves its name by its certificate, as at the broker. It may send pictures of its own
    only.
    """

    def __init__(self, settings: PictureFolderConfig, folder: PictureFolder) -> None:
        """Open the port. Raises ConfigError for TLS files, OutfeedError for a port in use."""
        try:
            server = _Server((settings.listen, settings.port), _Handler)
        except OSError as error:
            raise port_error("pictures", settings.listen, settings.port, error) from error
        server.folder = folder
        super().__init__("pictures", settings, server)


class _Server(StationHttpServer):
    folder: PictureFolder

    def __init__(self, *arguments: Any) -> None:
        self._writing: set[tuple[str, str]] = set()
        self._writing_lock = threading.Lock()
        super().__init__(*arguments)

    def begin(self, key: tuple[str, str]) -> bool:
        """Return False where another connection writes this picture."""
        with self._writing_lock:
            if key in self._writing:
                return False
            self._writing.add(key)
            return True

    def end(self, key: tuple[str, str]) -> None:
        with self._writing_lock:
            self._writing.discard(key)


class _Handler(StationRequestHandler):
    server: _Server

    def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
        target = self._target()
        if target is None:
            return
        state = self.server.folder.state(*target)
        if state.has is HasPicture.COMPLETE:
            self._answer(HTTPStatus.OK)
        elif state.has is HasPicture.PARTIAL:
            self._answer(HTTPStatus.NO_CONTENT, state.offset)
        elif state.has is HasPicture.REMOVED:
            self._answer(HTTPStatus.GONE)
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def do_PATCH(self) -> None:  # noqa: N802 - the name that http.server calls
        size = self._number("Content-Length")
        if size is None or size > MAX_BODY_BYTES:
            self.close_connection = True  # the body is not read
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True
            return
        target = self._target()
        if target is None:
            return
        offset, total = self._number(OFFSET), self._number(LENGTH)
        digest = parse_digest(self.headers.get(DIGEST, ""))
        if offset is None or total is None or digest is None or offset + len(body) > total:
            self._answer(HTTPStatus.BAD_REQUEST)
        elif total > MAX_PICTURE_BYTES or total == 0:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._append(target, offset, body, total, digest)

    def _append(
        self, target: tuple[str, PictureName], offset: int, body: bytes, total: int, digest: bytes
    ) -> None:
        station, name = target
        folder, key = self.server.folder, (station, str(name))
        if not self.server.begin(key):
            self._answer(HTTPStatus.CONFLICT, folder.state(station, name).offset)
            return
        try:
            result = folder.append(station, name, offset, body, total=total, sha256=digest)
        except OSError as error:
            _log.error("picture_not_stored station=%s picture=%s reason=%s", station, name, error)
            self._answer(HTTPStatus.INSUFFICIENT_STORAGE)
            return
        finally:
            self.server.end(key)
        if result is AppendResult.COMPLETE:
            self._answer(HTTPStatus.CREATED)
        elif result is AppendResult.MORE:
            self._answer(HTTPStatus.NO_CONTENT, offset + len(body))
        elif result is AppendResult.OTHER_OFFSET:
            self._answer(HTTPStatus.CONFLICT, folder.state(station, name).offset)
        else:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY)

    def _target(self) -> tuple[str, PictureName] | None:
        """Return station and picture of the path; None after an error was answered."""
        parts = self.path.removeprefix(f"{PREFIX}/").split("/")
        name = parse_name(parts[1]) if len(parts) == 2 else None
        if not self.path.startswith(f"{PREFIX}/") or name is None:
            self._answer(HTTPStatus.BAD_REQUEST)
            return None
        if parts[0] != self.station:
            self._answer(HTTPStatus.FORBIDDEN)
            return None
        return parts[0], name

    def _number(self, header: str) -> int | None:
        text = self.headers.get(header, "")
        is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_NUMBER_DIGITS
        return int(text) if is_number else None

    def _answer(self, status: HTTPStatus, offset: int | None = None) -> None:
        self.send_response(status)
        if offset is not None:
            self.send_header(OFFSET, str(offset))
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", "0")
        self.end_headers()
