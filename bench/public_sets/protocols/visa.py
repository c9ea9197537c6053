"""VisA (Zou et al., "SPot-the-Difference", ECCV 2022), one-class division, every object.

    split_csv/1cls.csv         object,split,label,image,mask
    OBJECT/Data/Images/...     OBJECT/Data/Masks/...

Masks number their defects from 1, so every value above 0 is a defect.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.public_sets.fold import Fold, Protocol, defective_sample, good_sample, slug
from models.data.dataset import DataError, Sample

LIST = "split_csv/1cls.csv"
COLUMNS = ("object", "split", "label", "image", "mask")
LAYOUT = f"{LIST} with the columns {','.join(COLUMNS)} (VisA)"


@dataclass(frozen=True, slots=True)
class VisaRow:
    """A line of 1cls.csv. mask: "" for a good picture."""

    object: str
    is_test: bool
    is_good: bool
    image: str
    mask: str


def folds(root: Path) -> tuple[Fold, ...]:
    """Return every object of the list whose folder is there."""
    rows = read_rows(root / LIST)
    objects = [name for name in dict.fromkeys(row.object for row in rows) if (root / name).is_dir()]
    if not objects:
        raise DataError(f"{root}: has no folder of an object in {LIST}; expected {LAYOUT}")
    listed = []
    for name in objects:
        own = tuple(row for row in rows if row.object == name)
        train = tuple(row for row in own if not row.is_test)
        test = tuple(row for row in own if row.is_test)
        if not train or not test:
            side = "test" if train else "train"
            raise DataError(f"{root / LIST}: {name} has no line with the split {side}")
        sides = partial(_samples, root, train), partial(_samples, root, test)
        listed.append(Fold(slug(name), root, *sides))
    return tuple(listed)


def read_rows(path: Path) -> tuple[VisaRow, ...]:
    """Return the lines of 1cls.csv. Raises DataError that names a faulty line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read; expected {LAYOUT}") from error
    if not table or tuple(table[0]) != COLUMNS:
        raise DataError(f"{path}: line 1: expected the columns {','.join(COLUMNS)}")
    rows = []
    for number, line in enumerate(table[1:], start=2):
        if not any(line):
            continue
        if (
            len(line) != len(COLUMNS)
            or line[1] not in ("train", "test")
            or line[2] not in ("normal", "anomaly")
            or ".." in line[3] + line[4]
        ):
            raise DataError(
                f"{path}: line {number}: expected object,train or test,normal or anomaly,image,mask"
            )
        rows.append(VisaRow(line[0], line[1] == "test", line[2] == "normal", line[3], line[4]))
    return tuple(rows)


def _samples(root: Path, rows: tuple[VisaRow, ...]) -> tuple[Sample, ...]:
    return tuple(
        good_sample(root / row.image, root)
        if row.is_good
        else defective_sample(
            root / row.image, root, root / row.mask if row.mask else None, nonzero=True
        )
        for row in rows
    )


VISA = Protocol(
    "visa",
    "VisA, one class",
    ("good",),
    folds,
    f"published: {LIST}, each object by itself",
)
