"""The plots of escapes by false rejects, and of AUROC by the number of marked pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from bench.public_sets.figures import FoldFigures, PictureScore
from models.evaluation.promise import escapes_at
from models.report.plots import Series, line_plot

SHARES = tuple(n / 200 for n in range(61))  # of false rejects, 0 to 30 %

Scores = Sequence[PictureScore]


def escape_plot(title: str, runs: Mapping[str, Sequence[Scores]]) -> str:
    """Return an SVG document with a line for each label, "" where there is nothing to compare.

    runs: the scores of each run by label. A line is the mean of its runs, the band one standard
    deviation to each side.
    """
    series = []
    for label, some in runs.items():
        curves = [escape_shares(scores) for scores in some if _has_both(scores)]
        if curves:
            series.append(_banded(label, SHARES, list(zip(*curves, strict=True))))
    if not series:
        return ""
    return line_plot(
        series,
        title=f"{title}: escapes by false rejects",
        x_label="share of the good parts rejected",
        y_label="share of the defective parts passed",
        y_limits=(0.0, 1.0),
    )


def marked_plot(title: str, figures: Sequence[FoldFigures]) -> str:
    """Return an SVG document of AUROC by the number of defective training pictures.

    A line is the mean over seeds and categories of a recipe and a supervision, and the band one
    standard deviation. "" where no line would have two points. Runs without --marked are not drawn,
    because the number of their defective pictures is not in the figures.
    """
    lines: dict[str, dict[int, list[float]]] = {}
    for each in figures:
        if each.marked is not None and each.picture_auroc is not None:
            points = lines.setdefault(f"{each.recipe}, {each.supervision}", {})
            points.setdefault(each.marked, []).append(each.picture_auroc)
    series = []
    for label, points in lines.items():
        counts = sorted(points)
        if len(counts) > 1:
            series.append(_banded(label, counts, [points[count] for count in counts], marker=True))
    if not series:
        return ""
    return line_plot(
        series,
        title=f"{title}: AUROC by defective pictures in training",
        x_label="defective pictures in training",
        y_label="AUROC of pictures",
        y_limits=(0.5, 1.0),
    )


def escape_shares(scores: Scores) -> list[float]:
    """Return the share of the defective parts that pass, at each of SHARES of false rejects."""
    defective = sum(each.defective for each in scores)
    return [escapes_at(scores, share) / defective for share in SHARES]


def _banded(
    label: str, x: Sequence[float], columns: Sequence[Sequence[float]], *, marker: bool = False
) -> Series:
    """Return the mean of each column, with a band of one standard deviation, inside 0 to 1."""
    means = [mean(values) for values in columns]
    spread = [stdev(values) if len(values) > 1 else 0.0 for values in columns]
    if not any(spread):
        return Series(label, x, means, marker=marker)
    low = [max(m - s, 0.0) for m, s in zip(means, spread, strict=True)]
    high = [min(m + s, 1.0) for m, s in zip(means, spread, strict=True)]
    return Series(label, x, means, low, high, marker)


def _has_both(scores: Scores) -> bool:
    return 0 < sum(each.defective for each in scores) < len(scores)
