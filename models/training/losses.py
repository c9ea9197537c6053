"""Losses of the detectors. Targets are severities, float32 N×1×h×w, 0 to 12."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.networks import SEVERITY_MAX

_ABSENT_LOGIT = -30.0  # no severity at all

HARD_CELLS = 64  # per patch: 16×16 px at stride 2


def l2(severity: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared error of severity: He & Liu 2020, section III.B.1."""
    return ((severity - targets) ** 2).mean()


def cross_entropy_and_overlap(
    logits: Tensor,
    targets: Tensor,
    floor: float,
    *,
    cross_entropy_weight: float = 4.0,
    hard_weight: float = 0.0,
) -> Tensor:
    """Return the loss of networks whose severity is 12 × logistic(logits).

    It is the sum of two terms. The cross entropy towards severity / 12 is least where the logistic
    equals severity / 12, as L2 is, but its gradient does not fade on faint defects. The Dice
    overlap is computed for each patch, so that a pit of 30 px counts as much as a smear of 10,000
    px; with L2 the many cells of large defects outweigh small ones. Dice compares
    min(severity / floor, 1) of both sides: the extent of the defect, and not severities above the
    floor.

    hard_weight: weight of a third term, the cross entropy of the HARD_CELLS hardest sound cells of
    each patch. A part is rejected by its single worst cell, which hardly changes the mean over all
    cells.
    """
    wanted = targets / SEVERITY_MAX
    loss = cross_entropy_weight * functional.binary_cross_entropy_with_logits(logits, wanted)
    share = max(floor, 1.0) / SEVERITY_MAX
    extent = (wanted / share).clamp(max=1).flatten(1)
    present = extent.sum(1) > 0
    if present.any():
        extent = extent[present]
        predicted = (torch.sigmoid(logits) / share).clamp(max=1).flatten(1)[present]
        dice = (2 * (predicted * extent).sum(1) + 1) / (predicted.sum(1) + extent.sum(1) + 1)
        loss = loss + (1 - dice).sum() / len(logits)
    if hard_weight:
        flat = wanted.flatten(1)
        cells = functional.binary_cross_entropy_with_logits(
            logits.flatten(1), flat, reduction="none"
        )
        sound = torch.where(flat > 0, torch.zeros_like(cells), cells)
        count = min(HARD_CELLS, sound.shape[1])
        loss = loss + hard_weight * sound.topk(count, 1).values.mean()
    return loss


def whole_picture(
    rows: Tensor,
    targets: Tensor,
    floor: float,
    *,
    hard_weight: float,
    decision_weight: float,
) -> Tensor:
    """Return the loss of whole pictures, whose rows are cells and then the part's logit.

    targets: float32 N×(cells + 1), 0 to 12; NaN where a cell is not known. The cells count
    where all of a picture's are known: of good parts and of defective ones with a mask. The other
    term is the cross entropy of the decision.
    """
    wanted = targets[:, -1] / SEVERITY_MAX
    decided = functional.binary_cross_entropy_with_logits(rows[:, -1], wanted)
    loss = decision_weight * decided
    known = ~targets.isnan().any(1)
    if known.any():
        cells, severities = (each[known, :-1] for each in (rows, targets))
        share = float(known.float().mean())
        loss = loss + share * cross_entropy_and_overlap(
            cells, severities, floor, hard_weight=hard_weight
        )
    return loss


def without_unknown(outputs: Tensor, targets: Tensor, *, logistic: bool) -> tuple[Tensor, Tensor]:
    """Return outputs and targets in which cells with a target below 0 cost nothing.

    targets: float32 N×1×h×w. outputs: of the same shape, logits where ``logistic``, else
    severities.
    """
    unknown = targets < 0
    if not bool(unknown.any()):
        return outputs, targets
    absent = torch.full_like(outputs, _ABSENT_LOGIT if logistic else 0.0)
    sound = torch.where(unknown, torch.zeros_like(targets), targets)
    return torch.where(unknown, absent, outputs), sound
