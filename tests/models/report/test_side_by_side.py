"""Two runs on one page."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.data.dataset import DataError
from models.report.findings import Findings
from models.report.side_by_side import chance, differences, write_side_by_side
from models.runs.run import Run
from tests.models.report.pages import Reader, outcome, text_of
from tests.support.preloaded import run_module

ROOT = Path(__file__).parents[3]


@pytest.fixture
def blind(run: Run, tmp_path: Path) -> Run:
    """A copy of the run in which only the severest defects reject a part."""
    other = Run(shutil.copytree(run.folder, tmp_path / "blind"))
    other.finish(other.result().model_copy(update={"reject_severity": 12.0}))
    recipe = other.record().recipe
    changed = recipe.model_copy(update={"seed": recipe.seed + 5})
    record = other.record().model_copy(update={"recipe": changed})
    other.record_path.write_text(record.model_dump_json())
    return other


def test_each_picture_counts_for_the_run_that_alone_rejects_it() -> None:
    defective = [replace(outcome(f"bad{n}"), annotated_px=9) for n in range(4)]
    good = [replace(outcome(f"good{n}"), annotated_px=0) for n in range(3)]

    def judged(rejected: str) -> list[object]:
        return [
            replace(each, rejected=letter == "x")
            for each, letter in zip([*defective, *good], rejected, strict=True)
        ]

    found = differences(judged("xx--x--"), judged("x-x--xx"))
    assert found.found == (("bad1",), ("bad2",))
    assert found.alarmed == (("good0",), ("good1", "good2"))
    assert (found.defective, found.good) == (4, 3)
    with pytest.raises(ValueError, match="same pictures in the same order"):
        differences(defective, defective[::-1])


def test_the_chance_of_a_difference_is_that_of_fair_coins() -> None:
    assert chance(0, 0) == 1.0
    assert chance(3, 3) == pytest.approx(1.0)
    assert chance(5, 0) == chance(0, 5) == pytest.approx(2 / 2**5)


def test_the_page_shows_what_only_one_run_finds(run: Run, blind: Run, findings: Findings) -> None:
    lost = [each for each in findings.outcomes if each.rejected and each.score < 12.0]
    rejected = sum(each.defective for each in lost)
    assert rejected
    path = write_side_by_side(run, blind, blind.folder / "page.html")
    html = path.read_text(encoding="utf-8")
    text = text_of(html)
    assert (
        f"run alone rejects {rejected} defective pictures, and blind alone 0. run rejects more"
        in text
    )
    assert f"Defective pictures that only run rejects: {rejected}" in text
    assert "Defective pictures that only blind rejects: 0 None." in text
    assert "reject severity" in text
    assert "seed" in text
    assert "steps" not in text.split("Settings")[2].split("Pictures")[0], "equal keys are left out"
    # Each shown picture: as it is, and marked by both runs.
    assert Reader(html).tags["img"] == 3 * len(lost)
    assert all(each.startswith(("data:", "#")) for each in Reader(html).references)


def test_runs_that_cannot_be_compared_are_refused(run: Run, blind: Run, tmp_path: Path) -> None:
    record = blind.record()
    blind.record_path.write_text(record.model_copy(update={"data": "/other"}).model_dump_json())
    with pytest.raises(DataError, match=r"blind: was trained on /other; expected the data of "):
        write_side_by_side(run, blind, tmp_path / "page.html")
    swapped = record.model_copy(update={"train": record.validation, "validation": record.train})
    blind.record_path.write_text(swapped.model_dump_json())
    with pytest.raises(DataError, match="holds back no picture that"):
        write_side_by_side(run, blind, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_module("models.report", *arguments)


def test_the_command_writes_it_beside_the_second_run_or_where_it_is_asked(
    run: Run, blind: Run, tmp_path: Path
) -> None:
    done = command("--run", run.folder, "--run", blind.folder)
    assert done.returncode == 0, done.stderr
    assert str(blind.folder / "compared.html") in done.stdout
    out = tmp_path / "mine.html"
    assert command("--run", run.folder, "--run", blind.folder, "--out", out).returncode == 0
    assert out.read_bytes() == (blind.folder / "compared.html").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--run", "a", "--run", "b", "--run", "c"), "3 runs are named; expected one, or two"),
        (("--run", "a", "--run", "b", "--max-false-rejects", "1%"), "without other options"),
        (("--run", "a", "--out", "page.html"), "--out is for a comparison; expected two runs"),
    ],
)
def test_a_wrong_command_is_one_line(words: tuple[str, ...], message: str) -> None:
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
