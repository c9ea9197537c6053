"""Count the instructions per frame on each core, and write the figures and the tables."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.arm.boards import BOARDS, checks, profile, rates_of, write_profiles
from bench.arm.cores import CORES, Core
from bench.arm.emulator import Emulator, core_of
from bench.arm.figures import ArmFigures, figures_of, read_figures, write_figures
from bench.arm.published import PUBLISHED
from bench.arm.report import tables
from bench.arm.workloads import job_of, published_workloads, workloads
from edge.errors import OutfeedError

FRAMES = 5
TABLES, PROFILES = "arm.md", "targets.json"


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
    count: Annotated[
        bool, typer.Option(help="Count; without it, only write the tables of earlier counts.")
    ] = True,
) -> None:
    """Count every workload on every core, and write tables and profiles of all counts in OUT."""
    logging.getLogger().setLevel(logging.ERROR)
    try:
        cores = [core_of(name) for name in core or CORES]
        if count:
            _count(out, cores, tuple(only or ()), published)
        figures = [each for name in CORES for each in read_figures(out / f"{name}.jsonl")]
        if not figures:
            raise OutfeedError(f"{out}: holds no counts; expected those of an earlier run")
        _write(out, figures)
    except (OutfeedError, OSError) as error:
        print(f"arm: {error}", file=sys.stderr)
        raise SystemExit(1) from error


def _count(out: Path, cores: Sequence[Core], only: tuple[str, ...], published: bool) -> None:
    """Count on each core, and write OUT/CORE.jsonl."""
    from bench.arm.networks import make_networks  # torch

    make_networks(out / "networks")
    some = [each for each in workloads(out / "networks") if each.name.startswith(only or "")]
    known = published_workloads(out / "networks") if published else []
    if not some:
        raise OutfeedError(f"--only {', '.join(only)}: no network has such a name")
    emulator = Emulator(out, ncnn=published)
    for core in cores:
        measured = {time.core for time in PUBLISHED}
        both = [*some, *known] if core.name in measured else some
        job = out / f"{core.name}.json"
        job.write_text(job_of(both, FRAMES), encoding="utf-8")
        Console().print(f"{core.title}: {len(both)} workloads", highlight=False)
        found = figures_of(emulator.run(core, job.resolve()), both, core)
        write_figures(out / f"{core.name}.jsonl", found)


def _write(out: Path, figures: list[ArmFigures]) -> None:
    """Write the tables, and the profiles of boards whose rungs are all counted."""
    rates = rates_of(figures)
    (out / TABLES).write_text(tables(figures, rates, checks(figures, rates)), encoding="utf-8")
    profiles = {}
    for board in BOARDS:
        try:
            profiles[board.name] = profile(board, figures, rates[board.core])
        except (KeyError, ValueError) as error:
            print(f"arm: {board.name}: no profile: {error}", file=sys.stderr)
    write_profiles(out / PROFILES, profiles, f"{datetime.now(timezone.utc):%Y-%m-%d}")
    Console().print(f"see {out / TABLES} and {out / PROFILES}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
