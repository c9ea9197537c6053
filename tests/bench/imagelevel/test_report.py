"""The report of the whole-picture classifiers is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from bench.imagelevel.compare import compare
from bench.imagelevel.record import ImageLevelComparison
from bench.imagelevel.report import markdown, write_report
from tests.bench.imagelevel.easy import easy_set, quick

FILES = ["imagelevel-accuracy.svg", "imagelevel.json", "imagelevel.md", "imagelevel.svg"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> ImageLevelComparison:
    settings = quick(methods=("knn", "svm"), seeds=2, dimensions=(4, 8, 4000))
    return compare(easy_set(tmp_path_factory.mktemp("easy") / "data"), settings)


def test_all_figures_are_in_the_json(tmp_path: Path, compared: ImageLevelComparison) -> None:
    write_report(tmp_path, compared)
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    text = (tmp_path / "imagelevel.json").read_text()
    assert ImageLevelComparison.model_validate_json(text) == compared
    assert {"outfeed", "numpy", "torch", "scikit-learn"} <= set(compared.versions)
    assert "<svg" in (tmp_path / "imagelevel.svg").read_text()


def test_the_tables_have_a_row_per_method(compared: ImageLevelComparison) -> None:
    text = markdown(compared)
    rows = [line for line in text.splitlines() if line.startswith(("| SVM |", "| KNN |"))]
    assert len(rows) == 8  # the main table and three by dimension
    assert all(row.count(" ± ") == (9 if len(row) > 120 else 2) for row in rows)
    assert rows[0].startswith("| SVM |")  # in one order, whatever was asked for
    assert "Left out, because the training pictures do not give so many: 4000." in text
    assert "0 in both" in text
    validation = compared.validation.pictures
    bad = validation["bright"] + validation["dark"]
    by_hand = 2 * bad / (2 * bad + validation["good"])  # all bad found, all good ones accused
    assert f"Calling every picture bad: bad F1 {by_hand:.3f}." in text


def test_one_seed_has_no_deviation(compared: ImageLevelComparison) -> None:
    settings = compared.settings.model_copy(update={"seeds": 1})
    first = tuple(run for run in compared.runs if run.seed == 0)
    one = compared.model_copy(update={"settings": settings, "runs": first})
    text = markdown(one)
    assert "±" not in text
    assert f"| {first[0].score.f1:.3f} |" in text


def test_a_bar_in_a_kinds_name_does_not_break_the_table(compared: ImageLevelComparison) -> None:
    pictures = {"good": 1, "a|b": 2}
    side = compared.train.model_copy(update={"pictures": pictures})
    odd = {"classes": ("good", "a|b"), "train": side, "validation": side}
    assert "| a\\|b | 2 | 2 |" in markdown(compared.model_copy(update=odd))


def test_a_failure_leaves_the_old_files_and_no_half_ones(
    tmp_path: Path, compared: ImageLevelComparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(tmp_path, compared)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    written = 0

    def full(path: Path, text: str, encoding: str) -> int:
        nonlocal written
        written += 1
        path.write_bytes(text[:100].encode())
        if written == 3:
            raise OSError(28, "No space left on device")
        return 100

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path, compared)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
