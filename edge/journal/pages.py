"""The rows in the pages of a journal's files, read without SQLite.

SQLite reads a database from its root. If a page on the way to a row is damaged, SQLite cannot reach
the row. Each row has a checksum, so it can be recognised in any page. The format is
https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.journal.row import JournalRow, proven_row
from edge.journal.store import companion

_PAGE_BYTES = 4096  # the default of SQLite, which the journal never changes
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_CELL_POINTERS = 8  # offset in a leaf page
_ROW_BYTES = 1 << 20  # no event is larger
_NOTE_BYTES = 64
_ROW_COLUMNS = 5
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)  # by the serial type
# The value follows its key in a row of the table meta.
_JOURNAL = re.compile(rb"journal([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class ProvenRow:
    """A row with a correct checksum, and the UUID of its journal, which the checksum covers."""

    journal: str
    row: JournalRow


class JournalPages:
    """All page images of a database and of its write-ahead log, in any state.

    Files are only read. The writer may run meanwhile; a page that it changes at this moment can be
    missed. A missing file counts as empty, and an unreadable sector is skipped. The log, 10 MiB at
    most, is read at once. For one thread, in a ``with`` statement.
    """

    def __init__(self, path: Path) -> None:
        # The log is read first, because the writer moves pages from the log into the database.
        try:
            self._log = companion(path, "-wal").read_bytes()
        except OSError:
            self._log = b""
        try:
            self._database: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._database = None
        self._in_log: dict[int, int] = {}  # page → offset of its newest image in the log
        for at in self._frames():
            self._in_log[int.from_bytes(self._log[at : at + 4], "big")] = at

    def __enter__(self) -> JournalPages:
        return self

    def __exit__(self, *_: object) -> None:
        if self._database is not None:
            os.close(self._database)
            self._database = None

    def journals(self) -> list[str]:
        """Return the UUIDs of journals in the files, each once.

        A damaged file may have several. The right one gives rows with a correct checksum.
        """
        uuids: dict[str, None] = {}
        for page in self._images():
            for uuid in _JOURNAL.findall(page):
                uuids[uuid.decode()] = None
        return list(uuids)

    def last_given(self) -> list[int]:
        """Return the records of SQLite of the last sequence number given out.

        They come from page images of different ages, and some may be damaged.
        """
        return [
            columns[1]
            for page in self._images()
            for _, size, at in _cells(page)
            if size < _NOTE_BYTES
            and (columns := _columns(page[at : at + size])) is not None
            and len(columns) == 2
            and columns[0] == b"events"
            and isinstance(columns[1], int)
        ]

    def rows(self, journals: Sequence[str], after: int = 0) -> Iterator[ProvenRow]:
        """Yield the intact rows of these journals behind the number ``after``, in any order.

        A row can be yielded several times. Rows that were pruned can be yielded too.
        """
        return self._rows(self._images(), journals, after)

    def log_rows(self, journal: str, after: int) -> Iterator[ProvenRow]:
        """Yield the same from the log alone, as it was when this object was created."""
        return self._rows(self._log_images(), [journal], after)

    def _rows(
        self, images: Iterator[bytes], journals: Sequence[str], after: int
    ) -> Iterator[ProvenRow]:
        for page in images:
            for rowid, size, at in _cells(page):
                if rowid <= after or size > _ROW_BYTES:
                    continue
                proven = (
                    _proven(journals, rowid, payload) for payload in self._payloads(page, at, size)
                )
                yield from [each for each in proven if each is not None][:1]

    def _images(self) -> Iterator[bytes]:
        yield from self._log_images()
        if self._database is not None:
            for offset in range(0, os.fstat(self._database).st_size, _PAGE_BYTES):
                yield self._read(offset)

    def _log_images(self) -> Iterator[bytes]:
        for at in self._frames():
            yield self._log[at + _FRAME_HEADER_BYTES : at + _FRAME_HEADER_BYTES + _PAGE_BYTES]

    def _frames(self) -> range:
        step = _FRAME_HEADER_BYTES + _PAGE_BYTES
        return range(_WAL_HEADER_BYTES, max(_WAL_HEADER_BYTES, len(self._log) - step + 1), step)

    def _payloads(self, page: bytes, at: int, size: int) -> Iterator[bytes]:
        """Yield the payload of a cell. If it continues in other pages, yield it twice: with their
        images in the log, and with those in the database."""
        if size <= _PAGE_BYTES - 35:
            yield page[at : at + size]
            return
        least = (_PAGE_BYTES - 12) * 32 // 255 - 23
        local = least + (size - least) % (_PAGE_BYTES - 4)
        if local > _PAGE_BYTES - 35:
            local = least
        head, link = page[at : at + local], page[at + local : at + local + 4]
        for use_log in (True, False):
            payload, number = head, int.from_bytes(link, "big")
            while len(payload) < size and number:
                rest = self._page(number, use_log=use_log)
                payload += rest[4:]
                number = int.from_bytes(rest[:4], "big")
            yield payload[:size]

    def _page(self, number: int, *, use_log: bool) -> bytes:
        at = self._in_log.get(number) if use_log else None
        if at is None:
            return self._read((number - 1) * _PAGE_BYTES)
        return self._log[at + _FRAME_HEADER_BYTES : at + _FRAME_HEADER_BYTES + _PAGE_BYTES]

    def _read(self, offset: int) -> bytes:
        try:
            return b"" if self._database is None else os.pread(self._database, _PAGE_BYTES, offset)
        except (OSError, OverflowError):  # an unreadable sector, or an invalid offset
            return b""


def _proven(journals: Sequence[str], rowid: int, payload: bytes) -> ProvenRow | None:
    columns = _columns(payload)
    if columns is None or len(columns) != _ROW_COLUMNS:
        return None
    _, weight, body, run, crc = columns
    for journal in journals:
        row = proven_row(journal, rowid, run, weight, body, crc)
        if row is not None:
            return ProvenRow(journal, row)
    return None


def _cells(page: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield rowid, payload size and payload offset of each cell, as in a leaf page."""
    count = int.from_bytes(page[3:5], "big")
    if len(page) < _PAGE_BYTES or count > (_PAGE_BYTES - _CELL_POINTERS) // 2:
        return
    for index in range(count):
        at = _CELL_POINTERS + 2 * index
        size, at = _varint(page, int.from_bytes(page[at : at + 2], "big"))
        rowid, at = _varint(page, at)
        if size and at < _PAGE_BYTES:
            yield rowid, size, at


def _columns(payload: bytes) -> list[object] | None:
    """Return the values of a record; None for bytes that are not a record."""
    end, at = _varint(payload, 0)
    if end > len(payload):
        return None
    values: list[object] = []
    begin = end
    while at < end:
        kind, at = _varint(payload, at)
        if kind >= 12:
            size = (kind - 12) // 2
            values.append(payload[begin : begin + size])
        elif kind in (8, 9):
            size = 0
            values.append(kind - 8)
        elif kind < len(_INTEGER_BYTES):
            size = _INTEGER_BYTES[kind]
            number = int.from_bytes(payload[begin : begin + size], "big", signed=True)
            values.append(None if kind == 0 else number)
        else:
            return None
        begin += size
    return values if begin <= len(payload) else None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer of SQLite, and the offset behind it."""
    value = 0
    for index in range(at, min(at + 9, len(data))):
        byte = data[index]
        if index == at + 8:
            return value << 8 | byte, index + 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    return 0, len(data)
