"""The table of `python -m bench.pictures`."""

import pytest

from bench.pictures import main


def test_the_table_has_a_row_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "64x48x3"]) == 0
    output = capsys.readouterr().out
    assert "64×48×3" in output
    for step in ("recorder on the part's thread", "a copy into a ring", "SHA-256", "PNG, level 6"):
        assert step in output
