"""python -m bench.soak, briefly."""

import pytest

from bench.soak.__main__ import main


def test_it_says_what_happened_and_that_nothing_was_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--parts", "1200", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    for name in ("steady", "eye", "fragile", "lenient"):
        assert f"{name}: 300 parts" in said
    assert "WRONG" not in said
    assert "no wrong part, one outcome each" in said
    main(["--parts", "1200", "--seed", "4"])
    assert capsys.readouterr().out.splitlines()[3] != said.splitlines()[3]
