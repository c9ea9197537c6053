"""python -m bench.pictures measures what it says."""

import pytest

from bench.pictures import main


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--size", "64x48x3"]) == 0
    said = capsys.readouterr().out
    assert "64×48×3" in said
    for what in ("seen, said, settled", "a copy into a ring", "SHA-256", "PNG, level 6"):
        assert what in said
