"""Measure time against batch size on one core, as Table 8 of He & Liu 2020 does on a GPU.

    python -m bench.batch --network paper --network lean

Patches have 256×256 px, and batches are those of the paper. The engines are ONNX Runtime float32 as
a station runs it (uint8 pixels in) and torch float32. The result is the median over the rounds.
Weights are random, because time does not depend on them; --run loads a trained network. Batches and
engines take turns within a round, so that a noisy machine affects all alike.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from bench.papertables.tables import markdown
from bench.timing import Turns, bind, interleave
from edge.engines.ort import OrtEngine
from export.float_onnx import Tail, export_float, station_graph
from models.data.dataset import DataError
from models.methods.file_detector import FileDetector
from models.networks import DetectorNetwork, build_detector, normalise
from models.runs.run import Run

SIDE_PX = 256
BATCHES = (1, 8, 16, 32, 64)  # those of the paper, and 1
COLOURS = {1: "grey", 3: "colour"}
# The paper's columns are grey 4×4, colour 4×4 and colour 2×2.
SETTINGS = ((1, 4), (3, 4), (1, 2), (3, 2))


class BatchEngine(str, Enum):
    """An engine that runs the network on batches."""

    ORT = "ort"
    TORCH = "torch"


@dataclass(frozen=True, slots=True)
class BatchCandidate:
    """A detector in eval mode and the number of its channels."""

    name: str
    network: DetectorNetwork
    channels: int


def candidates(networks: Sequence[str], run: Path | None = None) -> list[BatchCandidate]:
    """Return each network in every setting that it supports, and the trained one of a run.

    Raises DataError for an unknown network, and for a folder that is no run.
    """
    built_candidates = []
    for name in networks:
        built = []
        for channels, resolution in SETTINGS:
            try:
                network = build_detector(name, channels, resolution)
            except ValueError as error:
                refused = str(error)
                continue
            built.append(_candidate(name, network, channels))
        if not built:
            raise DataError(refused)
        built_candidates += built
    if run is not None:
        trained = Run(run)
        detector = trained.load_detector()
        if isinstance(detector, FileDetector):
            raise DataError(f"{run}: expected a network, found a detector of kind {detector.kind}")
        built_candidates.append(_candidate(str(run), detector, trained.record().channels))
    return built_candidates


def time_batches(
    candidate: BatchCandidate, batches: Sequence[int], engines: Sequence[BatchEngine], rounds: int
) -> dict[tuple[BatchEngine, int], float]:
    """Return the median milliseconds of a whole batch, by engine and batch size.

    Blocks for a warm-up and ``rounds`` runs of each.
    """
    prepared = {engine: _PREPARE[engine](candidate, max(batches)) for engine in engines}
    calls = {
        (engine, batch): partial(prepared[engine], batch) for engine in engines for batch in batches
    }
    taken = interleave(calls, Turns(rounds))  # its warm-up fills caches and ORT's arena
    return {key: statistics.median(times) for key, times in taken.items()}


def table(
    measured: dict[str, dict[tuple[BatchEngine, int], float]],
    batches: Sequence[int],
    engines: Sequence[BatchEngine],
) -> str:
    """Return Table 8 as Markdown, with a row per batch size and a column per network and engine.

    A cell has the milliseconds of a batch, and in brackets those of a patch.
    """
    rows = [
        [
            str(batch),
            *(
                f"{times[engine, batch]:.1f} ({times[engine, batch] / batch:.2f})"
                for times in measured.values()
                for engine in engines
            ),
        ]
        for batch in batches
    ]
    names = [f"{name}, {engine.value}" for name in measured for engine in engines]
    return markdown(("batch", *names), rows)


def _candidate(name: str, network: DetectorNetwork, channels: int) -> BatchCandidate:
    cell = network.stride_px
    return BatchCandidate(f"{name} {COLOURS[channels]} {cell}×{cell}", network.eval(), channels)


def _pixels(batch: int, channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, SIDE_PX, SIDE_PX, channels), np.uint8)


def _ort(candidate: BatchCandidate, most: int) -> Callable[[int], object]:
    network, channels = candidate.network, candidate.channels
    graph = station_graph(export_float(network, channels), Tail(network.logistic, network.shuffle))
    engine = OrtEngine(
        graph.SerializeToString(), batch=most, height=SIDE_PX, width=SIDE_PX, channels=channels
    )
    engine.input[:] = _pixels(most, channels)
    return engine.run


def _torch(candidate: BatchCandidate, most: int) -> Callable[[int], object]:
    pixels = torch.from_numpy(_pixels(most, candidate.channels)).permute(0, 3, 1, 2).contiguous()

    def run(count: int) -> object:
        with torch.inference_mode():
            return candidate.network(normalise(pixels[:count]))

    return run


_PREPARE = {BatchEngine.ORT: _ort, BatchEngine.TORCH: _torch}


def main(
    network: Annotated[
        list[str] | None,
        typer.Option(help="Name of a network; repeat for more. [default: paper, or none with RUN]"),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A run whose detector is timed too.")] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Batch size; repeat. [default: 1 8 16 32 64]")
    ] = None,
    engine: Annotated[
        list[BatchEngine] | None, typer.Option(help="BatchEngine; repeat. [default: both]")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the table has the median.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Write the table here as Markdown.")] = None,
) -> None:
    """Time detectors on batches of 256×256 patches, on one core."""
    console = Console()
    bind()
    torch.set_num_threads(1)
    engines, batches = list(engine or BatchEngine), sorted(set(batch or BATCHES))
    try:
        chosen = candidates(network or ([] if run else ["paper"]), run)
        measured = {one.name: time_batches(one, batches, engines, rounds) for one in chosen}
        text = table(measured, batches, engines)
        heading = f"ms of a batch (of a patch), {SIDE_PX}×{SIDE_PX}, one core, {rounds} rounds\n\n"
        if out is not None:
            out.write_text(heading + text, encoding="utf-8")
    except (DataError, OSError) as error:
        console.print(f"[red]batch:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    console.print(heading + text, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
