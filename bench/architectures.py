"""Compare detector architectures: their cost, their time in each engine and their accuracy.

    python -m bench.architectures [--run runs/X ...] [--out FOLDER]

Each runs on one 256×256 block on one core. All take turns of a few runs, so that a noisy machine
affects all alike. Weights are random, because time does not depend on them. --run adds the accuracy
of an exported run (from its export.json). --out writes the table and the Pareto front of time and
mean IoU. OpenVINO is timed where it is installed (pip install openvino).
"""

from __future__ import annotations

import logging
import statistics
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from torch import Tensor, nn

from bench.papertables.tables import markdown
from bench.runners import (
    graphs,
    has_openvino,
    noise,
    run_openvino,
    run_ort,
    run_torch,
)
from bench.timing import Call, Turns, bind, interleave
from models.data.dataset import DataError
from models.networks import DetectorNetwork, build_detector, mmac
from models.networks.base import ResidualBlock, conv_bn_relu
from models.report.exported import read_export
from models.report.plots import scatter_plot
from models.runs.run import Run

RUNS = 20  # back to back, so that the caches hold the network's own data
SHIPPED = (("paper", 4), ("extra-large", 2), ("large", 2), ("lean", 2), ("nano", 2))


class PatchifyUNet(DetectorNetwork):
    """The first version's network.

    It has a 4×4 stem of stride 4, 64 channels at stride 8, context at 16 and detail from stride 4.
    """

    shuffle = 2
    logistic = True

    def __init__(
        self, stem: int = 48, width: int = 64, context: int = 96, blocks: int = 2, detail: int = 16
    ) -> None:
        super().__init__()
        self.stride_px, self.multiple_px = 2, 16
        self.stem = nn.Sequential(*conv_bn_relu(1, stem, 4, stride=4, padding=0))
        self.down = nn.Sequential(*conv_bn_relu(stem, width, 3, stride=2))
        self.context = nn.Sequential(
            *conv_bn_relu(width, context, 3, stride=2),
            *(ResidualBlock(context) for _ in range(blocks)),
            nn.Conv2d(context, width, 1),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )
        self.fuse = ResidualBlock(width)
        self.up = nn.Sequential(nn.Conv2d(width, 4 * detail, 3, padding=1), nn.PixelShuffle(2))
        self.detail = nn.Conv2d(stem, detail, 1)
        self.head = nn.Conv2d(detail, 4, 3, padding=1)

    def raw(self, x: Tensor) -> Tensor:
        fine = self.stem(x)
        x = self.down(fine)
        x = self.fuse(torch.relu(x + self.context(x)))
        return self.head(torch.relu(self.up(x) + self.detail(fine)))  # type: ignore[no-any-return]


class FlatAtEight(DetectorNetwork):
    """A network with an 8×8 stem of stride 8 that keeps every pixel.

    It has wide blocks at strides 8 and 16, and 4×4 sub-cells.
    """

    shuffle = 4
    logistic = True

    def __init__(self, width: int = 64, context: int = 64, blocks: int = 2, fuse: int = 1) -> None:
        super().__init__()
        self.stride_px, self.multiple_px = 2, 16
        self.stem = nn.Sequential(*conv_bn_relu(1, width, 8, stride=8, padding=0))
        self.context = nn.Sequential(
            *conv_bn_relu(width, context, 3, stride=2),
            *(ResidualBlock(context) for _ in range(blocks)),
            nn.Conv2d(context, width, 1),
            nn.Upsample(scale_factor=2, mode="nearest"),
        )
        self.fuse = nn.Sequential(*(ResidualBlock(width) for _ in range(fuse)))
        self.head = nn.Conv2d(width, 16, 3, padding=1)

    def raw(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.fuse(torch.relu(x + self.context(x))))  # type: ignore[no-any-return]


def make_networks() -> dict[str, DetectorNetwork]:
    """Return the shipped networks and the other architectures that were tried, in eval mode."""
    results = {name: build_detector(name, 1, resolution) for name, resolution in SHIPPED}
    results |= {
        "patchify U, 48/64/96 (first version)": PatchifyUNet(),
        "patchify U, 32/64/96, one block": PatchifyUNet(stem=32, blocks=1),
        "patchify U, 16/32/64, one block": PatchifyUNet(16, 32, 64, 1, 8),
        "flat at 8, 64, two + one blocks": FlatAtEight(),
        "flat at 8, 64, one + two blocks": FlatAtEight(blocks=1, fuse=2),
        "flat at 8, 32/64, one + none": FlatAtEight(32, 64, 1, 0),
    }
    return {name: network.eval() for name, network in results.items()}


def engines(network: DetectorNetwork) -> dict[str, Call]:
    """Return a call for each engine, by name, that runs the network once on a 256×256 block."""
    pixels = noise()
    results = {"torch float32": run_torch(network, pixels)}
    for precision, model in graphs(network).items():
        results[f"ORT {precision}"] = run_ort(model, pixels)
        if has_openvino():
            results[f"OpenVINO {precision}"] = run_openvino(model, pixels)
    return results


def time_all(candidates: dict[str, dict[str, Call]], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median milliseconds by network and engine.

    Blocks for three rounds of warm-up and ``rounds`` rounds of each.
    """
    calls = {(name, engine): call for name, of in candidates.items() for engine, call in of.items()}
    taken = interleave(calls, Turns(rounds, RUNS, warm_up=3))
    results: dict[str, dict[str, float]] = {}
    for (name, engine), times in taken.items():
        results.setdefault(name, {})[engine] = statistics.median(times)
    return results


def read_accuracy(runs: list[Path]) -> dict[str, tuple[float, float]]:
    """Return the mean IoU in float and int8 of exported runs, by network. Raises DataError."""
    results: dict[str, tuple[float, float]] = {}
    for folder in runs:
        exported = read_export(folder)
        if exported is None:
            raise DataError(f"{folder}: holds no export.json; expected an exported run")
        network = Run(folder).record().recipe.detector.network
        metrics = exported.metrics
        results[network] = (metrics["float32"]["mean_iou"], metrics["int8"]["mean_iou"])
    return results


def main(
    run: Annotated[
        list[Path] | None, typer.Option(help="An exported run, for its mean IoU; repeat for more.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only architectures whose name begins so; repeat.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds of the timing.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the table and the plot.")] = None,
) -> None:
    """Time every detector architecture beside the paper's."""
    bind()
    torch.set_num_threads(1)
    logging.getLogger().setLevel(logging.ERROR)
    try:
        quality = read_accuracy(run or [])
    except DataError as error:
        print(f"architectures: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    wanted = {
        name: network
        for name, network in make_networks().items()
        if not only or name == "paper" or name.startswith(tuple(only))
    }
    times = time_all({name: engines(network) for name, network in wanted.items()}, rounds)
    text = table(wanted, times, quality)
    Console(width=200).print(text, markup=False, highlight=False)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "architectures.md").write_text(text, encoding="utf-8")
        points = [(name, times[name]["ORT int8"], int8) for name, (_, int8) in quality.items()]
        if points:
            plot = scatter_plot(
                points,
                title="int8 in ONNX Runtime, one core",
                x_label="ms per 256×256 block",
                y_label="mean IoU",
                x_log=True,
                front=True,
            )
            (out / "architectures.svg").write_text(plot, encoding="utf-8")


def table(
    networks: dict[str, DetectorNetwork],
    times: dict[str, dict[str, float]],
    quality: dict[str, tuple[float, float]],
) -> str:
    """Return the table as Markdown, with a row per architecture.

    The column "times" states how many times faster its ORT int8 is than the reference.
    """
    reference = times["paper"]["ORT float32"]
    columns = list(times["paper"])
    rows = []
    for name, network in networks.items():
        scores = quality.get(name)
        rows.append(
            [
                name,
                f"{mmac(network):.0f}",
                f"{sum(p.numel() for p in network.parameters()) / 1e3:.0f}",
                *(f"{times[name][column]:.3f}" for column in columns),
                f"{reference / times[name]['ORT int8']:.1f}",
                *(f"{value:.3f}" for value in scores or ()),
                *([] if scores else ["–", "–"]),
            ]
        )
    heads = ("network", "MMAC", "thousand weights", *(f"{c}, ms" for c in columns), "times")
    return markdown((*heads, "mean IoU float", "int8"), rows)


if __name__ == "__main__":
    typer.run(main)
