"""The certificates and disks that a station stated last, as the database keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from central.store.message import parse_utc
from central.store.rows import storable_text
from edge.events.event import StatusEvent
from edge.events.health import MAX_ENTRIES

_NAME_CHARS = 40
_MOST_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class StationCertificate:
    """A certificate of a station. until_us: end of validity, microseconds since 1970 UTC."""

    key: str
    until_us: int


@dataclass(frozen=True, slots=True)
class StationDisk:
    """The space of one file system of a station, in bytes."""

    folder: str
    free_bytes: int
    total_bytes: int

    @property
    def free_share(self) -> float:
        """The free share, 0 to 1."""
        return self.free_bytes / self.total_bytes


def dump_certificates(status: StatusEvent) -> str:
    """Return the certificates of a status as JSON text; those that cannot be are left out."""
    rows = [(_name(each.key), parse_utc(each.until)) for each in status.certificates[:MAX_ENTRIES]]
    return _dump([row for row in rows if row[1] is not None])


def dump_disks(status: StatusEvent) -> str:
    """Return the disks of a status as JSON text; those that cannot be are left out."""
    rows = [
        (_name(each.folder), each.free_bytes, each.total_bytes)
        for each in status.disks[:MAX_ENTRIES]
    ]
    return _dump([row for row in rows if 0 <= row[1] <= row[2] < _MOST_BYTES and row[2]])


def load_certificates(text: str) -> tuple[StationCertificate, ...]:
    """Return the certificates of a row of ``stations``, the next to expire first."""
    found = [StationCertificate(*row) for row in json.loads(text or "[]")]
    return tuple(sorted(found, key=lambda each: each.until_us))


def load_disks(text: str) -> tuple[StationDisk, ...]:
    """Return the disks of a row of ``stations``, the fullest first."""
    found = [StationDisk(*row) for row in json.loads(text or "[]")]
    return tuple(sorted(found, key=lambda each: each.free_share))


def _name(text: str) -> str:
    return storable_text(text, _NAME_CHARS)


def _dump(rows: list[tuple[object, ...]]) -> str:
    return json.dumps(rows, separators=(",", ":")) if rows else ""
