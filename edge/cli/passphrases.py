"""Passphrases of private keys, from a file or from the terminal."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.provision import Authority

PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="A file with the passphrase of the private key. Without it the command asks for the "
        "passphrase if the key has one.",
        show_default=False,
    ),
]
AskPassphrase = Annotated[
    bool,
    typer.Option("--passphrase", help="Ask for a passphrase for the new private key."),
]


def new_passphrase(file: Path | None, ask: bool) -> bytes | None:
    """Return the passphrase for a new key, after asking twice; None: the key has none.

    Raises UsageError, and BundleError for a file that cannot be read.
    """
    from edge.bundle.keys import read_passphrase

    if file is not None:
        if ask:
            raise UsageError("expected either --passphrase or --passphrase-file")
        return read_passphrase(file)
    if not ask:
        return None
    if not sys.stdin.isatty():
        raise UsageError("--passphrase needs a terminal; without one expected --passphrase-file")
    first = getpass.getpass("passphrase for the new key: ")
    if not first:
        raise UsageError("--passphrase: the passphrase is empty")
    if getpass.getpass("repeat the passphrase: ") != first:
        raise UsageError("--passphrase: the two passphrases differ")
    return first.encode()


def passphrase_of(key: Path, file: Path | None) -> bytes | None:
    """Return the passphrase of an existing key, from the file or from the terminal.

    None where the key is not encrypted or there is no terminal; reading an encrypted key then
    raises an error. Raises BundleError for a file that cannot be read.
    """
    from edge.bundle.keys import is_encrypted, read_passphrase

    if file is not None:
        return read_passphrase(file)
    if not is_encrypted(key) or not sys.stdin.isatty():
        return None
    return getpass.getpass(f"passphrase of {key}: ").encode()


def open_authority(folder: Path, file: Path | None) -> Authority:
    """Return the plant's authority with its private key. Raises ProvisionError, BundleError."""
    from edge.provision import CA_KEY_FILE, Authority

    return Authority.read(folder, passphrase_of(folder / CA_KEY_FILE, file))
