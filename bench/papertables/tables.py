"""The tables of the paper as Markdown, for measured runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from bench.papertables.measure import BARE, FLOAT, INT8, Group, MeasuredRun
from models.evaluation.curves import (
    PixelScores,
    by_kind,
    mean_sd,
    per_picture,
    picture_ar,
    together,
)
from models.evaluation.interval import UNKNOWN
from models.evaluation.metrics import TOLERANCE_PX, PictureOutcome, confusion, summarise
from models.networks import build_detector, mmac

Figures = Callable[[Sequence[PictureOutcome]], Sequence[float]]
NOT_FOUND = "not found"


def runs_table(groups: Sequence[Group]) -> str:
    """Return the table of the runs: recipe, seed, data, split, number of pictures, T."""
    rows = []
    for group in groups:
        for run in group.runs:
            split = run.record.recipe.split
            defective = sum(bool(o.annotated_px) for o in run.best)
            rows.append(
                [
                    group.name,
                    str(run.folder),
                    str(run.record.recipe.seed),
                    run.record.recipe.detector.network,
                    run.record.data,
                    f"{split.validation_share:g}, seed {split.seed}",
                    str(len(run.record.train)),
                    f"{len(run.best)} ({defective} defective)",
                    f"{run.result.threshold:.1f}",
                    f"{run.result.keep_severity:g}",
                ]
            )
    columns = ("recipe", "run", "seed", "network", "data", "split", "trained on")
    return markdown((*columns, "measured on", "T", "kept from"), rows)


def overview_table(groups: Sequence[Group]) -> str:
    """Return the overview: ranking, extent, escapes, false rejects and cost."""
    names = ("image_ap", "mean_iou", "pixel_f1", "pixel_f1_tol", "ar", "escapes", "false_rejects")

    def figures(outcomes: Sequence[PictureOutcome]) -> list[float]:
        measures = summarise(outcomes).as_measures()
        return [measures[name] for name in names]

    rows = []
    for group in groups:
        record = group.runs[0].record
        options = record.recipe.detector
        network = build_detector(options.network, record.channels, options.resolution)
        cost = (
            f"{mmac(network, record.channels):.0f}",
            f"{sum(p.numel() for p in network.parameters()) / 1e3:.0f}",
        )
        for chain in (FLOAT if _has(group, FLOAT) else BARE, INT8):
            if _has(group, chain):
                *shares, escapes, rejects = _cells(group, chain, figures)
                parts = (UNKNOWN if cell == "–" else cell for cell in (escapes, rejects))
                rows.append([_label(group, chain), *shares, *parts, *cost])
    columns = ("chain", "image AP", "mean IoU", "F1", f"F1 within {TOLERANCE_PX:g} px")
    counts = ("AR (defects)", "escapes", "false rejects", "MMAC", "thousand weights")
    return markdown((*columns, *counts), rows)


def pixel_table(groups: Sequence[Group]) -> str:
    """Return Table 4 with both counts, exact and with the tolerance."""
    near = f"within {TOLERANCE_PX:g} px"
    columns = ("chain", "pixels of", "precision", "recall", "F1")
    rows = []
    for group in groups:
        for chain in (FLOAT if _has(group, FLOAT) else BARE, INT8):
            if not _has(group, chain):
                continue
            for name, count in (("all pictures", together), ("each picture", per_picture)):

                def figures(
                    outcomes: Sequence[PictureOutcome],
                    count: Callable[..., PixelScores] = count,
                ) -> list[float]:
                    scores = (count(outcomes), count(outcomes, tolerant=True))
                    return [v for s in scores for v in (s.precision, s.recall, s.f1)]

                rows.append([_label(group, chain), name, *_cells(group, chain, figures)])
    return markdown((*columns, *(f"{name} {near}" for name in columns[2:])), rows)


def defect_table(groups: Sequence[Group]) -> str:
    """Return Table 5: the whole chain."""
    return _paper_rows(
        (group, chain)
        for group in groups
        for chain in (FLOAT if _has(group, FLOAT) else BARE, INT8)
        if _has(group, chain)
    )


def classifier_table(groups: Sequence[Group]) -> str:
    """Return Table 7: with and without the classifier."""
    return _paper_rows(
        (group, chain) for group in groups for chain in (FLOAT, BARE) if _has(group, chain)
    )


def confusion_of(group: Group) -> npt.NDArray[np.int64]:
    """Return the counts of Table 6 over all runs: int64 kinds × (kinds + not found)."""
    tables = [confusion(run.best, group.kinds) for run in group.runs]
    return np.asarray(np.sum(tables, axis=0), np.int64)


def confusion_table(group: Group) -> str:
    """Return Table 6: counts, and the share of each kind that was named correctly."""
    table = confusion_of(group)
    rows = [
        [kind, *(str(n) for n in row), number(row[i] / sum(row) if sum(row) else math.nan)]
        for i, (kind, row) in enumerate(zip(group.kinds, table.tolist(), strict=True))
    ]
    return markdown(("annotated \\ reported", *group.kinds, NOT_FOUND, "right"), rows)


def kind_table(group: Group) -> str:
    """Return the figures of each kind, over the runs of the group."""
    measured = [by_kind(run.best, group.kinds) for run in group.runs]
    rows = []
    for of_kind in zip(*measured, strict=True):
        figures = ("recall_50", "recall_50_kind", "ar", "mean_iou")
        rows.append(
            [
                of_kind[0].kind,
                number(float(np.mean([s.defects for s in of_kind])), digits=0),
                *(spread([getattr(s, name) for s in of_kind]) for name in figures),
            ]
        )
    columns = ("kind", "defects", "recall at IoU 0.5", "with its name", "AR (defects)")
    return markdown((*columns, "mean IoU (defects)"), rows)


def source(runs: Iterable[MeasuredRun], command: str) -> str:
    """Return the source of a table in one line: runs, pictures, split, command."""
    parts = []
    for run in runs:
        split = run.record.recipe.split
        parts.append(
            f"{run.folder} (seed {run.record.recipe.seed}; {len(run.best)} validation pictures, "
            f"split {split.validation_share:g} seed {split.seed})"
        )
    return f"From {', '.join(parts)}. `{command}`"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that ends with a line break. A bar in a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def spread(values: Sequence[float]) -> str:
    """Return the value of one run, or mean ± standard deviation of several."""
    mean, sd = mean_sd(values)
    return number(mean) if len(values) == 1 or math.isnan(mean) else f"{number(mean)} ± {sd:.4f}"


def number(value: float, digits: int = 4) -> str:
    """Return a value with fixed digits; a dash where there was nothing to count."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _paper_rows(chains: Iterable[tuple[Group, str]]) -> str:
    def figures(outcomes: Sequence[PictureOutcome]) -> list[float]:
        summary, pixels = summarise(outcomes), per_picture(outcomes)
        ious = (picture_ar(outcomes), summary.ar, summary.mean_iou)
        shares = (pixels.precision, pixels.recall, pixels.f1)
        return [*ious, *shares, summary.pixel_f1, summary.false_reject_rate]

    rows = [[_label(group, chain), *_cells(group, chain, figures)] for group, chain in chains]
    columns = ("chain", "AR (pictures)", "AR (defects)", "mean IoU", "precision", "recall", "F1")
    return markdown((*columns, "F1 of all pixels", "false rejects"), rows)


def _has(group: Group, chain: str) -> bool:
    return all(chain in run.outcomes for run in group.runs)


def _label(group: Group, chain: str) -> str:
    seeds = f", {len(group.runs)} runs" if len(group.runs) > 1 else ""
    return f"{group.name} ({chain}{seeds})"


def _cells(group: Group, chain: str, figures: Figures) -> list[str]:
    """Return one cell for each figure, over the runs of the group."""
    columns = zip(*(figures(run.outcomes[chain]) for run in group.runs), strict=True)
    return [spread(column) for column in columns]
