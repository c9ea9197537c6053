"""The selection of a part of a data set, and its division into training and validation."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.data.dataset import DataError, DataSet, Sample

log = logging.getLogger(__name__)

GOOD = ""  # the label of good parts among the kinds, whose names are never empty


@dataclass(frozen=True, slots=True)
class Split:
    """The samples of each side, ordered by name.

    `unmasked` ones are on neither (see Sample), unless `split` is asked to divide them too.
    """

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    unmasked: tuple[Sample, ...] = ()


def split(
    dataset: DataSet, validation_share: float, seed: int, *, with_unmasked: bool = False
) -> Split:
    """Divide by groups, with a share of each kind and of good parts close to validation_share.

    The result depends on the seed, and not on the order of the samples. A kind with two groups or
    more has one on each side. Groups with several kinds may prevent this, and a warning is logged.
    The same holds for good parts, unless it costs a kind. with_unmasked: divide defective samples
    without a mask like the others, for a network that learns from them. Raises ValueError if
    validation_share is not above 0 and below 1.
    """
    if not 0.0 < validation_share < 1.0:
        raise ValueError(f"validation_share is {validation_share}; expected inside (0, 1)")
    usable = [sample for sample in dataset.samples if with_unmasked or not sample.unmasked]
    unmasked = [sample for sample in dataset.samples if sample.unmasked and not with_unmasked]
    if unmasked:
        log.info("split-unmasked count=%s: defective without a mask, not trained on", len(unmasked))
    counts = _count_labels(usable)
    order = _shuffled(sorted(counts), seed)
    validation = _assign(counts, order, validation_share)
    _repair(counts, order, validation)
    return Split(
        train=_by_name([sample for sample in usable if sample.group not in validation]),
        validation=_by_name([sample for sample in usable if sample.group in validation]),
        unmasked=_by_name(unmasked),
    )


def hold_back_defective(divided: Split, *, drawn: bool) -> Split:
    """Move defective samples to validation, for methods that learn from good parts.

    Moved are the unmasked samples, and with ``drawn`` also training samples with masks. A part that
    a good training picture shows stays in training, because the method knows it.
    """
    known = {sample.group for sample in divided.train if sample.is_good}
    moved = [sample for sample in divided.train if drawn and not sample.is_good]
    moved = [sample for sample in (*moved, *divided.unmasked) if sample.group not in known]
    names = {sample.name for sample in moved}
    if names:
        log.info("split-held-back count=%s: defective, to check on", len(names))
    return Split(
        train=tuple(sample for sample in divided.train if sample.name not in names),
        validation=_by_name([*divided.validation, *moved]),
        unmasked=tuple(sample for sample in divided.unmasked if sample.name not in names),
    )


def _by_name(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda sample: sample.name))


def _count_labels(samples: Sequence[Sample]) -> dict[str, Counter[str]]:
    """Return the number of images of each label, for each group."""
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        counts.setdefault(sample.group, Counter()).update(sample.kinds or (GOOD,))
    return counts


def _shuffled(groups: Sequence[str], seed: int) -> list[str]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    return [groups[index] for index in rng.permutation(len(groups))]


def _holders(counts: Mapping[str, Counter[str]], order: Sequence[str], label: str) -> list[str]:
    return [group for group in order if counts[group][label]]


def _labels(counts: Mapping[str, Counter[str]], order: Sequence[str]) -> list[str]:
    """Return the labels, the rarest kind first, since it has the least choice; good parts last."""
    labels = {label for counter in counts.values() for label in counter}
    return sorted(labels, key=lambda x: (x == GOOD, len(_holders(counts, order, x)), x))


def _assign(counts: Mapping[str, Counter[str]], order: Sequence[str], share: float) -> set[str]:
    """Return the groups for validation: those that bring their label nearer to the share."""
    validation: set[str] = set()
    decided: set[str] = set()
    for label in _labels(counts, order):
        holders = _holders(counts, order, label)
        wanted = share * sum(counts[group][label] for group in holders)
        taken = sum(counts[group][label] for group in holders if group in validation)
        for group in holders:
            if group in decided:
                continue
            decided.add(group)
            if abs(taken + counts[group][label] - wanted) < abs(taken - wanted):
                validation.add(group)
                taken += counts[group][label]
    return validation


def _repair(counts: Mapping[str, Counter[str]], order: Sequence[str], validation: set[str]) -> None:
    """Move single groups so that every label with two groups or more is on both sides."""
    for label in _labels(counts, order):
        holders = _holders(counts, order, label)
        inside = [group for group in holders if group in validation]
        if len(holders) < 2 or 0 < len(inside) < len(holders):
            continue
        free = [g for g in holders if not _is_last_of_a_kind(counts, order, validation, g, label)]
        if not free:
            log.warning("split-one-sided label=%s: its groups are tied to others", label or "good")
            continue
        validation ^= {min(free, key=lambda group: counts[group].total())}


def _is_last_of_a_kind(
    counts: Mapping[str, Counter[str]],
    order: Sequence[str],
    validation: set[str],
    group: str,
    label: str,
) -> bool:
    """Return true if another kind would have no group left on the side of `group`."""
    for other in counts[group]:
        if other in (label, GOOD):
            continue
        holders = _holders(counts, order, other)
        mates = [g for g in holders if (g in validation) == (group in validation)]
        if len(holders) > 1 and len(mates) == 1:
            return True
    return False


def select(dataset: DataSet, names: str | None = None, *, defective_only: bool = False) -> DataSet:
    """Return the part of a data set by name, with the kinds that its samples carry.

    names: a regular expression of Python that is searched in the name, a posix path like
    Class1/Train/0576.PNG; ^ and $ are its ends. None selects all. defective_only: leave good parts
    out. Raises DataError for an expression that is not valid, or if nothing is left.
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
