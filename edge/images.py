"""Pictures from files: the one place that decodes them, and the one that finds them."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")

# What a decoder finds wrong is said once, by FrameError, not also by OpenCV on stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_JPEG_START = b"\xff\xd8\xff"
_PNG_START = b"\x89PNG\r\n\x1a\n"
# In the entropy-coded data of a JPEG, FF 00 is a stuffed byte, FF D0 to FF D7 are restart markers
# and FF FF is fill (ITU-T T.81, B.1.1); whatever else follows an FF is the next marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


def read_image(path: Path) -> NDArray[np.uint8]:
    """Decode one picture: uint8, H×W (grey as stored) or H×W×3 (BGR), C-contiguous, writable.

    An alpha channel is dropped; a rotation noted in EXIF is not applied. Raises FrameError, one
    line that names the file, for a file that cannot be read, is no picture, has other than 8 bits
    per channel, or is cut short or damaged (a decoder would fill the rest with grey and only warn).
    Bytes after the end of the picture are tolerated. Blocks on the disk; any thread.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FrameError(f"{path}: cannot be read: {error.strerror}") from error
    return decode_image(data, name=str(path))


def decode_image(data: bytes, *, name: str) -> NDArray[np.uint8]:
    """As ``read_image``, from bytes; ``name`` is what an error calls them."""
    fault = _fault(data)
    if fault:
        raise FrameError(f"{name}: {fault}")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FrameError(f"{name}: cannot be decoded: {error.err}") from error
    if pixels is None:
        raise FrameError(f"{name}: is not a picture that can be decoded")
    if pixels.dtype != np.uint8:
        bits = pixels.dtype.itemsize * 8
        raise FrameError(f"{name}: {bits} bits per channel, expected 8")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[:, :, :3]
    elif pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and pixels.shape[2:] != (3,):
        raise FrameError(f"{name}: {pixels.shape[2]} channels, expected 1 (grey), 3 or 4")
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def list_images(folder: Path) -> tuple[Path, ...]:
    """Every picture below ``folder``, sorted by path; hidden files and folders are left out.

    ``folder`` may also be one file, whatever its suffix. Raises FrameError when there is none.
    """
    if folder.is_file():
        return (folder,)
    if not folder.is_dir():
        raise FrameError(f"{folder}: no such file or folder")
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(root, name)
            for name in files
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)
        ]
    if not found:
        raise FrameError(f"{folder}: no picture below it, expected {', '.join(IMAGE_SUFFIXES)}")
    return tuple(sorted(found))


def _fault(data: bytes) -> str | None:
    """What is wrong with the container, as far as a decoder would not say it itself."""
    if not data:
        return "is empty"
    if data.startswith(_JPEG_START):
        return None if _jpeg_is_whole(data) else "is cut short: no end-of-image marker (JPEG)"
    if data.startswith(_PNG_START):
        return _png_fault(data)
    if data.startswith(b"BM") and int.from_bytes(data[2:6], "little") > len(data):
        return f"is cut short: {len(data)} bytes, its header says more (BMP)"
    if data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return f"is cut short: {len(data)} bytes, its header says more (WebP)"
    return None


def _jpeg_is_whole(data: bytes) -> bool:
    """Walk the markers to EOI. Segments are skipped by length: a thumbnail's EOI does not count."""
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill before a marker
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            return False
        marker = data[at + 1]
        if marker == _JPEG_END:
            return True
        at += 2
        if marker in _JPEG_BARE:
            continue
        at += max(2, int.from_bytes(data[at : at + 2], "big"))
        if marker == _JPEG_SCAN:
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                return False
            at = found.start()


def _png_fault(data: bytes) -> str | None:
    """Walk the chunks to IEND and check every checksum on the way (PNG, section 5.3)."""
    at = len(_PNG_START)
    while len(data) >= at + 12:
        size = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + size
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"is damaged: checksum of chunk {kind.decode('latin-1')} (PNG)"
        if kind == b"IEND":
            return None
        at = end
    return "is cut short: no IEND chunk (PNG)"
