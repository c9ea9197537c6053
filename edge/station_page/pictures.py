"""The stored pictures of parts, as small JPEG files for the page."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path

import cv2
import numpy as np

from edge.errors import OutfeedError, PictureError
from edge.files import read_regular_file
from edge.images import decode_image
from edge.picture_header import claimed_size
from edge.pictures.file_name import PictureName, list_pictures, parse_name

_log = getLogger(__name__)

MAX_SIDE_PX = 1024
"""The longer side of a picture on the page."""

MAX_PICTURE_PX = 64_000_000
MAX_FILE_BYTES = 64 << 20
_QUALITY = 85
_KEPT = 40  # some 200 kB each
_LIST_S = 2.0


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A stored picture. name: its file. width, height: of the frame, in pixels."""

    name: str
    width: int
    height: int


class PagePictures:
    """Finds and reduces stored pictures. Nothing in the store is changed.

    Synchronization: any thread may call. One picture is decoded at a time.
    """

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder
        self._lock = threading.Lock()
        self._listed_s = float("-inf")
        self._names: dict[tuple[str, int], PictureName] = {}
        self._sizes: OrderedDict[str, PagePicture | None] = OrderedDict()
        self._made: OrderedDict[str, bytes] = OrderedDict()

    def find(self, journal: str, part_id: int) -> PagePicture | None:
        """Return the picture of a part; None where none is stored. journal: its UUID. Blocks."""
        with self._lock:
            self._list()
            name = self._names.get((journal[:8], part_id))
            return None if name is None else self._size(str(name))

    def jpeg(self, name: str) -> bytes | None:
        """Return a picture as JPEG; None where it is missing or damaged. Blocks.

        name: as ``find`` returned it; any other text gives None.
        """
        if parse_name(name) is None:
            return None
        with self._lock:
            if (known := self._made.get(name)) is not None:
                self._made.move_to_end(name)
                return known
            made = self._reduced(name)
            if made is not None:
                self._made[name] = made
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
            return made

    def _list(self) -> None:
        now_s = time.monotonic()
        if now_s - self._listed_s < _LIST_S:
            return
        self._listed_s = now_s
        try:
            names = list_pictures(self._folder)
        except PictureError as error:
            _log.debug("page_pictures_not_listed reason=%s", error)
            names = []
        self._names = {(each.journal, each.part_id): each for each in names}

    def _size(self, name: str) -> PagePicture | None:
        if name not in self._sizes:
            try:
                with (self._folder / name).open("rb") as file:
                    size = claimed_size(file.read(64))
            except OSError:
                return None
            is_right = size is not None and 0 < size[0] * size[1] <= MAX_PICTURE_PX
            self._sizes[name] = PagePicture(name, *size) if size and is_right else None
            while len(self._sizes) > 4 * _KEPT:
                self._sizes.popitem(last=False)
        return self._sizes[name]

    def _reduced(self, name: str) -> bytes | None:
        if self._size(name) is None:
            return None
        try:
            data = read_regular_file(self._folder / name, MAX_FILE_BYTES)
            pixels = decode_image(data, name=name)
        except (OSError, OutfeedError) as error:
            _log.debug("page_picture_not_read picture=%s reason=%s", name, error)
            return None
        height, width = pixels.shape[:2]
        factor = MAX_SIDE_PX / max(width, height)
        if factor < 1:
            shape = max(1, round(width * factor)), max(1, round(height * factor))
            pixels = np.asarray(cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA), np.uint8)
        done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return encoded.tobytes() if done else None
