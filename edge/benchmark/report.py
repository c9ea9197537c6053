"""The figures of a benchmark as tables and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.table import Table

from edge.benchmark.timing import WARM_UP_FRAMES, BenchmarkReport
from edge.engines.selection import EngineTiming, Selection, Times
from edge.tables import counts_table, stages_table
from edge.terminals import escape


def report_json(report: BenchmarkReport) -> str:
    """Return all figures as JSON; each key names its unit."""
    return json.dumps({**asdict(report), "warm_up_frames": WARM_UP_FRAMES}, indent=1)


def report_tables(report: BenchmarkReport) -> list[Table]:
    """Return one table of steps for each size and sort of frame, and a table of the process."""
    tables = [
        stages_table(sample.steps, f"{sample.size}, {sample.sort}, ms per frame")
        for sample in report.samples
    ]
    cold = report.cold_start
    rows = [
        ("bundle", report.bundle),
        ("bundle size", f"{report.bundle_bytes / 1024:.0f} KiB"),
        ("engine", f"{report.engine}, {report.build}"),
        ("threads", str(report.threads)),
        ("warm-up", f"{WARM_UP_FRAMES} frames per size, not counted"),
        ("cold start", f"{cold.first_verdict_ms:.0f} ms from process start to first verdict"),
        ("memory", f"{cold.rss_kib / 1024:.0f} MiB resident, peak {cold.peak_rss_kib / 1024:.0f}"),
    ]
    return [*tables, counts_table("process", rows)]


def selection_table(selection: Selection) -> Table:
    """Return the table of engines and builds that reproduced the golden frames, in ms per frame."""
    title = f"{selection.processor}, {selection.cores} cores: ms per frame, whole chain"
    table = Table(title=escape(title), title_justify="left")
    for heading in ("engine", "build"):
        table.add_column(heading, no_wrap=True)
    for heading in ("cores", "clean\np50", "\np99", "regions\np50", "\np99"):
        table.add_column(heading, justify="right")
    for each in selection.measured:
        if each.refused is None:
            table.add_row(
                escape(_engine(each)),
                each.build,
                str(each.threads),
                *_ms(each.clean),
                *_ms(each.regions),
                style="bold" if each == selection.chosen else "",
            )
    return table


def selection_lines(selection: Selection) -> list[str]:
    """Return a line for each refused engine with its reason, and a line for the fastest."""
    lines = []
    for each in selection.measured:
        if each.refused is not None:
            name = " ".join(filter(None, [_engine(each), each.build]))
            cores = f", cores {each.threads}" if each.threads else ""
            lines.append(f"refused: {name}{cores}: {each.refused}")
    best = selection.chosen
    if best is not None:
        lines.append(f"fastest: {_engine(best)}, {best.build}, cores {best.threads}")
    return lines


def _engine(measured: EngineTiming) -> str:
    return " ".join([measured.package or measured.engine, *measured.providers])


def _ms(times: Times | None) -> tuple[str, str]:
    return ("", "") if times is None else (f"{times.p50_ms:.3f}", f"{times.p99_ms:.3f}")
