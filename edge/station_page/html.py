"""Parts of HTML that the views share. Every text of another source is escaped here."""

from __future__ import annotations

from datetime import datetime
from html import escape

from edge.validation_messages import printable


def words(value: object) -> str:
    """Return a text of another source as HTML. Invisible characters become visible escapes."""
    return escape(printable(str(value)))


def moment(utc: str, now_s: float) -> str:
    """Return a time stamp of an event as HTML, in the time zone of this machine.

    The day is named where it is not today. A text that is no time is shown as it is.
    """
    try:
        at = datetime.fromisoformat(utc.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError):
        return words(utc)
    today = datetime.fromtimestamp(now_s).astimezone().date()
    shown = f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"
    return f'<time datetime="{words(utc)}">{shown}</time>'


def clock(at_s: float) -> str:
    """Return a time of day HH:MM, in the time zone of this machine."""
    return f"{datetime.fromtimestamp(at_s):%H:%M}"


def percent(share: float | None) -> str:
    """Return a share as a percentage; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def document(title: str, body: str, *, header: str = "", is_live: bool = False) -> str:
    """Return a whole page. title: plain text. body, header: HTML.

    is_live: the page has a part that a script updates. Without scripts it loads again every 5 s.
    """
    live = ""
    if is_live:
        live = (
            '<noscript><meta http-equiv="refresh" content="5"></noscript>\n'
            '<script src="/page/page.js" defer></script>\n'
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{words(title)}</title>\n"
        '<link rel="icon" href="/page/icon.svg" type="image/svg+xml">\n'
        '<link rel="stylesheet" href="/page/palette.css">\n'
        '<link rel="stylesheet" href="/page/page.css">\n'
        f"{live}</head>\n<body>\n"
        f'<a class="skip" href="#main">Skip to content</a>\n<header>{header}</header>\n'
        f'<main id="main">\n{body}\n</main>\n</body>\n</html>\n'
    )
