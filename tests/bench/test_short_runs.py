"""Short runs of `python -m bench.pictures`, `bench.soak` and `bench.stops`."""

from __future__ import annotations

import pytest

from bench import stops
from bench.pictures import main as measure_pictures
from bench.soak.__main__ import main as soak
from edge.rejector.outcomes import Outcomes


def test_pictures_has_a_row_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert measure_pictures(["--size", "64x48x3"]) == 0
    output = capsys.readouterr().out
    assert "64×48×3" in output
    for step in ("recorder on the part's thread", "a copy into a ring", "SHA-256", "PNG, level 6"):
        assert step in output


def test_soak_prints_every_plan_and_finds_nothing_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert soak(["--parts", "1200", "--seed", "3"]) == 0
    output = capsys.readouterr().out
    for name in ("steady", "eye", "fragile", "lenient"):
        assert f"{name}: 300 parts" in output
    assert "WRONG" not in output
    assert "no wrong part, one outcome each" in output
    soak(["--parts", "1200", "--seed", "4"])
    assert capsys.readouterr().out.splitlines()[3] != output.splitlines()[3]


def test_every_part_in_an_open_ejector_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert stops.main(["--stops", "5", "--who", "both", "--seed", "3"]) == 0
    output = capsys.readouterr().out
    assert "unreported 0" in output
    assert "ejected overrun" in output


def test_uncorrected_reports_are_found_to_be_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outcomes, "passed", lambda self, report, now_ns: [report])
    assert stops.main(["--stops", "5", "--who", "both", "--seed", "3"]) == 1
    assert "WRONG" in capsys.readouterr().out
