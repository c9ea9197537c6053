"""Sentences on what the held-back pictures of a run cannot show, for the top of its pages."""

from __future__ import annotations

from collections.abc import Sequence

from models.data.boxes import boxed_sentence
from models.data.dataset import Sample
from models.data.facts import carriers, parts_of
from models.evaluation.interval import interval, percent

FEW_PARTS = 10  # with no wrong verdict on 10 parts, a rate of 31 % cannot be excluded


def unknowns(validation: Sequence[Sample], kinds: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each figure that is not known, the most important first.

    A rate is unknown where there is no physical part to count. It is uncertain where there are
    fewer than FEW_PARTS. Defects of a kind without a held-back part may all be missed.
    """
    good = [sample for sample in validation if sample.is_good]
    bad = [sample for sample in validation if not sample.is_good]
    found = [
        *_rate("False rejects", "good", good, "add pictures of good parts"),
        *_rate("Escapes", "defective", bad, "add pictures of defective parts, drawn or not"),
    ]
    if boxed := boxed_sentence(bad):
        found.append(f"Of those held back, {boxed}")
    if any(sample.masks or sample.shapes for sample in validation):
        found += [
            f"Whether {kind} is found is unknown: no part with it is among the held-back ones; "
            "photograph more of them."
            for kind in kinds
            if not carriers(validation, kind)
        ]
    return tuple(found)


def _rate(what: str, of: str, samples: Sequence[Sample], remedy: str) -> list[str]:
    parts = parts_of(samples)
    if not parts:
        return [
            f"{what} are unknown: no {of} part is among the held-back pictures; {remedy} and train "
            "again."
        ]
    if parts >= FEW_PARTS:
        return []
    count = "1 part" if parts == 1 else f"{parts} parts"
    most = percent(interval(0, parts)[1])
    return [
        f"{what} are hardly known: {count} held back {'is' if parts == 1 else 'are'} {of}; with "
        f"none judged wrongly a rate of {most} is still not ruled out."
    ]
