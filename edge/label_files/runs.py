"""Run-length codes of masks: COCO's, plain runs, and the brush of Label Studio.

Sources: `cocoapi/common/maskApi.c` for COCO; the JavaScript and Python coders that Label Studio
ships (`label_studio_converter/brush.py`) for its brush.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.label_files.shapes import LabelError

Mask = npt.NDArray[np.bool_]

_MOST_RUNS = 50_000_000
_OPAQUE = 127  # of the brush's alpha: its rim is smoothed
_CHANNELS = 4  # red, green, blue, alpha
_WORD_BITS = 8


def decode_counts(coded: str) -> tuple[int, ...]:
    """Return the run lengths of COCO's compressed text.

    Each number has groups of 5 bits, the lowest first; from the fourth on it is the difference from
    the number two places before. Raises LabelError.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in coded:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise LabelError("the compressed run lengths are damaged; expected text of COCO")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise LabelError("the compressed run lengths are cut short; expected text of COCO")
    return tuple(counts)


def runs_mask(counts: Sequence[int], height: int, width: int, *, by_column: bool) -> Mask:
    """Return the mask of run lengths, of sound pixels first: bool height×width.

    by_column: pixels are counted down the columns, as in COCO. Raises LabelError where the lengths
    do not sum up to the number of pixels, and for a negative one.
    """
    pixels = height * width
    if len(counts) > _MOST_RUNS or any(count < 0 for count in counts) or sum(counts) != pixels:
        raise LabelError(
            f"the run lengths cover {sum(counts)} pixels; expected {pixels} ({width}x{height})"
        )
    values = np.arange(len(counts)) % 2 == 1
    flat = np.repeat(values, np.array(counts, np.int64))
    if by_column:
        return np.ascontiguousarray(flat.reshape(width, height).T)
    return flat.reshape(height, width)


def decode_brush(data: bytes, height: int, width: int) -> Mask:
    """Return the mask of Label Studio's brush: bool height×width, where alpha is above 127.

    The code is a stream of bits: the number of values (32), the bits of a value less 1 (5), and
    four lengths less 1 (4 each). Then come blocks: 1 bit (a run, or single values), the index of a
    length (2), and the number of values less 1 in so many bits. The value, or the values, follow.
    They
    are red, green, blue and alpha of each pixel. Raises LabelError.
    """
    bits = _Bits(data)
    total = bits.take(32)
    if total != height * width * _CHANNELS:
        raise LabelError(
            f"the brush has {total} values; expected {height * width * _CHANNELS} for a picture of "
            f"{width}x{height}"
        )
    word = bits.take(5) + 1
    if word != _WORD_BITS:
        raise LabelError(f"the brush has values of {word} bits; expected 8")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.uint8)
    at = 0
    while at < total:
        is_run = bits.take(1)
        end = at + 1 + bits.take(lengths[bits.take(2)])
        if end > total:
            raise LabelError("the brush has more values than it states; it is damaged")
        values[at:end] = bits.take(word) if is_run else bits.take_bytes(end - at)
        at = end
    return values.reshape(height, width, _CHANNELS)[:, :, 3] > _OPAQUE


class _Bits:
    """A reader of bits, the highest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        """Return the next bits as a number. Raises LabelError at the end of the data."""
        begin, end = self._at, self._at + count
        last = -(-end // 8)
        if last > len(self._data):
            raise LabelError("the brush is cut short; expected all of its values")
        self._at = end
        piece = int.from_bytes(self._data[begin // 8 : last], "big")
        return piece >> (last * 8 - end) & ((1 << count) - 1)

    def take_bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """Return the next values of 8 bits: uint8, count. Raises LabelError at the end."""
        first, shift = divmod(self._at, 8)
        last = -(-(self._at + 8 * count) // 8)
        if last > len(self._data):
            raise LabelError("the brush is cut short; expected all of its values")
        self._at += 8 * count
        piece = np.frombuffer(self._data[first:last], np.uint8).astype(np.uint16)
        if not shift:
            return piece.astype(np.uint8)
        return np.asarray((piece[:-1] << shift | piece[1:] >> (8 - shift)) & 255, np.uint8)
