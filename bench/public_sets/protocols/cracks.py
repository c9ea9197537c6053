"""DeepCrack (Liu et al. 2019), published division, and CrackForest (Shi et al. 2016), by number.

    train_img/NAME.jpg  train_lab/NAME.png  test_img/  test_lab/      DeepCrack
    image/NNN.jpg  groundTruth/NNN.mat                                CrackForest

Every picture shows a crack, so there are figures of pixels and none of pictures. The authors of
CrackForest draw 60 % at random for training and publish no list. Here the first 60 % by number
train.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.public_sets.fold import Fold, Protocol, defective_sample, mask_beside, pictures_in
from models.data import crackforest
from models.data.dataset import DataError, Sample, files_in

LAYOUT = "train_img/, train_lab/, test_img/ and test_lab/ (DeepCrack)"
CRACK = crackforest.KIND
TRAIN_SHARE = 0.6
CRACKFOREST_TRUTHS = 118


def folds(root: Path) -> tuple[Fold, ...]:
    """Return the published division of DeepCrack."""
    for side in ("train", "test"):
        for folder in (root / f"{side}_img", root / f"{side}_lab"):
            if not folder.is_dir():
                raise DataError(f"{folder}: is missing, so no {side} side; expected {LAYOUT}")
    return (Fold("", root, partial(_side, root, "train"), partial(_side, root, "test")),)


def _side(root: Path, side: str) -> tuple[Sample, ...]:
    samples = []
    for path in pictures_in(root / f"{side}_img", LAYOUT):
        mask = mask_beside(root / f"{side}_lab", path.stem)
        if mask is None:
            raise DataError(f"{path}: has no mask in {side}_lab; expected {LAYOUT}")
        samples.append(defective_sample(path, root, mask, kind=CRACK))
    return tuple(samples)


def crackforest_folds(root: Path) -> tuple[Fold, ...]:
    """Return the division of CrackForest by number. Raises DataError."""
    if not crackforest.matches(root):
        raise DataError(f"{root}: has no pictures with truth; expected {crackforest.LOOKS_FOR}")
    truths = {path.stem: path for path in files_in(root / "groundTruth", (".mat",))}
    paths = [path for path in files_in(root / "image", (".jpg",)) if path.stem in truths]
    pairs = tuple((path, truths[path.stem]) for path in paths)
    cut = round(TRAIN_SHARE * len(pairs))
    if not 0 < cut < len(pairs):
        raise DataError(f"{root}: holds {len(pairs)} pictures with truth; expected two or more")
    remark = ""
    if len(pairs) < CRACKFOREST_TRUTHS:
        remark = f"{len(pairs)} of {CRACKFOREST_TRUTHS} pictures"
    train, test = (partial(_crackforest, root, some) for some in (pairs[:cut], pairs[cut:]))
    return (Fold("", root, train, test, remark),)


def _crackforest(root: Path, pairs: tuple[tuple[Path, Path], ...]) -> tuple[Sample, ...]:
    return tuple(crackforest.sample_of(path, root, truth) for path, truth in pairs)


DEEPCRACK = Protocol(
    "deepcrack",
    "DeepCrack",
    ("masks",),
    folds,
    "published: train_img/ trains (300), test_img/ is measured (237)",
)
CRACKFOREST = Protocol(
    "crackforest",
    "CrackForest",
    ("masks",),
    crackforest_folds,
    "by number: the first 60 % train; the authors draw 60 % at random",
)
