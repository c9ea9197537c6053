"""The command: its options, its progress, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from bench.imagelevel import __main__ as command
from bench.imagelevel.settings import ImageLevelSettings
from models.data.dataset import DataError
from tests.bench.imagelevel.easy import write_easy

APP = typer.Typer()
APP.command()(command.main)


def call(*arguments: str | Path) -> tuple[int, list[str]]:
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    return result.exit_code, result.output.splitlines()


TURNED = {
    "--seeds": ("3", "seeds", 3),
    "--first-seed": ("7", "first_seed", 7),
    "--validation-share": ("0.4", "validation_share", 0.4),
    "--split-seed": ("2", "split_seed", 2),
    "--size": ("64", "size_px", 64),
    "--denoise": ("0", "denoise_px", 0),
    "--no-balance": (None, "balance", False),
    "--copies": ("2", "copies", 2),
    "--no-augment": (None, "augment", False),
    "--methods": ("svm, cnn", "methods", ("svm", "cnn")),
    "--dimension": ("12", "dimension", 12),
    "--dimensions": ("4,9", "dimensions", (4, 9)),
    "--neighbours": ("3", "neighbours", 3),
    "--epochs": ("8", "epochs", 8),
    "--cnn-steps": ("90", "cnn_steps", 90),
    "--activation": ("relu", "activation", "relu"),
}


@pytest.mark.parametrize("option", TURNED)
def test_every_option_reaches_its_setting(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[ImageLevelSettings] = []

    def stop(dataset: object, settings: ImageLevelSettings, say: object) -> None:
        seen.append(settings)
        raise DataError("enough")

    monkeypatch.setattr(command, "compare", stop)
    text, name, value = TURNED[option]
    data = write_easy(tmp_path / "data", 4)
    usual = ("--data", data, "--out", tmp_path / "out")
    turned = (option,) if text is None else (option, text)
    assert call(*usual) == call(*usual, *turned) == (1, ["imagelevel: enough"])
    assert seen[0] == ImageLevelSettings()
    assert seen[1] == ImageLevelSettings.model_validate({name: value})
    assert seen[0] != seen[1]


def test_a_run_prints_its_progress_and_writes_the_files(tmp_path: Path) -> None:
    status, lines = call(
        *("--data", write_easy(tmp_path / "data", 12), "--out", tmp_path / "new" / "out"),
        *("--methods", "knn,bp", "--dimension", "4", "--dimensions", "6", "--size", "32"),
    )
    assert status == 0
    assert [line.split(":")[0] for line in lines] == [
        "reading 18 training, 6 validation pictures",
        "[1/4] seed 0, dimension 4, knn",
        "[2/4] seed 0, dimension 4, bp",
        "[3/4] seed 0, dimension 6, knn",
        "[4/4] seed 0, dimension 6, bp",
        "written",
    ]
    assert len(list((tmp_path / "new" / "out").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "expected_status", "message"),
    [
        (("--data", "nowhere"), 1, "nowhere: is not a folder; expected the folder of a data set"),
        (("--seeds", "0"), 2, "key 'seeds': "),
        (("--size", "50"), 2, "key 'size_px': "),
        (("--denoise", "4"), 2, "key 'denoise_px': "),
        (("--methods", "svm,forest"), 2, "key 'methods.1': "),
        (("--methods", "svm,svm"), 2, "expected each method once"),
        (("--dimensions", "8,x"), 2, "dimensions '8,x': expected whole numbers like 8,16,32"),
        (("--dimensions", "8,0"), 2, "expected dimensions of 1 to 4096"),
        (("--out", "data/groups.csv"), 1, "File exists"),
    ],
)
def test_an_error_is_one_line_on_stderr(
    arguments: tuple[str, str],
    expected_status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_easy(Path("data"), 4)
    words = ["--data", "data", "--out", "out", *arguments]
    result = CliRunner().invoke(APP, words)
    assert (result.exit_code, result.stdout) == (expected_status, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("imagelevel: ")
    assert message in line
    assert not list(Path().glob("out/*"))
