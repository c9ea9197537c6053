"""`python -m bench.imagelevel`: compare methods that classify whole pictures by kind of defect."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.imagelevel.compare import compare
from bench.imagelevel.report import write_report
from bench.imagelevel.settings import DIMENSIONS, METHODS, ImageLevelSettings, make_settings
from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from models.data.dataset import DataError
from models.data.layouts import open_dataset


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures and masks.")],
    out: Annotated[Path, typer.Option(help="Folder for imagelevel.md, .json and .svg.")],
    seeds: Annotated[int, typer.Option(help="Number of seeds; several give mean ± deviation.")] = 1,
    first_seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    validation_share: Annotated[float, typer.Option(help="Share of pictures held back.")] = 0.25,
    split_seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    size: Annotated[int, typer.Option(help="Side in px that pictures are resized to.")] = 96,
    denoise: Annotated[int, typer.Option(help="Median filter, 3 or 5 px; 0 for none.")] = 3,
    balance: Annotated[bool, typer.Option(help="Fill every class up to the largest one.")] = True,
    copies: Annotated[int, typer.Option(help="Times that the largest class is repeated.")] = 1,
    augment: Annotated[bool, typer.Option(help="Change training pictures at random.")] = True,
    methods: Annotated[str, typer.Option(help="Methods, with commas.")] = ",".join(METHODS),
    dimension: Annotated[int, typer.Option(help="Feature dimension of the main table.")] = 64,
    dimensions: Annotated[str, typer.Option(help="Those of the second table.")] = ",".join(
        map(str, DIMENSIONS)
    ),
    neighbours: Annotated[int, typer.Option(help="Number of neighbours of KNN.")] = 5,
    epochs: Annotated[int, typer.Option(help="Epochs of BP network and MLP.")] = 60,
    cnn_steps: Annotated[int, typer.Option(help="Steps of the CNNs, 32 pictures each.")] = 600,
    activation: Annotated[str, typer.Option(help="Activation of the CNNs: tanh or relu.")] = "tanh",
) -> None:
    """Compare CNN, SVM, KNN, BP network and MLP on whole pictures, on one core."""
    console, errors = Console(), Console(stderr=True)
    options: dict[str, object] = {
        "seeds": seeds,
        "first_seed": first_seed,
        "validation_share": validation_share,
        "split_seed": split_seed,
        "size_px": size,
        "denoise_px": denoise,
        "balance": balance,
        "copies": copies,
        "augment": augment,
        "methods": tuple(name.strip() for name in methods.split(",")),
        "dimension": dimension,
        "neighbours": neighbours,
        "epochs": epochs,
        "cnn_steps": cnn_steps,
        "activation": activation,
    }
    try:
        settings = _settings(options, dimensions)
        dataset = open_dataset(data)
        out.mkdir(parents=True, exist_ok=True)  # fails here rather than after minutes of training
        report = partial(_print_line, console)
        written = write_report(out, compare(dataset, settings, report))
    except (OutfeedError, OSError, FloatingPointError) as error:
        _print_line(errors, f"imagelevel: {error}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    except KeyboardInterrupt:
        _print_line(errors, "stopped; nothing was written")
        sys.exit(130)
    _print_line(console, f"written: {', '.join(map(str, written))}")


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def _settings(options: dict[str, object], dimensions: str) -> ImageLevelSettings:
    """Return the settings of the command line. Raises UsageError."""
    try:
        return make_settings({**options, "dimensions": _numbers(dimensions)})
    except DataError as error:
        raise UsageError(str(error)) from error


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise DataError(f"dimensions '{text}': expected whole numbers like 8,16,32") from error


if __name__ == "__main__":
    tolerate()
    typer.run(main)
