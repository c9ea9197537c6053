"""The choice of `make train`, against real defects of the training side of a published set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from bench.choice import main
from bench.public_sets.protocols import PROTOCOLS
from models.runs.run import Run
from tests.models.candidates.standins import SIDE_PX, method, register, write_sorted
from tests.support import public_sets


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of Magnetic Tile with its pictures as large as those of the stand-in methods."""
    monkeypatch.setattr(public_sets, "SIDE_PX", SIDE_PX)
    register(
        monkeypatch, tmp_path / "recipes", {"memory-bank": method(), "texture": method(blind=True)}
    )
    return public_sets.magnetic_tile(tmp_path / "copy")


def test_candidates_are_scored_on_defects_that_they_have_not_seen(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    main(protocol="magnetic-tile", data=copy, out=out)
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    (fold,) = PROTOCOLS["magnetic-tile"].folds(copy)
    bad = [sample for sample in fold.train() if not sample.is_good]
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores) == {"memory-bank", "texture"}
    assert len(scores["texture"]["bad"]) == len(bad) > 0
    record = Run(folder / "run" / "memory-bank").record()
    assert not {sample.name for sample in bad} & {*record.train, *record.validation}
    # One stand-in sees dark squares, and the other only bright ones.
    table = (folder / "choice.md").read_text()
    first, second = (line for line in table.splitlines() if line.startswith(("| mem", "| tex")))
    assert first.startswith("| memory-bank (recommended) |")
    assert first.endswith("| 1.000 |")
    assert second.startswith("| texture |")
    assert "memory-bank (recommended)" in capsys.readouterr().out


def test_fewer_defective_pictures(copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (fold,) = PROTOCOLS["magnetic-tile"].folds(copy)
    assert sum(not sample.is_good for sample in fold.train()) > 2
    main(protocol="magnetic-tile", data=copy, out=out, most_bad=2)
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    assert 1 <= len(json.loads((folder / "scores.json").read_text())["texture"]["bad"]) <= 2


@pytest.mark.parametrize(
    ("name", "category", "words"),
    [
        ("other", None, "set 'other': expected one of"),
        ("magnetic-tile", ["screw"], "category screw: is not in"),
    ],
)
def test_a_wrong_name(
    name: str,
    category: list[str] | None,
    words: str,
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(protocol=name, data=copy, out=tmp_path / "out", category=category)
    assert stopped.value.code == 1
    assert words in capsys.readouterr().out


def test_a_set_without_defects_on_its_training_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sorted(tmp_path / "screw/train", 12, 0)
    write_sorted(tmp_path / "screw/test", 4, 0)
    with pytest.raises(SystemExit):
        main(protocol="mvtec-ad", data=tmp_path, out=tmp_path / "out")
    assert "has no defective picture on its training side" in capsys.readouterr().out
