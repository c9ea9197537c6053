"""The server of a local page: its address, its socket and its end."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from edge.errors import OutfeedError, UsageError
from edge.web.certificate import PageCertificate

_SHUTDOWN_S = 3
_MOST_CONNECTIONS = 100
_PROBE = ("192.0.2.1", 9)  # RFC 5737; connect(2) of UDP sends nothing


@dataclass(frozen=True, slots=True)
class Address:
    """The address on which the server listens. host: an IP address."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """Return the address of --listen, ADDRESS:PORT; IPv6 in brackets. Raises UsageError."""
    host, _, port = text.rpartition(":")
    expected = f"--listen {text}: expected ADDRESS:PORT, for instance 0.0.0.0:8470"
    bare = host.removeprefix("[").removesuffix("]")
    bare = "127.0.0.1" if bare == "localhost" else bare
    try:
        ipaddress.ip_address(bare)
    except ValueError as error:
        raise UsageError(expected) from error
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise UsageError(expected)
    return Address(bare, int(port))


def open_socket(address: Address, option: str = "--listen") -> socket.socket:
    """Return a socket that listens there. option: the option or key that names the address.

    Raises OutfeedError, for instance for a port in use.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        # The text of the exception names the address once more.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OutfeedError(
            f"{option} {_shown(address.host)}:{address.port}: cannot be used: {reason}"
        ) from error


def page_address(
    listening: socket.socket, code: str = "", certificate: PageCertificate | None = None
) -> str:
    """Return the address to open, with the code if there is one. With a certificate its host is one
    of its names, where it has any: a browser refuses other ones."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = _reachable_host()
    if certificate is not None and certificate.names and host not in certificate.names:
        host = certificate.names[0]
    scheme = "http" if certificate is None else "https"
    query = f"?code={code}" if code else ""
    return f"{scheme}://{_shown(host)}:{port}/{query}"


def is_open_to_others(listening: socket.socket) -> bool:
    """Return whether other machines can reach the socket."""
    return not ipaddress.ip_address(listening.getsockname()[0]).is_loopback


def unencrypted_line(listening: socket.socket) -> str:
    """Return the warning about an address without TLS. It has the commands for a certificate."""
    host = listening.getsockname()[0]
    host = _reachable_host() if ipaddress.ip_address(host).is_unspecified else host
    return (
        "the connection is not encrypted: others in this network can read the code, and then the "
        "pictures; make a certificate with `outfeed provision authority` and `outfeed provision "
        f"broker {host} --days 800 --out page`, and add --certificate page/broker.pem --key "
        "page/broker.key"
    )


def serve(
    app: ASGIApp,
    listening: socket.socket,
    stop: threading.Event | None = None,
    *,
    certificate: PageCertificate | None = None,
    lifespan: Literal["on", "off"] = "off",
) -> None:
    """Serve until SIGINT or SIGTERM, or until ``stop`` is set; by TLS with a certificate. Blocks.

    lifespan: "on" where the application has something to do at start and end.

    The signals are handled where this runs in the main thread. Requests that run are finished, for
    up to 3 s.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan=lifespan,
        ws="none",
        loop="asyncio",
        http="h11",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    config.load()
    if certificate is not None:
        config.ssl = certificate.context
    server = _Server(config)
    if stop is None:
        server.run(sockets=[listening])
        return
    watcher = threading.Thread(target=_stop_on, args=(server, stop), name="stop-page", daemon=True)
    watcher.start()
    try:
        server.run(sockets=[listening])
    finally:
        stop.set()
        watcher.join()


class _Server(uvicorn.Server):
    """A server whose end by a signal is an ordinary return."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in wanted}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _stop_on(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True


def _reachable_host() -> str:
    """Return the address by which other machines reach this one, else its name."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_PROBE)
        host: str = probe.getsockname()[0]
        return host
    return socket.gethostname()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
