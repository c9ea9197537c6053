"""Pictures from files: the one place that decodes them (edge/data_folder finds them)."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.image_jpeg import JPEG_START, decode_jpeg, jpeg_size
from edge.image_tiff import is_tiff, tiff_fault
from edge.memory import BYTES_PER_PX, free_memory_bytes
from edge.picture_header import claimed_size, read_header

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")

# A fault is reported once, by FrameError, and not also by OpenCV on standard error.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_PNG_START = b"\x89PNG\r\n\x1a\n"
# OpenCV reads more formats, for which no test shows that a damaged file is refused: GIF, JPEG 2000,
# Radiance, Sun raster, PAM, PFM, OpenEXR.
_UNPROVEN = (
    *(b"GIF8", b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"#?", b"\x59\xa6\x6a\x95"),
    *(b"P7", b"PF", b"Pf", b"\x76\x2f\x31\x01"),
)
_PIECE = 1 << 20
_PNG_BYTES_PER_PX = 8  # four channels of 16 bits


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
    is_jpeg = data.startswith(JPEG_START)
    fault = _beyond_memory(data) or (None if is_jpeg else _fault(data) or _several(data))
    if fault:
        raise FrameError(f"{name}: {fault}")
    if is_jpeg:
        return decode_jpeg(data, name=name)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FrameError(f"{name}: cannot be decoded: {error.err}") from error
    if pixels is None:
        raise FrameError(f"{name}: is not a picture that can be decoded")
    if pixels.dtype != np.uint8:
        bits = pixels.dtype.itemsize * 8
        raise FrameError(f"{name}: {bits} bits per channel, expected 8{_to_8_bits(pixels)}")
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[:, :, :3]
    elif pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and pixels.shape[2:] != (3,):
        raise FrameError(f"{name}: {pixels.shape[2]} channels, expected 1 (grey), 3 or 4")
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def read_size(path: Path) -> tuple[int, int]:
    """Return width and height in px as the header of a picture states them. Blocks on the disk.

    A file whose header states none is decoded. Raises FrameError as ``read_image`` does.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FrameError(f"{path}: cannot be read: {error.strerror}") from error
    size = jpeg_size(data) if data.startswith(JPEG_START) else claimed_size(data)
    if size is None or 0 in size:
        height, width = decode_image(data, name=str(path)).shape[:2]
        return width, height
    return size


def colour_codes(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return each pixel of a picture, grey or BGR, as 0xRRGGBB: uint32 H×W."""
    if pixels.ndim == 2:
        return np.asarray(pixels, np.uint32) * np.uint32(0x010101)
    wide = pixels.astype(np.uint32)
    return np.asarray(wide[:, :, 2] << 16 | wide[:, :, 1] << 8 | wide[:, :, 0], np.uint32)


def decode_alpha(data: bytes) -> NDArray[np.uint8] | None:
    """Return the alpha channel H×W of an 8-bit picture whose header has one; None without."""
    if not read_header(data).has_alpha:
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint8 or pixels.shape[2:] != (4,):
        return None
    return np.asarray(pixels[:, :, 3], np.uint8)


def _to_8_bits(pixels: NDArray[np.generic]) -> str:
    """Return advice on converting 16 bits, or ''. All pictures use one factor, as in a camera, and
    none its own darkest and brightest pixel."""
    if pixels.dtype != np.uint16:
        return ""
    used = max(8, int(pixels.max(initial=0)).bit_length())
    factor = f"-evaluate multiply {1 << (16 - used)} " if used < 16 else ""
    return (
        f"; this one uses {used} bits: set the camera to 8 bits, or convert all its pictures by "
        f"one factor: mogrify {factor}-depth 8 -path OUT FILES (ImageMagick)"
    )


def _several(data: bytes) -> str | None:
    """That a file holds more than one picture: a decoder takes the first and drops the rest."""
    pages = read_header(data).pages
    if pages == 1:
        return None
    return (
        f"holds {pages} pictures, expected 1: convert FILE PAGE-%d.png (ImageMagick) writes each "
        "to a file"
    )


def _beyond_memory(data: bytes) -> str | None:
    """Return a message if the header claims more memory than is available; None otherwise.

    The kernel would end the process during decoding, and a file of a kilobyte can claim gigabytes.
    """
    width, height = claimed_size(data) or (0, 0)
    if width * height * BYTES_PER_PX <= free_memory_bytes():
        return None
    return f"claims {width}×{height} px, more than the memory that is free"


def _fault(data: bytes) -> str | None:
    """Return a fault that a decoder would not report itself; None: no fault."""
    if not data:
        return "is empty"
    if data.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS and no picture: git lfs pull fetches it"
    if data[4:8] == b"ftyp":
        return "is HEIC, AVIF or a video, whatever its suffix; expected a PNG or JPEG"
    if data.startswith(_PNG_START):
        return _png_fault(data)
    if is_tiff(data):
        return tiff_fault(data)
    if data.startswith(b"BM"):
        short = int.from_bytes(data[2:6], "little") > len(data)
        return f"is cut short: {len(data)} bytes, its header states more (BMP)" if short else None
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        short = int.from_bytes(data[4:8], "little") + 8 > len(data)
        return f"is cut short: {len(data)} bytes, its header states more (WebP)" if short else None
    if data[:1] == b"P" and data[1:2] in b"123456" and len(data) > 2:
        return None
    if data.startswith(_UNPROVEN):
        return "is a picture of a kind that is not read: expected JPEG, PNG, BMP, TIFF, WebP or PNM"
    return "is not a picture that can be decoded"


def _png_fault(data: bytes) -> str | None:
    """Walk the chunks to IEND, check every checksum on the way (PNG, section 5.3), and unpack the
    picture: a chunk may be missing, and OpenCV's reader only warns of a wrong checksum of all."""
    at = len(_PNG_START)
    width, height = claimed_size(data) or (0, 0)
    left = width * height * _PNG_BYTES_PER_PX + 16 * height + _PIECE
    unpacker = zlib.decompressobj()
    while len(data) >= at + 12:
        size = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 12 + size
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"is damaged: checksum of chunk {kind.decode('latin-1')} (PNG)"
        if kind == b"IDAT":
            try:
                left -= _unpack(unpacker, data[at + 8 : end - 4], left)
            except zlib.error as error:
                return f"is damaged: {error} (PNG)"
            if left < 0:
                return "is damaged: unpacks to more than its header claims (PNG)"
        if kind == b"IEND":
            return None if unpacker.eof else "is cut short: an IDAT chunk is missing (PNG)"
        at = end
    return "is cut short: no IEND chunk (PNG)"


def _unpack(unpacker: zlib._Decompress, packed: bytes, most: int) -> int:
    """Return the number of unpacked bytes. Unpacks a piece at a time, because a few bytes may
    unpack to more than the memory. Ends beyond ``most``. Raises zlib.error."""
    found = 0
    while packed and not unpacker.eof and found <= most:
        found += len(unpacker.decompress(packed, _PIECE))
        packed = unpacker.unconsumed_tail
    return found
