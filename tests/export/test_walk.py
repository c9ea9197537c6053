"""From good parts to a new bundle by the commands that each step prints, in folders as people
name them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch")
pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from typer.testing import CliRunner

from edge.__main__ import main as outfeed
from edge.bundle import read_bundle
from export.__main__ import app as export_app
from export.feedback.__main__ import app as learn_app
from models.candidates import plan
from models.evaluation.score import main as score
from models.report.exported import read_export
from models.runs.commands import make
from models.runs.run import Run
from models.training.__main__ import main as train
from tests.models.candidates.standins import write_sorted
from tests.support.marked import quarantine, ringed

NAME = "my tiles (line 3)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("walk")


@pytest.fixture(scope="module")
def said(folder: Path) -> Callable[[], str]:
    """`make train` on good parts, with the quickest method as the only candidate."""
    patch = pytest.MonkeyPatch()
    patch.setattr(plan, "good_only", lambda: ("threshold",))
    capture: list[str] = []
    patch.setattr(
        "models.training.tables.Console.print", lambda _, text, **__: capture.append(str(text))
    )
    try:
        train(
            data=write_sorted(folder / "good parts", 40, 0),
            out=folder / NAME,
            recipe="auto",
            groups=None,
            max_false_rejects="",
            threads=1,
        )
    finally:
        patch.undo()
    return lambda: " ".join(capture)


def variables(text: str, target: str) -> dict[str, str]:
    """Return the variables of the command `make target VAR=…` in a text, as make reads them."""
    found = re.search(rf"make {target} .*?(?= \(it packs|\.? Any |</p>|$)", text)
    assert found is not None, text
    words = shlex.split(found[0])
    return dict(word.split("=", 1) for word in words if "=" in word)


def test_the_next_command_can_be_pasted(said: Callable[[], str], folder: Path) -> None:
    assert variables(said(), "export") == {"RUN": str(folder / NAME)}
    page = (folder / NAME / "report.html").read_text()
    assert "RUN=OUT" not in page
    assert str(folder / NAME) in page
    assert make("export", RUN="runs/tiles") == "make export RUN=runs/tiles"


def test_export_inspect_score_and_learn(
    said: Callable[[], str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run = Path(variables(said(), "export")["RUN"]).relative_to(folder)
    done = CliRunner().invoke(export_app, ["--run", str(run)])
    assert done.exit_code == 0, done.output
    bundle = folder / NAME / "my-tiles-line-3.outfeed"
    assert read_bundle(bundle).manifest.name == "my-tiles-line-3"
    # What was held back is listed where the guides say, and the station reads the list.
    held_back = folder / NAME / "validation.txt"
    results = folder / "r.jsonl"
    words = ("inspect", "--list", held_back, "--bundle", bundle, "--out", results, "--masks", "m")
    assert outfeed([str(word) for word in words]) == 0
    assert len(results.read_text().splitlines()) == len(held_back.read_text().splitlines())
    found = folder / "metrics.json"
    score(data=folder / "good parts", results=results, masks=folder / "m", out=found)
    figures = json.loads(found.read_text())
    assert figures["escapes"] is None, "no part is bad, so nobody can say"
    assert figures["false_rejects"] is not None
    # make learn RUN=… with the same folder finds the bundle.
    marked = quarantine(folder / "marked", [(ringed(n), "false-reject") for n in range(4)])
    done = CliRunner().invoke(learn_app, ["--run", str(run), "--quarantine", str(marked)])
    assert "does not exist" not in done.output
    assert "nothing was exported" not in done.output
    new = folder / f"{NAME}-learned"
    if done.exit_code:
        assert "nothing is changed: threshold: " in " ".join(done.output.split())
        assert not new.exists()
    else:
        assert Run(new).result().threshold > 0


def test_where_an_exported_bundle_is_looked_for(said: Callable[[], str], folder: Path) -> None:
    """The recorded path is relative to the run's folder."""
    run = Run(folder / NAME)
    record = read_export(run.folder)
    assert record is not None
    assert record.file == "../my-tiles-line-3.outfeed"
    assert record.bundle_path(run.folder).is_file()
    gone = record.model_copy(update={"file": "gone.outfeed"})
    assert not gone.bundle_path(run.folder).is_file()


def test_the_bundle_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    marked = quarantine(tmp_path, [(ringed(0), "false-reject")])
    run = folder / NAME / "threshold"
    export = run / "export.json"
    text = export.read_text()
    export.write_text(text.replace("my-tiles-line-3.outfeed", "gone.outfeed"))
    done = CliRunner().invoke(learn_app, ["--run", str(run), "--quarantine", str(marked)])
    export.write_text(text)
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "gone.outfeed: the bundle that was exported from" in said
    assert "give --bundle FILE (LEARN_ARGS)" in said
