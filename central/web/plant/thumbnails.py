"""Small pictures of parts for the wall: the picture of a part, or a ground, with the outlines."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from central.store.evidence import Polygon
from central.web.plant.drawings import shown_pictures
from edge.errors import OutfeedError
from edge.images import read_image

SIDE_PX = 192
"""The longer side of a thumbnail: twice its size on the page, for screens of high density."""

MAX_PICTURE_PX = 64_000_000
"""A larger picture is not decoded: some 200 MB."""

_KEPT = 1_000
_QUALITY = 80
_GROUND = 200
_LEAST_PX = 8
_OUTLINE_BGR = (40, 40, 220)

Picture = NDArray[np.uint8]


class Thumbnails:
    """Makes thumbnails and keeps the latest thousand, some 6 MB.

    Synchronization: any thread may call. Only one picture is decoded at a time, so that the memory
    does not grow with the number of browsers.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        """kept: the number of thumbnails of pictures in memory."""
        self._kept = kept
        self._made: OrderedDict[tuple[str, int, tuple[Polygon, ...]], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._made)

    def of_picture(self, path: Path, outlines: Sequence[Polygon]) -> bytes | None:
        """Return a picture as JPEG with outlines; None where it cannot be decoded. Blocks.

        outlines: polygons in pixels of the picture.
        """
        try:
            key = (str(path), path.stat().st_mtime_ns, tuple(outlines))
        except OSError:
            return None
        with self._lock:
            if (known := self._made.get(key)) is not None:
                self._made.move_to_end(key)
                return known
            size = shown_pictures([path])
            if not size or size[0].width * size[0].height > MAX_PICTURE_PX:
                return None
            try:
                pixels = read_image(path)
            except (OSError, OutfeedError):
                return None
            made = _encode(pixels, outlines, pixels.shape[1], pixels.shape[0])
            self._made[key] = made
            while len(self._made) > self._kept:
                self._made.popitem(last=False)
            return made


def draw_thumbnail(outlines: Sequence[Polygon], width: int, height: int) -> bytes:
    """Return outlines on a grey ground as JPEG. width, height: of the frame in px."""
    shape = _scaled(width, height)
    ground = np.full((shape[1], shape[0]), _GROUND, np.uint8)
    return _encode(ground, outlines, width, height)


def _encode(pixels: Picture, outlines: Sequence[Polygon], width: int, height: int) -> bytes:
    """Return pixels as JPEG at the size of a thumbnail. width, height: of the frame in px."""
    shape = _scaled(width, height)
    small = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    if small.ndim == 2:
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    factors = np.array([shape[0] / width, shape[1] / height])
    for polygon in outlines:
        if polygon:
            points = np.rint(np.clip(np.array(polygon) * factors, -1, SIDE_PX + 1)).astype(np.int32)
            cv2.polylines(small, [points], True, _OUTLINE_BGR, 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


def _scaled(width: int, height: int) -> tuple[int, int]:
    factor = SIDE_PX / max(width, height)
    return max(_LEAST_PX, round(width * factor)), max(_LEAST_PX, round(height * factor))
