"""A picture and its record as one file: a PNG with the record in a tEXt chunk.

Any viewer shows the picture. A copy of the file has both. Every chunk has a checksum (PNG, third
edition, sections 5.3 and 11.3.3.2).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import PictureError
from edge.images import decode_image

_START = b"\x89PNG\r\n\x1a\n"
_CHUNK = struct.Struct(">L4s")
_AFTER_HEADER = len(_START) + 12 + 13  # the signature, then IHDR: 13 bytes, with 12 around them
_KEYWORD = b"Outfeed\0"
_MAX_TEXT_BYTES = 1 << 20
# The fastest level of zlib. Level 6 takes 4 times as long for 5 % fewer bytes (bench/pictures.py).
_LEVEL = 1


def encode_picture(pixels: NDArray[np.uint8], text: str) -> bytes:
    """Return a PNG file with a text. The compression is lossless.

    pixels: uint8, H×W or H×W×3. text: ASCII. Blocks for the compression, without the lock of the
    interpreter (GIL). Raises PictureError.
    """
    return attach(compress(pixels), text)


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """Return a PNG file without a text; ``attach`` adds it. Otherwise like ``encode_picture``."""
    try:
        done, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _LEVEL])
    except cv2.error as error:
        raise PictureError(f"a picture cannot be encoded: {error.err}") from error
    if not done:
        raise PictureError("a picture cannot be encoded")
    return encoded.tobytes()


def attach(picture: bytes, text: str) -> bytes:
    """Return the result of ``compress`` with a text. Raises PictureError for too long a text."""
    return b"".join((picture[:_AFTER_HEADER], _chunk(text), memoryview(picture)[_AFTER_HEADER:]))


def with_text(data: bytes, text: str) -> bytes:
    """Return the file with another text and the same picture.

    Raises PictureError for a file without a text.
    """
    picture_text(data, name="the picture")
    (size,) = struct.unpack_from(">L", data, _AFTER_HEADER)
    rest = memoryview(data)[_AFTER_HEADER + 12 + size :]
    return b"".join((data[:_AFTER_HEADER], _chunk(text), rest))


def decode_picture(data: bytes, *, name: str) -> tuple[NDArray[np.uint8], str]:
    """Return the pixels and the text of a file.

    Raises FrameError for a damaged picture, and PictureError for a file without a record. Both name
    the file.
    """
    pixels = decode_image(data, name=name)
    return pixels, picture_text(data, name=name)


def read_text(path: Path) -> str:
    """Return the text of a file. Only the beginning of the file is read. Raises PictureError."""
    try:
        with path.open("rb") as file:
            return picture_text(file.read(_AFTER_HEADER + 12 + _MAX_TEXT_BYTES), name=path.name)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}") from error


def picture_text(data: bytes, *, name: str) -> str:
    """Return the text in the first bytes of a file. Raises PictureError."""
    begin = _AFTER_HEADER + _CHUNK.size
    if not data.startswith(_START) or len(data) < begin:
        raise PictureError(f"{name}: is not a stored picture (PNG)")
    size, kind = _CHUNK.unpack_from(data, _AFTER_HEADER)
    body = data[begin : begin + size]
    if kind != b"tEXt" or not body.startswith(_KEYWORD):
        raise PictureError(f"{name}: has no record of a part")
    checksum = data[begin + size : begin + size + 4]
    if len(checksum) < 4 or zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
        raise PictureError(f"{name}: its record is damaged")
    return body[len(_KEYWORD) :].decode("latin-1")


def _chunk(text: str) -> bytes:
    data = text.encode("ascii")
    if len(data) > _MAX_TEXT_BYTES:
        raise PictureError(f"a picture's record has {len(data)} bytes, {_MAX_TEXT_BYTES} at most")
    body = b"tEXt" + _KEYWORD + data
    return struct.pack(">L", len(body) - 4) + body + struct.pack(">L", zlib.crc32(body))
