"""Precision, recall, F1 and accuracy of whole pictures, from a confusion table.

Source: the paper, section 4.2.1, equation (8). The equation sets F1 equal to accuracy and also to
2PR / (P + R), which differ. Here F1 is 2PR / (P + R), and accuracy is a score of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from bench.imagelevel.pictures import GOOD, Labels

Table = npt.NDArray[np.int64]


class Score(BaseModel):
    """Scores, as shares from 0 to 1. A share of nothing is 0.

    precision, recall, f1: means over the classes that have validation pictures. accuracy: over all
    classes. bad_*: defective (any kind) against good; a defective picture with the wrong kind
    counts as found.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: float
    recall: float
    f1: float
    accuracy: float
    bad_precision: float
    bad_recall: float
    bad_f1: float
    bad_accuracy: float


def confusion(truth: Labels, called: Labels, classes: int) -> Table:
    """Return the pictures by true label (row) and assigned label (column): int64 K×K."""
    counts = np.bincount(truth * classes + called, minlength=classes * classes)
    return np.asarray(counts.reshape(classes, classes), np.int64)


def score(table: Table) -> Score:
    """Return the scores of a K×K confusion table; label 0 is good."""
    present = table.sum(1) > 0
    each = [_class_score(table, label) for label in np.flatnonzero(present).tolist()]
    precision, recall, f1 = np.mean(each, axis=0).tolist()
    two = np.zeros((2, 2), np.int64)
    two[0, 0] = table[GOOD, GOOD]
    two[0, 1] = table[GOOD].sum() - two[0, 0]
    two[1, 0] = table[:, GOOD].sum() - two[0, 0]
    two[1, 1] = table.sum() - two.sum()
    bad_precision, bad_recall, bad_f1 = _class_score(two, 1)
    return Score(
        precision=precision,
        recall=recall,
        f1=f1,
        accuracy=_share(int(table.trace()), int(table.sum())),
        bad_precision=bad_precision,
        bad_recall=bad_recall,
        bad_f1=bad_f1,
        bad_accuracy=_share(int(two.trace()), int(two.sum())),
    )


def _class_score(table: Table, label: int) -> tuple[float, float, float]:
    right = int(table[label, label])
    called, true = int(table[:, label].sum()), int(table[label].sum())
    return _share(right, called), _share(right, true), _share(2 * right, called + true)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
