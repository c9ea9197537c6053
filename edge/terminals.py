"""Output that every terminal, pipe and log takes, whatever it can show."""

from __future__ import annotations

import codecs
import logging
import sys
from io import TextIOWrapper

from rich import markup

from edge.validation_messages import masked, printable

# What Outfeed itself writes and ASCII or Latin-1 have not, in their letters.
_PLAIN = {
    **{"→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "·": "-"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "±": "+/-", "µ": "u", "μ": "u", "σ": "sigma", "²": "2"},
    **{"°": " deg", "’": "'", "‘": "'", "•": "*", "½": "1/2"},
}


def tolerate(*, streams: tuple[object, ...] | None = None) -> None:
    """Let standard output and error (or the streams) take every text: what their encoding has not
    is written in its letters, or as an escape that JSON reads too. A stream that cannot be set is
    left as it is. For the beginning of a command."""
    codecs.register_error("outfeed", _replace)
    for stream in (sys.stdout, sys.stderr) if streams is None else streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="outfeed")


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    known = _PLAIN.get(character)
    if known is not None:
        return known
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def say(text: str) -> None:
    """Print one line that holds names of files or other people's text."""
    print(printable(text))


def plain_json(text: str) -> str:
    """Return JSON text with what a terminal would obey as JSON's own escapes."""
    return "".join(c if c.isprintable() or c == "\n" else _plain(c) for c in text)


class LogFormatter(logging.Formatter):
    """One line a message: control characters in it, as file names may hold, are escapes, and logins
    of addresses are masked. A traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's own name
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(printable(line) for line in text.split("\n"))


def escape(text: str) -> str:
    """Return the text so that neither Rich nor a terminal obeys anything in it; lines stay.

    For text that others chose: file names, notes, reasons.
    """
    return markup.escape("\n".join(map(printable, text.split("\n"))))
