"""The process that receives pictures."""

from __future__ import annotations

import logging
import threading

from central.config.sections import PictureFolderConfig
from central.pictures.folder import PictureFolder
from central.pictures.receiver import PictureReceiver
from edge.errors import ConfigError, CrashedError
from edge.watchdog import Notifier

_log = logging.getLogger(__name__)

_CHECK_S = 0.5


def run_pictures(
    settings: PictureFolderConfig, stop: threading.Event, again: threading.Event, notifier: Notifier
) -> None:
    """Receive pictures until ``stop`` is set. Blocks.

    again: set to read the TLS files again. Raises ConfigError for the configuration, and
    OutfeedError for the folder or the port.
    """
    if settings.path is None:
        raise ConfigError("pictures.path: is missing; there is no folder to receive into")
    try:
        folder = PictureFolder(settings.path, settings.max_bytes)
    except OSError as error:
        raise ConfigError(f"pictures.path: {settings.path}: {error.strerror}") from error
    receiver = PictureReceiver(settings, folder)
    receiver.start()
    _log.info("pictures_received_on address=%s:%s", settings.listen, receiver.port)
    notifier.ready("waiting")
    try:
        while not stop.wait(_CHECK_S):
            if not receiver.is_running:
                raise CrashedError("pictures: the thread of the receiver has ended")
            if again.is_set():
                again.clear()
                _refresh(receiver)
            notifier.heartbeat(f"{folder.used_bytes >> 20} MiB of pictures")
    finally:
        receiver.close()
    notifier.stopping("")


def _refresh(receiver: PictureReceiver) -> None:
    try:
        receiver.refresh()
    except ConfigError as error:
        _log.error("certificates_not_read reason=%s", error)
    else:
        _log.info("certificates_read")
