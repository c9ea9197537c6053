"""An HTTPS server for stations, each of which proves its name by its own certificate."""

from __future__ import annotations

import logging
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from central.config.station_server import StationServerConfig
from edge.errors import ConfigError, OutfeedError

_log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_MAX_CONNECTIONS = 64


class StationHttpServer(ThreadingHTTPServer):
    """The socket: at most 64 connections, each with a thread. ``context`` is set before use."""

    daemon_threads = True
    request_queue_size = 64
    context: ssl.SSLContext

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(_MAX_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection, or close it where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake, and then serve the connection."""
        try:
            request.settimeout(_TIMEOUT_S)
            try:
                # Here and not in the loop that accepts, because a client can be slow.
                request = self.context.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError) as error:
                _log.info("station_connection_refused from=%s reason=%s", client_address[0], error)
                self.shutdown_request(request)
                return
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that ended with an error."""
        _log.info("station_connection_lost from=%s", client_address[0], exc_info=True)


class StationRequestHandler(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "outfeed-central"
    sys_version = ""
    timeout = _TIMEOUT_S

    @property
    def station(self) -> str | None:
        """The common name in the verified certificate of the client."""
        if not isinstance(self.connection, ssl.SSLSocket):
            return None
        certificate = self.connection.getpeercert() or {}
        subject = certificate.get("subject", ())
        names = [str(pair[1]) for part in subject for pair in part if pair[0] == "commonName"]
        return names[0] if len(names) == 1 else None

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request."""
        _log.debug("station_request from=%s %s", self.client_address[0], format % args)


class StationServer:
    """Serves stations from ``start`` to ``close``.

    ``refresh`` reads certificates and the list of revoked ones again.
    """

    def __init__(
        self, section: str, settings: StationServerConfig, server: StationHttpServer
    ) -> None:
        """Read the TLS files. Raises ConfigError, and then closes the socket.

        section: the section of central.toml, for errors. server: with its socket open.
        """
        self._section = section
        self._settings = settings
        self._server = server
        try:
            server.context = _context(section, settings)
        except BaseException:
            server.server_close()
            raise
        self._thread = threading.Thread(target=server.serve_forever, name=section, daemon=True)

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
        """Read the TLS files again, for new connections.

        Files that cannot be used are logged, and the old ones stay.
        """
        try:
            self._server.context = _context(self._section, self._settings)
        except ConfigError as error:
            _log.error("certificates_not_read reason=%s", error)
        else:
            _log.info("certificates_read")

    def close(self) -> None:
        """Stop to serve. A request that is under way may end without an answer."""
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(10)
        self._server.server_close()


def port_error(section: str, listen: str, port: int, error: OSError) -> OutfeedError:
    """Return the error for a port that cannot be opened."""
    return OutfeedError(f"{section}: {listen}:{port}: {error.strerror or error}")


def _context(section: str, settings: StationServerConfig) -> ssl.SSLContext:
    """Return a context that demands a certificate of the plant's authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    files = {"tls_cert": settings.tls_cert, "tls_key": settings.tls_key, "tls_ca": settings.tls_ca}
    for key, path in files.items():
        if path is None:
            raise ConfigError(f"{section}.{key}: is missing; stations are served by TLS only")
    try:
        context.load_cert_chain(str(settings.tls_cert), str(settings.tls_key), lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{section}.tls_cert: {settings.tls_cert}: {error}") from error
    try:
        context.load_verify_locations(cafile=str(settings.tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{section}.tls_ca: {settings.tls_ca}: {error}") from error
    if settings.tls_revoked is not None:
        try:
            context.load_verify_locations(cafile=str(settings.tls_revoked))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{section}.tls_revoked: {settings.tls_revoked}: {error}") from error
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context
