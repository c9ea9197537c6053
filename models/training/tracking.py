"""Losses and figures of a training for TensorBoard or MLflow.

Training code calls ``record``. A command wraps its work in ``tracked``; without it ``record`` does
nothing. Both libraries are optional (extra `track`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from edge.errors import UsageError
from edge.files import write_atomically

TrackerName = Literal["tensorboard", "mlflow"]
NAMES: tuple[TrackerName, ...] = get_args(TrackerName)
EVENTS, STORE, RUN_ID = "tensorboard", "mlflow", "mlflow-run.txt"
EXPERIMENT = "outfeed"


class Tracker(Protocol):
    """A library that keeps figures of trainings, so that they can be compared."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Keep a figure of a step of training."""

    def settings(self, values: Mapping[str, object], text: str) -> None:
        """Keep the recipe: its keys with dots, and the whole as TOML."""

    def artifact(self, path: Path) -> None:
        """Keep a file, or nothing where the library has no place for files."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoardTracker:
    """Event files in OUT/tensorboard, for `tensorboard --logdir`."""

    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(out / EVENTS))

    def scalar(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)

    def settings(self, values: Mapping[str, object], text: str) -> None:
        # Four spaces make a block of code in TensorBoard's Markdown.
        self._writer.add_text("recipe", "".join(f"    {line}\n" for line in text.splitlines()), 0)

    def artifact(self, path: Path) -> None:
        pass

    def close(self) -> None:
        self._writer.close()


class MLflowTracker:
    """A run of MLflow, on the server that MLFLOW_TRACKING_URI names, else in OUT/mlflow.db.

    A training that continues goes on with its run, whose id is in OUT/mlflow-run.txt.
    """

    def __init__(self, out: Path) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        if "MLFLOW_TRACKING_URI" not in os.environ:
            folder = out.resolve()
            mlflow.set_tracking_uri(f"sqlite:///{folder / STORE}.db")
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                mlflow.create_experiment(EXPERIMENT, (folder / STORE).as_uri())
            mlflow.set_experiment(EXPERIMENT)
        known = out / RUN_ID
        if known.is_file():
            mlflow.start_run(run_id=known.read_text(encoding="utf-8").strip())
        else:
            run = mlflow.start_run(run_name=out.resolve().name)
            write_atomically(known, f"{run.info.run_id}\n")

    def scalar(self, name: str, value: float, step: int) -> None:
        self._mlflow.log_metric(_allowed(name), value, step=step)

    def settings(self, values: Mapping[str, object], text: str) -> None:
        known = self._mlflow.active_run().data.params
        new = {key: value for key, value in values.items() if key not in known}
        self._mlflow.log_params(new)
        self._mlflow.log_text(text, "recipe.toml")

    def artifact(self, path: Path) -> None:
        self._mlflow.log_artifact(str(path))

    def close(self) -> None:
        self._mlflow.end_run()


_current: Tracker | None = None


def record(name: str, value: float, step: int) -> None:
    """Keep a figure of a step, where the training is tracked. name: words, with / for groups."""
    if _current is not None:
        _current.scalar(name, value, step)


@contextmanager
def tracked(name: TrackerName | None, out: Path) -> Iterator[Tracker | None]:
    """Track the training within. name: None tracks nothing. out: folder of the run.

    Raises UsageError where the library is not installed, or refuses.
    """
    global _current  # noqa: PLW0603 - one training runs in a process at a time
    if name is None:
        yield None
        return
    out.mkdir(parents=True, exist_ok=True)
    _current = _open(name, out)
    try:
        yield _current
    finally:
        open_, _current = _current, None
        if open_ is not None:
            open_.close()


def _open(name: TrackerName, out: Path) -> Tracker:
    try:
        return TensorBoardTracker(out) if name == "tensorboard" else MLflowTracker(out)
    except ImportError as error:
        raise UsageError(
            f"--track {name}: {error.name or name} is not installed; expected the extra 'track' "
            "(pip install 'outfeed[track]')"
        ) from error
    except Exception as error:
        raise UsageError(f"--track {name}: {str(error).splitlines()[0]}") from error


def _allowed(name: str) -> str:
    """Return a name with only the characters that MLflow allows."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)
