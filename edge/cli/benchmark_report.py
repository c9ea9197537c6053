"""What a benchmark found, as tables or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.table import Table

from edge.cli.benchmark import WARM_UP_FRAMES, Report
from edge.cli.summaries import counts_table, stages_table


def report_json(report: Report) -> str:
    """All figures; microseconds, milliseconds, bytes and KiB as the keys say."""
    return json.dumps({**asdict(report), "warm_up_frames": WARM_UP_FRAMES}, indent=1)


def report_tables(report: Report) -> list[Table]:
    """One table of stages for each size and sort of frame, then the rest."""
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
