"""Passphrases of private keys: from a file, or asked for at the terminal."""

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
        help="A file that holds the private key's passphrase. Without it the passphrase is asked "
        "for where the key has one.",
        show_default=False,
    ),
]
AskPassphrase = Annotated[
    bool,
    typer.Option("--passphrase", help="Ask for a passphrase for the new private key."),
]


def new_passphrase(file: Path | None, ask: bool) -> bytes | None:
    """The passphrase of a key that is about to be made; None: it has none. Asks twice. Raises
    UsageError, and BundleError for a file that cannot be read."""
    from edge.bundle.keys import read_passphrase

    if file is not None:
        if ask:
            raise UsageError("expected either --passphrase or --passphrase-file")
        return read_passphrase(file)
    if not ask:
        return None
    if not sys.stdin.isatty():
        raise UsageError("--passphrase asks at a terminal; here expected --passphrase-file")
    first = getpass.getpass("passphrase for the new key: ")
    if not first:
        raise UsageError("--passphrase: it is empty")
    if getpass.getpass("the same again: ") != first:
        raise UsageError("--passphrase: the second is another")
    return first.encode()


def passphrase_of(key: Path, file: Path | None) -> bytes | None:
    """The passphrase of a key that is there: the file's, or asked for at a terminal where the key
    is encrypted; else None, and whoever reads an encrypted key says what is missing. Raises
    BundleError."""
    from edge.bundle.keys import is_encrypted, read_passphrase

    if file is not None:
        return read_passphrase(file)
    if not is_encrypted(key) or not sys.stdin.isatty():
        return None
    return getpass.getpass(f"passphrase of {key}: ").encode()


def open_authority(folder: Path, file: Path | None) -> Authority:
    """The plant's authority, its key opened. Raises ProvisionError, BundleError."""
    from edge.provision import CA_KEY_FILE, Authority

    return Authority.read(folder, passphrase_of(folder / CA_KEY_FILE, file))
