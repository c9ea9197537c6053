"""``outfeed bundle``: what a bundle says of itself, and whether it keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import EngineOption, PrecisionOption, ThreadsOption, TrustOption
from edge.cli.passphrases import AskPassphrase, PassphraseFile, new_passphrase, passphrase_of
from edge.terminals import say

app = typer.Typer(
    help="Look into a model bundle, verify it, sign it; make the keys for that.",
    no_args_is_help=True,
)

_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="NAME.outfeed", show_default=False)]


@app.command()
def show(
    bundle: _Bundle,
    json: Annotated[bool, typer.Option("--json", help="The manifest as JSON.")] = False,
) -> None:
    """Show who signed it and the manifest: networks, threshold, kinds, rules, metrics, files.

    Every byte is verified first; the networks are not run.
    """
    from rich.console import Console

    from edge.bundle import read_bundle
    from edge.cli.bundle_table import manifest_json, manifest_table

    found = read_bundle(bundle)
    if json:
        print(manifest_json(found))
    else:
        Console(highlight=False).print(manifest_table(found))


@app.command()
def verify(
    bundle: _Bundle,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
) -> None:
    """Verify every byte and the signature, then run the golden frames on an engine of this machine.

    One line: OK and who signed it, or what is wrong with an exit status of 1.
    """
    from edge.assembly.admission import signed_by, trusted_by
    from edge.assembly.chain import engine_choice, load_chain

    choice = engine_choice(engine, precision, threads)
    found, _ = load_chain(bundle, engine=choice, trusted=trusted_by(trust))
    manifest = found.manifest
    say(
        f"OK {found.id}: {found.size_bytes} bytes, {len(manifest.files)} files, "
        f"{len(manifest.golden)} golden frames reproduced, {signed_by(found)}"
    )


@app.command()
def keygen(
    out: Annotated[Path, typer.Option(metavar="NAME", help="Writes NAME.key and NAME.pub.")] = Path(
        "outfeed"
    ),
    passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key pair: NAME.key signs bundles and stays secret, NAME.pub goes to the stations.

    A station trusts the keys in the [trust] section of its station.toml: the file NAME.pub, or the
    line in it. An existing key is never overwritten.
    """
    from edge.bundle import key_id
    from edge.bundle.keys import write_key_pair

    private, public, key = write_key_pair(out, new_passphrase(passphrase_file, passphrase))
    say(f"{private} and {public}: key {key_id(key)}")


@app.command()
def sign(
    bundle: _Bundle,
    key: Annotated[Path, typer.Option(help="The private key, NAME.key.", show_default=False)],
    passphrase_file: PassphraseFile = None,
    compatible: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATION",
            help="What the stations are that it is for (their trust.compatible), in place of what "
            "the bundle says. May be given several times.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The signed bundle. Default: in place of BUNDLE.")
    ] = None,
) -> None:
    """Sign a bundle that is whole, in place of whoever signed it before.

    Its content and so its id stay as they are, except with --compatible. The networks are not run:
    `outfeed bundle verify` does.
    """
    from edge.assembly.admission import signed_by
    from edge.bundle import sign_file
    from edge.bundle.keys import read_private_key

    signer = read_private_key(key, passphrase_of(key, passphrase_file))
    path = out or bundle
    signed = sign_file(bundle, path, signer, tuple(compatible) if compatible else None)
    say(f"{path}: {signed.id}, {signed_by(signed)}")
