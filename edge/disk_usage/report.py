"""What a line does in a day, as far as one knows, and what it will write, as a table."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from math import isfinite

from rich.table import Table

from edge.config.station import StationConfig
from edge.disk_usage import Day, Prediction
from edge.errors import UsageError
from edge.pictures.file_name import list_pictures
from edge.tables import counts_table

_MB, _GB, _TB = 1e6, 1e9, 1e12
# A PNG of a textured surface is 0.4 to 0.7 of its pixels.
_PNG_SHARE = 0.5


def day_of(
    config: StationConfig,
    *,
    rate_hz: float | None,
    hours: float,
    rejected: float,
    unknown: float,
    picture_kb: float | None,
    tbw: float | None,
) -> Day:
    """Raises UsageError for what cannot be, or cannot be known. Reads the album's listing."""
    if rate_hz is None and config.trigger.kind != "belt":
        raise UsageError("--rate-hz is needed: the photo-eye's rate is not in station.toml")
    rate = config.trigger.rate_hz if rate_hz is None else rate_hz
    for name, value, limit in (("rate-hz", rate, 1000.0), ("hours", hours, 24.0)):
        if not 0 < value <= limit:
            raise UsageError(f"--{name} {value:g}: expected above 0, at most {limit:g}")
    if not (0 <= rejected <= 1 and 0 <= unknown <= 1 and rejected + unknown <= 1):
        raise UsageError("--rejected and --unknown are shares, at most 1 together")
    if tbw is not None and not tbw > 0:
        raise UsageError(f"--tbw {tbw:g}: expected above 0")
    frame_bytes, picture_bytes = _sizes(config, picture_kb)
    return Day(rate, hours, rejected, unknown, picture_bytes, frame_bytes)


def _sizes(config: StationConfig, picture_kb: float | None) -> tuple[float, float]:
    """Of a frame and of a picture's file."""
    frame = config.camera.frame_bytes
    if picture_kb is not None:
        if not picture_kb > 0:
            raise UsageError(f"--picture-kb {picture_kb:g}: expected above 0")
        size = picture_kb * 1e3
    else:
        album = config.paths.pictures
        sizes = []
        for name in list_pictures(album):
            with suppress(FileNotFoundError):  # made room for another one meanwhile
                sizes.append((album / str(name)).stat().st_size)
        size = sum(sizes) / len(sizes) if sizes else frame * _PNG_SHARE
    if not size:
        raise UsageError("--picture-kb is needed: neither the camera nor an album tells the size")
    return frame or size / _PNG_SHARE, size


def prediction_json(found: Prediction, tbw: float | None) -> str:
    """The figures by name; null for never."""
    told = asdict(found) | {"total_bytes": found.total_bytes}
    if tbw is not None:
        told["years"] = found.years(tbw * _TB)
    return json.dumps({key: value if isfinite(value) else None for key, value in told.items()})


def usage_table(config: StationConfig, day: Day, found: Prediction, tbw: float | None) -> Table:
    """Label and value, the order in which a person asks."""
    pictures, left_out = config.pictures, found.pictures_wanted - found.pictures
    rows = [
        ("parts", f"{found.parts:,.0f} a day ({day.rate_hz:g} a second, {day.hours:g} h)"),
        (
            "journal",
            f"{_size(found.journal_bytes)}, {found.journal_bytes / found.parts:,.0f} "
            f"bytes a part; {found.flushes:,.0f} flushes of the disk",
        ),
        ("uplink's position", _size(found.position_bytes)),
        ("part numbers", _size(found.numbers_bytes)),
        (
            "pictures",
            f"{_size(found.picture_bytes)}, {found.pictures:,.0f} pictures; "
            f"{left_out:,.0f} more are left out by max_mb_per_day",
        ),
        ("all of it", f"{_size(found.total_bytes)} a day"),
        ("journal.max_mb", f"{config.journal.max_mb:g}: holds {_days(found.journal_days)}"),
        ("pictures.max_mb", f"{pictures.max_mb:g}: holds {_days(found.album_days)}"),
        ("pictures.ring", f"{found.ring_frames:.0f} frames: {found.ring_s:.1f} s in memory"),
    ]
    if tbw is not None:
        rows.append(("disk", f"{tbw:g} TB of writing: {found.years(tbw * _TB):.1f} years"))
    return counts_table(f"{config.id}: bytes that reach the disk in a day", rows)


def _size(count: float) -> str:
    return f"{count / _GB:.2f} GB" if count >= _GB else f"{count / _MB:.1f} MB"


def _days(days: float) -> str:
    if not isfinite(days):
        return "everything"
    return f"{days:,.1f} days" if days >= 1 else f"{days * 24:.1f} hours"
