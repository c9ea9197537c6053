"""The options and the database that all groups of sub-commands share."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from central.access.audit import Actor
    from central.store.database import Database

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The configuration, central.toml. Without it every key has its default: an embedded "
        "broker on port 1883, and central.db in this folder.",
        show_default=False,
    ),
]
PasswordOption = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Read the password from the first line of standard input, in place of a prompt.",
    ),
]


def check_installed() -> None:
    """Raise UsageError if a library of the extra ``central`` is missing."""
    try:
        import alembic
        import argon2
        import authlib
        import fastapi
        import httpx2
        import jinja2
        import psycopg
        import python_multipart
        import sqlalchemy
        import uvicorn
    except ImportError as error:
        raise UsageError(
            f"outfeed-central needs {error.name or error}: pip install 'outfeed[central]'"
        ) from error
    del alembic, argon2, authlib, fastapi, httpx2, jinja2, psycopg, python_multipart
    del sqlalchemy, uvicorn


@contextmanager
def open_database(path: Path | None) -> Iterator[Database]:
    """Open the database of a configuration, with its tables up to date. Raises OutfeedError."""
    check_installed()
    from central.config.central import CentralConfig, load_central
    from central.store.database import Database
    from central.store.schema import migrate

    settings = CentralConfig() if path is None else load_central(path)
    database = Database(settings.database)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def now_us() -> int:
    """Return the time in µs since 1970 UTC."""
    return time.time_ns() // 1000


def command_line_actor() -> Actor:
    """Return the user of this machine, as the audit log names it."""
    from central.access.audit import Actor

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        name = "unknown"
    return Actor(name, "command line")


def read_password(from_stdin: bool) -> str:
    """Return a password from the prompt, entered twice, or from standard input.

    Raises UsageError where there is none, or where the two differ.
    """
    if from_stdin:
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise UsageError("--password-stdin: standard input has no password")
        return line
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password: give --password-stdin")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same again: ") != first:
        raise UsageError("the two passwords differ")
    return first
