"""Exports of parts as CSV and Parquet, sent while they are read, with bounded memory."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from itertools import islice
from typing import IO, Any

from fastapi import HTTPException

from central.store.queries import PartSummary
from central.web.pages import format_iso

COLUMNS = tuple(each.name for each in fields(PartSummary))
_ROWS = 2_000
_GROUP_ROWS = 20_000
_READ_BYTES = 1 << 18
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(parts: Iterator[PartSummary]) -> Iterator[str]:
    """Yield a CSV file (RFC 4180) in pieces: a header, then a line for each part.

    The time is RFC 3339. A text that a spreadsheet would take as a formula begins with an
    apostrophe.
    """
    yield _lines([(*COLUMNS[:2], "at", *COLUMNS[3:])])
    while True:
        rows = [
            [
                format_iso(value) if name == "at_us" else _safe(value)
                for name in COLUMNS
                for value in (getattr(part, name),)
            ]
            for part in islice(parts, _ROWS)
        ]
        if not rows:
            return
        yield _lines(rows)


def parquet_bytes(parts: Iterator[PartSummary]) -> Iterator[bytes]:
    """Yield a Parquet file in pieces, from a temporary file that is removed at the end.

    ``at`` is a time in microseconds, UTC. Raises HTTPException 404 where pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise HTTPException(
            404, "Parquet needs pyarrow at the central system: pip install 'outfeed[parquet]'"
        ) from error
    schema = pyarrow.schema(
        [
            ("station", pyarrow.string()),
            ("part_id", pyarrow.int64()),
            ("at", pyarrow.timestamp("us", tz="UTC")),
            ("decision", pyarrow.string()),
            ("reason", pyarrow.string()),
            ("kind", pyarrow.string()),
            ("severity", pyarrow.float64()),
            ("part_score", pyarrow.float64()),
            ("defects", pyarrow.int64()),
            ("bundle", pyarrow.string()),
        ]
    )
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        with pyarrow.parquet.ParquetWriter(file, schema) as writer:
            while group := list(islice(parts, _GROUP_ROWS)):
                columns = [[getattr(part, name) for part in group] for name in COLUMNS]
                writer.write_table(pyarrow.table(columns, schema=schema))
        stack.pop_all()  # _pieces closes it
    return _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_READ_BYTES):
            yield piece


def _lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _safe(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
