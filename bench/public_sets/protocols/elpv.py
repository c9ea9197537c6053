"""ELPV, electroluminescence pictures of solar cells (Deitsch et al. 2019), by runs of numbers.

    labels.csv      images/cell0001.png  1.0  mono
    images/         300×300, without masks

The probability of a defect is 0, 1/3, 2/3 or 1. As in published work, 1/3 counts as good and 2/3 as
defective. The cells of one module have neighbouring numbers, so a division at random would leak.
Every fourth run of RUN numbers is measured; RUN is the number of cells of most modules.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from bench.public_sets.fold import KIND, Fold, Protocol
from models.data.dataset import DataError, Sample

LIST = "labels.csv"
LAYOUT = f"{LIST} with lines of picture, probability and mono or poly (ELPV)"
RUN = 60
EVERY = 4
DEFECTIVE_FROM = 0.5
CELLS = 2624


def folds(root: Path) -> tuple[Fold, ...]:
    """Return the division by runs of numbers."""
    samples = _read(root)
    test = tuple(s for n, s in enumerate(samples) if n // RUN % EVERY == EVERY - 1)
    train = tuple(s for n, s in enumerate(samples) if n // RUN % EVERY != EVERY - 1)
    if not test:
        needed = RUN * (EVERY - 1) + 1
        raise DataError(f"{root / LIST}: names {len(samples)} cells; expected {needed} or more")
    remark = "" if len(samples) == CELLS else f"{len(samples)} of {CELLS} cells"
    return (Fold("", root, partial(tuple, train), partial(tuple, test), remark),)


def _read(root: Path) -> tuple[Sample, ...]:
    """Return the cells in the order of the list. Raises DataError that names a faulty line."""
    path = root / LIST
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read; expected {LAYOUT}") from error
    samples = []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            name, probability, _ = fields
            is_defective = float(probability) > DEFECTIVE_FROM
        except ValueError as error:
            raise DataError(
                f"{path}: line {number}: expected picture, probability and mono or poly"
            ) from error
        kinds = (KIND,) if is_defective else ()
        samples.append(Sample(name, root / name, name, kinds, unmasked=is_defective))
    return tuple(samples)


ELPV = Protocol(
    "elpv",
    "ELPV",
    ("marks", "good"),
    folds,
    "by runs of 60 cells: every fourth run is measured; 1/3 is good, 2/3 defective",
)
