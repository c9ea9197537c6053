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
    help="Make the plant's authority, and what it gives to the broker, a central system and every "
    "new station. Each command writes one new folder and overwrites nothing.",
    no_args_is_help=True,
)

_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="The new folder.")]
_Authority = Annotated[
    Path,
    typer.Option("--authority", metavar="DIR", help="The folder that `provision authority` made."),
]
_Days = Annotated[int, typer.Option(help="How long the certificate is valid.")]


@app.command()
def authority(
    out: _Out = Path("authority"),
    name: Annotated[str, typer.Option(help="What the plant is called.")] = "Outfeed plant",
    days: _Days = 7300,
    passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the plant's authority, once: ca.pem, ca.key, and revoked.pem, on which nobody is yet.

    Whoever has ca.key can make a station of any name: keep it off the stations and the broker, and
    give it a passphrase.
    """
    from edge.provision import make_authority

    make_authority(
        out, name=name, days=days, passphrase=new_passphrase(passphrase_file, passphrase)
    )
    say(f"{out}: ca.pem for everybody, ca.key for nobody")


@app.command()
def broker(
    hosts: Annotated[
        list[str],
        typer.Argument(metavar="HOST...", help="Names and addresses under which it is reached."),
    ],
    authority: _Authority = Path("authority"),
    out: _Out = Path("broker"),
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the broker's certificate for Mosquitto: ca.pem, revoked.pem, broker.pem, broker.key.

    firmware-config/mosquitto/ holds the configuration and the access list that use them.
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
        str, typer.Option(help="The reader's name; another than central stands in the access list.")
    ] = "central",
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make the certificate of a system that may read all stations: central.pem and central.key.

    Each further reader gets a name of its own, so that one of them can be revoked, and three lines
    in the broker's access list.
    """
    from edge.provision import make_central

    folder = out or Path(name)
    make_central(folder, open_authority(authority, passphrase_file), name=name, days=days)
    say(f"{folder}: ca.pem, {name}.pem, {name}.key")


@app.command()
def station(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The station's id.")],
    broker: Annotated[
        str, typer.Option(metavar="HOST", help="The broker, as its certificate names it.")
    ],
    trust: Annotated[
        list[str],
        typer.Option(
            metavar="PUB",
            help="Whose bundles it may run: a .pub file, or ed25519: and its hex digits. May be "
            "given several times.",
        ),
    ],
    authority: _Authority = Path("authority"),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The new folder. Default: NAME.")
    ] = None,
    port: Annotated[int, typer.Option(help="The broker's port.")] = 8883,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle to put beside station.toml.", show_default=False)
    ] = None,
    travel_ms: Annotated[float, typer.Option(help="From the photo-eye to the ejector.")] = 400.0,
    budget_ms: Annotated[float, typer.Option(help="A verdict later than this is UNKNOWN.")] = 200.0,
    days: _Days = 3650,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make what a new station finds in /etc/outfeed: station.toml, its certificate and key.

    The broker lets it publish under NAME and nowhere else.
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
    )
    folder = out or Path(name)
    make_station_kit(folder, open_authority(authority, passphrase_file), kit, days=days)
    say(f"{folder}: station.toml, station.pem, station.key, ca.pem; copy it to /etc/outfeed")


@app.command()
def revoke(
    certificates: Annotated[
        list[Path],
        typer.Argument(metavar="CERT...", help="The certificates of lost units: station.pem."),
    ],
    authority: _Authority = Path("authority"),
    passphrase_file: PassphraseFile = None,
) -> None:
    """Let certificates hold no more: puts them on the authority's revoked.pem.

    Copy that file to the broker and restart it.
    """
    from edge.provision import REVOKED_FILE
    from edge.provision import revoke as put_on_list

    own = open_authority(authority, passphrase_file)
    count = put_on_list(authority, own.certificate, own.key, certificates)
    say(f"{authority / REVOKED_FILE}: {count} on it; copy it to the broker and restart that")
