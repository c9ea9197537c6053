"""What pydantic finds wrong, as one line for a person."""

from __future__ import annotations

from pydantic import ValidationError


def describe(error: ValidationError) -> str:
    """The first complaint of pydantic as one line: the key, what was expected, what was found."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(file)"
    # It may hold a line break, or what a terminal takes for a command.
    key = "".join(c if c.isprintable() else repr(c)[1:-1] for c in key)
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
    found = repr(first["input"])
    if len(found) > 80:
        found = f"{found[:77]}..."
    return f"key '{key}': {message}, found {found}{more}"
