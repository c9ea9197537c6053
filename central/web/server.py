"""The server of the pages: its socket, its thread and its end."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from edge.errors import ConfigError, OutfeedError

_SHUTDOWN_S = 3
_MOST_CONNECTIONS = 200


class WebServer:
    """Serves an application on a thread of its own.

    Synchronization: ``start`` and ``close`` are for one thread. ``beat`` of the caller is not
    needed: a request that hangs occupies a worker thread, not the loop.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        """Listen at once, so that a port in use is an error of the start. port: 0: a free one.

        certificate, key: for HTTPS; None: HTTP. Raises OutfeedError, and ConfigError for files that
        cannot be used.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        shown = f"[{host}]" if ":" in host else host
        try:
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise OutfeedError(f"web.port: {shown}:{port}: cannot be used: {reason}") from error
        scheme = "http" if certificate is None else "https"
        self.address = f"{scheme}://{shown}:{self._socket.getsockname()[1]}/"
        self._app = app
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the application reads them, from proxies that it knows
            ssl_certfile=certificate,
            ssl_keyfile=key,
            ws="none",
            loop="asyncio",
            http="h11",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_SHUTDOWN_S,
        )
        try:
            config.load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self._socket.close()
            raise ConfigError(
                f"web.tls_cert, web.tls_key: {certificate}, {key}: cannot be used: {error}"
            ) from error
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="web", daemon=True
        )

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread. Returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the server: open event streams at once, other requests within 3 s."""
        self._app.state.context.live.close()
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(_SHUTDOWN_S + 5)
        self._socket.close()
