"""Changes numbers in a TOML file and nothing else."""

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
    """The text with ``key = value`` in ``[section]``, comments, order and line ends as they were.

    A key that is not there, or is commented out, is added right after the section's header. Raises
    ConfigError where it cannot be done safely: no such section header, or text over several lines.
    """
    if any(quotes in text for quotes in _MULTILINE):
        raise ConfigError("has a text over several lines: change it by hand")
    lines = text.splitlines(keepends=True)
    headers = [
        (number, match["name"])
        for number, line in enumerate(lines)
        if (match := _HEADER.match(line))
    ]
    starts = [number for number, name in headers if name == section]
    if len(starts) != 1:
        raise ConfigError(f"has no header [{section}] of its own: change it by hand")
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
    """All of them into a file, in one step; owner and mode stay. check: raises ConfigError for a
    text that must not be written; what it returns is returned. Raises ConfigError that names the
    file, which is then as it was."""
    try:
        real = path.resolve()  # a link stays one
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
    found = check(text)
    try:
        write_durably(real, text.encode(), owner=before, mode=before.st_mode & 0o7777)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return found
