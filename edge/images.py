"""Pictures from files: the one place that decodes them, and the one that finds them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.image_jpeg import JPEG_START, decode_jpeg

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")

# What a decoder finds wrong is said once, by FrameError, not also by OpenCV on stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_PNG_START = b"\x89PNG\r\n\x1a\n"


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
    if data.startswith(JPEG_START):
        return decode_jpeg(data, name=name)
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
    if data.startswith(_PNG_START):
        return _png_fault(data)
    if data.startswith(b"BM") and int.from_bytes(data[2:6], "little") > len(data):
        return f"is cut short: {len(data)} bytes, its header says more (BMP)"
    if data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data):
        return f"is cut short: {len(data)} bytes, its header says more (WebP)"
    return None


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
