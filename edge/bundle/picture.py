"""A golden picture, as far as it can be known without decoding it."""

from __future__ import annotations

import struct

from edge.errors import BundleError

# Of one picture and of one run of a detector; a run at 4096×4096 px needs gigabytes already.
MAX_PIXELS = 4096 * 4096

_START = b"\x89PNG\r\n\x1a\n"
# What Outfeed writes. A chunk of any other kind could hold a profile or text that unpacks to
# gigabytes, or a second picture of another size.
_KINDS = (b"IHDR", b"IDAT", b"IEND")
_GREY, _COLOUR = 0, 2  # colour types (PNG, section 11.2.2)
_CHUNK = struct.Struct(">L4s")
_HEADER = struct.Struct(">2L5B")


def check_picture(name: str, data: bytes, *, height: int, width: int) -> None:
    """A plain PNG, 8 bits, grey or colour, of at most height × width px and MAX_PIXELS. Raises
    BundleError.

    Only its structure is looked at, so a few bytes that claim a huge picture cost nothing.
    """
    if not data.startswith(_START):
        raise BundleError(f"{name!r}: is no PNG")
    at = len(_START)
    kinds: list[bytes] = []
    while at < len(data):
        if at + _CHUNK.size > len(data):
            raise BundleError(f"{name!r}: is cut short (PNG)")
        size, kind = _CHUNK.unpack_from(data, at)
        if kind not in _KINDS:
            raise BundleError(f"{name!r}: holds a chunk {kind!r}; expected IHDR, IDAT, IEND (PNG)")
        kinds.append(kind)
        at += _CHUNK.size + size + 4
    first, last = kinds[:1], kinds[-1:]
    if at != len(data) or first != [b"IHDR"] or last != [b"IEND"] or set(kinds[1:-1]) != {b"IDAT"}:
        raise BundleError(f"{name!r}: is cut short or out of order (PNG)")
    if _CHUNK.unpack_from(data, len(_START))[0] != _HEADER.size:
        raise BundleError(f"{name!r}: its header is damaged (PNG)")
    columns, rows, bits, colours, *methods = _HEADER.unpack_from(data, len(_START) + _CHUNK.size)
    if bits != 8 or colours not in (_GREY, _COLOUR) or any(methods):
        raise BundleError(f"{name!r}: expected 8 bits, grey or colour, not interlaced (PNG)")
    if not (0 < rows <= height and 0 < columns <= width and rows * columns <= MAX_PIXELS):
        raise BundleError(
            f"{name!r}: claims {columns}×{rows} px; for this detector {width}×{height} px and "
            f"{MAX_PIXELS} px in all are the most"
        )
