"""RUN/export.html: what an export made, tried and proved, on one self-contained page."""

from __future__ import annotations

import math
from pathlib import Path

from edge.files import write_atomically
from export.certificate import SHOWN, Certified
from export.chains import TORCH
from models.evaluation.tradeoff import operating_point
from models.evaluation.tradeoff.interval import counted, percent, share_of
from models.report import page
from models.report.exported import PARITY_WORDS, ExportRecord
from models.report.measured import metric_rows

PAGE = "export.html"


def write_page(folder: Path, record: ExportRecord, certified: Certified) -> Path:
    """Write the page into the run's folder, whole or not at all; its path. Raises OSError."""
    path = folder / PAGE
    write_atomically(path, render(record, certified))
    return path


def render(record: ExportRecord, certified: Certified) -> str:
    """The page. Pure: equal findings give equal text."""
    sections = [
        _summary(record),
        _parity(record, certified),
        _search(record),
        _differences(certified),
        _metrics(record),
    ]
    return page.page(f"Export of {record.bundle}", sections)


def latency_words(record: ExportRecord) -> str:
    """Whether int8 is worth it on the exporting machine, in a sentence."""
    if not record.latency_ms and record.precision == "int8":
        return "not timed here"
    if len(record.latency_ms) < 2:
        return "float32 alone: nothing to compare"
    (int8, ms), (in_float, float_ms) = list(record.latency_ms.items())[:2]
    said = (
        f"the detector in ONNX Runtime on one core of this machine: {int8} {ms:.3g} ms, "
        f"{in_float} {float_ms:.3g} ms"
    )
    said += "; int8 is NOT faster here" if ms >= float_ms else f", {float_ms / ms:.1f} times faster"
    if in_float not in record.builds:
        return said
    return f"{said}; float is packed {'beside it' if int8 in record.builds else 'alone'}"


def _summary(record: ExportRecord) -> str:
    lead = f"{Path(record.file).name}: {record.bundle}, T = {record.threshold:g}"
    if record.max_false_rejects is not None:
        lead += f", chosen for at most {percent(record.max_false_rejects)} false rejects"
    kept = [tried.way for tried in record.tried if "in float: " in tried.way]
    words = (
        f"Layers were kept in float, since int8 alone broke a limit: {kept[-1]}."
        if kept
        else "No layer had to be kept in float."
    )
    return page.section(
        "Summary",
        *_decision(record),
        page.paragraph(f"{lead}.", "" if record.builds else "lead"),
        *(page.paragraph(line, "warning") for line in record.unknown),
        *_lost(record),
        page.paragraph(f"{latency_words(record)[:1].upper()}{latency_words(record)[1:]}."),
        page.paragraph(words if record.tried else "Nothing was quantised."),
    )


def _decision(record: ExportRecord) -> list[str]:
    """Return the figures for the decision: escapes, false rejects, size and speed."""
    names = [name for name in (*record.builds, TORCH) if name in record.metrics]
    if not names or names[0] == TORCH:
        return []
    points = {name: operating_point(record.threshold, record.metrics[name]) for name in names}
    first = points[names[0]]
    size = record.builds[names[0]]
    ms = record.latency_ms.get(names[0])
    time = "not timed here" if ms is None else f"{ms:.3g} ms a frame on one core of this machine"
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
    head = ("build, the one it is judged by first", "escapes", "false rejects", "networks", "time")
    return [page.paragraph(lead, "lead"), page.table(head, rows)]


def _lost(record: ExportRecord) -> list[str]:
    """Return the builds that were asked for and are not packed, with the reason and the remedy."""
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
                or "More pictures to calibrate on may help: --calibration-frames 192. To ask for "
                "float alone: --precision float32.",
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
            "Each build against the trained network in torch, through the chain that a station "
            "runs, on pictures that no network was trained on."
        ),
        page.table(("figure", *record.parity), rows),
        page.folded("The limits that were kept", page.table(("build", *names), limits)),
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
                tried.fault or "keeps the limits",
            )
        )
    head = (
        *("way", "missed of found defects", "new rejects", "error mean", "error p99"),
        *("mask IoU", "limits"),
    )
    return page.section(
        "Search for a way to quantise",
        page.paragraph(
            "Judged on annotated parts of the training split by the defects that float finds and "
            "int8 passes; ways whose misses cannot be told apart are told by the error in severity."
        ),
        page.table(head, rows) if rows else page.paragraph("Nothing was quantised."),
    )


def _differences(certified: Certified) -> str:
    found = [
        page.paragraph(
            f"The {SHOWN} frames of each int8 build that differ most: missed defects, other "
            "verdicts, then the largest error. Left torch in float, right the build: blue is the "
            "annotated outline, orange the reported one, yellow the severity."
        )
    ]
    found += [page.case(shown) for shown in certified.differences] or [page.paragraph("None.")]
    return page.section("Worst differences", *found)


def _metrics(record: ExportRecord) -> str:
    rows = metric_rows(tuple(record.metrics.values()))
    return page.section("Metrics on the same pictures", page.table(("", *record.metrics), rows))


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
