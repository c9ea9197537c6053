"""The process that receives pictures."""

from __future__ import annotations

import logging
import threading

from central.config.bucket import BucketConfig
from central.config.station_server import PictureFolderConfig
from central.pictures.bucket import PictureBucket
from central.pictures.folder import PictureFolder
from central.pictures.mover import PictureMover
from central.pictures.receiver import PictureReceiver
from edge.errors import ConfigError, CrashedError
from edge.watchdog import Notifier

_log = logging.getLogger(__name__)

_CHECK_S = 0.5


def run_pictures(
    settings: PictureFolderConfig,
    stop: threading.Event,
    again: threading.Event,
    notifier: Notifier,
    bucket: BucketConfig | None = None,
) -> None:
    """Receive pictures until ``stop`` is set, and move them to a bucket. Blocks.

    again: set to read the TLS files again. Raises ConfigError for the configuration, and
    OutfeedError for the folder or the port.
    """
    if settings.path is None:
        raise ConfigError("pictures.path: is missing; there is no folder to receive into")
    place = None if bucket is None else PictureBucket(bucket)
    try:
        folder = PictureFolder(settings.path, settings.max_bytes, place)
    except OSError as error:
        raise ConfigError(f"pictures.path: {settings.path}: {error.strerror}") from error
    receiver = PictureReceiver(settings, folder)
    mover = None if place is None else PictureMover(folder, place)
    receiver.start()
    if mover is not None:
        mover.start()
    _log.info("pictures_received_on address=%s:%s", settings.listen, receiver.port)
    notifier.ready("waiting")
    try:
        while not stop.wait(_CHECK_S):
            if not receiver.is_running:
                raise CrashedError("pictures: the thread of the receiver has ended")
            if mover is not None and not mover.is_running:
                raise CrashedError("pictures: the thread that moves pictures has ended")
            if again.is_set():
                again.clear()
                receiver.refresh()
            notifier.heartbeat(f"{folder.used_bytes >> 20} MiB of pictures")
    finally:
        receiver.close()
        if mover is not None:
            mover.close()
    notifier.stopping("")
