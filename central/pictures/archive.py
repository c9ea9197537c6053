"""The pictures of parts for the pages: those in the folder, and those in the bucket."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Lock

from central.pictures.bucket import BucketError, PictureBucket
from central.pictures.folder import PictureFolder, find_pictures, folder_of
from edge.pictures.file_name import parse_name

_log = logging.getLogger(__name__)

FETCHED = "fetched"
"""The folder of copies from the bucket, in the folder of the pictures."""

FETCHED_BYTES = 512 << 20

_PAUSE_S = 30.0


class PictureArchive:
    """Finds the pictures of a part as files. Any thread may call.

    A picture in the bucket is copied to FETCHED first. The oldest copies are removed above
    FETCHED_BYTES. A bucket that does not answer shows no pictures, and one line in the log. It is
    not asked again for 30 s, so that its timeouts do not occupy the threads of the pages.
    """

    def __init__(
        self,
        root: Path,
        bucket: PictureBucket | None = None,
        *,
        fetched_bytes: int = FETCHED_BYTES,
    ) -> None:
        """root: the folder of all pictures. fetched_bytes: the size of all copies."""
        self._root = root
        self._bucket = bucket
        self._fetched_bytes = fetched_bytes
        self._fetched_folder: PictureFolder | None = None
        self._ask_again_s = 0.0
        self._lock = Lock()

    def find(self, station: str, journal: str, part_id: int) -> list[Path]:
        """Return the pictures of a part, the oldest first. Blocks for the disk and the bucket.

        station: a station that the database knows. journal: the UUID of its journal.
        """
        found = {path.name: path for path in find_pictures(self._root, station, journal, part_id)}
        if self._bucket is not None and time.monotonic() >= self._ask_again_s:
            try:
                found |= self._fetched(self._bucket, station, journal, part_id, set(found))
            except (BucketError, OSError) as error:
                self._ask_again_s = time.monotonic() + _PAUSE_S
                _log.warning("pictures_not_fetched station=%s reason=%s", station, error)
        return [found[name] for name in sorted(found)]

    def _fetched(
        self, bucket: PictureBucket, station: str, journal: str, part_id: int, known: set[str]
    ) -> dict[str, Path]:
        folder = folder_of(station, journal, part_id)
        found = {}
        for text in bucket.names(f"{folder}/"):
            name = parse_name(text)
            if name is None or name.part_id != part_id or text in known:
                continue
            key = f"{folder}/{text}"
            path = self._root / FETCHED / key
            if not path.is_file():
                path = self._copies().store(key, bucket.read(key))
            found[text] = path
        return found

    def _copies(self) -> PictureFolder:
        with self._lock:
            if self._fetched_folder is None:
                self._fetched_folder = PictureFolder(self._root / FETCHED, self._fetched_bytes)
            return self._fetched_folder
