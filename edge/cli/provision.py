"""``outfeed provision``: keys, certificates and a station.toml for a new unit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.passphrases import (
    AskPassphrase,
    PassphraseFile,
    new_passphrase,
    open_authority,
)
from edge.terminals import say

app = typer.Typer(
    help="Make the authority of the plant, and certificates for the broker, a central system and "
    "each new station. Each command writes one new folder and overwrites nothing.",
    no_args_is_help=True,
)

_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The new folder.")]
_Authority = Annotated[
    Path,
    typer.Option("--authority", metavar="DIR", help="The folder of `provision authority`."),
]
_Settings = Annotated[
    Path | None,
    typer.Option(
        metavar="TOML",
        help="A file with the other sections of station.toml, in place of the default camera "
        "and line.",
        show_default=False,
    ),
]
_Replaces = Annotated[
    Path | None,
    typer.Option(
        metavar="PEM",
        help="The station.pem of the identity that the unit has now. Without it, a unit that "
        "has an identity refuses the new one.",
        show_default=False,
    ),
]
_Days = Annotated[int, typer.Option(help="Days for which the certificate is valid.")]


@app.command()
def authority(
    out: _Out = Path("authority"),
    name: Annotated[str, typer.Option(help="The name of the plant.")] = "Outfeed plant",
    days: _Days = 7300,
    passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the authority of the plant, once: ca.pem, ca.key, and an empty list revoked.pem.

    With ca.key, certificates for stations of any name can be made. Keep it off the stations and the
    broker, and give it a passphrase.
    """
    from edge.provision import make_authority

    make_authority(
        out, name=name, days=days, passphrase=new_passphrase(passphrase_file, passphrase)
    )
    say(f"{out}: ca.pem is public, ca.key must stay secret")


@app.command()
def broker(
    hosts: Annotated[
        list[str],
        typer.Argument(metavar="HOST...", help="Names and addresses of the broker."),
    ],
    authority: _Authority = Path("authority"),
    out: _Out = Path("broker"),
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the files of the broker for Mosquitto: ca.pem, revoked.pem, broker.pem, broker.key.

    firmware-config/mosquitto/ has the configuration and the access list that use them.
    """
    from edge.provision import REVOKED_FILE, make_broker, read_file

    revoked = read_file(authority / REVOKED_FILE)
    make_broker(out, open_authority(authority, passphrase_file), revoked, hosts, days=days)
    say(f"{out}: ca.pem, revoked.pem, broker.pem, broker.key for {', '.join(hosts)}")


@app.command()
def central(
    authority: _Authority = Path("authority"),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The new folder. Default: NAME.")
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            help="The name of the reader. Another name than central needs lines in the access list."
        ),
    ] = "central",
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the certificate of a system that may read all stations: central.pem and central.key.

    Give each further reader its own name, so that a single one can be revoked, and three lines in
    the access list of the broker.
    """
    from edge.provision import make_central

    folder = out or Path(name)
    make_central(folder, open_authority(authority, passphrase_file), name=name, days=days)
    say(f"{folder}: ca.pem, {name}.pem, {name}.key")


@app.command()
def station(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The identifier of the station.")],
    broker: Annotated[
        str, typer.Option(metavar="HOST", help="The broker, by a name in its certificate.")
    ],
    trust: Annotated[
        list[str],
        typer.Option(
            metavar="PUB",
            help="A public key whose bundles the station may run: a .pub file, or ed25519: and its "
            "hex digits. May be given several times.",
        ),
    ],
    authority: _Authority = Path("authority"),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The new folder. Default: NAME.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port of the broker.")] = 8883,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle to copy next to station.toml.", show_default=False)
    ] = None,
    travel_ms: Annotated[
        float, typer.Option(help="Milliseconds from the photo-eye to the ejector.")
    ] = 400.0,
    budget_ms: Annotated[
        float,
        typer.Option(help="A part whose verdict is later than this, in milliseconds, is UNKNOWN."),
    ] = 200.0,
    settings: _Settings = None,
    replaces: _Replaces = None,
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the identity of a new station: station.toml, its certificate and key, and a signed list.

    Copy the folder to the FAT partition of the card, or to a USB stick: the unit imports it when it
    starts. The broker allows the station to publish under NAME only.
    """
    from edge.provision import StationKit, make_station_kit

    kit = StationKit(
        name=name,
        host=broker,
        trust=tuple(trust),
        port=port,
        bundle=bundle,
        travel_ms=travel_ms,
        budget_ms=budget_ms,
        settings=settings,
        replaces=replaces,
    )
    folder = out or Path(name)
    make_station_kit(folder, open_authority(authority, passphrase_file), kit, days=days)
    say(f"{folder}: the identity of {name}; copy the folder to the card or to a USB stick")


@app.command()
def revoke(
    certificates: Annotated[
        list[Path],
        typer.Argument(metavar="CERT...", help="The certificates of lost units: station.pem."),
    ],
    authority: _Authority = Path("authority"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Revoke certificates: add them to revoked.pem of the authority.

    Copy that file to the broker and restart it.
    """
    from edge.provision import REVOKED_FILE
    from edge.provision import revoke as put_on_list

    own = open_authority(authority, passphrase_file)
    count = put_on_list(authority, own.certificate, own.key, certificates)
    path = authority / REVOKED_FILE
    say(f"{path}: number of certificates {count}; copy it to the broker and restart it")
