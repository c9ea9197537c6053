"""The day of a line from the command line, and the prediction as a table and as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite

from rich.table import Table

from edge.config.station import StationConfig
from edge.disk_usage import Day, Prediction
from edge.errors import UsageError
from edge.pictures.file_name import list_pictures
from edge.tables import counts_table

_MB, _GB, _TB = 1e6, 1e9, 1e12
# A PNG of a textured surface has 0.4 to 0.7 of the bytes of its pixels.
_PNG_SHARE = 0.5
_MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, slots=True)
class UpdatesPerMonth:
    """Updates in a month, and their sizes. bundle_mb: None: that of the bundle of station.toml."""

    bundles: float = 0.0
    systems: float = 0.0
    bundle_mb: float | None = None
    system_mb: float = 0.0


NO_UPDATES = UpdatesPerMonth()
_MOST_UPDATES = 1000


def day_of(
    config: StationConfig,
    *,
    rate_hz: float | None,
    hours: float,
    rejected: float,
    unknown: float,
    picture_kb: float | None,
    tbw: float | None,
    updates: UpdatesPerMonth = NO_UPDATES,
) -> Day:
    """Return the day of the line.

    The size of a picture is read from the picture store where it is not given, and that of a bundle
    from the one of station.toml. Raises UsageError
    for values out of range, and where rate or size are unknown.
    """
    if rate_hz is None and config.trigger.kind != "belt":
        raise UsageError("--rate-hz is needed: the photo-eye's rate is not in station.toml")
    rate = config.trigger.rate_hz if rate_hz is None else rate_hz
    for name, value, limit in (("rate-hz", rate, 1000.0), ("hours", hours, 24.0)):
        if not 0 < value <= limit:
            raise UsageError(f"--{name} {value:g}: expected above 0, at most {limit:g}")
    if not (0 <= rejected <= 1 and 0 <= unknown <= 1 and rejected + unknown <= 1):
        raise UsageError("--rejected and --unknown are shares; their sum is at most 1")
    if tbw is not None and not tbw > 0:
        raise UsageError(f"--tbw {tbw:g}: expected above 0")
    frame_bytes, picture_bytes = _sizes(config, picture_kb)
    for name, count in (("bundle", updates.bundles), ("system", updates.systems)):
        if not 0 <= count <= _MOST_UPDATES:
            raise UsageError(f"--{name}-updates {count:g}: expected 0 to {_MOST_UPDATES}")
    return Day(
        rate,
        hours,
        rejected,
        unknown,
        picture_bytes,
        frame_bytes,
        updates.bundles / _MONTH_DAYS,
        _bundle_bytes(config, updates) if updates.bundles else 0.0,
        updates.systems / _MONTH_DAYS,
        updates.system_mb * _MB,
    )


def _bundle_bytes(config: StationConfig, updates: UpdatesPerMonth) -> float:
    if updates.bundle_mb is not None:
        return updates.bundle_mb * _MB
    try:
        return config.bundle.stat().st_size
    except OSError as error:
        raise UsageError(
            f"--bundle-mb is needed: the bundle of station.toml is not there ({error.strerror})"
        ) from error


def _sizes(config: StationConfig, picture_kb: float | None) -> tuple[float, float]:
    """Return the bytes of a frame and of a picture file."""
    frame = config.camera.frame_bytes
    if picture_kb is not None:
        if not picture_kb > 0:
            raise UsageError(f"--picture-kb {picture_kb:g}: expected above 0")
        size = picture_kb * 1e3
    else:
        folder = config.paths.pictures
        sizes = []
        for name in list_pictures(folder):
            with suppress(FileNotFoundError):  # the station has removed it meanwhile
                sizes.append((folder / str(name)).stat().st_size)
        size = sum(sizes) / len(sizes) if sizes else frame * _PNG_SHARE
    if not size:
        raise UsageError(
            "--picture-kb is needed: neither the camera nor the picture store gives the size"
        )
    return frame or size / _PNG_SHARE, size


def prediction_json(prediction: Prediction, tbw: float | None) -> str:
    """Return the figures by name; null for an infinite number of days or years."""
    figures = asdict(prediction) | {"total_bytes": prediction.total_bytes}
    if tbw is not None:
        figures["years"] = prediction.years(tbw * _TB)
    return json.dumps({key: value if isfinite(value) else None for key, value in figures.items()})


def usage_table(
    config: StationConfig, day: Day, prediction: Prediction, tbw: float | None
) -> Table:
    """Return a table with label and value of each figure."""
    pictures, left_out = config.pictures, prediction.pictures_wanted - prediction.pictures
    rows = [
        ("parts", f"{prediction.parts:,.0f} per day ({day.rate_hz:g} per second, {day.hours:g} h)"),
        (
            "journal",
            f"{_size(prediction.journal_bytes)}, "
            f"{prediction.journal_bytes / prediction.parts:,.0f} bytes per part; "
            f"{prediction.flushes:,.0f} flushes of the disk",
        ),
        ("uplink position", _size(prediction.position_bytes)),
        ("part numbers", _size(prediction.numbers_bytes)),
        (
            "pictures",
            f"{_size(prediction.picture_bytes)}, {prediction.pictures:,.0f} pictures; "
            f"{left_out:,.0f} more left out by max_mb_per_day",
        ),
        *_update_rows(prediction),
        ("total", f"{_size(prediction.total_bytes)} per day"),
        ("journal.max_mb", f"{config.journal.max_mb:g}: holds {_days(prediction.journal_days)}"),
        ("pictures.max_mb", f"{pictures.max_mb:g}: holds {_days(prediction.album_days)}"),
        (
            "pictures.ring",
            f"{prediction.ring_frames:.0f} frames: {prediction.ring_s:.1f} s in memory",
        ),
    ]
    if tbw is not None:
        rows.append(("disk", f"{tbw:g} TB endurance: {prediction.years(tbw * _TB):.1f} years"))
    return counts_table(f"{config.id}: disk usage per day", rows)


def _update_rows(prediction: Prediction) -> list[tuple[str, str]]:
    rows = (
        ("bundle updates", prediction.bundle_update_bytes),
        ("system updates", prediction.system_update_bytes),
    )
    return [(name, f"{_size(count)}, on average") for name, count in rows if count]


def _size(count: float) -> str:
    return f"{count / _GB:.2f} GB" if count >= _GB else f"{count / _MB:.1f} MB"


def _days(days: float) -> str:
    if not isfinite(days):
        return "all events or pictures"
    return f"{days:,.1f} days" if days >= 1 else f"{days * 24:.1f} hours"
