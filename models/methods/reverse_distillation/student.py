"""The training of the student by the mean squared error of its predictions."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.methods.base import TrainingTask
from models.methods.reverse_distillation.features import TeacherViews
from models.methods.reverse_distillation.network import ReverseDistillationDetector
from models.training.device import on_processor
from models.training.fit import save_atomically
from models.training.interrupts import Interrupted, stop_on_signal
from models.training.progress import stage
from models.training.tracking import record

log = logging.getLogger(__name__)

WEIGHT_DECAY = 1e-4
LOG_EVERY = 50  # steps
CHECKPOINT_EVERY = 100  # steps; some ten seconds on two cores


class StudentFit:
    """The training of one student, on the device of the task. It continues from its checkpoint."""

    def __init__(
        self, network: ReverseDistillationDetector, views: TeacherViews, task: TrainingTask
    ) -> None:
        options = task.recipe.reverse_distillation
        self._network, self._views, self._options = network, views, options
        self._device, self._checkpoint = task.device, task.checkpoint
        learning = [network.enter, network.coarse, network.narrow, network.fine]
        self._student = nn.ModuleList([*learning, *(each.predict for each in network.comparisons)])
        self._optimiser = torch.optim.AdamW(
            self._student.parameters(), options.learning_rate, weight_decay=WEIGHT_DECAY
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, options.learning_rate, total_steps=options.steps + 1
        )
        self._scaler = task.device.scaler()
        self._losses: list[tuple[int, float]] = []

    def run(self) -> list[tuple[int, float]]:
        """Train to the last step, and return the loss by step. The network is in eval mode then.

        Blocks for about 0.3 s for each step on one core. Raises Interrupted after the first SIGINT,
        SIGTERM or SIGHUP, once the step is saved.
        """
        options, first, title = self._options, self._resume(), "training the student"
        self._student.train()
        batches = self._views.batches(options.steps - first, options.batch, options.crop_px)
        with stage(title, options.steps) as under_way, stop_on_signal() as request:
            under_way.begin_at(first)
            for step, crops in enumerate(batches, start=first + 1):
                error = self._step(crops)
                under_way.done = step
                last = step == options.steps
                if step % LOG_EVERY == 0 or last:
                    self._losses.append((step, error.item()))
                    record("loss/reverse-distillation", error.item(), step)
                    log.info("reverse-distillation step=%s loss=%.3f", step, error.item())
                if step % CHECKPOINT_EVERY == 0 or last or request.to_stop:
                    self._save(step)
                if request.to_stop and not last:
                    raise Interrupted(f"{title} is saved at step {step} of {options.steps}")
        self._network.eval()
        return self._losses

    def _step(self, crops: list[Tensor]) -> Tensor:
        *known, deep = (self._device.place(each) for each in crops)
        with self._device.autocast():
            predicted = self._network.predict(deep)
        pairs = zip(predicted, known, strict=True)
        error = torch.stack([functional.mse_loss(one.float(), other) for one, other in pairs]).sum()
        self._optimiser.zero_grad()
        self._scaler.scale(error).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self._schedule.step()
        return error.detach()

    def _save(self, step: int) -> None:
        state = {
            "step": step,
            "student": self._student.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "scaler": self._scaler.state_dict(),
            "choices": self._views.choices,
            "losses": self._losses,
        }
        save_atomically(on_processor(state), self._checkpoint)

    def _resume(self) -> int:
        if not self._checkpoint.exists():
            return 0
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self._student.load_state_dict(state["student"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self._views.choices = state["choices"]
        self._losses = [(int(step), float(loss)) for step, loss in state["losses"]]
        log.info("fit-resumed reverse-distillation step=%s", state["step"])
        return int(state["step"])
