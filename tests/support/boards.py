"""The JSON of `outfeed bench` as a board would give it, for tests of time budgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.bundle import read_bundle

ZOO = Path(__file__).resolve().parents[2] / "models/zoo"


def percentiles(p50_us: float, p99_us: float) -> dict[str, float]:
    return {
        "count": 100,
        "p50_us": p50_us,
        "p99_us": p99_us,
        "p999_us": p99_us,
        "max_us": p99_us,
    }


def report(
    sizes: dict[str, tuple[float, float]], *, bundle: str | None = None, sort: str = "clean"
) -> dict[str, Any]:
    """Return the keys of the JSON. sizes: p50 and p99 in µs by WIDTHxHEIGHT."""
    return {
        "bundle": bundle or read_bundle(ZOO / "textures-lean.outfeed").id,
        "bundle_bytes": 1,
        "engine": "litert",
        "build": "tflite-int8",
        "threads": 1,
        "samples": [
            {
                "size": size,
                "sort": sort,
                "steps": {"detect": percentiles(1.0, 1.0), "total": percentiles(*times)},
            }
            for size, times in sizes.items()
        ],
        "cold_start": {"first_verdict_ms": 1.0, "rss_kib": 1, "peak_rss_kib": 1},
        "warm_up_frames": 20,
    }


def write_report(path: Path, *args: Any, **more: Any) -> Path:
    path.write_text(json.dumps(report(*args, **more)), encoding="utf-8")
    return path
