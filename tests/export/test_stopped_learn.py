"""Ctrl+C at several steps of `make learn`: the finished work is kept, and then the same bundle."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime.quantization")

from typer.testing import CliRunner

import export.feedback.__main__ as command
from edge.bundle import parse_bundle, write_bundle
from export import pack
from export.feedback.kept_work import kept_work, work_folder
from export.feedback.retraining import LearnOptions, learn
from export.kept_steps import FOLDER
from export.pack import Exported
from models.data.dataset import DataError
from models.feedback import Limits
from models.runs.run import Run
from models.training.fit import Fit
from tests.support.marked import quarantine, ringed

# The classifier learns, and no limit ends the trial early.
OPTIONS = LearnOptions(
    routes=("classifier",),
    limits=Limits(99, 1.0, 1.0, 0.0),
    held_back_share=0.25,
    calibration_frames=4,
    search_parts=2,
)


@pytest.fixture
def heard() -> Iterator[None]:
    """A shell starts what is put into the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_a_stopped_retraining_goes_on(
    tiny_run: Path,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    marked = quarantine(tmp_path, [(ringed(number), "false-reject") for number in range(4)])
    old = parse_bundle(exported.data)

    def run(name: str) -> bytes:
        out = tmp_path / name
        return learn(Run(tiny_run), old, marked, out, OPTIONS).bundle_path.read_bytes()

    whole = run("whole")
    caplog.set_level(logging.INFO)
    for owner, step, number in ((Fit, "_step", 20), (pack, "certify", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, _interrupted(getattr(owner, step), number))
            with pytest.raises(KeyboardInterrupt):
                run("new")
        assert not (tmp_path / "new").exists()
    assert "learn goes on with the finished work in " in caplog.text
    caplog.clear()
    assert run("new") == whole
    assert "export step kept: " in caplog.text
    assert not work_folder(tmp_path / "new").exists()
    assert not (tmp_path / "new" / FOLDER).exists()


def _interrupted(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Return a function whose call ``number`` first sends SIGINT to this process."""
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGINT)
        return function(*args, **kwargs)

    return counted


@pytest.mark.parametrize("kept", [False, True])
def test_one_line_states_how_the_same_command_goes_on(
    kept: bool,
    tiny_run: Path,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle, out = tmp_path / "tiny.outfeed", tmp_path / "new"
    write_bundle(bundle, exported.data)

    def stop(*_: object) -> None:
        if kept:
            work_folder(out).mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "learn", stop)
    words = ("--run", tiny_run, "--quarantine", tmp_path, "--bundle", bundle, "--out", out)
    done = CliRunner().invoke(command.app, [str(word) for word in words])
    assert done.exit_code == 130
    how = "goes on from its finished steps" if kept else "begins anew"
    assert done.stderr == f"learn: stopped, and nothing is written; the same command {how}\n"


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
