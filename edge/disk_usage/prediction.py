"""The prediction from a day of the line and the configuration. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from edge.config.station import StationConfig
from edge.disk_usage.cost import (
    REJECTED_ROW_BYTES,
    ROW_BYTES,
    bundle_update_bytes,
    journal_bytes,
    position_bytes,
    system_update_bytes,
)
from edge.journal import cursor
from edge.journal.capacity import JournalCapacity
from edge.pictures.picture_store import cost_bytes
from edge.station import part_numbers


@dataclass(frozen=True, slots=True)
class Day:
    """The operation of a line in a day."""

    rate_hz: float
    """Parts per second."""

    hours: float
    """Hours of operation per day."""

    rejected: float
    """The share of rejected parts."""

    unknown: float
    """The share of UNKNOWN parts."""

    picture_bytes: float
    """The size of a picture file."""

    frame_bytes: float
    """The size of a frame in memory."""

    bundle_updates: float = 0.0
    """Bundles over the network per day."""

    bundle_bytes: float = 0.0
    """The size of such a bundle."""

    system_updates: float = 0.0
    """Updates of the system per day."""

    system_bytes: float = 0.0
    """The size of such an update."""

    @property
    def parts(self) -> float:
        """Return the number of parts per day."""
        return self.rate_hz * self.hours * 3600


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted disk usage of a day; bytes as written to the disk."""

    parts: float
    journal_bytes: float

    flushes: float
    """The number of times that the disk is flushed."""

    position_bytes: float
    """Bytes of the position that the uplink saves."""

    numbers_bytes: float
    """Bytes of the file that reserves part numbers."""

    pictures_wanted: float
    """The number of pictures that the rules select."""

    pictures: float
    """The number of pictures within the write limit."""

    picture_bytes: float

    bundle_update_bytes: float
    """Bytes of bundles over the network: download, copy, and the states of the trial."""

    system_update_bytes: float
    """Bytes of updates of the system: download, and the slot."""

    journal_days: float
    """The days until the journal reaches its capacity and the oldest events are removed."""

    album_days: float
    """The days until the picture store is full and the oldest pictures are removed."""

    ring_frames: float

    ring_s: float
    """The seconds that a frame stays in memory."""

    @property
    def total_bytes(self) -> float:
        """Return the bytes of journal, positions, pictures and updates."""
        positions = self.position_bytes + self.numbers_bytes
        updates = self.bundle_update_bytes + self.system_update_bytes
        return self.journal_bytes + positions + self.picture_bytes + updates

    def years(self, endurance_bytes: float) -> float:
        """Return the years until this endurance (TBW, in bytes) is used up."""
        return endurance_bytes / self.total_bytes / 365.25


def predict(config: StationConfig, day: Day) -> Prediction:
    """Return the disk usage of an average day.

    Each verdict and each ejection has its own transaction, unless journal.commit_interval_ms
    combines several.
    """
    at_once = 1 + day.rate_hz * config.journal.commit_interval_ms / 1e3
    bad = day.parts * (day.rejected + day.unknown)
    good = day.parts - bad
    journal = good * journal_bytes(at_once) + bad * journal_bytes(at_once, rejected=True)
    rows = good * ROW_BYTES + bad * REJECTED_ROW_BYTES
    pictures = config.pictures
    wanted = written = cost = 0.0
    if pictures.enabled:
        wanted = bad * (1 + pictures.before_parts)
        if pictures.pass_every:
            wanted += good / pictures.pass_every
        wanted = min(wanted, day.parts)
        cost = cost_bytes(round(day.picture_bytes))
        written = min(wanted, pictures.max_bytes_per_day / cost)
    frames = min(pictures.ring_frames, pictures.ring_bytes // max(1, round(day.frame_bytes)))
    return Prediction(
        parts=day.parts,
        journal_bytes=journal,
        flushes=(day.parts + bad) / at_once + 2 * written,
        position_bytes=day.hours * 3600 * min(1 / cursor.SAVE_S, day.rate_hz) * position_bytes(),
        numbers_bytes=day.hours
        * 3600
        * min(1 / part_numbers.SAVE_S, day.rate_hz)
        * position_bytes(),
        pictures_wanted=wanted,
        pictures=written,
        picture_bytes=written * cost,
        bundle_update_bytes=day.bundle_updates * bundle_update_bytes(day.bundle_bytes),
        system_update_bytes=day.system_updates * system_update_bytes(day.system_bytes),
        journal_days=_ratio(JournalCapacity(config.journal.max_bytes).rows, rows),
        album_days=_ratio(pictures.max_bytes, written * day.picture_bytes),
        ring_frames=frames if pictures.enabled else 0,
        ring_s=_ratio(frames, day.rate_hz) if pictures.enabled else 0.0,
    )


def _ratio(amount: float, per: float) -> float:
    return amount / per if per else inf
