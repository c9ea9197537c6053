"""A picture and its record as one file: a PNG with the record in a tEXt chunk.

Any viewer shows it, whoever copies it has both, and every chunk has a checksum (PNG, third edition,
sections 5.3 and 11.3.3.2).
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
_AFTER_HEADER = len(_START) + 12 + 13  # the signature, then IHDR: 13 bytes and its frame of 12
_KEYWORD = b"Outfeed\0"
_MAX_TEXT_BYTES = 1 << 20
# zlib's fastest. Level 6 takes 4 times as long for 5 % less (bench/pictures.py).
_LEVEL = 1


def encode_picture(pixels: NDArray[np.uint8], text: str) -> bytes:
    """The file. pixels: uint8, H×W or H×W×3; text: ASCII. The pixels come back byte for byte.
    Blocks for the compression, without the interpreter's lock. Raises PictureError."""
    return attach(compress(pixels), text)


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """As ``encode_picture``, without a text yet."""
    try:
        done, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _LEVEL])
    except cv2.error as error:
        raise PictureError(f"a picture cannot be encoded: {error.err}") from error
    if not done:
        raise PictureError("a picture cannot be encoded")
    return encoded.tobytes()


def attach(picture: bytes, text: str) -> bytes:
    """What ``compress`` gave, with its text. Raises PictureError for one that is too long."""
    return b"".join((picture[:_AFTER_HEADER], _chunk(text), memoryview(picture)[_AFTER_HEADER:]))


def with_text(data: bytes, text: str) -> bytes:
    """The file with this text in place of its own; the picture is not touched. Raises
    PictureError for a file without one."""
    picture_text(data, name="the picture")
    (size,) = struct.unpack_from(">L", data, _AFTER_HEADER)
    rest = memoryview(data)[_AFTER_HEADER + 12 + size :]
    return b"".join((data[:_AFTER_HEADER], _chunk(text), rest))


def decode_picture(data: bytes, *, name: str) -> tuple[NDArray[np.uint8], str]:
    """Pixels and text. Raises FrameError for a picture that is damaged, PictureError for one
    without a record; each names the file."""
    pixels = decode_image(data, name=name)
    return pixels, picture_text(data, name=name)


def read_text(path: Path) -> str:
    """A file's text alone, which stands at its beginning. Raises PictureError."""
    try:
        with path.open("rb") as file:
            return picture_text(file.read(_AFTER_HEADER + 12 + _MAX_TEXT_BYTES), name=path.name)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}") from error


def picture_text(data: bytes, *, name: str) -> str:
    """The text at the beginning of the bytes. Raises PictureError."""
    begin = _AFTER_HEADER + _CHUNK.size
    if not data.startswith(_START) or len(data) < begin:
        raise PictureError(f"{name}: is no picture of an album (PNG)")
    size, kind = _CHUNK.unpack_from(data, _AFTER_HEADER)
    body = data[begin : begin + size]
    if kind != b"tEXt" or not body.startswith(_KEYWORD):
        raise PictureError(f"{name}: carries no record of a part")
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
