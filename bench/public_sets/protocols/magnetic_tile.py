"""Magnetic Tile (Huang et al. 2020): by runs of exposures, and by file as published, which leaks.

One tile was photographed at about six exposures with neighbouring numbers
(models/data/magnetic_tile.py). By runs, a quarter of the tiles is measured. By file, published work
with good parts only trains on 80 % of the good files, drawn at random, and measures the other files
and all defective ones. Most good tiles are then on both sides.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from bench.public_sets.fold import Fold, Protocol, side_of
from models.data import magnetic_tile
from models.data.dataset import DataError, Sample
from models.data.split import split

TEST_SHARE = 0.25  # of the tiles of each kind, by runs
GOOD_TEST_SHARE = 0.2  # of the good files, by file
SEED = 0  # of the division, which is the same for every seed of a training


def by_runs(root: Path) -> tuple[Fold, ...]:
    """Return a division in which every tile is on one side."""
    named, groups = _named(root)
    divided = split(side_of(root, named), TEST_SHARE, SEED)
    return (_fold(root, groups, divided.train, divided.validation),)


def by_file(root: Path) -> tuple[Fold, ...]:
    """Return the division of published work: good files at random, and all defective ones."""
    named, groups = _named(root)
    good = [sample for sample in named if sample.is_good]
    order = np.random.default_rng(SEED).permutation(len(good))
    drawn = {good[n].name for n in order[: round(GOOD_TEST_SHARE * len(good))].tolist()}
    train = tuple(sample for sample in good if sample.name not in drawn)
    names = {sample.name for sample in train}
    return (_fold(root, groups, train, tuple(s for s in named if s.name not in names)),)


def _named(root: Path) -> tuple[tuple[Sample, ...], dict[str, str]]:
    """Return every picture with its kind, by the names of files and folders alone."""
    if not root.is_dir():
        raise DataError(f"{root}: is not a folder; expected {magnetic_tile.LOOKS_FOR}")
    paths, groups = magnetic_tile.photographs(root)
    samples = []
    for path in paths:
        name, folder = path.relative_to(root).as_posix(), path.parent.parent.name
        is_good = folder == magnetic_tile.GOOD_FOLDER
        samples.append(Sample(name, path, groups[name], () if is_good else (folder,)))
    return tuple(sorted(samples, key=lambda sample: sample.name)), groups


def _fold(
    root: Path, groups: dict[str, str], train: tuple[Sample, ...], test: tuple[Sample, ...]
) -> Fold:
    for side, samples in (("training", train), ("test", test)):
        if not any(sample.is_good for sample in samples):
            raise DataError(
                f"{root}: no good picture on the {side} side; expected {magnetic_tile.LOOKS_FOR}"
            )
    return Fold("", root, partial(_side, root, groups, train), partial(_side, root, groups, test))


def _side(root: Path, groups: dict[str, str], some: tuple[Sample, ...]) -> tuple[Sample, ...]:
    return tuple(magnetic_tile.sample_of(sample.image_path, root, groups) for sample in some)


BY_RUNS = Protocol(
    "magnetic-tile",
    "Magnetic Tile, by runs",
    ("masks", "good", "marks"),
    by_runs,
    "by runs: a quarter of the tiles is measured; no tile is on both sides",
)
BY_FILE = Protocol(
    "magnetic-tile-by-file",
    "Magnetic Tile, by file (leaks)",
    ("good",),
    by_file,
    "LEAKS: 80 % of the good files train at random, so good tiles are on both sides",
    leaks=True,
)
