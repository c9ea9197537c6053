"""The process that serves bundles to stations."""

from __future__ import annotations

import logging
import threading

from central.bundles.folder import BundleFolder
from central.bundles.server import BundleServer
from central.config.station_server import BundleFolderConfig
from edge.bundle.keys import read_trusted
from edge.errors import BundleError, ConfigError, CrashedError
from edge.watchdog import Notifier

_log = logging.getLogger(__name__)

_CHECK_S = 0.5


def make_folder(settings: BundleFolderConfig) -> BundleFolder | None:
    """Return the folder of bundles; None where there is none. Raises ConfigError."""
    if settings.path is None:
        return None
    try:
        return BundleFolder(settings.path, settings.max_bytes, read_trusted(settings.keys))
    except BundleError as error:
        raise ConfigError(f"bundles.keys: {error}") from error
    except OSError as error:
        raise ConfigError(f"bundles.path: {settings.path}: {error.strerror}") from error


def run_bundles(
    settings: BundleFolderConfig,
    stop: threading.Event,
    again: threading.Event,
    notifier: Notifier,
) -> None:
    """Serve bundles until ``stop`` is set. Blocks.

    again: set to read the TLS files again. Raises ConfigError for the configuration, and
    OutfeedError for the port.
    """
    folder = make_folder(settings)
    if folder is None:
        raise ConfigError("bundles.path: is missing; there is no folder of bundles")
    server = BundleServer(settings, folder)
    server.start()
    _log.info("bundles_served_on address=%s:%s", settings.listen, server.port)
    notifier.ready("waiting")
    try:
        while not stop.wait(_CHECK_S):
            if not server.is_running:
                raise CrashedError("bundles: the thread of the server has ended")
            if again.is_set():
                again.clear()
                server.refresh()
            notifier.heartbeat("serving bundles")
    finally:
        server.close()
    notifier.stopping("")
