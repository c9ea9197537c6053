"""The tables of figures as Markdown, with the published figures beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from bench.public_sets.figures import LIMITS, FoldFigures
from bench.public_sets.fold import Protocol
from bench.public_sets.published import PublishedFigure
from models.evaluation.interval import share_of

MEAN = "mean"
NAMES = {
    "picture_auroc": "AUROC",
    "picture_ap": "AP",
    "pixel_auroc": "pixel AUROC",
    "aupro": "AUPRO",
    "pixel_ap": "pixel AP",
    "pixel_best_f1": "best pixel F1",
    "pixel_f1": "pixel F1 at T",
    "pixel_f1_tol": "within 2 px",
    "mean_iou": "mean IoU",
    "accuracy": "accuracy at T",
}
_GROUP_HEAD = ("category", "recipe", "learns from", "seeds")
_COSTS = ("ms a frame", "training, s", "bundle, kB")

Group = tuple[str, str, str]


def tables(
    protocol: Protocol,
    figures: Sequence[FoldFigures],
    published: Sequence[PublishedFigure],
    left_out: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the tables of one set. left_out: a run and the reason why it has no figures."""
    groups = _groups(figures)
    limits = (f"at {limit:.1%}" for limit in LIMITS)
    lines = [
        f"## {protocol.title}",
        "",
        f"Division: {protocol.division}.",
        *(f"This copy: {remark}." for remark in _unique(f.remark for f in figures)),
        "",
        "AUROC and AP rank pictures by the score of the verdict. Pixel figures rank the severity "
        "of every pixel; AUPRO is integrated to a false positive rate of 0.3. Over several seeds: "
        "mean ± standard deviation.",
        "",
        *_table((*_GROUP_HEAD, *NAMES.values()), [_accuracy(*each) for each in groups]),
        "",
        "Defective parts that pass (escapes) where a share of the good parts may be rejected, and "
        "at the T of the bundle. Several seeds are added.",
        "",
        *_table(
            (*_GROUP_HEAD, *limits, "escapes at T", "false rejects at T", *_COSTS),
            [_operation(*each) for each in groups if each[0][0] != MEAN],
        ),
    ]
    if published:
        lines += ["", "Published:", "", *_published(published)]
    if left_out:
        lines += ["", *(f"- {name}: {reason}" for name, reason in left_out)]
    return "\n".join(lines) + "\n"


def _groups(figures: Sequence[FoldFigures]) -> list[tuple[Group, list[FoldFigures]]]:
    """Return the figures by category, recipe and supervision; then all categories as MEAN."""
    groups: dict[Group, list[FoldFigures]] = {}
    every: dict[Group, list[FoldFigures]] = {}
    for each in figures:
        groups.setdefault((each.category, each.recipe, each.learns_from), []).append(each)
        every.setdefault((MEAN, each.recipe, each.learns_from), []).append(each)
    means = [(key, some) for key, some in every.items() if len({f.category for f in some}) > 1]
    return [*groups.items(), *means]


def _accuracy(key: Group, some: Sequence[FoldFigures]) -> tuple[str, ...]:
    return (*_start(key, some), *(_over_seeds(some, name) for name in NAMES))


def _operation(key: Group, some: Sequence[FoldFigures]) -> tuple[str, ...]:
    defective = sum(f.defective for f in some)
    escapes = (
        share_of(_sum([f.escapes[number] for f in some]), defective)
        for number in range(len(LIMITS))
    )
    return (
        *_start(key, some),
        *escapes,
        share_of(_sum([f.escapes_at_t for f in some]), defective),
        share_of(_sum([f.false_rejects_at_t for f in some]), sum(f.good for f in some)),
        f"{mean(f.ms for f in some):.2f}",
        _mean_of([f.train_s for f in some]),
        f"{mean(f.bundle_bytes for f in some) / 1e3:.0f}",
    )


def _start(key: Group, some: Sequence[FoldFigures]) -> tuple[str, ...]:
    category, recipe, supervision = key
    return category or "–", recipe, supervision, str(len({f.seed for f in some}))


def _over_seeds(some: Sequence[FoldFigures], name: str) -> str:
    """Return the mean and spread over seeds of the mean over categories; – where none is known."""
    by_seed: dict[int, list[float]] = {}
    for each in some:
        value = getattr(each, name)
        if value is not None:
            by_seed.setdefault(each.seed, []).append(value)
    values = [mean(of_seed) for of_seed in by_seed.values()]
    if not values:
        return "–"
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean_of(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{mean(known):.0f}" if known else "–"


def _published(published: Sequence[PublishedFigure]) -> list[str]:
    rows = [
        (
            each.category or "–",
            each.method,
            each.supervision,
            NAMES[each.figure],
            f"{each.value:.3f}" + (f" ± {each.spread:.4f}".rstrip("0") if each.spread else ""),
            each.source + (f" ({each.note})" if each.note else ""),
        )
        for each in published
    ]
    return _table(("category", "method", "learns from", "figure", "value", "source"), rows)


def _unique(values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---' for _ in head)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
