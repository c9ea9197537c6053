"""The process of `outfeed page`: its parts, its heartbeats and its end."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2

from edge.config.page import PageConfig
from edge.config.station import StationConfig
from edge.station_page.app import StationPageApp
from edge.station_page.guard import PageAccess
from edge.station_page.people import PagePeople
from edge.station_page.service import PageService
from edge.watchdog import SILENT, Notifier
from edge.web.certificate import (
    CertificateError,
    CertificateOptions,
    PageCertificate,
    read_page_certificate,
)
from edge.web.server import Address, open_socket, page_address, serve

_log = logging.getLogger(__name__)

_OPTIONS = CertificateOptions("page.tls_cert", "page.tls_key")
_NICE = 10  # of 19: everything else on the machine comes first
_TURN_S = 60.0
_CERTIFICATE_S = 10.0


def run_page(config: StationConfig, stop: threading.Event, notifier: Notifier = SILENT) -> None:
    """Serve the page of a station until ``stop`` is set, or SIGTERM or SIGINT. Blocks.

    A certificate that cannot be used now is tried again, as it may be being replaced. Raises
    PeopleError, and OutfeedError for an address that cannot be used.
    """
    page = config.page
    people = None if page.people is None else PagePeople(page.people)
    with open_socket(Address(page.bind, page.port), "page.bind") as listening:
        with suppress(OSError):
            now = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, 0, max(now, _NICE))
        cv2.setNumThreads(1)
        notifier.ready("reads the journal")
        certificate = _wait_for_certificate(page, stop, notifier)
        if not stop.is_set():
            _serve(config, listening, people, certificate, stop, notifier)
    notifier.stopping("")


def _serve(
    config: StationConfig,
    listening: socket.socket,
    people: PagePeople | None,
    certificate: PageCertificate | None,
    stop: threading.Event,
    notifier: Notifier,
) -> None:
    page = config.page
    service = PageService(config)
    access = PageAccess(
        people, page.port, needs_login=not page.is_local, is_secure=certificate is not None
    )
    names = () if certificate is None else certificate.names
    app = StationPageApp(service, access, names)
    watch = threading.Thread(
        target=_watch,
        args=(service, app, page, certificate, stop, notifier),
        name="page-watch",
        daemon=True,
    )
    service.follower.start()
    watch.start()
    address = page_address(listening, certificate=certificate)
    _log.info("page_serves address=%s marking=%s", address, page.marking)
    try:
        serve(app.asgi, listening, stop, certificate=certificate, lifespan="on")
    finally:
        stop.set()
        watch.join(10)
        service.follower.close()


def _watch(
    service: PageService,
    app: StationPageApp,
    page: PageConfig,
    certificate: PageCertificate | None,
    stop: threading.Event,
    notifier: Notifier,
) -> None:
    """Send heartbeats while both loops turn, and read a renewed certificate."""
    used = _stamps(page)
    while not stop.wait(notifier.interval_s):
        both = (service.follower.turned_s, app.turned_s)
        if time.monotonic() - min(both) < _TURN_S:
            notifier.heartbeat(service.follower.fault or "serves the page")
        now = _stamps(page)
        if certificate is None or now == used:
            continue
        used = now
        app.in_loop(partial(_renew, page, certificate))


def _renew(page: PageConfig, certificate: PageCertificate) -> None:
    """Use the present files for the next connections; the earlier ones where they are wrong."""
    try:
        if read_page_certificate(page.tls_cert, page.tls_key, _OPTIONS) is not None:
            assert page.tls_cert is not None
            certificate.context.load_cert_chain(page.tls_cert, page.tls_key, lambda: "")
            _log.info("page_certificate_renewed file=%s", page.tls_cert)
    except (CertificateError, OSError) as error:
        _log.warning("page_certificate_not_used reason=%s", error)


def _wait_for_certificate(
    page: PageConfig, stop: threading.Event, notifier: Notifier
) -> PageCertificate | None:
    """Return the certificate of the page as soon as it can be used; None without one."""
    reason = ""
    waited_s = _CERTIFICATE_S
    while not stop.is_set():
        if waited_s >= _CERTIFICATE_S:
            waited_s = 0.0
            try:
                return read_page_certificate(page.tls_cert, page.tls_key, _OPTIONS)
            except CertificateError as error:
                if str(error) != reason:
                    _log.warning("page_certificate_not_used reason=%s", error)
                reason = str(error)
        notifier.heartbeat(reason)
        stop.wait(notifier.interval_s)
        waited_s += notifier.interval_s
    return None


def _stamps(page: PageConfig) -> tuple[tuple[int, int], ...]:
    files = (page.tls_cert, page.tls_key)
    return tuple(_stamp(each) for each in files if each is not None)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size
