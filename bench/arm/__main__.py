"""Count the instructions per frame on each core, and write the figures and the tables."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.arm.cores import CORES
from bench.arm.emulator import Emulator, core_of
from bench.arm.figures import figures_of, write_figures
from bench.arm.networks import make_networks
from bench.arm.workloads import job_of, published_workloads, workloads
from edge.errors import OutfeedError

FRAMES = 5


def main(
    out: Annotated[Path, typer.Option(help="Folder for the emulated system and the figures.")],
    core: Annotated[
        list[str] | None,
        typer.Option(help=f"Core: {', '.join(CORES)}; repeat. [default: all]"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only networks whose name begins so; repeat.")
    ] = None,
    published: Annotated[
        bool, typer.Option(help="Also networks with published times on boards (needs ncnn).")
    ] = True,
) -> None:
    """Count every workload on every core."""
    console = Console()
    logging.getLogger().setLevel(logging.ERROR)
    try:
        cores = [core_of(name) for name in core or CORES]
        make_networks(out / "networks")
        some = workloads(out / "networks")
        if published:
            some += published_workloads(out / "networks")
        if only:
            some = [each for each in some if each.name.startswith(tuple(only))]
        if not some:
            raise OutfeedError(f"--only {', '.join(only or ())}: no network has such a name")
        emulator = Emulator(out, ncnn=published)
        job = out / "job.json"
        job.write_text(job_of(some, FRAMES), encoding="utf-8")
        found = []
        for each in cores:
            console.print(f"{each.title}: {len(some)} workloads", highlight=False)
            found += figures_of(emulator.run(each, job.resolve()), some, each)
            write_figures(out / "figures.jsonl", found)
    except (OutfeedError, OSError) as error:
        print(f"arm: {error}", file=sys.stderr)
        raise SystemExit(1) from error


if __name__ == "__main__":
    typer.run(main)
