"""Moves complete pictures from the folder to the bucket."""

from __future__ import annotations

import logging

from central.pictures.bucket import BucketError, PictureBucket
from central.pictures.folder import PictureFolder
from central.worker import Worker

_log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class PictureMover(Worker):
    """Moves pictures on a thread of its own, the oldest first, from ``start`` to ``close``.

    Stations never wait for the bucket: the folder keeps their pictures until the bucket has them.
    While the bucket does not answer, the pauses grow up to 60 s.
    """

    def __init__(self, folder: PictureFolder, bucket: PictureBucket) -> None:
        """Nothing is moved before ``start``."""
        super().__init__("pictures to bucket")
        self._folder = folder
        self._bucket = bucket
        self._pause_s = _PAUSE_S

    def step(self) -> int:
        """Move all complete pictures, and return their number. Blocks. Raises no BucketError."""
        moved = 0
        for key, path in self._folder.complete():
            if self._stop.is_set():
                break
            try:
                self._bucket.put(key, path)
            except FileNotFoundError:
                continue  # removed for space
            except (BucketError, OSError) as error:
                if self._pause_s == _PAUSE_S:
                    _log.error("pictures_not_moved reason=%s", error)
                self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
                return moved
            self._folder.remove(path)
            moved += 1
        if moved and self._pause_s > _PAUSE_S:
            _log.info("pictures_moved_again count=%s", moved)
        self._pause_s = _PAUSE_S
        return moved

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            self.step()
