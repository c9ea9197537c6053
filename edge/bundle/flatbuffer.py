"""A strict reader of FlatBuffers. It refuses tables, vectors and texts outside the file.

The encoding is that of https://flatbuffers.dev/internals. A library in C++ follows the offsets of a
file without looking where they lead.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edge.errors import BundleError

_MOST_STEPS = 2_000_000
_TABLE_HEADER, _OFFSET = 4, 4
_SCALARS = {"b": 1, "B": 1, "h": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


class FlatbufferFile:
    """The bytes of one file. The number of tables, and so the time, is limited."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = _MOST_STEPS

    def root(self) -> FlatbufferTable:
        """Return the root table of the file. Raises BundleError."""
        return self.table(self.number("I", 0))

    def table(self, at: int) -> FlatbufferTable:
        """Return the table at an offset, which must lie inside the file. Raises BundleError."""
        self.spend(1)
        back = self.number("i", at)
        names = at - back
        size, length = self.number("H", names), self.number("H", names + 2)
        if size < _TABLE_HEADER or size % 2 or names + size > len(self.data):
            raise BundleError("holds a table that leads out of the file")
        if length < _OFFSET or at + length > len(self.data):
            raise BundleError("holds a table that leads out of the file")
        places = struct.unpack_from(f"<{size // 2 - 2}H", self.data, names + _TABLE_HEADER)
        if any(place >= length for place in places):
            raise BundleError("holds a table whose fields lie outside it")
        return FlatbufferTable(self, at, places, length)

    def number(self, form: str, at: int) -> int:
        """Return the integer at an offset. Raises BundleError."""
        if not 0 <= at <= len(self.data) - struct.calcsize(form):
            raise BundleError("holds an offset that leads out of the file")
        return int(struct.unpack_from(f"<{form}", self.data, at)[0])

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise BundleError("holds too many tables")


@dataclass(frozen=True, slots=True)
class FlatbufferTable:
    """A table inside the file. Its fields are read by their number in the schema."""

    file: FlatbufferFile
    at: int
    places: tuple[int, ...]
    length: int

    def has(self, field: int) -> bool:
        return self._place(field) != 0

    def number(self, field: int, form: str, default: int = 0) -> int:
        """Return a scalar. form: format of ``struct``. Raises BundleError outside the table."""
        place = self._place(field)
        if place == 0:
            return default
        if place + _SCALARS[form] > self.length:
            raise BundleError("holds a table whose fields lie outside it")
        return self.file.number(form, self.at + place)

    def vector(self, field: int, form: str) -> tuple[int, int]:
        """Return offset and length of a vector of scalars; (0, 0) if it is absent."""
        start = self._follow(field)
        if start is None:
            return 0, 0
        count = self.file.number("I", start)
        if start + _OFFSET + count * _SCALARS[form] > len(self.file.data):
            raise BundleError("holds a list that leads out of the file")
        return start + _OFFSET, count

    def numbers(self, field: int, form: str) -> tuple[int, ...]:
        """Return the numbers of a vector. Raises BundleError."""
        start, count = self.vector(field, form)
        self.file.spend(count)
        return struct.unpack_from(f"<{count}{form}", self.file.data, start)

    def tables(self, field: int) -> Iterator[FlatbufferTable]:
        """Yield the tables of a vector. Each one is verified when it is yielded."""
        start, count = self.vector(field, "I")
        for number in range(count):
            place = start + _OFFSET * number
            yield self.file.table(place + self.file.number("I", place))

    def table(self, field: int) -> FlatbufferTable | None:
        """Return the table of a field; None if it is absent."""
        start = self._follow(field)
        return None if start is None else self.file.table(start)

    def text(self, field: int) -> bytes:
        """Return the text of a field, which must end with a zero byte. Raises BundleError."""
        start, count = self.vector(field, "B")
        if start and self.file.number("B", start + count) != 0:
            raise BundleError("holds a text without an end")
        return self.file.data[start : start + count]

    def _place(self, field: int) -> int:
        return self.places[field] if field < len(self.places) else 0

    def _follow(self, field: int) -> int | None:
        place = self._place(field)
        if place == 0:
            return None
        if place + _OFFSET > self.length:
            raise BundleError("holds a table whose fields lie outside it")
        return self.at + place + self.file.number("I", self.at + place)
