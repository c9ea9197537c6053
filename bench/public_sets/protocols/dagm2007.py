"""DAGM 2007 (Wieler and Hahn 2007), published division of each class.

    ClassN/Train/NNNN.PNG with Label/NNNN_label.PNG  ClassN/Test/

Labels are ellipses around a defect, so figures of pixels cannot be perfect.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.public_sets.fold import Fold, Protocol
from models.data import dagm2007
from models.data.dataset import DataError, Sample


def folds(root: Path) -> tuple[Fold, ...]:
    """Return every class in the folder, or the folder if it is a class."""
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; expected {dagm2007.LOOKS_FOR}")
    listed = []
    for folder, kind in dagm2007.classes(root).items():
        for side in dagm2007.SIDES:
            if not (folder / side).is_dir():
                raise DataError(f"{folder}: has no {side} folder; expected {dagm2007.LOOKS_FOR}")
        train, test = (partial(_side, root, folder / side, kind) for side in dagm2007.SIDES)
        listed.append(Fold(kind, root, train, test))
    if not listed:
        raise DataError(f"{root}: holds no class; expected {dagm2007.LOOKS_FOR}")
    return tuple(listed)


def _side(root: Path, folder: Path, kind: str) -> tuple[Sample, ...]:
    return tuple(dagm2007.samples_of(folder, kind, root))


DAGM2007 = Protocol(
    "dagm2007",
    "DAGM 2007",
    ("masks", "good", "marks"),
    folds,
    "published: Train/ trains, Test/ is measured, each class by itself",
)
