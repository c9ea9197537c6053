"""A small journal, its events and its cursor."""

from __future__ import annotations

from pathlib import Path

from edge.config.station import StationConfig
from edge.events.event import Event, gap_event
from edge.journal.cursor import read_cursor
from edge.journal.writer import Journal


def published(config: StationConfig) -> int:
    position = read_cursor(config.paths.cursor)
    return position.published if position else 0


MB = 1 << 20


def open_journal(folder: Path, max_bytes: int = MB, station: str = "press-3") -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station=station,
        max_bytes=max_bytes,
        cursor_path=folder / "uplink.json",
    )


def event(number: int, size: int = 0) -> Event:
    return gap_event("press-3", count=number, reason="x" * size)
