"""The figures of the paper as SVG, for measured runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.papertables.measure import FLOAT, Group
from bench.papertables.tables import NOT_FOUND, confusion_of
from models.evaluation.curves import LEVELS, IouCurve, iou_curve, kind_recall, mean_sd
from models.report.plots import Series, heat_table, line_plot

Y_LIMITS = (0.0, 1.02)


def iou_figure(group: Group) -> str:
    """Return figures 9 and 13: recall and precision of the whole chain by IoU threshold.

    With a classifier they are also counted with the kind.
    """
    curves = [iou_curve(run.best) for run in group.runs]
    series = [_over("recall", curves, "recall"), _over("precision", curves, "precision")]
    if all(FLOAT in run.outcomes for run in group.runs):
        series.append(_over("recall, kind right", curves, "recall_kind"))
        series.append(_over("precision, kind right", curves, "precision_kind"))
    return line_plot(
        series,
        title=f"{group.name}: defects found and reports right",
        x_label="IoU threshold",
        y_label="share",
        y_limits=Y_LIMITS,
    )


def kind_figure(group: Group) -> str:
    """Return the recall by IoU threshold, with a line for each kind."""
    return line_plot(
        [
            _spread(kind, LEVELS, [kind_recall(run.best, kind) for run in group.runs])
            for kind in group.kinds
        ],
        title=f"{group.name}: defects found, by kind",
        x_label="IoU threshold",
        y_label="recall",
        y_limits=Y_LIMITS,
    )


def confusion_figure(group: Group) -> str:
    """Return Table 6 as a picture."""
    return heat_table(group.kinds, (*group.kinds, NOT_FOUND), confusion_of(group))


def threshold_figure(groups: Sequence[Group]) -> str:
    """Return figures 16 and 17: mean IoU before the classifier by T, from the search for T."""
    only = groups[0].runs[0] if len(groups) == 1 and len(groups[0].runs) == 1 else None
    return line_plot(
        [_search(group) for group in groups],
        title="search for T",
        x_label="threshold T on severity",
        y_label="mean IoU of defective pictures",
        vertical=only.result.threshold if only is not None else None,
    )


def _search(group: Group) -> Series:
    grid = [point.threshold for point in group.runs[0].result.curve]
    chosen = ", ".join(f"{run.result.threshold:.1f}" for run in group.runs)
    # A run with another grid (of an older version) is interpolated at the values of T of this one.
    curves = [
        [(p.threshold, p.mean_iou) for p in run.result.curve if p.mean_iou is not None]
        for run in group.runs
    ]
    values = [
        np.interp(grid, [t for t, _ in curve], [iou for _, iou in curve]).tolist()
        for curve in curves
    ]
    return _spread(f"{group.name}, T = {chosen}", grid, values)


def _over(name: str, curves: Sequence[IouCurve], field: str) -> Series:
    return _spread(name, curves[0].levels, [getattr(curve, field) for curve in curves])


def _spread(name: str, x: Sequence[float], runs: Sequence[Sequence[float]]) -> Series:
    """Return the mean of the runs, with a band of ± one standard deviation for several runs."""
    figures = [mean_sd(values) for values in zip(*runs, strict=True)]
    mean = [value for value, _ in figures]
    if len(runs) == 1:
        return Series(name, x, mean)
    return Series(name, x, mean, [m - sd for m, sd in figures], [m + sd for m, sd in figures])
