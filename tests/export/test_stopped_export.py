"""Ctrl+C at several steps of `make export`: one line, and then the same bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from export.kept_steps import FOLDER
from tests.support.interrupted import call


def _words(run: Path) -> tuple[object, ...]:
    few = ("--calibration-frames", 8, "--search-parts", 12)
    # By default the float network is packed where int8 is not faster, which a busy machine decides.
    options = ("--formats", "onnx", "--with-float", "never", *few)
    return ("--run", run, "--name", "tiny", *options)


# The detector that the search chose is taken from its step where the classifier is compared.
IN_ONE_CALL = 1


@pytest.fixture(scope="module")
def whole(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was exported without an interruption."""
    run = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(tiny_run, run)
    done = call("export", *_words(run))
    assert done.returncode == 0, done.stderr
    assert not (run / FOLDER).exists(), "a finished export leaves no step"
    assert "estimate from a short trial on this machine: about " in done.stderr
    assert done.stderr.count("export step kept: ") == IN_ONE_CALL
    return run


@pytest.mark.parametrize(
    ("at", "number", "kept"),
    [
        ("export.quantisation.quantise:Quantiser._quantise", 1, IN_ONE_CALL),
        pytest.param("export.quantisation.search:compare", 2, 8, marks=pytest.mark.slow),
        ("export.pack:certify", 1, 9),
    ],
)
def test_a_stopped_export_goes_on(
    at: str, number: int, kept: int, whole: Path, tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    stopped = call("export", *_words(run), at=at, number=number)
    assert stopped.returncode == 130, stopped.stderr
    goes_on = "goes on from its finished steps" if kept > IN_ONE_CALL else "begins anew"
    line = f"export: stopped, and no bundle is written; the same command {goes_on}"
    assert stopped.stderr.strip().splitlines()[-1] == line
    assert not list(run.glob("*.outfeed"))
    done = call("export", *_words(run))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("export step kept: ") == kept
    assert (run / "tiny.outfeed").read_bytes() == (whole / "tiny.outfeed").read_bytes()
    assert not (run / FOLDER).exists()


def test_nothing_stale_and_nothing_damaged_is_used(
    whole: Path, tiny_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    assert call("export", *_words(run), at="export.pack:choose_golden").returncode == 130
    steps = sorted((run / FOLDER).iterdir())
    others = call("export", *_words(run), "--search-parts", 10, at="export.pack:certify")
    assert others.stderr.count("export step kept: ") == IN_ONE_CALL, "other pictures are compared"
    for path in steps:
        path.write_bytes(path.read_bytes()[:-1])
    done = call("export", *_words(run))
    assert done.stderr.count("export step kept: ") == IN_ONE_CALL, "a damaged file is made again"
    assert (run / "tiny.outfeed").read_bytes() == (whole / "tiny.outfeed").read_bytes()
