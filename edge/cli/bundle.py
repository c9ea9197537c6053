"""``outfeed bundle``: what a bundle says of itself, and whether it keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import EngineOption, PrecisionOption, ThreadsOption

app = typer.Typer(help="Look into a model bundle, or verify it.", no_args_is_help=True)

_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="NAME.outfeed", show_default=False)]


@app.command()
def show(
    bundle: _Bundle,
    json: Annotated[bool, typer.Option("--json", help="The manifest as JSON.")] = False,
) -> None:
    """Show the manifest: networks, threshold, kinds and their rules, metrics, files.

    Every byte is verified first; the networks are not run.
    """
    from rich.console import Console

    from edge.bundle import read_bundle
    from edge.cli.manifest import manifest_json, manifest_table

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
) -> None:
    """Verify every byte, then run the golden frames on an engine of this machine.

    One line: OK, or what is wrong with an exit status of 1.
    """
    from edge.cli.loading import engine_choice, load_chain

    found, _ = load_chain(bundle, engine=engine_choice(engine, precision, threads))
    manifest = found.manifest
    print(
        f"OK {found.id}: {found.size_bytes} bytes, {len(manifest.files)} files, "
        f"{len(manifest.golden)} golden frames reproduced"
    )
