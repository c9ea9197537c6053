"""`python -m bench.imagelevel`: which method tells best what kind a whole picture shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.imagelevel.compare import compare
from bench.imagelevel.report import write_report
from bench.imagelevel.settings import DIMENSIONS, METHODS, make_settings
from edge.terminals import tolerate
from models.data.dataset import DataError
from models.data.layouts import open_dataset


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures and masks.")],
    out: Annotated[Path, typer.Option(help="Folder for imagelevel.md, .json and .svg.")],
    seeds: Annotated[int, typer.Option(help="How many seeds; more give mean ± deviation.")] = 1,
    first_seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    validation_share: Annotated[float, typer.Option(help="Share of pictures held back.")] = 0.25,
    split_seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    size: Annotated[int, typer.Option(help="Side in px that pictures are resized to.")] = 96,
    denoise: Annotated[int, typer.Option(help="Median filter, 3 or 5 px; 0 for none.")] = 3,
    balance: Annotated[bool, typer.Option(help="Train on as many of each class.")] = True,
    copies: Annotated[int, typer.Option(help="Times the largest class is repeated.")] = 1,
    augment: Annotated[bool, typer.Option(help="Change training pictures at random.")] = True,
    methods: Annotated[str, typer.Option(help="Those to compare.")] = ",".join(METHODS),
    dimension: Annotated[int, typer.Option(help="Feature dimension of the main table.")] = 64,
    dimensions: Annotated[str, typer.Option(help="Those of the second table.")] = ",".join(
        map(str, DIMENSIONS)
    ),
    neighbours: Annotated[int, typer.Option(help="Neighbours that KNN asks.")] = 5,
    epochs: Annotated[int, typer.Option(help="Epochs of BP network and MLP.")] = 60,
    cnn_steps: Annotated[int, typer.Option(help="Steps of 32 pictures of the CNNs.")] = 600,
    activation: Annotated[str, typer.Option(help="Of the CNNs: tanh or relu.")] = "tanh",
) -> None:
    """Compare CNN, SVM, KNN, BP network and MLP on whole pictures, on one core."""
    console = Console()

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    try:
        settings = make_settings(
            {
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
                "dimensions": _numbers(dimensions),
                "neighbours": neighbours,
                "epochs": epochs,
                "cnn_steps": cnn_steps,
                "activation": activation,
            }
        )
        dataset = open_dataset(data)
        out.mkdir(parents=True, exist_ok=True)  # before minutes of training, not after
        written = write_report(out, compare(dataset, settings, say))
    except (DataError, OSError, FloatingPointError) as error:
        say(f"imagelevel: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped; nothing was written")
        sys.exit(130)
    say(f"written: {', '.join(map(str, written))}")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise DataError(f"dimensions '{text}': expected whole numbers like 8,16,32") from error


if __name__ == "__main__":
    tolerate()
    typer.run(main)
