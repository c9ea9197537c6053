"""The measurement of the pages, on a small plant and on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.central_pages import PAGES, main
from bench.postgresql import missing_postgresql


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_each_page_has_a_row(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == "postgresql" and (reason := missing_postgresql()):
        pytest.skip(reason)
    plant = ["--parts", "600", "--stations", "3", "--per-minute", "2"]
    main(["--out", str(tmp_path), "--database", kind, "--rounds", "2", *plant])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("600 parts of 3 stations in ")
    assert [line.split("`")[1] for line in lines if "`" in line] == list(PAGES)
    assert (tmp_path / "central.db").exists() == (kind == "sqlite")


def test_a_database_that_exists_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--out", str(tmp_path), "--rounds", "1", "--parts", "600"]
    main(small)
    capsys.readouterr()
    main([*small, "--stations", "9"])
    assert "stations in" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["--parts", "--stations", "--per-minute", "--rounds"])
def test_numbers_are_above_zero(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path), name, "0"])
    assert ended.value.code == 2
    assert f"{name}: expected a number above 0" in capsys.readouterr().err
