"""ELPV, electroluminescence pictures of solar cells (Deitsch et al. 2019): by runs, and by cell.

    labels.csv      images/cell0001.png  1.0  mono
    images/         300×300, without masks

The probability of a defect is 0, 1/3, 2/3 or 1. As in published work, 1/3 counts as good and 2/3 as
defective. The cells of one module have neighbouring numbers. By runs, every fourth run of RUN
numbers is measured; RUN is the number of cells of most modules. A training holds whole runs back,
too. By cell, a quarter of the cells is drawn at random, as in published work. Then cells of every
module are on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.public_sets.fold import KIND, Fold, Protocol
from models.data.dataset import DataError, Sample

LIST = "labels.csv"
LAYOUT = f"{LIST} with lines of picture, probability and mono or poly (ELPV)"
RUN = 60
EVERY = 4
DEFECTIVE_FROM = 0.5
CELLS = 2624
TEST_SHARE = 0.25  # of the cells, by cell
SEED = 0  # of the division by cell, which is the same for every seed of a training


def by_cell(root: Path) -> tuple[Fold, ...]:
    """Return the division at random of published work."""
    samples = _read(root)
    order = np.random.default_rng(SEED).permutation(len(samples)).tolist()
    drawn = set(order[: round(TEST_SHARE * len(samples))])
    return _fold(root, samples, [n in drawn for n in range(len(samples))], least=4)


def by_runs(root: Path) -> tuple[Fold, ...]:
    """Return the division by runs of numbers."""
    samples = tuple(
        replace(sample, group=f"run-{n // RUN + 1:02}") for n, sample in enumerate(_read(root))
    )
    measured = [n // RUN % EVERY == EVERY - 1 for n in range(len(samples))]
    return _fold(root, samples, measured, least=RUN * (EVERY - 1) + 1)


def _fold(
    root: Path, samples: tuple[Sample, ...], measured: Sequence[bool], *, least: int
) -> tuple[Fold, ...]:
    if len(samples) < least:
        raise DataError(f"{root / LIST}: names {len(samples)} cells; expected {least} or more")
    test, train = (
        tuple(s for s, is_test in zip(samples, measured, strict=True) if is_test is side)
        for side in (True, False)
    )
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


BY_RUNS = Protocol(
    "elpv",
    "ELPV, by runs",
    ("marks", "good"),
    by_runs,
    "by runs of 60 cells: every fourth run is measured; 1/3 is good, 2/3 defective",
    balanced=True,
)
BY_CELL = Protocol(
    "elpv-by-cell",
    "ELPV, by cell (cells of one module are on both sides)",
    ("marks", "good"),
    by_cell,
    "at random, as published: a quarter of the cells is measured; 1/3 is good, 2/3 defective",
    balanced=True,
)
