"""Facts that the header of a picture states and that a decoder passes over without a word."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_JPEG, _PNG, _RIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_PNM = re.compile(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,18})(?:\s+|#[^\n]*\n)+(\d{1,18})\s")
_EXIF = b"Exif\x00\x00"
_JPEG_SCAN, _JPEG_END, _JPEG_APP1 = 0xDA, 0xD9, 0xE1
_WIDTH, _HEIGHT = 0x0100, 0x0101
_ORIENTATION, _SUBFILE, _SAMPLES = 0x0112, 0x00FE, 0x0115
_REDUCED = 1  # of NewSubfileType: a smaller copy of another page, as a preview (TIFF 6.0, page 36)
_MOST_PAGES = 4096  # a chain of directories that is longer is damaged
_UPRIGHT = 1


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """orientation: of EXIF, 1 to 8; 1 where none is noted: the pixels are as they are to be seen.
    pages: of a TIFF, or frames of an animation; previews do not count. has_alpha: a fourth channel
    may be there."""

    orientation: int = _UPRIGHT
    pages: int = 1
    has_alpha: bool = False


def read_header(data: bytes) -> PictureHeader:
    """The header of a JPEG, PNG, WebP, TIFF or BMP; the defaults for all else, and for what is too
    damaged to say anything. Never raises."""
    try:
        if data.startswith(_JPEG):
            return PictureHeader(orientation=_jpeg_orientation(data))
        if data.startswith(_PNG):
            return _png(data)
        if data.startswith(_RIFF) and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:4] in _TIFF:
            return _tiff(data)
        if data.startswith(b"BM"):
            return PictureHeader(has_alpha=data[28:30] == b"\x20\x00")
    except (struct.error, IndexError):
        pass
    return PictureHeader()


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in px that a PNG, BMP, PNM, WebP or TIFF claims; None for all else, and for
    what is too damaged to say. Never raises."""
    try:
        if data.startswith(_PNG):
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
        elif data.startswith(_RIFF) and data[8:12] == b"WEBP":
            return _webp_size(data)
        elif found := _PNM.match(data):
            width, height = int(found[1]), int(found[2])
        elif data[:4] in _TIFF:
            tags = next(_directories(data), {})
            width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return abs(width), abs(height)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """RFC 9649: 24 bits less one of the canvas, or 14 bits of the one picture."""
    kind = data[12:16]
    if kind == b"VP8X":
        sides = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return next(sides), next(sides)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_orientation(data: bytes) -> int:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            break
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + size]
        if marker == _JPEG_APP1 and body.startswith(_EXIF):
            return _orientation(body[len(_EXIF) :])
        at += 2 + size
    return _UPRIGHT


def _png(data: bytes) -> PictureHeader:
    """Colour types 4 and 6 have alpha, and tRNS makes some of a palette transparent."""
    orientation, pages, has_alpha = _UPRIGHT, 1, data[25] in (4, 6)
    at = len(_PNG)
    while at + 12 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        if kind == b"eXIf":
            orientation = _orientation(body.removeprefix(_EXIF))
        elif kind == b"acTL":
            pages = max(1, int.from_bytes(body[:4], "big"))
        elif kind == b"tRNS":
            has_alpha = True
        at += 12 + size
    return PictureHeader(orientation, pages, has_alpha)


def _webp(data: bytes) -> PictureHeader:
    orientation, pages, has_alpha = _UPRIGHT, 0, False
    at = 12
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if kind == b"EXIF":
            orientation = _orientation(body.removeprefix(_EXIF))
        elif kind == b"ANMF":
            pages += 1
        elif kind == b"VP8X":
            has_alpha = bool(body[0] & 0x10)
        elif kind == b"VP8L":
            has_alpha = True  # may have; the decoder knows
        at += 8 + size + size % 2
    return PictureHeader(orientation, max(1, pages), has_alpha)


def _tiff(data: bytes) -> PictureHeader:
    pages, orientation, has_alpha = 0, _UPRIGHT, False
    for tags in _directories(data):
        if not tags.get(_SUBFILE, 0) & _REDUCED:
            pages += 1
        if pages == 1:
            orientation = _valid(tags.get(_ORIENTATION, _UPRIGHT))
            has_alpha = tags.get(_SAMPLES, 1) in (2, 4)
    return PictureHeader(orientation, max(1, pages), has_alpha)


def _orientation(block: bytes) -> int:
    """Of a TIFF block as EXIF has it: the first directory is the picture's own."""
    tags = next(_directories(block), {})
    return _valid(tags.get(_ORIENTATION, _UPRIGHT))


def _valid(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else _UPRIGHT


def _directories(data: bytes) -> Iterator[dict[int, int]]:
    """Tag to first value, for each directory of the chain; classic TIFF and BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\x00", b"\x00+")
    entry_size, count_format = (20, "Q") if big else (12, "H")
    offset_format = order + ("Q" if big else "I")
    (at,) = struct.unpack_from(offset_format, data, 8 if big else 4)
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MOST_PAGES:
        seen.add(at)
        (count,) = struct.unpack_from(order + count_format, data, at)
        first = at + struct.calcsize(order + count_format)
        if first + count * entry_size > len(data):
            return
        tags = {}
        for number in range(count):
            place = first + number * entry_size
            tag, kind = struct.unpack_from(order + "HH", data, place)
            value = place + (12 if big else 8)
            width = "H" if kind == 3 else "I"
            (tags[tag],) = struct.unpack_from(order + width, data, value)
        yield tags
        place = first + count * entry_size
        if place + struct.calcsize(offset_format) > len(data):
            return
        (at,) = struct.unpack_from(offset_format, data, place)
