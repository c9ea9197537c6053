"""The training loop of detector and classifier: schedule, averaging, checkpoints, continuation."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from models.data.dataset import DataError
from models.networks import BlockClassifier, DetectorNetwork
from models.training.device import CPU, TrainingDevice, on_processor
from models.training.int8_rounding import call_rounded
from models.training.interrupts import Interrupted, stop_on_signal
from models.training.progress import stage
from models.training.tracking import record

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 200  # steps; half a minute of the lean detector on two cores


@dataclass(frozen=True, slots=True)
class Schedule:
    """The optimiser's settings: AdamW, with a warm-up over 5 % of the steps and a cosine to zero.

    ema: decay of the average of the weights. rounded_share: share of the steps, at the end, in
    which weights are rounded as in int8 (models/training/int8_rounding.py). device: on which the
    steps are computed, and in which precision.
    """

    steps: int
    learning_rate: float
    weight_decay: float
    ema: float
    device: TrainingDevice = CPU
    rounded_share: float = 0.0

    def is_rounded(self, step: int) -> bool:
        return step >= self.steps * (1 - self.rounded_share)

    def rate(self, step: int) -> float:
        warm = max(1, self.steps // 20)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return (
            self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (self.steps - warm)))
        )


@dataclass(frozen=True, slots=True)
class Check:
    """Evaluate the averaged network at intervals, store the best, and stop without improvement.

    figure: called with the averaged network in eval mode; larger is better. every: steps between
    two checks; the last step is always checked. patience: checks without a better figure after
    which training ends; 0 trains to the end.
    """

    figure: Callable[[nn.Module], float]
    every: int
    patience: int = 0


class Fit:
    """The training of one network. It may be killed at any moment and continues from its
    checkpoint.

    With a check, the weights of the best check are returned, else the last ones.
    batches(first, last) yields (inputs, targets) of steps first to last - 1, on any device. It must
    give the same batch for a step every time, so that a continued training equals an uninterrupted
    one. A checkpoint holds tensors of the processor alone, so a training that began on a GPU can
    continue without one.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        schedule: Schedule,
        checkpoint: Path,
        title: str,
        check: Check | None = None,
    ) -> None:
        self._device = schedule.device
        self._network: nn.Module = self._device.place(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._average: nn.Module = copy.deepcopy(self._network).eval()
        self._loss = loss
        self._schedule = schedule
        self._checkpoint = checkpoint
        self._title = title
        self._check = check
        groups = (
            network.parameter_groups()
            if isinstance(network, DetectorNetwork)
            else [(list(network.parameters()), 1.0)]
        )
        self._optimizer = torch.optim.AdamW(
            [{"params": some, "share": share} for some, share in groups if some],
            lr=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
        )
        self._scaler = self._device.scaler()
        self.history: list[tuple[int, float]] = []
        self.checks: list[tuple[int, float]] = []
        self._best: dict[str, Tensor] | None = None
        self._running = 0.0  # the loss, smoothed

    def run(self, batches: Callable[[int, int], Iterator[tuple[Tensor, Tensor]]]) -> nn.Module:
        """Train to the end of the schedule and return the averaged network. Block for minutes.

        The network is in eval mode, on the processor. Raises FloatingPointError when the loss is no
        finite number, and Interrupted after the first SIGINT, SIGTERM or SIGHUP, once the step is
        saved.
        """
        first = self._resume()
        running = self._running
        self._network.train()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
        )
        with (
            Progress(*columns) as progress,
            stage(self._title, self._schedule.steps) as under_way,
            stop_on_signal() as request,
        ):
            under_way.is_shown = progress.console.is_terminal
            under_way.begin_at(first)
            task = progress.add_task(
                self._title, total=self._schedule.steps, completed=first, loss=running
            )
            for step, batch in enumerate(batches(first, self._schedule.steps), start=first):
                if self._is_over():
                    break
                loss = self._step(step, *batch)
                if not math.isfinite(loss):
                    raise FloatingPointError(f"{self._title}: the loss is {loss} at step {step}")
                running = loss if step == 0 else 0.98 * running + 0.02 * loss
                self._running = running
                progress.update(task, advance=1, loss=running)
                under_way.done, under_way.note = step + 1, f"loss {running:.4f}"
                last = step + 1 == self._schedule.steps
                if self._check is not None and ((step + 1) % self._check.every == 0 or last):
                    self._check_average(step + 1)
                if (step + 1) % CHECKPOINT_EVERY == 0 or last or self._is_over():
                    self.history.append((step + 1, running))
                    record(f"loss/{self._title}", running, step + 1)
                    self._save(step + 1)
                    if not progress.console.is_terminal:
                        log.info(
                            "%s: step %s of %s, loss %.4f",
                            self._title,
                            step + 1,
                            self._schedule.steps,
                            running,
                        )
                elif request.to_stop:
                    self._save(step + 1)
                if request.to_stop and not last:
                    raise Interrupted(
                        f"{self._title} is saved at step {step + 1} of {self._schedule.steps}"
                    )
        if self._best is not None:
            self._average.load_state_dict(self._best)
        return CPU.place(self._average)

    def _check_average(self, step: int) -> None:
        """Check the averaged network, and copy its weights when it is the best so far."""
        assert self._check is not None
        figure = self._check.figure(self._average)
        record(f"figure/{self._title}", figure, step)
        log.info("%s: figure of the validation pictures %.4f at step %s", self._title, figure, step)
        if all(figure > earlier for _, earlier in self.checks):
            self._best = copy.deepcopy(self._average.state_dict())
        self.checks.append((step, figure))

    def _is_over(self) -> bool:
        """Return true when the last `patience` checks brought no improvement."""
        if self._check is None or not self._check.patience or not self.checks:
            return False
        figures = [figure for _, figure in self.checks]
        return len(figures) - 1 - figures.index(max(figures)) >= self._check.patience

    def _step(self, step: int, inputs: Tensor, targets: Tensor) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.rate(step) * group["share"]
        torch.manual_seed(step)  # dropout of a continued training equals that of a whole one
        inputs = self._device.place(inputs).contiguous(memory_format=torch.channels_last)
        with self._device.autocast():
            if self._schedule.is_rounded(step):
                outputs = call_rounded(self._network, inputs)
            else:
                outputs = self._network(inputs)
        loss = self._loss(outputs.float(), self._device.place(targets))
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._follow(step)
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        # The first averages decay faster, so that the random start has little weight.
        decay = min(self._schedule.ema, (1 + step) / (10 + step)) if self._schedule.ema else 0.0
        for slow, fast in zip(self._average.parameters(), self._network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)
        buffers = zip(self._average.buffers(), self._network.buffers(), strict=True)
        for old, new in buffers:
            old.copy_(new)

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "history": self.history,
            "checks": self.checks,
            "best": self._best,
            "running": self._running,
            "scaler": self._scaler.state_dict(),
        }
        save_atomically(on_processor(state), self._checkpoint)

    def _resume(self) -> int:
        if not self._checkpoint.exists():
            return 0
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history = [(int(step), float(loss)) for step, loss in state["history"]]
        self.checks = [(int(step), float(figure)) for step, figure in state["checks"]]
        self._best = state["best"]
        # Checkpoints of earlier versions have no key 'running'; the history has the loss.
        last = self.history[-1][1] if self.history else 0.0
        self._running = float(state.get("running", last))
        if self._scaler.is_enabled() and state.get("scaler"):
            self._scaler.load_state_dict(state["scaler"])
        log.info("fit-resumed %s step=%s", self._title, state["step"])
        return int(state["step"])


def save_atomically(state: Any, path: Path) -> None:
    """Save by torch, through a temporary file: after a kill the old or the new file is complete."""
    part = path.with_suffix(path.suffix + ".part")
    torch.save(state, part)
    part.replace(path)


def start_from_imagenet(network: DetectorNetwork | BlockClassifier, key: str) -> None:
    """Load the weights from ImageNet into a network. key: the recipe key, for the message.

    Raises DataError if the network or the machine has none.
    """
    try:
        network.load_imagenet()
    except (ImportError, ValueError) as error:
        raise DataError(f"recipe key '{key}': imagenet: {error}") from error
