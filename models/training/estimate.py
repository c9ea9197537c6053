"""The seconds that a training will take: costs of the methods, scaled by a trial on this machine.

The costs are those of two idle cores of a Xeon with AMX, 2026-11-30, from the log of `make train`
on 320 pictures of 512×512 px without a defect, and on 600 pictures of magnetic tiles. A trial of a
second compares this machine with that one. An estimate is right within a factor of two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from edge.bundle import AlignmentManifest
from edge.bundle.kinds import DetectorKind
from models.networks import build_detector
from models.training.device import TrainingDevice
from models.training.patches import Picture
from models.training.recipe import Recipe

TRIAL_PX, TRIAL_RUNS = 256, 10
TRIAL_S = 0.0080  # of a run of the trial on the machine of the costs
GPU_SPEED = 10.0  # of a training step, as a multiple of two cores; not measured
CLASSIFIER_PX = 64  # side of a block

# Seconds for a million pixels: of a run of a frozen network, of a training step, of the evaluation.
RUN_S, STEP_S, BLOCK_STEP_S, JUDGE_S = 0.2, 0.19, 0.5, 0.35
STUDENT_STEP_S, HEAD_STEP_S = 0.35, 0.25
REPORT_S = 0.6  # of the report, with its sweep of limits


@dataclass(frozen=True, slots=True)
class PictureSides:
    """Million pixels that a detector sees: of the good training pictures, of all of them, of the
    held-back ones, and of one picture."""

    good: float
    train: float
    held_back: float
    each: float

    @classmethod
    def of(
        cls,
        train: Sequence[Picture],
        held_back: Sequence[Picture],
        alignment: AlignmentManifest | None = None,
    ) -> PictureSides:
        def mpx(pictures: Sequence[Picture]) -> float:
            if alignment is not None:
                return len(pictures) * alignment.height * alignment.width / 1e6
            return sum(picture.kind_map.size for picture in pictures) / 1e6

        good = mpx([picture for picture in train if picture.sample.is_good])
        return cls(good, mpx(train), mpx(held_back), mpx(train) / max(len(train), 1))


def phases_of(
    recipe: Recipe, sides: PictureSides, device: TrainingDevice, slowness: float
) -> dict[str, float]:
    """Return the expected seconds of the phases of ``train_run``, in their order.

    slowness: of this machine, from ``measure_slowness``.
    """
    faster = 1.0 if device.kind == "cpu" else GPU_SPEED
    phases = {"detector": _DETECTOR[recipe.method](recipe, sides) / faster}
    phases["T"] = JUDGE_S * sides.held_back
    options = recipe.classifier
    if options.enabled:
        step = options.batch * CLASSIFIER_PX**2 / 1e6
        learning = options.steps * step * BLOCK_STEP_S / faster
        phases["classifier"] = RUN_S * sides.train + learning
    phases["figures"] = JUDGE_S * sides.held_back
    return {name: slowness * seconds for name, seconds in phases.items()}


@torch.no_grad()
def measure_slowness() -> float:
    """Return how many times longer a network runs here than on the machine of the costs.

    Blocks for about a tenth of a second.
    """
    network = build_detector("lean", 1, 2).eval()
    picture = torch.zeros(1, 1, TRIAL_PX, TRIAL_PX)
    taken = []
    for _ in range(TRIAL_RUNS):
        began = time.perf_counter()
        network(picture)
        taken.append(time.perf_counter() - began)
    return min(taken) / TRIAL_S  # the least: other work on the machine changes all the time


def _steps(recipe: Recipe, sides: PictureSides) -> float:
    options = recipe.detector
    step = options.batch * options.patch_px**2 / 1e6
    return options.steps * step * STEP_S + options.checks * sides.held_back * RUN_S


def _autoencoder(recipe: Recipe, sides: PictureSides) -> float:
    options = recipe.autoencoder
    return options.steps * options.batch * options.patch_px**2 / 1e6 * STEP_S


def _memory_bank(recipe: Recipe, sides: PictureSides) -> float:
    return RUN_S * (sides.good + (recipe.memory_bank.synthetic_pictures + 400) * sides.each)


def _reverse_distillation(recipe: Recipe, sides: PictureSides) -> float:
    options = recipe.reverse_distillation
    crop = min(options.crop_px**2 / 1e6, sides.each)
    views = 2 * RUN_S * options.views * sides.good
    critics = 2 * RUN_S * (sides.good + (options.synthetic_pictures + 400) * sides.each)
    return views + critics + options.steps * options.batch * crop * STUDENT_STEP_S


def _heads(recipe: Recipe, sides: PictureSides) -> float:
    options = recipe.simplenet if recipe.method == "simplenet" else recipe.supersimplenet
    step = options.batch * options.picture_px**2 / 1e6
    return options.steps * step * HEAD_STEP_S + RUN_S * 400 * sides.each


def _efficientad(recipe: Recipe, sides: PictureSides) -> float:
    options = recipe.efficientad
    picture = options.picture_px**2 / 1e6
    steps = (options.steps + options.teacher_steps) * options.batch * picture
    return steps * STEP_S + RUN_S * options.views * picture


def _runs(each: float) -> Callable[[Recipe, PictureSides], float]:
    """Return the cost of a method that sees every good picture: seconds for a million pixels."""
    return lambda recipe, sides: each * sides.good


_DETECTOR: dict[DetectorKind, Callable[[Recipe, PictureSides], float]] = {
    "regression": _steps,
    "cascade": _steps,
    "autoencoder": _autoencoder,
    "memory-bank": _memory_bank,
    "reverse-distillation": _reverse_distillation,
    "ensemble": lambda recipe, sides: _reverse_distillation(recipe, sides) + 0.7 * sides.good,
    "simplenet": _heads,
    "supersimplenet": _heads,
    "efficientad": _efficientad,
    "patchcore": _runs(1.0),
    "padim": _runs(0.5),
    "texture": _runs(0.55),
    "template": _runs(0.06),
    "threshold": _runs(0.03),
}
