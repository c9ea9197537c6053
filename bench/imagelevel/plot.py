"""The plot of a score by feature dimension (Figure 7 of the paper, section 4.2.2, has accuracy)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Literal

from bench.imagelevel.record import ImageLevelComparison
from bench.imagelevel.settings import METHODS, Method
from models.report.plots import Series, line_plot

_LABELS = {"f1": "macro F1", "accuracy": "accuracy"}


def dimension_plot(
    comparison: ImageLevelComparison, name: Literal["f1", "accuracy"], titles: Mapping[Method, str]
) -> str:
    """Return an SVG document with a line for each method and bands of ± the standard deviation."""
    series = []
    for method in METHODS:
        if method not in comparison.settings.methods:
            continue
        points = [
            [float(getattr(run.score, name)) for run in comparison.at(method, dimension)]
            for dimension in comparison.dimensions
        ]
        means = [statistics.fmean(values) for values in points]
        spread = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in points]
        several = comparison.settings.seeds > 1
        low = [mean - by for mean, by in zip(means, spread, strict=True)]
        high = [mean + by for mean, by in zip(means, spread, strict=True)]
        series.append(
            Series(
                titles[method],
                comparison.dimensions,
                means,
                low if several else None,
                high if several else None,
                marker=True,
            )
        )
    return line_plot(
        series,
        title=f"{_LABELS[name]} by feature dimension",
        x_label="feature dimension",
        y_label=_LABELS[name],
        y_limits=(0.0, 1.0),
        x_log=True,
    )
