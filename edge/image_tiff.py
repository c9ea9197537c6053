"""TIFF: whether the first picture's compressed data is whole, which OpenCV's reader does not tell.

OpenCV reads 8-bit TIFFs by a call of libtiff that goes on after an error and leaves the rest as it
is. So each strip is unpacked here first, and must give as many bytes as its rows have.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_SAMPLES, _PLANES = 277, 284
_STRIPS = (273, 279)  # offsets, sizes in bytes
_TILES = (324, 325)
_ROWS, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_SIZES = {1: 1, 3: 2, 4: 4}  # bytes of a value: BYTE, SHORT, LONG (TIFF 6.0, section 2)
_NONE, _LZW, _PACKBITS = 1, 5, 32773
_DEFLATE = (8, 32946)
_CLEAR, _END = 256, 257


@dataclass(frozen=True, slots=True)
class _Strip:
    """Compressed bytes of some rows, and how many they must unpack to."""

    data: bytes
    unpacked: int


class _TiffError(Exception):
    """A fault of the file, as a sentence without a subject."""


def is_tiff(data: bytes) -> bool:
    """By its first bytes. BigTIFF is another format."""
    return data[:4] in (b"II*\0", b"MM\0*")


def tiff_fault(data: bytes) -> str | None:
    """Return the damage in the first picture, or the part that cannot be proven; None: no fault.
    Takes some 0.5 s per megapixel where it is compressed by LZW or PackBits, otherwise a few
    milliseconds."""
    try:
        tags = _tags(data)
        compression = _one(tags, _COMPRESSION, _NONE)
        for number, strip in enumerate(_strips(data, tags), 1):
            found = _unpacked(strip, compression)
            if found < strip.unpacked:
                return (
                    f"is damaged: strip {number} unpacks to {found} bytes, expected "
                    f"{strip.unpacked} (TIFF)"
                )
    except _TiffError as error:
        return f"{error} (TIFF)"
    except (zlib.error, IndexError) as error:
        return f"is damaged: {error} (TIFF)"
    except struct.error:
        return "is cut short (TIFF)"
    return None


def _tags(data: bytes) -> Mapping[int, tuple[int, ...]]:
    """The values of the first directory that are whole numbers."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}L", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    found: dict[int, tuple[int, ...]] = {}
    for number in range(count):
        entry = at + 2 + 12 * number
        tag, kind, values = struct.unpack_from(f"{order}HHL", data, entry)
        size = _SIZES.get(kind)
        if size is None:
            continue
        place = entry + 8
        if size * values > 4:
            (place,) = struct.unpack_from(f"{order}L", data, place)
        if place + size * values > len(data):
            raise _TiffError(f"is cut short: the values of tag {tag} are not there")
        letter = {1: "B", 2: "H", 4: "L"}[size]
        found[tag] = struct.unpack_from(f"{order}{values}{letter}", data, place)
    return found


def _one(tags: Mapping[int, tuple[int, ...]], tag: int, otherwise: int | None = None) -> int:
    values = tags.get(tag)
    if values:
        return values[0]
    if otherwise is None:
        raise _TiffError(f"is damaged: tag {tag} is missing")
    return otherwise


def _strips(data: bytes, tags: Mapping[int, tuple[int, ...]]) -> Iterator[_Strip]:
    """Strips or tiles. Raises _TiffError for one that is not there."""
    width, height = _one(tags, _WIDTH), _one(tags, _HEIGHT)
    bits, samples = sum(tags.get(_BITS, (1,))), _one(tags, _SAMPLES, 1)
    planes = samples if _one(tags, _PLANES, 1) == 2 else 1
    bits //= planes
    if _TILES[0] in tags:
        offsets, sizes = tags[_TILES[0]], tags.get(_TILES[1], ())
        rows, across = _one(tags, _TILE_HEIGHT), _one(tags, _TILE_WIDTH)
        per_plane = -(-width // max(1, across)) * -(-height // max(1, rows))
        heights = [rows] * per_plane
    else:
        offsets, sizes = tags.get(_STRIPS[0], ()), tags.get(_STRIPS[1], ())
        rows, across = max(1, min(_one(tags, _ROWS, height), height)), width
        heights = [min(rows, height - top) for top in range(0, height, rows)]
    if len(offsets) != len(heights) * planes or len(sizes) != len(offsets):
        raise _TiffError(f"is damaged: {len(offsets)} strips, expected {len(heights) * planes}")
    for offset, size, tall in zip(offsets, sizes, heights * planes, strict=True):
        if offset + size > len(data):
            raise _TiffError(f"is cut short: {len(data)} bytes, a strip ends at {offset + size}")
        yield _Strip(data[offset : offset + size], tall * -(-across * bits // 8))


def _unpacked(strip: _Strip, compression: int) -> int:
    """Return the number of bytes a strip unpacks to. Raises _TiffError, zlib.error, IndexError."""
    if compression == _NONE:
        return len(strip.data)
    if compression in _DEFLATE:
        unpacker = zlib.decompressobj()
        found = len(unpacker.decompress(strip.data, strip.unpacked + 1))
        if not unpacker.eof:
            raise _TiffError("is damaged: the compressed data of a strip does not end")
        return found
    if compression == _LZW:
        return _lzw_length(strip.data, strip.unpacked)
    if compression == _PACKBITS:
        return _packbits_length(strip.data, strip.unpacked)
    raise _TiffError(
        f"is compressed in a way that cannot be checked for damage ({compression}): save it as "
        "PNG, or as TIFF with deflate, LZW or no compression"
    )


def _packbits_length(data: bytes, wanted: int) -> int:
    """TIFF 6.0, section 9."""
    at = found = 0
    while at < len(data) and found < wanted:
        count = data[at]
        if count < 128:
            at += count + 2
            found += count + 1
        else:
            at += 1 if count == 128 else 2
            found += 0 if count == 128 else 257 - count
    if at > len(data) or found > wanted:
        raise _TiffError("is damaged: a run goes beyond its strip")
    return found


def _lzw_length(data: bytes, wanted: int) -> int:
    """TIFF 6.0, section 13: only lengths of strings are kept, which is what damage changes."""
    lengths: list[int] = []
    found = held = held_bits = before = 0
    width = 9
    for byte in data:
        held = held << 8 | byte
        held_bits += 8
        if held_bits < width:
            continue
        held_bits -= width
        code = held >> held_bits
        held &= (1 << held_bits) - 1
        if code == _END:
            break
        if code == _CLEAR:
            lengths = []
            width, before = 9, 0
            continue
        known = 258 + len(lengths)
        if code < 256:
            length = 1
        elif before and code < known:
            length = lengths[code - 258]
        elif before and code == known:
            length = before + 1
        else:
            raise _TiffError("is damaged: a code that was not defined")
        found += length
        if before:
            lengths.append(before + 1)
            # One code early, as TIFF has it.
            if 258 + len(lengths) >= (1 << width) - 1 and width < 12:
                width += 1
        before = length
    if found > wanted:
        raise _TiffError(f"is damaged: a strip unpacks to {found} bytes, expected {wanted}")
    return found
