"""Changes of the file of people, for `outfeed page-person`."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from edge.config.station import StationConfig
from edge.errors import UsageError
from edge.files import read_regular_file, write_atomically
from edge.station_page.people import (
    MAX_NAME_CHARS,
    MAX_PASSWORD_CHARS,
    MIN_PASSWORD_CHARS,
    PeopleError,
    PeopleFile,
    Person,
    Right,
    hash_password,
    read_people,
)

_RIGHTS: dict[str, Right] = {each: each for each in get_args(Right)}
_MODE = 0o640  # the group of its folder is that of the page's user


def change_person(station: StationConfig, name: str, may: str, password: Callable[[], str]) -> str:
    """Add a person, or replace one of this name. Return a line for the terminal.

    password: is called for the password once the rest is known to be right. Raises UsageError and
    PeopleError.
    """
    if not (1 <= len(name) <= MAX_NAME_CHARS) or not name.isprintable() or name != name.strip():
        raise UsageError(f"NAME: expected 1 to {MAX_NAME_CHARS} printable characters")
    if may not in _RIGHTS:
        raise UsageError(f"--may {may}: expected {' or '.join(_RIGHTS)}")
    path = _path(station)
    before = _present(path)
    person = Person(name=name, may=_RIGHTS[may], password=hash_password(password()))
    others = [each for each in before.people if each.name != name]
    _write(path, PeopleFile(people=[*others, person]))
    return f"{path}: {name} may {may}"


def remove_person(station: StationConfig, name: str) -> str:
    """Remove a person. Return a line for the terminal. Raises UsageError and PeopleError."""
    path = _path(station)
    before = read_people(path)
    others = [each for each in before.people if each.name != name]
    if len(others) == len(before.people):
        raise UsageError(f"{path}: has no person {name!r}")
    _write(path, PeopleFile(people=others))
    return f"{path}: {name} is removed"


def new_password(file: Path | None) -> str:
    """Return the password of a file, or from the terminal after asking twice.

    Raises UsageError and PeopleError.
    """
    if file is not None:
        try:
            data = read_regular_file(file, 4 * MAX_PASSWORD_CHARS)
            return _checked(data.decode().rstrip("\r\n"), str(file))
        except OSError as error:
            raise UsageError(f"--password-file {file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"--password-file {file}: is not UTF-8 text") from error
    if not sys.stdin.isatty():
        raise UsageError("a password needs a terminal; without one expected --password-file")
    first = _checked(getpass.getpass("password: "), "the password")
    if getpass.getpass("repeat the password: ") != first:
        raise UsageError("the two passwords differ")
    return first


def _checked(password: str, name: str) -> str:
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise UsageError(
            f"{name}: expected {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters"
        )
    return password


def _path(station: StationConfig) -> Path:
    if station.page.people is None:
        raise UsageError("page.people is missing in station.toml: there is no file of people")
    return station.page.people


def _present(path: Path) -> PeopleFile:
    return read_people(path) if path.exists() else PeopleFile()


def _write(path: Path, people: PeopleFile) -> None:
    try:
        content = people.model_dump_json(indent=1) + "\n"
        write_atomically(path, content, owner=path.parent.stat(), mode=_MODE)
    except OSError as error:
        raise PeopleError(f"page.people: {path}: cannot be written: {error.strerror}") from error
