"""Text of others (file names, notes, reasons) on its way to a terminal."""

from __future__ import annotations

from rich import markup

from edge.complaints import printable


def escape(text: str) -> str:
    """Return the text so that neither Rich nor a terminal obeys anything in it; lines stay."""
    return markup.escape("\n".join(map(printable, text.split("\n"))))
