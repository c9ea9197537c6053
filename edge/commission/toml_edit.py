"""Editing of numbers in a TOML file; everything else stays as it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from edge.commission.result import Proposal
from edge.errors import ConfigError
from edge.files import write_durably

_T = TypeVar("_T")

_HEADER = re.compile(r"^\s*\[\s*(?P<name>[A-Za-z0-9_.-]+)\s*\]\s*(#.*)?$")
_MULTILINE = ('"""', "'''")


def set_number(text: str, section: str, key: str, value: float | int) -> str:
    """Return the text with ``key = value`` in ``[section]``.

    Comments, order and line ends stay as they were. A key that is missing or commented out is added
    directly after the header of the section. Raises ConfigError where the edit is not safe: without
    exactly one such header, or with a string over several lines.
    """
    if any(quotes in text for quotes in _MULTILINE):
        raise ConfigError("contains a string over several lines: change the file by hand")
    lines = text.splitlines(keepends=True)
    headers = [
        (number, match["name"])
        for number, line in enumerate(lines)
        if (match := _HEADER.match(line))
    ]
    starts = [number for number, name in headers if name == section]
    if len(starts) != 1:
        raise ConfigError(f"does not have exactly one header [{section}]: change the file by hand")
    start = starts[0]
    end = min((number for number, _ in headers if number > start), default=len(lines))
    assignment = re.compile(
        rf"^(?P<before>\s*{re.escape(key)}\s*=\s*)(?P<old>[^#\s]+)(?P<after>\s*(#.*)?\r?\n?)$"
    )
    for number in range(start + 1, end):
        if match := assignment.match(lines[number]):
            lines[number] = f"{match['before']}{value}{match['after']}"
            return "".join(lines)
    ending = "\r\n" if lines[start].endswith("\r\n") else "\n"
    if not lines[start].endswith("\n"):
        lines[start] += ending
    lines.insert(start + 1, f"{key} = {value}{ending}")
    return "".join(lines)


def write_proposals(path: Path, proposals: Iterable[Proposal], check: Callable[[str], _T]) -> _T:
    """Write all proposals into a file in one step; return the result of ``check``.

    Owner and mode stay as they were. check: receives the new text, and raises ConfigError where it
    must not be written. Raises ConfigError that names the file, which is then unchanged.
    """
    try:
        real = path.resolve()  # a symbolic link stays a link
        before = real.stat()
        text = real.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    try:
        for one in proposals:
            text = set_number(text, one.section, one.key, one.value)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    checked = check(text)
    try:
        write_durably(real, text.encode(), owner=before, mode=before.st_mode & 0o7777)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return checked
