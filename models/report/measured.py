"""The sections of the report with measured figures, as HTML."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.data.dataset import DataError
from models.evaluation.interval import UNKNOWN, counted, percent, share_of, span
from models.evaluation.metrics import COUNTS, WORDS, PictureOutcome, average_precision, summarise
from models.evaluation.tradeoff.point import OperatingPoint, choose, operating_point
from models.report import page
from models.report.exported import PARITY_WORDS
from models.report.findings import Findings
from models.report.plots import Series, heat_table, line_plot

NOT_FOUND, NO_DEFECT = "not found", "no defect"
STATION = "station (outfeed inspect)"
_CHAIN_CURVE = "Float chain with classifier; bands: 95% intervals; dotted: the run's T."
BUNDLE = "bundle "  # begins the names of the chains of which export measured


def trade_off(findings: Findings) -> str:
    points = findings.points
    t = [point.threshold for point in points]
    # A rate without parts to count has no line: a band from 0 to 1 would look like a measurement.
    sides = [
        Series(name, t, rates, [low for low, _ in spans], [high for _, high in spans])
        for name, rates, spans, parts in (
            (
                "escapes of defective parts",
                [point.escape_rate for point in points],
                [point.escape_interval for point in points],
                points[0].defective,
            ),
            (
                "false rejects of good parts",
                [point.false_reject_rate for point in points],
                [point.false_reject_interval for point in points],
                points[0].good,
            ),
        )
        if parts
    ]
    svg = line_plot(
        sides,
        title="Escapes and false rejects",
        x_label="T",
        y_label="share of parts",
        y_limits=(0, 1),
        vertical=findings.result.threshold,
    )
    rows = [
        (
            name,
            f"{point.threshold:g}" if name != STATION else "–",
            counted(point.escapes, point.defective),
            counted(point.false_rejects, point.good),
        )
        for name, point in _chains(findings)
    ]
    curve = [
        (
            f"{point.threshold:g}",
            share_of(point.escapes, point.defective),
            span(point.escape_interval) if point.defective else "–",
            share_of(point.false_rejects, point.good),
            span(point.false_reject_interval) if point.good else "–",
            _number(point.mean_iou),
        )
        for point in points
    ]
    head = ("T", "escapes", "95% interval", "false rejects", "95% interval", "mean IoU")
    return page.section(
        "Escapes and false rejects",
        page.table(("chain", "T", "escapes", "false rejects"), rows),
        page.plot(svg, " ".join([_CHAIN_CURVE, *_left_out(points[0])])),
        *([] if findings.result.reject_severity is not None else [_chosen(findings)]),
        page.folded("The curve as a table", page.table(head, curve)),
    )


def metrics(findings: Findings) -> str:
    columns = _metrics(findings)
    found = [page.table(("metric", *columns), metric_rows(tuple(columns.values())))]
    exported = findings.exported
    if exported is not None:
        parity = [
            (words, *(_number(values.get(name, math.nan)) for values in exported.parity.values()))
            for name, words in PARITY_WORDS.items()
        ]
        found += [
            page.heading("Parity of the bundle, against torch in float"),
            page.table(("figure", *exported.parity), parity),
        ]
    return page.section("Metrics", *found)


def metric_rows(columns: Sequence[Mapping[str, float]]) -> list[tuple[str, ...]]:
    """Return a row for each count, and for each figure that a column has."""
    return [
        (words, *(_number(values.get(name, math.nan)) for values in columns))
        for name, words in WORDS.items()
        if name in COUNTS or any(not math.isnan(v.get(name, math.nan)) for v in columns)
    ]


def threshold_search(findings: Findings) -> str:
    curve = findings.result.curve
    t = [point.threshold for point in curve]
    # Empty where no defect is drawn.
    ious = [point.mean_iou for point in curve if point.mean_iou is not None]
    alarms = [point.false_alarms for point in curve if point.false_alarms is not None]
    svg = line_plot(
        (
            *([Series("mean IoU of defective parts", t, ious)] if len(ious) == len(t) else []),
            *([Series("good parts with an alarm", t, alarms)] if len(alarms) == len(t) else []),
        ),
        title="Search for T",
        x_label="T",
        y_label="share",
        y_limits=(0, 1),
        vertical=findings.result.threshold,
    )
    caption = f"Before the classifier; dotted: the run's T, {findings.result.threshold:g}."
    return page.section("Search for T", page.plot(svg, caption))


def ranking(findings: Findings) -> str:
    series = []
    for name, outcomes in (("float", findings.outcomes), (STATION, findings.station)):
        if any(o.defective for o in outcomes):
            recall, precision, area = precision_recall(outcomes)
            series.append(Series(f"{name}, AP {area:.3f}", recall, precision))
    svg = line_plot(
        series,
        title="Precision and recall of pictures",
        x_label="recall",
        y_label="precision",
        y_limits=(0, 1.02),
    )
    return page.section("Precision and recall", page.plot(svg, "Pictures ranked by score."))


def precision_recall(outcomes: Sequence[PictureOutcome]) -> tuple[list[float], list[float], float]:
    """Recall and precision after each distinct score, highest first, and the average precision.

    At least one outcome must be of a defective part.
    """
    positive = np.array([o.defective for o in outcomes])
    scores = np.array([o.score for o in outcomes])
    levels = np.unique(scores)[::-1]
    taken = [scores >= level for level in levels]
    hits = np.array([int(positive[some].sum()) for some in taken])
    counts = np.array([int(some.sum()) for some in taken])
    area = average_precision(positive.tolist(), scores.tolist())
    return (hits / positive.sum()).tolist(), (hits / counts).tolist(), area


def confusion(findings: Findings) -> str:
    found = []
    kinds = findings.record.kinds
    for name, outcomes in (("float", findings.outcomes), (STATION, findings.station)):
        if not outcomes:
            continue
        alarms = Counter(alarm.kind for alarm in findings.cases.false_alarms)
        rows, columns, table = confused(outcomes, kinds, alarms if name == "float" else {})
        false = sum(iou == 0.0 for o in outcomes for iou in o.reported_ious)
        on_good = sum(len(o.reported_ious) for o in outcomes if not o.defective)
        caption = (
            f"{name}: annotated down, reported across. {false} reported regions touch no annotated "
            f"defect, {on_good} of them on good parts."
        )
        found.append(page.plot(heat_table(rows, columns, table), caption))
    return page.section("Confusion of kinds", *found)


def confused(
    outcomes: Sequence[PictureOutcome], kinds: Sequence[str], false_alarms: Mapping[str, int]
) -> tuple[tuple[str, ...], tuple[str, ...], npt.NDArray[np.int64]]:
    """Rows (annotated kinds, then 'no defect' where there are false alarms), columns (reported
    kinds, then 'not found') and counts. A chain without a classifier reports kinds of its own."""
    matches = [match for o in outcomes for match in o.matches]
    reported = (*(match.reported_kind for match in matches), *false_alarms)
    others = sorted({kind for kind in reported if kind} - set(kinds))
    columns = (*kinds, *others, NOT_FOUND)
    rows = (*kinds, NO_DEFECT) if false_alarms else tuple(kinds)
    table = np.zeros((len(rows), len(columns)), np.int64)
    for match in matches:
        table[rows.index(match.kind), columns.index(match.reported_kind or NOT_FOUND)] += 1
    for kind, count in false_alarms.items():
        table[-1, columns.index(kind)] += count
    return rows, columns, table


def _metrics(findings: Findings) -> dict[str, Mapping[str, float]]:
    """Return the metrics of every chain by the name of its column."""
    columns: dict[str, Mapping[str, float]] = dict(findings.result.metrics)
    if findings.exported is not None:
        for name, values in findings.exported.metrics.items():
            columns[f"{BUNDLE}{name}"] = values
    if findings.station:
        columns[STATION] = summarise(findings.station).as_dict()
    return columns


def _chains(findings: Findings) -> list[tuple[str, OperatingPoint]]:
    """Return the operating point of every chain. The T of the station is not known."""
    exported = findings.exported
    found = []
    for name, values in _metrics(findings).items():
        threshold = findings.result.threshold
        if name == STATION:
            threshold = math.nan
        elif exported is not None and name.startswith(BUNDLE):
            threshold = exported.threshold
        found.append((name, operating_point(threshold, values)))
    return found


def _left_out(point: OperatingPoint) -> Iterator[str]:
    if not point.good:
        yield "False rejects are unknown, since no part is good, and have no line."
    if not point.defective:
        yield "Escapes are unknown, since no part is defective, and have no line."


def _chosen(findings: Findings) -> str:
    """Return a paragraph on the T within the limit, for a chain in which T decides."""
    return page.paragraph(_t_within(findings))


def _t_within(findings: Findings) -> str:
    asked = f"For at most {percent(findings.limit)} false rejects"
    if not findings.points[0].good:
        return f"{asked} no T can be chosen: no good part is held back to count them on."
    try:
        point = choose(findings.points, findings.limit)
    except DataError as error:
        return f"{asked}: {error}."
    return f"{asked}, {point}; {point.assurance(findings.limit)}."


def _number(value: float) -> str:
    if math.isnan(value):
        return UNKNOWN
    text = f"{value:.4f}"
    return text.rstrip("0").rstrip(".")
