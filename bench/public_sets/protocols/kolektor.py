"""KolektorSDD (Tabernik et al. 2020), three published folds, and KolektorSDD2 (Božič et al. 2021).

    kosNN/PartM.jpg with PartM_label.bmp           KolektorSDD
    train/NNNNN.png with NNNNN_GT.png  test/       KolektorSDD2

A fold of KolektorSDD measures 17, 17 or 16 of the 50 parts and trains on the others. The lists are
those of Božič et al. 2021 (mixed-segdec-net-comind2021, splits/KSDD). Where a part is missing, the
folds have what is there, and the tables state it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.public_sets.fold import Fold, Protocol, defective_sample, good_sample, pictures_in
from models.data import kolektorsdd
from models.data.dataset import DataError, Sample

PARTS = 50
# Numbers of the parts on the test side of each fold; the training side has the other ones.
TEST_PARTS = (
    (2, 8, 9, 10, 15, 19, 21, 25, 27, 28, 30, 37, 38, 41, 43, 46, 47),
    (1, 3, 4, 6, 11, 17, 22, 24, 29, 31, 32, 36, 39, 40, 42, 44, 48),
    (5, 7, 12, 13, 14, 16, 18, 20, 23, 26, 33, 34, 35, 45, 49, 50),
)
SDD2 = "train/NNNNN.png and test/NNNNN.png, each with NNNNN_GT.png (KolektorSDD2)"
_TRUTH = "_GT"


def folds(root: Path) -> tuple[Fold, ...]:
    """Return the three folds. Raises DataError where a fold has no part on one of its sides."""
    there = {
        name: root / name for name in map(_part, range(1, PARTS + 1)) if (root / name).is_dir()
    }
    if not there:
        raise DataError(f"{root}: holds no part; expected {kolektorsdd.LOOKS_FOR}")
    remark = "" if len(there) == PARTS else f"{len(there)} of {PARTS} parts"
    return tuple(_fold(root, number, there, remark) for number in range(len(TEST_PARTS)))


def _fold(root: Path, number: int, there: dict[str, Path], remark: str) -> Fold:
    measured = {_part(part) for part in TEST_PARTS[number]}
    train = tuple(folder for name, folder in there.items() if name not in measured)
    test = tuple(folder for name, folder in there.items() if name in measured)
    for side, some in (("training", train), ("test", test)):
        if not some:
            raise DataError(f"{root}: fold {number} has no part on its {side} side")
    sides = partial(_parts, root, train), partial(_parts, root, test)
    return Fold(f"fold-{number}", root, *sides, remark)


def _part(number: int) -> str:
    return f"kos{number:02d}"


def _parts(root: Path, folders: tuple[Path, ...]) -> tuple[Sample, ...]:
    return tuple(s for folder in folders for s in kolektorsdd.samples_of(folder, root))


def folds_2(root: Path) -> tuple[Fold, ...]:
    """Return the published division of KolektorSDD2."""
    for side in ("train", "test"):
        pictures_in(root / side, SDD2)
    return (Fold("", root, _side_of(root, "train"), _side_of(root, "test")),)


def _side_of(root: Path, side: str) -> Callable[[], tuple[Sample, ...]]:
    return partial(_side, root, root / side)


def _side(root: Path, folder: Path) -> tuple[Sample, ...]:
    paths = {path.stem: path for path in pictures_in(folder, SDD2)}
    samples = []
    for stem, path in paths.items():
        if stem.endswith(_TRUTH):
            continue
        if stem + _TRUTH not in paths:
            raise DataError(f"{path}: has no {stem}{_TRUTH}.png beside it; expected {SDD2}")
        marked = defective_sample(path, root, paths[stem + _TRUTH])
        samples.append(good_sample(path, root) if marked.unmasked else marked)
    return tuple(samples)


KOLEKTORSDD = Protocol(
    "kolektorsdd",
    "KolektorSDD",
    ("masks", "good", "marks"),
    folds,
    "published: three folds by part; each fold is trained and measured by itself",
)
KOLEKTORSDD2 = Protocol(
    "kolektorsdd2",
    "KolektorSDD2",
    ("masks", "good", "marks"),
    folds_2,
    "published: train/ trains, test/ is measured",
)
