"""Times of networks that are not measured, for tests of time budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from models.ladder.record import ChainTime, Measured, Subject

P50_MS = {"nano": 1.0, "lean": 3.0, "large": 6.0, "extra-large": 12.0, "memory-bank": 4.0}
SIZE_PX = 200 * 300  # of the frames for which these times are


def replace_times(
    monkeypatch: pytest.MonkeyPatch, times_ms: dict[str, float] | None = None
) -> list[Subject]:
    """Replace the measurement by times in proportion to the area. Return what is asked for.

    p99 is 1.2 times p50, and a region takes 0.3 ms. times_ms: by name, in place of P50_MS.
    """
    seen: list[Subject] = []
    known = times_ms or P50_MS

    def measure(subjects: Sequence[Subject], kinds: int, folder: Path) -> Measured:
        assert kinds > 0
        seen.extend(subjects)
        times = []
        for each in subjects:
            ms = known[each.name] * each.height * each.width / SIZE_PX
            time = ChainTime(subject=each, engine="ort", frames=9, p50_ms=ms, p99_ms=1.2 * ms)
            times.append(time)
        return Measured(processor="a PC", region_ms=0.3, times=tuple(times))

    monkeypatch.setattr("models.ladder.budget.measure", measure)
    return seen
