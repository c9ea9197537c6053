"""BTAD, beanTech Anomaly Detection (Mishra et al., ISIE 2021): every product in the folder.

    PRODUCT/train/ok/  PRODUCT/test/ok/  PRODUCT/test/ko/  PRODUCT/ground_truth/ko/

A mask has the name of its picture, as .png or .bmp.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.public_sets.fold import (
    Fold,
    Protocol,
    categories,
    defective_sample,
    good_sample,
    mask_beside,
    pictures_in,
    slug,
)
from models.data.dataset import DataError, Sample, files_in

LAYOUT = "PRODUCT/train/ok, test/ok, test/ko and ground_truth/ko (BTAD)"


def folds(root: Path) -> tuple[Fold, ...]:
    """Return every product in the folder, or the folder if it is a product."""
    listed = []
    for folder in categories(root, "train/ok", LAYOUT):
        if not (folder / "test/ko").is_dir():
            raise DataError(f"{folder}: has no test/ko folder, so no test side; expected {LAYOUT}")
        name = slug(folder.resolve().name)
        listed.append(Fold(name, folder, partial(_train, folder), partial(_test, folder)))
    return tuple(listed)


def _train(folder: Path) -> tuple[Sample, ...]:
    return tuple(good_sample(path, folder) for path in pictures_in(folder / "train/ok", LAYOUT))


def _test(folder: Path) -> tuple[Sample, ...]:
    good = files_in(folder / "test/ok") if (folder / "test/ok").is_dir() else []
    truth = folder / "ground_truth/ko"
    return (
        *(good_sample(path, folder) for path in good),
        *(
            defective_sample(path, folder, mask_beside(truth, path.stem))
            for path in pictures_in(folder / "test/ko", LAYOUT)
        ),
    )


BTAD = Protocol(
    "btad",
    "BTAD",
    ("good",),
    folds,
    "published: train/ok trains, test/ is measured, each product by itself",
)
