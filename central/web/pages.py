"""The templates of the pages, and how they show numbers and times."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_LAST_US = 253_402_300_799_000_000  # 9999-12-31 23:59:59
_FOLDER = Path(__file__).parent / "templates"


def make_templates() -> Environment:
    """Return the templates. Every value is escaped for HTML."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=format_percent,
        number=format_number,
        moment=format_moment,
        iso=format_iso,
        short=format_short,
        day=format_day,
        size=format_size,
    )
    return environment


def format_percent(share: float | None) -> str:
    """Return a share as a percentage with one digit; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def format_number(value: float | None, digits: int = 1) -> str:
    """Return a number with some digits behind the point; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def format_short(value: float) -> str:
    """Return a number in the shortest form."""
    return f"{value:.6g}"


def format_moment(at_us: int | None) -> str:
    """Return a time as date and time of day in UTC; a dash for None."""
    return "–" if at_us is None else f"{_moment(at_us):%Y-%m-%d %H:%M:%S} UTC"


def format_day(at_us: int) -> str:
    """Return a time as its date in UTC. A time beyond the calendar is its last day."""
    return f"{_moment(min(at_us, _LAST_US)):%Y-%m-%d}"


def format_size(size_bytes: int) -> str:
    """Return a number of bytes as GiB with one digit, below 1 GiB as MiB."""
    gib = size_bytes / (1 << 30)
    return f"{gib:.1f} GiB" if gib >= 1 else f"{size_bytes / (1 << 20):.0f} MiB"


def format_iso(at_us: int | None) -> str:
    """Return a time as RFC 3339, for the page's script; empty for None."""
    if at_us is None:
        return ""
    return _moment(at_us).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1e6, timezone.utc)
