"""Pictures and masks for tests of label files, and what the formats need of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.label_files import rasterise
from edge.label_files.shapes import BitmapArea
from tests.support.folders import encoded, put
from tests.support.label_exports import Drawn, box_of

SIZE = (96, 128)  # height, width
NAMES = ("Prüfung ü.png", "line2/0002.png", "0003.png")
_RNG = np.random.default_rng(3)


def _ellipse(centre: tuple[int, int], axes: tuple[int, int], angle: int) -> np.ndarray:
    drawn = np.zeros(SIZE, np.uint8)
    cv2.ellipse(drawn, centre, axes, angle, 0, 360, 1, -1)
    return drawn > 0


def _line(points: Sequence[tuple[int, int]], width: int) -> np.ndarray:
    drawn = np.zeros(SIZE, np.uint8)
    cv2.polylines(drawn, [np.array(points, np.int32)], False, 1, width)
    return drawn > 0


_RING = _ellipse((40, 48), (30, 22), 25) & ~_ellipse((40, 48), (14, 9), 25)
SOLID: Drawn = (("kratzer ü", _ellipse((40, 48), (30, 22), 25)),)
HOLED: Drawn = (("kratzer ü", _RING), ("dent", _ellipse((110, 20), (9, 6), 0)))
DRAWN: Drawn = (("dent", _line([(3, 90), (60, 70), (120, 88)], 2)),)


def put_pictures(root: Path, names: Sequence[str], folder: str = "images") -> None:
    for name in names:
        put(root / folder / name, _RNG.integers(90, 160, SIZE, dtype=np.uint8))


def pictures_of(
    drawn: dict[str, Drawn], size: tuple[int, int]
) -> dict[str, tuple[tuple[int, int], Drawn]]:
    return {name: (size, shapes) for name, shapes in drawn.items()}


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


def bitmap_of(mask: np.ndarray, value: int) -> np.ndarray:
    """Return the mask read back from a PNG of the window that holds it."""
    left, top, right, bottom = box_of(mask)
    data = encoded(".png", mask[top:bottom, left:right].astype(np.uint8) * value)
    area = BitmapArea(data, left, top, right - left, bottom - top)
    return rasterise(area, *mask.shape)


def palette_png(indices: np.ndarray, colours: Sequence[tuple[int, int, int]]) -> bytes:
    """A PNG of palette indices, as VOC's pictures of classes are; OpenCV writes none."""
    height, width = indices.shape
    rows = b"".join(b"\0" + row.tobytes() for row in indices.astype(np.uint8))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(colour) for colour in colours)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def voc_picture(
    size: tuple[int, int],
    shapes: Drawn,
    colours: Sequence[tuple[int, int, int]],
    kinds: Sequence[str],
) -> bytes:
    indices = np.zeros(size, np.uint8)
    for kind, mask in shapes:
        indices[mask] = kinds.index(kind)
    return palette_png(indices, colours)


def magnetic_masks(root: Path, count: int) -> Iterator[tuple[tuple[int, int], Path, Drawn]]:
    """Masks of Magnetic Tile, spread over its kinds: size, path and the mask with its kind."""
    paths = [path for path in sorted(root.glob("MT_*/Imgs/*.png")) if path.parts[-3] != "MT_Free"]
    for path in paths[:: max(1, len(paths) // count)]:
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
        if mask.any():
            yield mask.shape, path, ((path.parts[-3].removeprefix("MT_").lower(), mask),)
