"""The HTTPS server to which stations send pictures, each with its own certificate."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from central.config.sections import PictureFolderConfig
from central.pictures.folder import AppendResult, HasPicture, PictureFolder
from edge.errors import ConfigError, OutfeedError
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

_TIMEOUT_S = 30.0
_MAX_CONNECTIONS = 64
_MAX_NUMBER_DIGITS = 12


class PictureReceiver:
    """Receives pictures on a thread per connection, from ``start`` to ``close``.

    A station proves its name by its certificate, as at the broker. It may send pictures of its own
    only. ``refresh`` reads certificates and the list of revoked ones again.
    """

    def __init__(self, settings: PictureFolderConfig, folder: PictureFolder) -> None:
        """Open the port. Raises ConfigError for TLS files, OutfeedError for a port in use."""
        self._settings = settings
        try:
            self._server = _Server((settings.listen, settings.port), _Handler)
        except OSError as error:
            where = f"{settings.listen}:{settings.port}"
            raise OutfeedError(f"pictures: {where}: {error.strerror or error}") from error
        self._server.folder = folder
        try:
            self._server.context = _context(settings)
        except BaseException:
            self._server.server_close()
            raise
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="pictures", daemon=True
        )

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._server.server_address[1])

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start to serve. Returns at once."""
        self._thread.start()

    def refresh(self) -> None:
        """Read the TLS files again, for new connections. Raises ConfigError; the old ones stay."""
        self._server.context = _context(self._settings)

    def close(self) -> None:
        """Stop to serve. A request that is under way may end without an answer."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    folder: PictureFolder
    context: ssl.SSLContext

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        self._writing: set[tuple[str, str]] = set()
        self._writing_lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection, or close it where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            request.settimeout(_TIMEOUT_S)
            try:
                # Here and not in the loop that accepts, because a client can be slow.
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError) as error:
                _log.info("picture_connection_refused from=%s reason=%s", client_address[0], error)
                self.shutdown_request(request)
                return
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.info("picture_connection_lost from=%s", client_address[0], exc_info=True)

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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    server_version = "outfeed-central"
    sys_version = ""
    timeout = _TIMEOUT_S

    def do_HEAD(self) -> None:
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

    def do_PATCH(self) -> None:
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
        if parts[0] != _name_in(self.connection):
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

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug("picture_request from=%s %s", self.client_address[0], format % args)


def _name_in(connection: socket.socket) -> str | None:
    """Return the common name in the verified certificate of the client."""
    if not isinstance(connection, ssl.SSLSocket):
        return None
    certificate = connection.getpeercert() or {}
    subject = certificate.get("subject", ())
    names = [str(pair[1]) for part in subject for pair in part if pair[0] == "commonName"]
    return names[0] if len(names) == 1 else None


def _context(settings: PictureFolderConfig) -> ssl.SSLContext:
    """Return a context that demands a certificate of the plant's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    files = {"tls_cert": settings.tls_cert, "tls_key": settings.tls_key, "tls_ca": settings.tls_ca}
    for key, path in files.items():
        if path is None:
            raise ConfigError(f"pictures.{key}: is missing; stations send by TLS only")
    try:
        context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key), lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"pictures.tls_cert: {settings.tls_cert}: {error}") from error
    try:
        context.load_verify_locations(cafile=str(settings.tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"pictures.tls_ca: {settings.tls_ca}: {error}") from error
    if settings.tls_revoked is not None:
        try:
            context.load_verify_locations(cafile=str(settings.tls_revoked))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"pictures.tls_revoked: {settings.tls_revoked}: {error}") from error
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context
