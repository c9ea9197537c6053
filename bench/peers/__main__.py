"""Compare the speed of Outfeed with other ways to deploy a network, in one run on one core.

    python -m bench.peers --out build/bench

The candidates are He & Liu's network in PyTorch, torch.compile, ONNX Runtime and OpenVINO, a plain
autoencoder with SQLite, and the networks of the bundles in every installed engine. The whole chain
of a bundle runs on a frame without defects, on one with regions and on larger ones. With --methods
the candidates are the networks that users would take today: EfficientAD, PaDiM, PatchCore,
SuperSimpleNet, SegDecNet, U-Net and YOLO. All take turns, so that a noisy machine affects all
alike. Matrix products beside them measure the peak of the core. Weights are random where there are
no trained ones, because time does not depend on them.
"""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from bench.peers.candidates import outfeed, peers
from bench.peers.machine import this_machine
from bench.peers.measure import PeerResult, measure, select
from bench.peers.methods import fastest, methods
from bench.peers.report import NOTE, about, not_timed, tables, write, write_front
from bench.timing import Turns, bind
from edge.benchmark.timing import parse_size
from edge.bundle import read_bundle
from edge.errors import OutfeedError

ZOO = ("models/zoo/textures-lean.outfeed", "models/zoo/textures-nano.outfeed")
SIZES = ("512x512", "2048x1536")
TURN_MS = 300.0  # limit of a slow candidate's turn; fast ones need less
SETTLE = 2
WARM_UP = 2
WIDTH = 160  # characters of the table


def main(
    bundle: Annotated[
        list[Path] | None, typer.Option(help="Bundle; repeat for more. [default: lean and nano]")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds, with one turn for each candidate.")
    ] = 30,
    repeat: Annotated[
        int, typer.Option(min=1, help="Runs in a turn, at most. With 1, caches hold other data.")
    ] = 30,
    size: Annotated[
        list[str] | None,
        typer.Option(help="WIDTHxHEIGHT of larger frames; repeat. [default: 512x512 2048x1536]"),
    ] = None,
    core: Annotated[
        int | None, typer.Option(min=0, help="Core that runs everything. [default: the first]")
    ] = None,
    with_methods: Annotated[
        bool, typer.Option("--methods", help="The networks of other methods, and Outfeed's.")
    ] = False,
    only: Annotated[
        list[str] | None, typer.Option(help="Only candidates whose name contains this; repeat.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table, the JSON and the plot.")] = Path(
        "build/bench"
    ),
) -> None:
    """Compare the speed of Outfeed with other ways to deploy a network."""
    # Names are long. A narrower terminal breaks the lines itself.
    console = Console()
    console.width = max(console.width, WIDTH)
    logging.getLogger().setLevel(logging.ERROR)  # no warnings of the quantiser
    try:
        machine = this_machine(bind(core))
        torch.set_num_threads(1)
        sizes = [parse_size(text) for text in size or SIZES]
        bundles = [read_bundle(path) for path in bundle or map(Path, ZOO)]
        out.mkdir(parents=True, exist_ok=True)
        # With several runs in a turn, the first ones find the caches cold and are not counted.
        turns = Turns(rounds, repeat, SETTLE if repeat > 1 else 0, WARM_UP, TURN_MS)
        # On the disk of --out, because a file system in memory would not write the database.
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            candidates = list(peers(Path(scratch)))
            if with_methods:
                candidates = [*candidates[:1], *methods()]
            else:
                for each in bundles:
                    candidates += outfeed(each, sizes)
            result = measure(select(candidates, only or []), turns)
    except (OutfeedError, ValueError, OSError) as error:
        console.print(f"[red]peers:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, ValueError) else getattr(error, "exit_status", 1))
    command = shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]])
    _print(console, result, about(machine, result, turns, command))
    written = write(out, machine, result, turns, command)
    if with_methods:
        written = (*written, write_front(out, fastest(result.rows)))
    for path in written:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _print(console: Console, result: PeerResult, conditions: str) -> None:
    for table in tables(result):
        if table.row_count:
            console.print(table)
    text = [conditions, NOTE]
    if absent := not_timed(result):
        text.append(f"Not timed here:\n{absent}")
    console.print(*text, sep="\n\n", highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(main)
