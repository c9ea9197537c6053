"""From a line and its configuration to bytes a day. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from edge.config.station import StationConfig
from edge.disk_usage.cost import REJECTED_ROW_BYTES, ROW_BYTES, journal_bytes, position_bytes
from edge.journal import cursor
from edge.journal.capacity import JournalCapacity
from edge.pictures.picture_store import cost_bytes
from edge.station import part_numbers


@dataclass(frozen=True, slots=True)
class Day:
    """What a line does in a day. rejected, unknown: shares of the parts. picture_bytes: of a
    picture's file; frame_bytes: of a frame in memory."""

    rate_hz: float
    hours: float
    rejected: float
    unknown: float
    picture_bytes: float
    frame_bytes: float

    @property
    def parts(self) -> float:
        return self.rate_hz * self.hours * 3600


@dataclass(frozen=True, slots=True)
class Prediction:
    """Bytes are a day's, on the disk. numbers_bytes: of the file that reserves part numbers.
    pictures_wanted: that the rules ask for; pictures: that the day's limit leaves. days_*: until
    the cap is reached and the oldest go. ring_s: how long a frame stays in memory."""

    parts: float
    journal_bytes: float
    flushes: float
    position_bytes: float
    numbers_bytes: float
    pictures_wanted: float
    pictures: float
    picture_bytes: float
    journal_days: float
    album_days: float
    ring_frames: float
    ring_s: float

    @property
    def total_bytes(self) -> float:
        positions = self.position_bytes + self.numbers_bytes
        return self.journal_bytes + positions + self.picture_bytes

    def years(self, endurance_bytes: float) -> float:
        """Until a disk of this endurance (TBW) has been written."""
        return endurance_bytes / self.total_bytes / 365.25


def predict(config: StationConfig, day: Day) -> Prediction:
    """For a day like every other. A part's verdict is in a transaction of its own unless
    journal.commit_interval_ms lets others join, and so is a kick."""
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
        journal_days=_ratio(JournalCapacity(config.journal.max_bytes).rows, rows),
        album_days=_ratio(pictures.max_bytes, written * day.picture_bytes),
        ring_frames=frames if pictures.enabled else 0,
        ring_s=_ratio(frames, day.rate_hz) if pictures.enabled else 0.0,
    )


def _ratio(amount: float, per: float) -> float:
    return amount / per if per else inf
