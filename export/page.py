"""RUN/export.html: the result of an export, on one self-contained page."""

from __future__ import annotations

import math
from pathlib import Path

from edge.files import write_atomically
from export.budget import budget_words
from export.certificate import SHOWN, Certified
from export.chains import TORCH
from models.evaluation.interval import counted, percent, share_of
from models.evaluation.tradeoff import operating_point
from models.report import page
from models.report.exported import PARITY_WORDS, ExportRecord
from models.report.measured import metric_rows

PAGE = "export.html"


def write_page(folder: Path, record: ExportRecord, certified: Certified) -> Path:
    """Write the page into the run's folder, whole or not at all. Raises OSError.

    Returns the path of the page.
    """
    path = folder / PAGE
    write_atomically(path, render(record, certified))
    return path


def render(record: ExportRecord, certified: Certified) -> str:
    """Return the page as HTML. Pure: equal records give equal text."""
    sections = [
        _summary(record),
        _parity(record, certified),
        _search(record),
        _differences(certified),
        _metrics(record),
    ]
    return page.page(f"Export of {record.bundle}", sections)


def latency_words(record: ExportRecord) -> str:
    """Return a sentence that compares the latency of int8 and float on the exporting machine."""
    if not record.latency_ms and record.precision == "int8":
        return "the latency was not measured"
    if len(record.latency_ms) < 2:
        return "only float32 was exported, so there is no latency to compare"
    (int8, ms), (in_float, float_ms) = list(record.latency_ms.items())[:2]
    text = (
        f"the detector in ONNX Runtime takes {ms:.3g} ms in {int8} and {float_ms:.3g} ms in "
        f"{in_float}, on one core of this machine"
    )
    text += (
        "; int8 is NOT faster here"
        if ms >= float_ms
        else f"; int8 is {float_ms / ms:.1f} times faster"
    )
    if in_float not in record.builds:
        return text
    return f"{text}; the float build is packed {'as well' if int8 in record.builds else 'alone'}"


def _summary(record: ExportRecord) -> str:
    lead = f"{Path(record.file).name}: {record.bundle}, {record.limits}"
    if record.max_false_rejects is not None:
        lead += f", chosen for at most {percent(record.max_false_rejects)} false rejects"
    ways = [tried.way for tried in record.tried if "in float: " in tried.way]
    words = (
        f"Some layers stay in float, because int8 alone exceeded a limit: {ways[-1]}."
        if ways
        else "All layers are in int8."
    )
    return page.section(
        "Summary",
        *_decision(record),
        page.paragraph(f"{lead}.", "" if record.builds else "lead"),
        *(page.paragraph(line, "warning") for line in record.unknown),
        *_failures(record),
        page.paragraph(f"{latency_words(record)[:1].upper()}{latency_words(record)[1:]}."),
        page.paragraph(words if record.tried else "Nothing was quantised."),
        *_budget(record),
    )


def _budget(record: ExportRecord) -> list[str]:
    if record.budget is None:
        return []
    return [page.paragraph(budget_words(record.budget), "" if record.budget.is_met else "warning")]


def _decision(record: ExportRecord) -> list[str]:
    """Return the figures for the decision: escapes, false rejects, size and speed."""
    names = [name for name in (*record.builds, TORCH) if name in record.metrics]
    if not names or names[0] == TORCH:
        return []
    points = {name: operating_point(record.threshold, record.metrics[name]) for name in names}
    first = points[names[0]]
    size = record.builds[names[0]]
    ms = record.latency_ms.get(names[0])
    time = "not timed" if ms is None else f"{ms:.3g} ms a frame on one core of this machine"
    lead = (
        f"{names[0]}: escapes {counted(first.escapes, first.defective)}; false rejects "
        f"{counted(first.false_rejects, first.good)}; {size / 1e3:.0f} kB; detector {time}."
    )
    rows = [
        (
            "torch in float, for comparison" if name == TORCH else name,
            share_of(point.escapes, point.defective),
            share_of(point.false_rejects, point.good),
            f"{record.builds[name] / 1e3:.0f} kB" if name in record.builds else "–",
            f"{record.latency_ms[name]:.3g} ms" if name in record.latency_ms else "–",
        )
        for name, point in points.items()
    ]
    head = ("build", "escapes", "false rejects", "size of the networks", "time a frame")
    return [page.paragraph(lead, "lead"), page.table(head, rows)]


def _failures(record: ExportRecord) -> list[str]:
    """Return the builds that were requested and are not packed, with reason and remedy."""
    if not record.failures:
        return []
    packed = ", ".join(record.builds)
    return [
        page.paragraph(
            f"Not packed: {', '.join(each.build for each in record.failures)}. Packed: {packed}.",
            "warning",
        ),
        page.bullets(
            (
                f"{each.reason}.",
                each.remedy
                or "More calibration pictures may help: --calibration-frames 192. To pack float "
                "alone: --precision float32.",
            )
            for each in record.failures
        ),
    ]


def _parity(record: ExportRecord, certified: Certified) -> str:
    rows = [
        (words, *(_number(values.get(name, math.nan)) for values in record.parity.values()))
        for name, words in PARITY_WORDS.items()
    ]
    limits = [
        (step.chain, *(_number(value) for value in step.limits.values()))
        for step in certified.steps
    ]
    names = list(certified.steps[0].limits) if certified.steps else []
    return page.section(
        "Parity certificate",
        page.paragraph(
            "Each build is compared with the trained network in torch. Both run in the chain of a "
            "station, on pictures that no network was trained on."
        ),
        page.table(("figure", *record.parity), rows),
        page.folded("Limits", page.table(("build", *names), limits)),
    )


def _search(record: ExportRecord) -> str:
    rows = []
    for tried in record.tried:
        values = tried.figures
        rows.append(
            (
                f"{tried.network}: {tried.way}",
                counted(round(values["missed"]), round(values["found"])),
                _number(values["new_rejects"]),
                _number(values["severity_error_mean"]),
                _number(values["severity_error_p99"]),
                _number(values["mask_iou"]),
                tried.fault or "within the limits",
            )
        )
    head = (
        *(
            "way",
            "missed defects",
            "new false rejects",
            "mean error",
            "99th percentile of the error",
        ),
        *("mask IoU", "limits"),
    )
    return page.section(
        "Search for a way to quantise",
        page.paragraph(
            "Each way to quantise was tried on annotated training parts. The measure is the number "
            "of defective parts that float rejects and int8 passes. Where these numbers are nearly "
            "equal, the error in severity decides."
        ),
        page.table(head, rows) if rows else page.paragraph("Nothing was quantised."),
    )


def _differences(certified: Certified) -> str:
    content = [
        page.paragraph(
            f"The {SHOWN} frames of each int8 build that differ most: missed defects first, then "
            "other verdicts, then the largest errors. Left: torch in float. Right: the build. Blue "
            "is the annotated outline, orange the reported outline, yellow the severity."
        )
    ]
    content += [page.case(shown) for shown in certified.differences] or [page.paragraph("None.")]
    return page.section("Largest differences", *content)


def _metrics(record: ExportRecord) -> str:
    rows = metric_rows(tuple(record.metrics.values()))
    return page.section("Metrics on the same pictures", page.table(("", *record.metrics), rows))


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
