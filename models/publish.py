"""Put a run's detector weights into the zoo, for other runs to start from (`detector.start`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from models.fit import save_atomically
from models.run import Run


def publish(run: Run, out: Path) -> None:
    """Write the detector's weights at half precision: a start needs no more. Raises DataError."""
    weights = run.load_detector().state_dict()
    half = {
        key: value.half() if value.is_floating_point() else value for key, value in weights.items()
    }
    save_atomically(half, out)


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    out: Annotated[Path, typer.Option(help="The weights, models/zoo/NAME.pt.")],
) -> None:
    """Publish a run's detector weights."""
    torch.set_num_threads(1)
    publish(Run(run), out)


if __name__ == "__main__":
    typer.run(main)
