"""Ctrl+C at several steps of `make learn`: one line, and then the same bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from edge.bundle import write_bundle
from export.feedback.kept_work import kept_work, work_folder
from export.pack import Exported
from models.data.dataset import DataError
from tests.support.interrupted import call
from tests.support.marked import quarantine, ringed

Learn = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def learn(tiny_run: Path, exported: Exported, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(tiny_run, place / "run")
    write_bundle(place / "tiny.outfeed", exported.data)
    marked = quarantine(place, [(ringed(number), "false-reject") for number in range(4)])

    def run(out: Path, *more: object, at: str = "", number: int = 1) -> CompletedProcess[str]:
        words = ("--run", place / "run", "--quarantine", marked, "--out", out)
        # The classifier learns, and a limit that no route keeps would end each trial early.
        bundle = ("--bundle", place / "tiny.outfeed", "--route", "classifier", "--fixed", 0)
        wide = ("--new-escapes", 99, "--synthetic-escapes", 1, "--more-false-rejects", 1)
        words = (*words, *bundle, *wide, "--held-back", 0.25, "--device", "cpu", *more)
        return call("export.feedback", *words, at=at, number=number)

    return run


@pytest.fixture(scope="module")
def whole(learn: Learn, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("whole") / "new"
    done = learn(out)
    assert done.returncode == 0, done.stderr
    assert not work_folder(out).exists()
    return (out / "tiny.outfeed").read_bytes()


@pytest.mark.parametrize(
    ("at", "number", "kept"),
    [("models.training.fit:Fit._step", 20, "continued"), ("export.pack:certify", 1, "export step")],
)
def test_a_stopped_retraining_goes_on(
    at: str, number: int, kept: str, learn: Learn, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "new"
    stopped = learn(out, at=at, number=number)
    assert stopped.returncode == 130, stopped.stderr
    line = (
        "learn: stopped, and nothing is written; the same command goes on from its finished steps"
    )
    assert stopped.stderr.strip().splitlines()[-1] == line
    assert not out.exists()
    done = learn(out)
    assert done.returncode == 0, done.stderr
    assert "learn goes on with the finished work in " in done.stderr
    assert kept in done.stderr
    assert (out / "tiny.outfeed").read_bytes() == whole
    assert not work_folder(out).exists()


def _work(out: Path, inputs: str, end: type[BaseException] | None = None) -> list[str]:
    """Return the files of earlier work, add one, and end."""
    with kept_work(out, inputs) as folder:
        before = sorted(path.name for path in folder.iterdir() if path.name != "inputs.sha256")
        (folder / "kept").touch()
        if end is not None:
            raise end(before)
    return before


def test_only_work_for_the_same_inputs_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "new"
    one, other = "a" * 64, "b" * 64
    for inputs, expected in ((one, []), (one, ["kept"]), (other, []), (other, ["kept"])):
        with pytest.raises(KeyboardInterrupt) as stopped:
            _work(out, inputs, KeyboardInterrupt)
        assert stopped.value.args == (expected,)
    assert _work(out, other) == ["kept"]
    assert not work_folder(out).exists(), "finished work is not needed any more"
    with pytest.raises(ValueError, match=r"\[\]"):
        _work(out, other, ValueError)
    assert not work_folder(out).exists(), "an error would come again"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/\.new\.partial: cannot be used: Not a directory"):
        _work(tmp_path / "file" / "new", "a" * 64)
