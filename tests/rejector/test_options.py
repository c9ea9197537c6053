"""Options that a rejector receives at its start."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.rejector.options import RejectorOptions


def test_a_record_is_where_the_station_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rejector works in another folder than its station."""
    monkeypatch.chdir(tmp_path)
    options = RejectorOptions(
        pulse_us=20_000,
        on_unknown="reject",
        safe_state="inactive",
        record=Path("build/edges"),
    )
    assert f"--record={tmp_path}/build/edges" in options.arguments(7)
