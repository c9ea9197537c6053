"""Outfeed against what a user would pick instead, in one run on one core.

    python -m bench.peers --out build/bench

He & Liu's network in PyTorch, torch.compile, ONNX Runtime and OpenVINO; a plain autoencoder with
SQLite; the bundles' networks in every engine that is installed, and their whole chain on a clean
frame, on one with regions and on larger ones. All take turns, so that a noisy machine hurts all
alike; beside them run the matrix products that say what the core can do. Random weights where there
are no trained ones: time does not depend on them.
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
from bench.peers.measure import chosen, measure
from bench.peers.report import NOTE, about, not_timed, tables, write
from bench.timing import Turns, bind
from edge.benchmark.timing import parse_size
from edge.bundle import read_bundle
from edge.errors import OutfeedError

ZOO = ("models/zoo/textures-lean.outfeed", "models/zoo/textures-nano.outfeed")
SIZES = ("512x512", "2048x1536")
TURN_MS = 300.0  # a slow candidate's turn; a fast one makes all its runs in less
SETTLE = 2
WARM_UP = 2
WIDTH = 160  # characters of the table


def main(
    bundle: Annotated[
        list[Path] | None, typer.Option(help="A bundle; repeat for more. [default: lean and nano]")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each candidate has a turn.")] = 30,
    repeat: Annotated[
        int, typer.Option(min=1, help="Runs in a turn, at most; 1 finds the neighbour's caches.")
    ] = 30,
    size: Annotated[
        list[str] | None,
        typer.Option(help="WIDTHxHEIGHT of larger frames; repeat. [default: 512x512 2048x1536]"),
    ] = None,
    core: Annotated[
        int | None, typer.Option(min=0, help="The core everything runs on. [default: the first]")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only what has this in its name; repeat for more.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the table, the JSON and the plot.")] = Path(
        "build/bench"
    ),
) -> None:
    """Time Outfeed beside what a user would pick instead."""
    # Names are long: where the terminal is narrower, or there is none, lines are broken by it.
    console = Console()
    console.width = max(console.width, WIDTH)
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser's remarks on random weights
    try:
        machine = this_machine(bind(core))
        torch.set_num_threads(1)
        sizes = [parse_size(text) for text in size or SIZES]
        bundles = [read_bundle(path) for path in bundle or map(Path, ZOO)]
        out.mkdir(parents=True, exist_ok=True)
        # Runs of one alone find their own caches warm; of many the first ones do not.
        turns = Turns(rounds, repeat, SETTLE if repeat > 1 else 0, WARM_UP, TURN_MS)
        # On the disk of --out: memory would spare the autoencoder's database its writes.
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            candidates = list(peers(Path(scratch)))
            for each in bundles:
                candidates += outfeed(each, sizes)
            result = measure(chosen(candidates, only or []), turns)
    except (OutfeedError, ValueError, OSError) as error:
        console.print(f"[red]peers:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(2 if isinstance(error, ValueError) else getattr(error, "exit_status", 1))
    command = shlex.join(["python", "-m", "bench.peers", *sys.argv[1:]])
    for table in tables(result):
        if table.row_count:
            console.print(table)
    text = [about(machine, result, turns, command), NOTE]
    if absent := not_timed(result):
        text.append(f"Not timed here:\n{absent}")
    console.print(*text, sep="\n\n", highlight=False, markup=False)
    for path in write(out, machine, result, turns, command):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
