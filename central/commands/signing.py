"""``outfeed-central command``: the signature of commands to stations, on the machine of a person.

These commands use neither the database nor the network, and need only the libraries of a station.
"""

from __future__ import annotations

import getpass
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import UsageError

if TYPE_CHECKING:
    from edge.commands.message import CommandBody

_MAX_BYTES = 64 << 10

app = typer.Typer(
    name="command",
    help="Sign commands to stations with an operator key.",
    no_args_is_help=True,
)


@app.command("sign")
def sign(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The file of a waiting command, from its page.", show_default=False
        ),
    ],
    key: Annotated[
        Path,
        typer.Option(
            "--key",
            metavar="KEY",
            help="The private key, NAME.key of `outfeed bundle keygen`.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file for the signed command. Without it the command is printed.",
            show_default=False,
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file",
            metavar="FILE",
            help="A file with the passphrase of the key. Without it the command asks for one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Sign a command to a station.

    The line on standard error states what is signed. The private key does not leave this machine:
    give the output to the page of the station's commands, or to its API. The station's
    `trust.operator_keys` must name the public key.
    """
    from edge.bundle.keys import is_encrypted, read_passphrase, read_private_key
    from edge.commands.message import sign_command
    from edge.files import write_atomically

    body = _read(file)
    passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
    if passphrase is None and is_encrypted(key) and sys.stdin.isatty():
        passphrase = getpass.getpass(f"passphrase of {key}: ").encode()
    signed = sign_command(body, read_private_key(key, passphrase))
    days = (body.expires - body.counter / 1e6) / 86_400
    action = json.dumps(body.action.model_dump())
    print(f"signed for station {body.station}, for {days:.1f} days: {action}", file=sys.stderr)
    text = signed.model_dump_json() + "\n"
    if out is None:
        print(text, end="")
        return
    try:
        write_atomically(out, text)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written: {error.strerror}") from error


def _read(file: Path) -> CommandBody:
    from pydantic import ValidationError

    from edge.commands.message import CommandBody
    from edge.validation_messages import describe

    try:
        with file.open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
        fields = json.loads(data)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is no JSON; expected the file of a waiting command") from error
    if not isinstance(fields, dict) or "counter" in fields:
        raise UsageError(f"{file}: expected the file of a command that is not signed yet")
    try:
        text = json.dumps({**fields, "counter": time.time_ns() // 1000})
        return CommandBody.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{file}: {describe(error)}") from error
