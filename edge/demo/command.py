"""``outfeed demo``: the whole appliance with a simulated belt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import BundleOption, finite, is_quiet


def demo(
    context: typer.Context,
    bundle: BundleOption,
    frames: Annotated[
        Path,
        typer.Option(
            help="A folder of pictures as `make train` reads it: images/ with masks/KIND/, good/ "
            "with other folders, labels of another tool, or a published data set.",
            show_default=False,
        ),
    ],
    parts: Annotated[int, typer.Option(min=1, help="Number of parts.")] = 300,
    rate: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=100,
            callback=finite,
            help="Parts per second.",
        ),
    ] = 20.0,
    out: Annotated[
        Path, typer.Option(help="Folder for the journal, the contact sheet and the summary.")
    ] = Path("build/demo"),
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of the broker on the loopback interface. Default: a free one.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the gaps between parts.")] = 0,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PUB",
            help="A public key that may have signed the bundle: a file, or ed25519: and its hex "
            "digits. May be given several times. Default: the key of the shipped bundles.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show the whole appliance on this machine: belt, inspection, ejector, journal, MQTT, central.

    A simulated belt moves parts past the camera at line speed. The rejector and the uplink are real
    processes, and the broker is a real MQTT 5 broker on the loopback interface. The events at the
    central system are shown live. At the end the command prints verdicts against the masks (a part
    with a mask is defective), times, ejected parts, and the numbers of events, and writes a contact
    sheet as PNG.

    Exit status: 0 if every event arrived once and no wrong part was ejected.
    """
    from edge.demo.run import DemoOptions, run_demo

    options = DemoOptions(
        bundle=bundle,
        frames=frames,
        parts=parts,
        rate_hz=rate,
        out=out,
        port=port,
        seed=seed,
        trust=tuple(trust or ()),
        live=not is_quiet(context),
    )
    if not run_demo(options):
        raise typer.Exit(1)
