"""JPEG: decoded by a library that takes each of libjpeg's warnings for an error."""

from __future__ import annotations

import re

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.memory import BYTES_PER_PX, free_memory_bytes

JPEG_START = b"\xff\xd8\xff"
MAX_PIXELS = 1 << 30  # as OpenCV's own limit for every other format

# In the entropy-coded data of a JPEG, FF 00 is a stuffed byte, FF D0 to FF D7 are restart markers
# and FF FF is fill (ITU-T T.81, B.1.1); whatever else follows an FF is the next marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_PADDING = "extraneous bytes before marker 0xd9"
_PREMATURE = "premature end"
_END, _SCAN, _HUFFMAN_TABLES = 0xD9, 0xDA, 0xC4
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {_HUFFMAN_TABLES, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_COEFFICIENTS = 64
# 128 bits of zero are 42 coefficients of -1 in a row with any table that does not code the end of a
# block by zeros alone: no picture has them, and a lost burst that was filled up has.
_ZEROS = bytes(16)


def decode_jpeg(data: bytes, *, name: str) -> NDArray[np.uint8]:
    """Decode one JPEG: uint8, H×W (grey) or H×W×3 (BGR), C-contiguous, with the pixels that OpenCV
    gives of it. CPU only; any thread.

    Raises FrameError, one line that begins with ``name``, where compressed data is missing, left
    over or in the wrong order, and where a scan is missing. Zeros or fill before the end marker and
    bytes after it do no harm. Damage that decodes to as many blocks as before is not found: a JPEG
    has no checksum (docs/decisions/0038).
    """
    layout = _layout(data)
    if layout is None:
        raise FrameError(f"{name}: is cut short: no end-of-image marker (JPEG)")
    fault = layout.fault()
    if fault is not None:
        raise FrameError(f"{name}: {fault} (JPEG)")
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        if height * width * BYTES_PER_PX > free_memory_bytes():
            raise FrameError(f"{name}: claims {width}×{height} px, more than the memory")
        if height * width > MAX_PIXELS:
            raise FrameError(f"{name}: claims {width}×{height} px, at most {MAX_PIXELS} are read")
        return _pixels(data, layout, space)
    except ValueError as error:
        raise FrameError(f"{name}: is damaged: {_plain(error)} (JPEG)") from error
    except MemoryError as error:
        raise FrameError(f"{name}: claims {width}×{height} px, more than the memory") from error


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in px as a JPEG states them; None where it is damaged."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    return int(width), int(height)


class _Layout:
    """The position of the compressed data of a JPEG, and the coverage of its scans.

    scans: first byte and end of each. low: component → per coefficient, the lowest bit that a scan
    gave (T.81, G.1.1.1.2: Al); absent where none did.
    """

    def __init__(self) -> None:
        self.scans: list[tuple[int, int]] = []
        self.end = 0
        self.components: tuple[int, ...] = ()
        self.is_progressive = False
        self.zeros_end_blocks = False  # a table codes the end of a block by zeros alone
        self._low: dict[int, list[int | None]] = {}

    def frame(self, marker: int, segment: bytes) -> None:
        """Take a frame header (T.81, B.2.2)."""
        self.is_progressive = marker in _PROGRESSIVE
        self.components = tuple(segment[6 : 6 + 3 * segment[5] : 3]) if len(segment) > 5 else ()
        self._low = {one: [None] * _COEFFICIENTS for one in self.components}

    def scan(self, segment: bytes) -> None:
        """Take a scan header (T.81, B.2.3)."""
        count = segment[0] if segment else 0
        if len(segment) < 4 + 2 * count:
            return
        first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
        if not self.is_progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for component in segment[1 : 1 + 2 * count : 2]:
            for at in range(first, min(last, _COEFFICIENTS - 1) + 1):
                if component in self._low:
                    self._low[component][at] = bits & 15

    def tables(self, segment: bytes) -> None:
        """Take Huffman tables (T.81, B.2.4.2). The first code of a table is all zeros."""
        at = 0
        while at + 17 <= len(segment):
            kind, counts = segment[at] >> 4, segment[at + 1 : at + 17]
            values = segment[at + 17 : at + 17 + sum(counts)]
            # Of AC: 00 ends a block, and in a progressive scan 10, 20 … end many.
            if kind == 1 and values[:1] and values[0] & 15 == 0 and values[0] != 0xF0:
                self.zeros_end_blocks = True
            at += 17 + sum(counts)

    def fault(self) -> str | None:
        """Return the missing scans as a message; a decoder does not report them."""
        if not self.scans:
            return "is cut short: no scan"
        for component, low in self._low.items():
            if any(one != 0 for one in low):
                return f"is cut short: not every scan of component {component} is there"
        return None


def _layout(data: bytes) -> _Layout | None:
    """Walk the markers to EOI; None where there is none. Segments are skipped by length: a
    thumbnail's EOI does not count."""
    layout = _Layout()
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill before a marker
            at += 1
        if len(data) < at + 2 or data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == _END:
            layout.end = at
            return layout
        at += 2
        if marker in _BARE:
            continue
        size = max(2, int.from_bytes(data[at : at + 2], "big"))
        segment = data[at + 2 : at + size]
        at += size
        if marker in _FRAMES:
            layout.frame(marker, segment)
        elif marker == _HUFFMAN_TABLES:
            layout.tables(segment)
        elif marker == _SCAN:
            layout.scan(segment)
            found = _NEXT_MARKER.search(data, at)
            if found is None:
                return None
            layout.scans.append((at, found.start()))
            at = found.start()


def _pixels(data: bytes, layout: _Layout, space: str) -> NDArray[np.uint8]:
    """Raises ValueError for whatever libjpeg warns of."""
    wanted = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(space, "BGR")
    zeros = _zeros(data, layout)
    if zeros and not layout.zeros_end_blocks and not layout.is_progressive:
        raise ValueError("a run of zeros in the compressed data")
    try:
        pixels = simplejpeg.decode_jpeg(data, wanted)
    except ValueError as error:
        if _PADDING not in str(error):
            raise
        data, pixels = _unpadded(data, layout, wanted, error)
    if wanted == "CMYK":  # now proven whole; OpenCV has its own way from there to colour
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(pixels[:, :, 0] if wanted == "GRAY" else pixels, np.uint8)


def _unpadded(
    data: bytes, layout: _Layout, wanted: str, error: ValueError
) -> tuple[bytes, NDArray[np.uint8]]:
    """The JPEG without zeros before its end marker, and its pixels. Raises ``error`` where there
    are none, or where the picture needs more than two of them: then they were decoded in place of
    what is missing. Two may be its own."""
    end = layout.scans[-1][1]
    body = data[:end].rstrip(b"\0")
    if end != layout.end or len(body) == end:
        raise error
    if body.endswith(b"\xff"):
        body += b"\0"  # a stuffed byte
    for own in range(3):
        found = body + bytes(own) + data[end:]
        try:
            return found, simplejpeg.decode_jpeg(found, wanted)
        except ValueError as missing:
            if _PREMATURE not in str(missing):
                raise error from missing
    raise error


def _zeros(data: bytes, layout: _Layout) -> bool:
    """Return whether zeros stand where compressed data should, other than as padding at the end."""
    for begin, end in layout.scans:
        at = data.find(_ZEROS, begin, end)
        if at >= 0 and data[at:end].strip(b"\0"):
            return True
    return False


def _plain(error: ValueError) -> str:
    """libjpeg's own words, without its prefix."""
    return str(error).removeprefix("Corrupt JPEG data:").strip()
