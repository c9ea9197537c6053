"""A strict reader of protocol buffers. It refuses every field that is not permitted.

The encoding is that of https://protobuf.dev/programming-guides/encoding. A library would accept
unknown fields, merge a message that is written twice, and let the last of two values win; two
readers could then see two files. Here each is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.errors import BundleError

Kind = Literal["int", "float", "double", "bytes", "message"]
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_WIRES = {"int": _VARINT, "float": _FOUR, "double": _EIGHT, "bytes": _BYTES, "message": _BYTES}
_SIZES = {_EIGHT: 8, _FOUR: 4}
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """A field that a message may hold. many: more than once; of numbers also packed."""

    name: str
    kind: Kind = "bytes"
    many: bool = False


@dataclass(slots=True)
class ProtobufMessage:
    """The content of a message, by field name. Of floating-point numbers it keeps only the
    count."""

    ints: dict[str, list[int]] = field(default_factory=dict)
    data: dict[str, list[memoryview]] = field(default_factory=dict)
    floats: dict[str, int] = field(default_factory=dict)

    def number(self, name: str, default: int = 0) -> int:
        """Return the single value of a field, or the default."""
        return self.ints.get(name, [default])[0]

    def all_numbers(self, name: str) -> list[int]:
        return self.ints.get(name, [])

    def count(self, name: str) -> int:
        """Return the number of floating-point numbers in a field."""
        return self.floats.get(name, 0)

    def value(self, name: str) -> memoryview:
        """Return the single value of a field; empty if it is absent."""
        return self.data.get(name, [memoryview(b"")])[0]

    def all_values(self, name: str) -> list[memoryview]:
        return self.data.get(name, [])

    def text(self, name: str) -> str:
        """Return the single value of a field as text. Raises BundleError for invalid UTF-8."""
        return as_text(self.value(name))

    def texts(self, name: str) -> list[str]:
        return [as_text(value) for value in self.all_values(name)]

    def has(self, name: str) -> bool:
        return name in self.ints or name in self.data or name in self.floats


class ProtobufReader:
    """Reads messages. most: the limit of fields in all of them together, which limits the time."""

    def __init__(self, most: int) -> None:
        self._left = most

    def message(
        self, data: memoryview, entries: Mapping[int, FieldEntry], what: str
    ) -> ProtobufMessage:
        """The fields of one message. what: its name in errors. Raises BundleError for a field that
        is not among the entries, is of another kind, comes twice where it may not, or ends beyond
        the data."""
        message = ProtobufMessage()
        for number, wire, value in self._fields(data, what):
            entry = entries.get(number)
            if entry is None:
                raise BundleError(f"{what}: holds field {number}, which no network here has")
            if not entry.many and message.has(entry.name):
                raise BundleError(f"{what}: holds {entry.name} twice")
            self._take(message, entry, wire, value, what)
        return message

    def _take(
        self,
        message: ProtobufMessage,
        entry: FieldEntry,
        wire: int,
        value: int | memoryview,
        what: str,
    ) -> None:
        expected = _WIRES[entry.kind]
        packed = wire == _BYTES and expected != _BYTES and entry.many
        if wire != expected and not packed:
            raise BundleError(f"{what}: {entry.name} is of another kind")
        if isinstance(value, int):
            message.ints.setdefault(entry.name, []).append(value)
            return
        if expected == _BYTES:
            message.data.setdefault(entry.name, []).append(value)
        elif expected == _VARINT:
            message.ints.setdefault(entry.name, []).extend(self._varints(value, what))
        else:
            size = _SIZES[expected]
            if len(value) % size:
                raise BundleError(f"{what}: {entry.name} is cut short")
            message.floats[entry.name] = message.count(entry.name) + len(value) // size

    def _fields(self, data: memoryview, what: str) -> Iterator[tuple[int, int, int | memoryview]]:
        at = 0
        while at < len(data):
            self._spend(what)
            tag, at = _varint(data, at, what)
            number, wire = tag >> 3, tag & 7
            if wire == _VARINT:
                value, at = _varint(data, at, what)
                yield number, wire, value
                continue
            if wire == _BYTES:
                size, at = _varint(data, at, what)
            elif wire in _SIZES:
                size = _SIZES[wire]
            else:
                raise BundleError(f"{what}: holds wire type {wire}")
            if size > len(data) - at:
                raise BundleError(f"{what}: is cut short")
            yield number, wire, data[at : at + size]
            at += size

    def _varints(self, data: memoryview, what: str) -> Iterator[int]:
        at = 0
        while at < len(data):
            self._spend(what)
            value, at = _varint(data, at, what)
            yield value

    def _spend(self, what: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise BundleError(f"{what}: has too many fields")


def signed(value: int) -> int:
    """Return the 64 bits of a varint as int64."""
    return value - (1 << 64) if value >> 63 else value


def as_text(data: memoryview) -> str:
    """Return UTF-8 bytes as text. Raises BundleError."""
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise BundleError("holds a name that is no text") from error


def _varint(data: memoryview, at: int, what: str) -> tuple[int, int]:
    value = 0
    for position in range(_MAX_VARINT_BYTES):
        if at + position >= len(data):
            break
        byte = data[at + position]
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + position + 1
    raise BundleError(f"{what}: holds a number that is cut short or above 64 bits")
