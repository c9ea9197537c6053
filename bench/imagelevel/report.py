"""The files of a comparison: imagelevel.md, two plots and imagelevel.json."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.imagelevel.pictures import GOOD_NAME
from bench.imagelevel.plot import dimension_plot
from bench.imagelevel.record import ImageLevelComparison, ImageLevelRun
from bench.imagelevel.settings import METHODS, Method

TITLES: dict[Method, str] = {
    "svm": "SVM",
    "knn": "KNN",
    "bp": "BP network",
    "mlp": "MLP",
    "cnn": "CNN, dropout 0.5",
    "pretrained": "pretrained CNN, dropout 0.5",
}
_SCORES = ("precision", "recall", "f1", "accuracy")


def write_report(folder: Path, comparison: ImageLevelComparison) -> tuple[Path, ...]:
    """Write the four files. After an error each is complete, or the old one. Raises OSError."""
    texts = {
        "imagelevel.md": markdown(comparison),
        "imagelevel.svg": dimension_plot(comparison, "f1", TITLES),
        "imagelevel-accuracy.svg": dimension_plot(comparison, "accuracy", TITLES),
        "imagelevel.json": comparison.model_dump_json(indent=1) + "\n",
    }
    parts = {folder / name: folder / f".{name}.part" for name in texts}
    try:
        for part, text in zip(parts.values(), texts.values(), strict=True):
            part.write_text(text, encoding="utf-8")
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return tuple(parts)


def markdown(comparison: ImageLevelComparison) -> str:
    """Return the report as Markdown, with its tables."""
    settings = comparison.settings
    sections = [
        "# Kind of defect from the whole picture",
        _about(comparison),
        f"## Methods, feature dimension {settings.dimension}",
        main_table(comparison),
        "Macro: the mean over the classes. Bad: any kind against good. Training is in CPU seconds "
        "of one core, features included. ms is the median time from a decoded picture to its "
        "class, on one core, for single pictures.",
        "## Feature dimension",
        "The feature dimension of a CNN is the width of its feature layer.",
        *(
            f"{title}:\n\n{dimension_table(comparison, value, digits)}"
            for title, value, digits in (
                ("Macro F1", lambda run: run.score.f1, 3),
                ("Accuracy", lambda run: run.score.accuracy, 3),
                ("ms per picture", lambda run: run.ms_per_picture, 2),
            )
        ),
        "![Macro F1 by feature dimension](imagelevel.svg)\n"
        "![Accuracy by feature dimension](imagelevel-accuracy.svg)",
    ]
    if comparison.dimensions_left_out:
        listed = ", ".join(map(str, comparison.dimensions_left_out))
        sections.append(f"Left out, because the training pictures do not give so many: {listed}.")
    return "\n\n".join(sections) + "\n"


def main_table(comparison: ImageLevelComparison) -> str:
    """Return a row for each method at the main dimension: macro, bad against good, times."""
    header = (
        "method",
        *(f"macro {name}" for name in ("precision", "recall", "F1")),
        "accuracy",
        *(f"bad {name}" for name in ("precision", "recall", "F1")),
        "training s",
        "ms per picture",
    )
    rows = []
    for method in _methods(comparison):
        runs = comparison.at(method, comparison.settings.dimension)
        rows.append(
            (
                TITLES[method],
                *(_figure([getattr(run.score, name) for run in runs], 3) for name in _SCORES),
                *(
                    _figure([getattr(run.score, f"bad_{name}") for run in runs], 3)
                    for name in _SCORES[:3]
                ),
                _figure([run.train_s for run in runs], 1),
                _figure([run.ms_per_picture for run in runs], 2),
            )
        )
    return _table(header, rows)


def dimension_table(
    comparison: ImageLevelComparison, value: Callable[[ImageLevelRun], float], digits: int
) -> str:
    """Return a row for each method and a column for each feature dimension."""
    rows = [
        (
            TITLES[method],
            *(
                _figure([value(run) for run in comparison.at(method, dimension)], digits)
                for dimension in comparison.dimensions
            ),
        )
        for method in _methods(comparison)
    ]
    return _table(("method", *map(str, comparison.dimensions)), rows)


def _about(comparison: ImageLevelComparison) -> str:
    settings, idle = comparison.settings, comparison.always_good
    shared = len(set(comparison.train.groups) & set(comparison.validation.groups))
    counts = [
        (
            _cell(name),
            str(comparison.train.pictures[name]),
            str(comparison.validation.pictures[name]),
        )
        for name in comparison.classes
    ]
    changed = "each changed at random" if settings.augment else "unchanged"
    share = "as many of each class" if settings.balance else "in the shares they have"
    filtered = f"median filter of {settings.denoise_px} px" if settings.denoise_px else "no filter"
    seeds = ", ".join(map(str, settings.all_seeds))
    spread = "; ± is the standard deviation over them" if settings.seeds > 1 else ""
    lines = (
        f"Trained on {comparison.trained_on} pictures, the same for every method, {share}, "
        f"{changed}; {filtered}, resized to {settings.size_px}×{settings.size_px}. "
        f"Split seed {settings.split_seed}; seeds {seeds}{spread}.",
        f"{len(comparison.train.groups)} parts in training, {len(comparison.validation.groups)} in "
        f"validation, {shared} in both; {len(comparison.unmasked)} pictures without a mask left "
        "out.",
        f"Calling every picture good: macro F1 {idle.f1:.3f}, accuracy {idle.accuracy:.3f}. "
        f"Calling every picture bad: bad F1 {_always_bad_f1(comparison):.3f}.",
    )
    return "\n\n".join((*lines[:2], _table(("class", "training", "validation"), counts), lines[2]))


def _always_bad_f1(comparison: ImageLevelComparison) -> float:
    share = 1.0 - comparison.validation.pictures[GOOD_NAME] / len(comparison.validation.names)
    return 2.0 * share / (1.0 + share)


def _methods(comparison: ImageLevelComparison) -> tuple[Method, ...]:
    return tuple(method for method in METHODS if method in comparison.settings.methods)


def _figure(values: Sequence[float], digits: int) -> str:
    mean = f"{statistics.fmean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
