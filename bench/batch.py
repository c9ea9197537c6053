"""Time against batch size: He & Liu 2020, Table 8, on one core of this machine.

    python -m bench.batch --network paper --network lean

256×256 patches, batches as the paper's, median over rounds; ONNX Runtime float32 as a station would
run it (uint8 pixels in) and torch float32. Weights are random, on which time does not depend; --run
takes a trained network. Batches and engines take turns within a round, so that a noisy machine
hurts all alike. The paper's own figures are of a GPU.
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
BATCHES = (1, 8, 16, 32, 64)  # the paper's, and one
COLOURS = {1: "grey", 3: "colour"}
# The paper's columns are grey 4×4, colour 4×4 and colour 2×2.
SETTINGS = ((1, 4), (3, 4), (1, 2), (3, 2))


class Engine(str, Enum):
    """What runs the network."""

    ORT = "ort"
    TORCH = "torch"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detector in eval mode and the channels it takes."""

    name: str
    network: DetectorNetwork
    channels: int


def candidates(networks: Sequence[str], run: Path | None = None) -> list[Candidate]:
    """Each network in every setting it can be built in, and the trained one of a run. Raises
    DataError for a name that no network has, and for a folder that is no run."""
    found = []
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
        found += built
    if run is not None:
        trained = Run(run)
        detector = trained.load_detector()
        if isinstance(detector, FileDetector):
            raise DataError(f"{run}: a {detector.kind} is no network")
        found.append(_candidate(str(run), detector, trained.record().channels))
    return found


def time_batches(
    candidate: Candidate, batches: Sequence[int], engines: Sequence[Engine], rounds: int
) -> dict[tuple[Engine, int], float]:
    """Median milliseconds of a whole batch, by engine and batch size. Blocks for a warm-up and
    ``rounds`` runs of each."""
    prepared = {engine: _PREPARE[engine](candidate, max(batches)) for engine in engines}
    calls = {
        (engine, batch): partial(prepared[engine], batch) for engine in engines for batch in batches
    }
    taken = interleave(calls, Turns(rounds))  # its warm-up fills caches and ORT's arena
    return {key: statistics.median(times) for key, times in taken.items()}


def table(
    measured: dict[str, dict[tuple[Engine, int], float]],
    batches: Sequence[int],
    engines: Sequence[Engine],
) -> str:
    """Table 8 as Markdown: a row per batch size, a column per network and engine; ms of a batch and
    in brackets of a patch."""
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


def _candidate(name: str, network: DetectorNetwork, channels: int) -> Candidate:
    cell = network.stride_px
    return Candidate(f"{name} {COLOURS[channels]} {cell}×{cell}", network.eval(), channels)


def _pixels(batch: int, channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (batch, SIDE_PX, SIDE_PX, channels), np.uint8)


def _ort(candidate: Candidate, most: int) -> Callable[[int], object]:
    network, channels = candidate.network, candidate.channels
    graph = station_graph(export_float(network, channels), Tail(network.logistic, network.shuffle))
    engine = OrtEngine(
        graph.SerializeToString(), batch=most, height=SIDE_PX, width=SIDE_PX, channels=channels
    )
    engine.input[:] = _pixels(most, channels)
    return engine.run


def _torch(candidate: Candidate, most: int) -> Callable[[int], object]:
    pixels = torch.from_numpy(_pixels(most, candidate.channels)).permute(0, 3, 1, 2).contiguous()

    def run(count: int) -> object:
        with torch.inference_mode():
            return candidate.network(normalise(pixels[:count]))

    return run


_PREPARE = {Engine.ORT: _ort, Engine.TORCH: _torch}


def main(
    network: Annotated[
        list[str] | None,
        typer.Option(help="Name of a network; repeat for more. [default: paper, or none with RUN]"),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The detector of this run too.")] = None,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="Batch size; repeat. [default: 1 8 16 32 64]")
    ] = None,
    engine: Annotated[
        list[Engine] | None, typer.Option(help="What runs it; repeat. [default: both]")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Write the table here as Markdown.")] = None,
) -> None:
    """Time detectors on batches of 256×256 patches, on one core."""
    console = Console()
    bind()
    torch.set_num_threads(1)
    engines, batches = list(engine or Engine), sorted(set(batch or BATCHES))
    try:
        chosen = candidates(network or ([] if run else ["paper"]), run)
        measured = {one.name: time_batches(one, batches, engines, rounds) for one in chosen}
        text = table(measured, batches, engines)
        said = f"ms of a batch (of a patch), {SIDE_PX}×{SIDE_PX}, one core, {rounds} rounds\n\n"
        if out is not None:
            out.write_text(said + text, encoding="utf-8")
    except (DataError, OSError) as error:
        console.print(f"[red]batch:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    console.print(said + text, highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
