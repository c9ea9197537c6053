"""``outfeed bundle``: show, verify and sign a bundle, and make the keys for that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.bundle_trial import revert, status
from edge.cli.options import EngineOption, PrecisionOption, ThreadsOption, TrustOption
from edge.cli.passphrases import AskPassphrase, PassphraseFile, new_passphrase, passphrase_of
from edge.terminals import say

app = typer.Typer(
    help="Show, verify and sign a bundle, make the keys for that, and follow its trial.",
    no_args_is_help=True,
)

app.command()(status)
app.command()(revert)

_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="NAME.outfeed", show_default=False)]


@app.command()
def show(
    bundle: _Bundle,
    json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Show the signer and the manifest: networks, threshold, kinds, rules, metrics and files.

    Every byte is verified first. The networks are not run.
    """
    from rich.console import Console

    from edge.bundle import read_bundle
    from edge.cli.bundle_table import manifest_json, manifest_table

    content = read_bundle(bundle)
    if json:
        print(manifest_json(content))
    else:
        Console(highlight=False).print(manifest_table(content))


@app.command()
def verify(
    bundle: _Bundle,
    engine: EngineOption = None,
    precision: PrecisionOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
) -> None:
    """Verify every byte and the signature, then run the golden frames on an engine of this machine.

    The command prints one line: OK and the signer, or the fault with exit status 1.
    """
    from edge.assembly.admission import signed_by, trusted_by
    from edge.assembly.chain import engine_choice, load_chain

    choice = engine_choice(engine, precision, threads)
    proven, _ = load_chain(bundle, engine=choice, trusted=trusted_by(trust))
    manifest = proven.manifest
    say(
        f"OK {proven.id}: {proven.size_bytes} bytes, {len(manifest.files)} files, "
        f"{len(manifest.golden)} golden frames reproduced, {signed_by(proven)}"
    )


@app.command()
def keygen(
    out: Annotated[Path, typer.Option(metavar="NAME", help="Writes NAME.key and NAME.pub.")] = Path(
        "outfeed"
    ),
    passphrase: AskPassphrase = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a key pair: NAME.key signs bundles and must stay secret, NAME.pub goes to the stations.

    A station trusts the keys in [trust] of its station.toml: the file NAME.pub, or the line in it.
    An existing key is never overwritten.
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
            help="The type of station that the bundle is for (trust.compatible), in place of the "
            "types in the bundle. May be given several times.",
        ),
    ] = None,
    guidance: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The guidance for kinds of defects, from `outfeed-central guidance export`, in "
            "place of that in the bundle.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The signed bundle. Default: BUNDLE is replaced.")
    ] = None,
) -> None:
    """Sign an intact bundle. The signature replaces an earlier one.

    The content and the id of the bundle do not change, except with --compatible and --guidance. The
    networks are not run; `outfeed bundle verify` runs them.
    """
    from functools import partial

    from edge.assembly.admission import signed_by
    from edge.bundle import sign_file
    from edge.bundle.guidance import read_guidance_file, replace_guidance
    from edge.bundle.keys import read_private_key

    change = None
    if guidance is not None:
        change = partial(replace_guidance, guidance=read_guidance_file(guidance))
    signer = read_private_key(key, passphrase_of(key, passphrase_file))
    path = out or bundle
    signed = sign_file(bundle, path, signer, tuple(compatible) if compatible else None, change)
    say(f"{path}: {signed.id}, {signed_by(signed)}")
