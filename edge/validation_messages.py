"""The errors of pydantic as one line for a person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only prints its help loads no pydantic
    from pydantic import ValidationError


def describe(error: ValidationError) -> str:
    """The first complaint of pydantic as one line: the key, what was expected, what was found."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(file)"
    key = printable(key)
    key = key if len(key) <= 80 else f"{key[:77]}..."
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'{more}"
    if first["type"] == "missing":
        return f"key '{key}' is missing{more}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] == "value_error" and not first["loc"]:
        return f"{message}{more}"  # about sections: it names them
    if first["type"] == "value_error" and isinstance(first["input"], dict):
        return f"key '{key}': {message}{more}"  # about several keys: no single one was found
    return f"key '{key}': {message}, found {_shown(first['input'])}{more}"


def printable(text: str) -> str:
    """Return the text with escapes for characters that control a terminal or are invisible.

    These are control characters, line breaks, marks of direction and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def one_line(error: object) -> str:
    """Return an error's text as one printable line without passwords of addresses."""
    return masked(printable(" ".join(str(error).splitlines())))


def several_lines(error: Exception) -> str:
    """Return an error's ``lines``, where it has them, else its text: each a printable line without
    passwords of addresses."""
    lines = getattr(error, "lines", None) or (error,)
    return "\n".join(one_line(line) for line in lines)


def masked(text: str) -> str:
    """Return the text with the logins of addresses (name:password@, and parameters of a query that
    are called like a secret) as ***."""
    if "://" not in text:
        return text
    return _SECRET.sub(r"\1***", _LOGIN.sub("://***@", text))


def _shown(value: object) -> str:
    try:
        found = printable(masked(repr(value)))
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"
    return found if len(found) <= 80 else f"{found[:77]}..."


# To the last @ of the word: a password may hold one itself, and "/" too where it is not escaped.
_LOGIN = re.compile(r"://[^\s'\"<>]*@")
_SECRET = re.compile(
    r"([?&][^=&\s]*(?:pass|pwd|secret|token|key|auth|user|login)[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE
)
