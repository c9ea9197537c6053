"""MVTec AD (Bergmann et al. 2021) and MVTec AD 2 (Heckler-Kram et al. 2025), every category.

    CATEGORY/train/good/                    AD and AD 2
    CATEGORY/test/KIND/  test/good/         AD; masks: ground_truth/KIND/NNN_mask.png
    CATEGORY/validation/good/               AD 2
    CATEGORY/test_public/good/  bad/        AD 2; masks: test_public/ground_truth/bad/NAME_mask.png

The private test pictures of AD 2 have no public masks, so they are not used.
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

GOOD = "good"
LAYOUT = "CATEGORY/train/good, CATEGORY/test/good, test/KIND and ground_truth/KIND (MVTec AD)"
LAYOUT_2 = (
    "CATEGORY/train/good, validation/good, test_public/good, bad and ground_truth (MVTec AD 2)"
)


def folds(root: Path) -> tuple[Fold, ...]:
    """Return every category in the folder, or the folder if it is a category."""
    listed = categories(root, f"train/{GOOD}", LAYOUT)
    return tuple(_fold(folder, ("train",), "test", "ground_truth", LAYOUT) for folder in listed)


def folds_2(root: Path) -> tuple[Fold, ...]:
    """Return every category of AD 2. Its good validation pictures belong to the training side."""
    listed = categories(root, f"train/{GOOD}", LAYOUT_2)
    sides = ("train", "validation"), "test_public", "test_public/ground_truth"
    return tuple(_fold(folder, *sides, LAYOUT_2) for folder in listed)


def _fold(folder: Path, train: tuple[str, ...], test: str, truth: str, expected: str) -> Fold:
    if not (folder / test).is_dir():
        raise DataError(f"{folder}: has no {test} folder, so no test side; expected {expected}")
    if not any(files_in(each) for each in _kinds(folder / test)):
        raise DataError(f"{folder / test}: holds no picture; expected {expected}")
    return Fold(
        slug(folder.resolve().name),
        folder,
        partial(_train, folder, train, expected),
        partial(_test, folder, test, truth),
    )


def _kinds(test: Path) -> list[Path]:
    return sorted(p for p in test.iterdir() if p.is_dir() and p.name != "ground_truth")


def _train(folder: Path, sides: tuple[str, ...], expected: str) -> tuple[Sample, ...]:
    return tuple(
        good_sample(path, folder)
        for side in sides
        for path in pictures_in(folder / side / GOOD, expected)
    )


def _test(folder: Path, test: str, truth: str) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for kind in _kinds(folder / test):
        for path in files_in(kind):
            if kind.name == GOOD:
                samples.append(good_sample(path, folder))
                continue
            mask = mask_beside(folder / truth / kind.name, f"{path.stem}_mask")
            samples.append(defective_sample(path, folder, mask, kind=kind.name))
    return tuple(samples)


AD = Protocol(
    "mvtec-ad",
    "MVTec AD",
    ("good",),
    folds,
    "published: train/good trains, test/ is measured, each category by itself",
)
AD_2 = Protocol(
    "mvtec-ad-2",
    "MVTec AD 2, public test pictures",
    ("good",),
    folds_2,
    "published: train/good and validation/good train, test_public/ is measured",
)
