"""A part of a data set: what a paper or a user trained on, told by the pictures' names."""

from __future__ import annotations

import re
from dataclasses import replace

from models.data.dataset import DataError, DataSet


def select(dataset: DataSet, names: str | None = None, *, defective_only: bool = False) -> DataSet:
    """The samples whose name `names` is found in, and of these only the defective ones if asked
    for; the kinds are those that they carry.

    names: a regular expression of Python's (^ and $ bind it to the ends of a posix path like
    Class1/Train/0576.PNG); None for all. Raises DataError when it is none, or nothing is left.
    """
    try:
        pattern = re.compile(names or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"names {names!r}: is no regular expression: {error}") from error
    samples = tuple(
        sample
        for sample in dataset.samples
        if pattern.search(sample.name) and not (defective_only and sample.is_good)
    )
    if not samples:
        what = "defective picture" if defective_only else "picture"
        raise DataError(f"{dataset.root}: no {what} has a name with {names or ''!r}")
    if len(samples) == len(dataset.samples):
        return dataset
    carried = {kind for sample in samples for kind in sample.kinds}
    kinds = tuple(kind for kind in dataset.kinds if kind in carried)
    return replace(dataset, samples=samples, kinds=kinds)
