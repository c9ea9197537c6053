"""Groups from the names of pictures: the physical part that each picture shows."""

from __future__ import annotations

import re
from dataclasses import replace

from models.data.dataset import DataError, DataSet, Sample

PART = "part"  # name of the pattern's group that is the part, if it has one of that name


def by_pattern(dataset: DataSet, pattern: str) -> DataSet:
    r"""Return the data set with the group of each sample read from its name.

    pattern: a regular expression of Python that is searched in the sample's name, a posix path like
    images/kos01_3.png; ^ and $ are its ends. The group named `part`, else the first one, is the
    physical part, for instance `(kos\d+)_`. It replaces the groups of the layout.

    Raises DataError if the pattern is not valid, has no group, or finds no part in a name.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"groups {pattern!r}: is no regular expression: {error}") from error
    if not compiled.groups:
        raise DataError(
            f"groups {pattern!r}: has no group; expected parentheses around the part, as (part\\d+)"
        )
    which = PART if PART in compiled.groupindex else 1
    samples = tuple(_regrouped(sample, compiled, which) for sample in dataset.samples)
    return replace(dataset, samples=samples)


def _regrouped(sample: Sample, pattern: re.Pattern[str], which: str | int) -> Sample:
    match = pattern.search(sample.name)
    part = match[which] if match is not None else None
    if not part:
        raise DataError(f"{sample.name}: groups {pattern.pattern!r} finds no part in this name")
    return replace(sample, group=part)
